package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/lab"
	"github.com/silverback-gateway/silverback/test/e2e/labfleet"
	"github.com/silverback-gateway/silverback/test/process"
)

const readyTime = 60 * time.Second

// readyz waits until a gateway's agent answers a load balancer so.
func readyz(t *testing.T, f *labfleet.Fleet, gateway string, status int, text string) {
	t.Helper()
	for _, m := range f.Gateways() {
		if m.Name != gateway {
			continue
		}
		process.Eventually(t, readyTime, "what load balancers are told of "+gateway, func() error {
			resp, err := http.Get("http://" + m.HTTP + "/readyz")
			if err != nil {
				return err
			}
			defer func() { _ = resp.Body.Close() }()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				return err
			}
			if resp.StatusCode != status || strings.TrimSpace(string(body)) != text {
				return fmt.Errorf("%d %q; want %d %q", resp.StatusCode, body, status, text)
			}
			return nil
		})
		return
	}
	t.Fatalf("there is no gateway %q", gateway)
}

// TestANodeIsDrainedAndGivenBack takes one of three gateways out of load balancing, changes the configuration meanwhile, and gives it back.
func TestANodeIsDrainedAndGivenBack(t *testing.T) {
	f := labfleet.Start(t, binaries, lab.Config{})
	want(t, f.CLI.Run(t, "apply", "-g", lab.Group, "--wait", write(t, "shop.yaml", shop(f.Echo(), "orders"))), 0)
	readyz(t, f, "gw-2", http.StatusOK, "ok")

	want(t, f.CLI.Run(t, "drain", "gw-2", "--reason", "new disk"), 0, "waiting for its agent", `node "gw-2" of group "default" is draining`)
	readyz(t, f, "gw-2", http.StatusServiceUnavailable, "draining: new disk")
	readyz(t, f, "gw-1", http.StatusOK, "ok")
	want(t, f.CLI.Run(t, "get", "nodes", "gw-2", "-g", lab.Group), 0, "draining")
	want(t, f.CLI.Run(t, "describe", "node", "gw-2"), 0, "Drained:", "new disk")
	want(t, f.CLI.Run(t, "drain", "gw-2", "-g", lab.Group, "--reason", "new disk and fan"), 0, "is draining")
	readyz(t, f, "gw-2", http.StatusServiceUnavailable, "draining: new disk and fan")

	want(t, f.CLI.Run(t, "apply", "-g", lab.Group, "--wait", write(t, "shop.yaml", shop(f.Echo(), "orders", "refunds"))), 0, "served by every online gateway of default (3)")
	routed(t, f, "/refunds", http.StatusOK)

	var answer struct {
		Node struct {
			Name  string
			Drain *struct{ Reason string }
		}
	}
	decode(t, want(t, f.CLI.Run(t, "undrain", "gw-2", "-o", "json"), 0), &answer)
	if answer.Node.Name != "gw-2" || answer.Node.Drain != nil {
		t.Errorf("undrain answers %+v", answer)
	}
	readyz(t, f, "gw-2", http.StatusOK, "ok")

	want(t, f.CLI.Run(t, "drain", "gw-1", "--no-wait"), 0, "is to be drained")
	readyz(t, f, "gw-1", http.StatusServiceUnavailable, "draining")
	want(t, f.CLI.Run(t, "undrain", "gw-1"), 0, "back in load balancing")
	want(t, f.CLI.Run(t, "undrain", "gw-1"), 0, "back in load balancing")
	want(t, f.CLI.Run(t, "drain", "gw-9"), 1, "gw-9")
	want(t, f.CLI.Run(t, "drain", "gw-9", "-g", lab.Group), 1, "gw-9")
}

// TestProbesOfAGroup has the agents ask for something that is not there yet.
func TestProbesOfAGroup(t *testing.T) {
	f := labfleet.Start(t, binaries, lab.Config{})
	want(t, f.CLI.Run(t, "apply", "-g", lab.Group, "--wait", write(t, "shop.yaml", shop(f.Echo(), "orders"))), 0)
	want(t, f.CLI.Run(t, "update", "group", lab.Group, "--probe", "/health,interval=1s,readiness", "--probe", "/orders,interval=1s"), 0)
	readyz(t, f, "gw-3", http.StatusServiceUnavailable, "probe /health fails: status 404")
	want(t, f.CLI.Run(t, "describe", "group", lab.Group), 0, "Probe:         /health,expect=200,interval=1s,timeout=500ms,readiness", "3 nodes")
	process.Eventually(t, readyTime, "the registry knows", func() error {
		if r := f.CLI.Run(t, "describe", "node", "gw-3"); !strings.Contains(r.Stdout, "last: status 404") || !strings.Contains(r.Stdout, "ProbeFailing") {
			return fmt.Errorf("describe node prints\n%s%s", r.Stdout, r.Stderr)
		}
		return nil
	})
	want(t, f.CLI.Run(t, "apply", "-g", lab.Group, "--wait", write(t, "shop.yaml", shop(f.Echo(), "orders", "health"))), 0)
	readyz(t, f, "gw-3", http.StatusOK, "ok")
	want(t, f.CLI.Run(t, "update", "group", lab.Group, "--probe", "/health,header=Authorization:x"), 2, "credential")
	want(t, f.CLI.Run(t, "update", "group", lab.Group, "--no-probes"), 0)
	process.Eventually(t, readyTime, "nothing is asked any more", func() error {
		if v := f.Gateways()[0].Agent.Status(); len(v.Probes) > 0 {
			return fmt.Errorf("%+v", v.Probes)
		}
		return nil
	})
}

// TestDeletesArePrintedForPrograms: -o json prints the service's answer, not a sentence.
func TestDeletesArePrintedForPrograms(t *testing.T) {
	f := labfleet.Start(t, binaries, lab.Config{Gateways: 1})
	want(t, f.CLI.Run(t, "create", "group", "edge"), 0)
	for _, command := range [][]string{{"delete", "node", "gw-1", "-g", lab.Group}, {"delete", "group", "edge"}} {
		var answer map[string]any
		decode(t, want(t, f.CLI.Run(t, append(command, "-o", "json")...), 0), &answer)
		if len(answer) > 0 {
			t.Errorf("%v prints %v", command, answer)
		}
	}
}

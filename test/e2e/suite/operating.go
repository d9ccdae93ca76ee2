package suite

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/test/process"
)

// readyz waits until a gateway's agent answers a load balancer so.
func readyz(t *testing.T, g *process.Gateway, status int, text string) {
	t.Helper()
	process.Eventually(t, Patience, "what load balancers are told of "+g.Name, func() error {
		got, body, err := process.Get("http://" + g.HTTP + "/readyz")
		if err == nil && (got != status || strings.TrimSpace(string(body)) != text) {
			err = fmt.Errorf("%d %q; want %d %q", got, body, status, text)
		}
		return err
	})
}

// aNodeIsDrained takes one gateway out of load balancing, changes the configuration meanwhile, and gives it back.
func aNodeIsDrained(t *testing.T, f *Fleet) {
	first, second := f.Gateways[0], f.Gateways[1]
	readyz(t, second, http.StatusOK, "ok")
	Want(t, f.CLI.Run(t, "drain", second.Name, "--reason", "new disk"), 0, "waiting for its agent",
		fmt.Sprintf("node %q of group %q is draining", second.Name, f.Group))
	readyz(t, second, http.StatusServiceUnavailable, "draining: new disk")
	readyz(t, first, http.StatusOK, "ok")
	f.do(t, 0, says("draining"), "get", "nodes", second.Name)
	Want(t, f.CLI.Run(t, "describe", "node", second.Name), 0, "Drained:", "new disk")
	f.do(t, 0, says("is draining"), "drain", second.Name, "--reason", "new disk and fan")
	readyz(t, second, http.StatusServiceUnavailable, "draining: new disk and fan")

	f.apply(t, 0, says("served by every online gateway of "+f.Group+" "+f.all()), Write(t, "shop.yaml", Shop(f.Upstream, "orders", "refunds")))
	Routed(t, f.Gateways, "/refunds", http.StatusOK)

	var answer struct {
		Node struct {
			Name  string
			Drain *struct{ Reason string }
		}
	}
	Decode(t, Want(t, f.CLI.Run(t, "undrain", second.Name, "-o", "json"), 0), &answer)
	if answer.Node.Name != second.Name || answer.Node.Drain != nil {
		t.Errorf("undrain answers %+v", answer)
	}
	readyz(t, second, http.StatusOK, "ok")

	Want(t, f.CLI.Run(t, "drain", first.Name, "--no-wait"), 0, "is to be drained")
	readyz(t, first, http.StatusServiceUnavailable, "draining")
	Want(t, f.CLI.Run(t, "undrain", first.Name), 0, "back in load balancing")
	Want(t, f.CLI.Run(t, "undrain", first.Name), 0, "back in load balancing")
	Want(t, f.CLI.Run(t, "drain", "gw-9"), 1, "gw-9")
	f.do(t, 1, says("gw-9"), "drain", "gw-9")
}

// probesOfAGroup has the agents ask for something that is not there yet.
func probesOfAGroup(t *testing.T, f *Fleet) {
	g := f.Gateways[2]
	f.apply(t, 0, nil, Write(t, "shop.yaml", Shop(f.Upstream, "orders")))
	Want(t, f.CLI.Run(t, "update", "group", f.Group, "--probe", "/health,interval=1s,readiness", "--probe", "/orders,interval=1s"), 0)
	readyz(t, g, http.StatusServiceUnavailable, "probe /health fails: status 404")
	Want(t, f.CLI.Run(t, "describe", "group", f.Group), 0, "Probe:         /health,expect=200,interval=1s,timeout=500ms,readiness",
		fmt.Sprintf("%d nodes", len(f.Gateways)))
	process.Eventually(t, Patience, "the registry knows", func() error {
		if r := f.CLI.Run(t, "describe", "node", g.Name); !strings.Contains(r.Stdout, "last: status 404") ||
			!strings.Contains(r.Stdout, "ProbeFailing") {
			return fmt.Errorf("describe node prints\n%s%s", r.Stdout, r.Stderr)
		}
		return nil
	})
	f.apply(t, 0, nil, Write(t, "shop.yaml", Shop(f.Upstream, "orders", "health")))
	readyz(t, g, http.StatusOK, "ok")
	Want(t, f.CLI.Run(t, "update", "group", f.Group, "--probe", "/health,header=Authorization:x"), 2, "credential")
	Want(t, f.CLI.Run(t, "update", "group", f.Group, "--no-probes"), 0)
	process.Eventually(t, Patience, "nothing is asked any more", func() error {
		v, err := g.View()
		if err == nil && len(v.Probes) > 0 {
			err = fmt.Errorf("%s has %d probes", g.Name, len(v.Probes))
		}
		return err
	})
}

// deletesArePrinted: -o json prints the service's answer, not a sentence.
func deletesArePrinted(t *testing.T, f *Fleet) {
	Want(t, f.CLI.Run(t, "create", "group", "edge"), 0)
	for _, command := range [][]string{{"delete", "node", f.Gateways[0].Name, "-g", f.Group}, {"delete", "group", "edge"}} {
		var answer map[string]any
		Decode(t, Want(t, f.CLI.Run(t, append(command, "-o", "json")...), 0), &answer)
		// Where callers are told apart a node's certificates are revoked with it.
		if r, is := answer["revocation"].(map[string]any); is && command[1] == "node" && r["name"] == f.Gateways[0].Name {
			delete(answer, "revocation")
		}
		if len(answer) > 0 {
			t.Errorf("%v prints %v", command, answer)
		}
	}
}

// everyCommandPrintsJSON reads what each command prints for programs.
func everyCommandPrintsJSON(t *testing.T, f *Fleet) {
	cli := f.CLI
	cli.Env = append([]string{"NO_COLOR=1", "TERM=xterm-256color"}, cli.Env...)
	file := Write(t, "a.yaml", Shop(f.Upstream, "orders"))
	bad := Write(t, "bad.yaml", badService)
	for _, args := range [][]string{
		{"apply", "-g", f.Group, "--dry-run", file},
		{"apply", "-g", f.Group, "--wait", file},
		{"diff", "-g", f.Group, file},
		{"validate", file},
		{"validate", "-g", f.Group, file},
		{"render", file},
		{"dump", "-g", f.Group},
		{"get", "groups"},
		{"get", "nodes", "-g", f.Group},
		{"get", "sources", "-g", f.Group},
		{"get", "revisions", "-g", f.Group},
		{"get", "rollouts", "-g", f.Group},
		{"rollout", "status", "-g", f.Group},
		{"rollout-status", "-g", f.Group},
		{"rollout", "history", "-g", f.Group},
		{"describe", "node", f.Gateways[0].Name, "-g", f.Group},
		{"describe", "revision", "1", "-g", f.Group},
		{"status"},
	} {
		t.Run(strings.ReplaceAll(strings.Join(args, " "), filepath.Dir(file)+"/", ""), func(t *testing.T) {
			r := Want(t, cli.Run(t, append([]string{"-o", "json"}, args...)...), 0)
			dec := json.NewDecoder(bytes.NewReader([]byte(r.Stdout)))
			n := 0
			for {
				var m map[string]any
				err := dec.Decode(&m)
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatalf("not JSON: %v\n%s", err, r.Stdout)
				}
				n++
			}
			if n == 0 {
				t.Error("nothing was printed")
			}
			yaml := Want(t, cli.Run(t, append([]string{"-o", "yaml"}, args...)...), 0)
			table := Want(t, cli.Run(t, append([]string{"-o", "table"}, args...)...), 0)
			if yaml.Stdout == "" || table.Stdout == "" {
				t.Error("nothing was printed as yaml, or as a table")
			}
		})
	}
	var refused struct {
		Problems []struct{ Document, Class, Field string }
	}
	Decode(t, Want(t, cli.Run(t, "validate", "-o", "json", bad), 2), &refused)
	if len(refused.Problems) != 1 || refused.Problems[0].Class != "CLASS_UNKNOWN_FIELD" || refused.Problems[0].Field != "retires" {
		t.Errorf("problems of a bad file: %+v", refused)
	}
	Want(t, cli.Run(t, "render", bad), 2, "bad.yaml:5")
	Want(t, cli.Run(t, "diff", "-g", f.Group, bad), 2, "bad.yaml:5")
	Want(t, cli.Run(t, "apply", "-g", "nobody", file), 1, "nobody")
	Want(t, cli.Run(t, "apply", file), 1, "group")
}

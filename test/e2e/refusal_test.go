package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/agent"
	"github.com/silverback-gateway/silverback/lab"
	"github.com/silverback-gateway/silverback/test/e2e/labfleet"
	"github.com/silverback-gateway/silverback/test/process"
	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

// TestAGatewayRefuses submits what no gateway takes: it must stop at the first wave.
func TestAGatewayRefuses(t *testing.T) {
	f := labfleet.Start(t, binaries, lab.Config{Gateways: 4})
	apply := []string{"apply", "-g", lab.Group, "--wait"}
	want(t, f.CLI.Run(t, append(apply, write(t, "shop.yaml", shop(f.Echo(), "orders")))...), 0)
	for _, m := range f.Gateways() {
		m.Simulated.RefuseRoute("refunds")
	}
	before := posts(f)
	bad := write(t, "shop.yaml", shop(f.Echo(), "orders", "refunds"))
	r := want(t, f.CLI.Run(t, append(apply, bad)...), 2, "revision 2 committed", "wave 1 of 2", `route "refunds"`, "refused for the test",
		"rollout of revision 2 halted", "the gateways serve revision 1")
	place := fmt.Sprintf("%s:9", bad)
	if !strings.Contains(r.Stderr, place) || !strings.Contains(r.Stderr, "(refused by gw-") {
		t.Errorf("the refusal does not name %s and the node:\n%s", place, r.Stderr)
	}
	asked := 0
	for i, n := range posts(f) {
		if n > before[i] {
			asked++
		}
	}
	if asked != 1 {
		t.Errorf("%d gateways were given what the first refused", asked)
	}
	routed(t, f, "/orders", 200)
	routed(t, f, "/refunds", 404)
	for _, m := range f.Gateways() {
		if v := m.Agent.Status(); v.Revision != 1 || !v.Proven {
			t.Errorf("%s: revision %d, proven: %v", m.Name, v.Revision, v.Proven)
		}
	}
	want(t, f.CLI.Run(t, "rollout", "status", "-g", lab.Group), 2, "halted", "refunds")
	want(t, f.CLI.Run(t, "status"), 2, "not in sync", "halted")
	want(t, f.CLI.Run(t, append(apply, bad)...), 2, "unchanged", "halted")

	parent := t // the node stays for what follows
	t.Run("a node that joins gets what is stable", func(t *testing.T) {
		kong, joined := join(parent, f, "late")
		process.Eventually(t, 20*time.Second, "the new node serves", func() error {
			if v := joined.Status(); v.Revision != 1 || !v.Proven {
				return fmt.Errorf("revision %d, proven: %v, phase %s", v.Revision, v.Proven, v.Phase)
			}
			return nil
		})
		if status, _, err := process.Get(kong.ProxyURL() + "/orders"); err != nil || status != 200 {
			t.Errorf("the new node answers %d, %v", status, err)
		}
	})

	t.Run("the next good revision moves everybody", func(t *testing.T) {
		want(t, f.CLI.Run(t, append(apply, write(t, "shop.yaml", shop(f.Echo(), "orders", "returns")))...), 0, "revision 3", "(5)")
		routed(t, f, "/returns", 200)
		want(t, f.CLI.Run(t, "status"), 0, "in sync", "5 online")
	})
}

// join runs one more gateway with an agent beside a lab.
func join(t *testing.T, f *labfleet.Fleet, name string) (*kongtest.Gateway, *agent.Agent) {
	t.Helper()
	kong := kongtest.Start(t, kongtest.Workers(2))
	a, err := agent.New(agent.Config{
		Group: lab.Group, Node: name, Registry: f.Registry(), Distributor: f.Distributor(), KongAdmin: kong.AdminURL(), KongProxy: kong.ProxyURL(),
		KongStatus: kong.StatusURL(), StateDir: filepath.Join(t.TempDir(), "agent"),
	}, agent.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the agent ended with %v", err)
		}
	})
	return kong, a
}

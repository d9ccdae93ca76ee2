package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/silverback-gateway/silverback/agent"
	"github.com/silverback-gateway/silverback/lab"
	"github.com/silverback-gateway/silverback/test/e2e/labfleet"
	"github.com/silverback-gateway/silverback/test/e2e/suite"
	"github.com/silverback-gateway/silverback/test/process"
	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

// TestANodeThatJoinsGetsWhatIsStable: after a refusal, and not what was refused.
func TestANodeThatJoinsGetsWhatIsStable(t *testing.T) {
	f := labfleet.Start(t, binaries, lab.Config{Gateways: 4})
	apply := []string{"apply", "-g", lab.Group, "--wait"}
	suite.Want(t, f.CLI.Run(t, append(apply, suite.Write(t, "shop.yaml", suite.Shop(f.Echo(), "orders")))...), 0)
	for _, m := range f.Gateways() {
		m.Simulated.RefuseRoute("refunds")
	}
	before := posts(f)
	bad := suite.Write(t, "shop.yaml", suite.Shop(f.Echo(), "orders", "refunds"))
	suite.Want(t, f.CLI.Run(t, append(apply, bad)...), 2, bad+":9", `route "refunds"`, "refused for the test", "the gateways serve revision 1")
	asked := 0
	for i, n := range posts(f) {
		if n > before[i] {
			asked++
		}
	}
	if asked != 1 {
		t.Errorf("%d gateways were given what the first refused", asked)
	}

	kong, joined := join(t, f, "late")
	process.Eventually(t, suite.Patience, "the new node serves", func() error {
		if v := joined.Status(); v.Revision != 1 || !v.Proven {
			return fmt.Errorf("revision %d, proven: %v, phase %s", v.Revision, v.Proven, v.Phase)
		}
		return nil
	})
	if status, _, err := process.Get(kong.ProxyURL() + "/orders"); err != nil || status != 200 {
		t.Errorf("the new node answers %d, %v", status, err)
	}
	suite.Want(t, f.CLI.Run(t, append(apply, suite.Write(t, "shop.yaml", suite.Shop(f.Echo(), "orders", "returns")))...), 0, "revision 3",
		"(5)")
	suite.Routed(t, outside(f), "/returns", 200)
	suite.Want(t, f.CLI.Run(t, "status"), 0, "in sync", "5 online")
}

// join runs one more gateway with an agent beside a lab.
func join(t *testing.T, f *labfleet.Fleet, name string) (*kongtest.Gateway, *agent.Agent) {
	t.Helper()
	kong := kongtest.Start(t, kongtest.Workers(2))
	a, err := agent.New(agent.Config{
		Group: lab.Group, Node: name, Registry: f.Registry(), Distributor: f.Distributor(), KongAdmin: kong.AdminURL(),
		KongProxy:  kong.ProxyURL(),
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

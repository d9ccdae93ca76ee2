package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/lab"
	"github.com/silverback-gateway/silverback/test/e2e/labfleet"
	"github.com/silverback-gateway/silverback/test/e2e/suite"
)

// Twenty submissions in a row cost each gateway one load in each load interval that they last, and one more. The last one is served. A dry
// run, the status and the node say what a load takes.
func TestABurstOfSubmissionsCostsFewLoads(t *testing.T) {
	const interval = 10 * time.Second
	f := labfleet.Start(t, binaries, lab.Config{Gateways: 3})
	suite.Want(t, f.CLI.Run(t, "update", "group", lab.Group, "--load-interval", interval.String()), 0, "load-interval 10s")
	suite.Want(t, f.CLI.Run(t, "describe", "group", lab.Group), 0, "10s between the loads of two rollouts")
	first := suite.Write(t, "shop.yaml", suite.Shop(f.Echo(), "orders"))
	suite.Want(t, f.CLI.Run(t, "apply", "-g", lab.Group, "--dry-run", first), 0, "a load takes about", "on 3 gateways", "2 waves, about")
	suite.Want(t, f.CLI.Run(t, "apply", "-g", lab.Group, "--wait", first), 0)

	before := map[string]int{}
	for _, m := range f.Gateways() {
		before[m.Name] = m.Simulated.Loads()
	}
	began := time.Now()
	last := ""
	for n := range 20 {
		last = fmt.Sprint("change-", n)
		suite.Want(t, f.CLI.Run(t, "apply", "-g", lab.Group, suite.Write(t, "shop.yaml", suite.Shop(f.Echo(), "orders", last))), 0, "committed")
	}
	end := suite.Write(t, "shop.yaml", suite.Shop(f.Echo(), "orders", last, "end"))
	suite.Want(t, f.CLI.Run(t, "apply", "-g", lab.Group, "--wait", end), 0, "is served by every online gateway")
	most := int(time.Since(began)/interval) + 1
	for _, m := range f.Gateways() {
		loads := m.Simulated.Loads() - before[m.Name]
		t.Logf("%s loaded %d times in %s", m.Name, loads, time.Since(began).Round(time.Second))
		if loads < 1 || loads > most {
			t.Errorf("gateway %s loaded %d times, want at most %d", m.Name, loads, most)
		}
	}
	suite.Routed(t, outside(f), "/end", 200)
	suite.Want(t, f.CLI.Run(t, "apply", "-g", lab.Group, "--dry-run", first), 0, "a load takes about", "on 3 gateways", "measured")
	suite.Want(t, f.CLI.Run(t, "describe", "node", f.Gateways()[0].Name, "-g", lab.Group), 0, "Measured:", "A load:")

	// An operator does not wait.
	began = time.Now()
	suite.Want(t, f.CLI.Run(t, "apply", "-g", lab.Group, "--express", "--reason", "outage", "--wait",
		suite.Write(t, "shop.yaml", suite.Shop(f.Echo(), "orders", "fixed"))), 0, "is served by every online gateway")
	suite.Routed(t, outside(f), "/fixed", 200)
	t.Logf("an express apply took %s", time.Since(began).Round(100*time.Millisecond))
	suite.Want(t, f.CLI.Run(t, "rollout", "status", "-g", lab.Group), 0, "outage")
}

package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/lab"
	"github.com/silverback-gateway/silverback/test/e2e/labfleet"
	"github.com/silverback-gateway/silverback/test/e2e/suite"
	"github.com/silverback-gateway/silverback/test/process"
	"github.com/silverback-gateway/silverback/testkit/shared"
)

// limited is a shop with a plugin whose config ends with a line of its own, the 12th.
func limited(upstream, last string) string {
	return suite.Shop(upstream, "orders") + "  plugins:\n  - name: rate-limiting\n    config:\n      " + last + "\n"
}

// TestSchemasStopABadConfigBeforeAnyGateway: the fleet's own schemas are read, carried to the translator, and refuse what every gateway
// would.
func TestSchemasStopABadConfigBeforeAnyGateway(t *testing.T) {
	f := labfleet.Start(t, binaries, lab.Config{Gateways: 2, Schemas: shared.SchemaDir(t)})
	good, bad := suite.Write(t, "shop.yaml", limited(f.Echo(), "minute: 5")), suite.Write(t, "shop.yaml", limited(f.Echo(), "minuet: 5"))
	process.Eventually(t, suite.Patience, "the translators have the gateways' schemas", func() error {
		for _, replica := range f.Translator() {
			cli := f.CLI
			cli.Translator = []string{replica}
			if r := cli.Run(t, "validate", "-g", lab.Group, bad); r.Code != 2 {
				return fmt.Errorf("%s: exit code %d: %s", replica, r.Code, r.Stderr)
			}
		}
		return nil
	})
	before := posts(f)
	r := suite.Want(t, f.CLI.Run(t, "apply", "-g", lab.Group, "--wait", bad), 2, `plugin "rate-limiting"`, "config.minuet", "unknown field")
	if place := bad + ":12"; !strings.Contains(r.Stderr, place) {
		t.Errorf("the refusal does not name %s:\n%s", place, r.Stderr)
	}
	if after := posts(f); !slices.Equal(after, before) || suite.Revisions(t, f.CLI, lab.Group) != 0 {
		t.Errorf("posts before %v, after %v; %d revisions", before, after, suite.Revisions(t, f.CLI, lab.Group))
	}
	suite.Want(t, f.CLI.Run(t, "apply", "-g", lab.Group, "--wait", good), 0, "revision 1")
	suite.Routed(t, outside(f), "/orders", 200)
}

// TestWithoutSchemasTheFirstWaveStopsIt: gateways that show no schemas leave the judgement to the first of them.
func TestWithoutSchemasTheFirstWaveStopsIt(t *testing.T) {
	f := labfleet.Start(t, binaries, lab.Config{Gateways: 2})
	bad := suite.Write(t, "shop.yaml", suite.Shop(f.Echo(), "orders")+"  plugins:\n  - name: no-such-plugin\n")
	suite.Want(t, f.CLI.Run(t, "apply", "-g", lab.Group, "--wait", bad), 2, "revision 1 committed", `plugin "no-such-plugin"`, "halted")
}

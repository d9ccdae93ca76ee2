package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/lab"
	"github.com/silverback-gateway/silverback/test/e2e/labfleet"
	"github.com/silverback-gateway/silverback/test/process"
	"github.com/silverback-gateway/silverback/testkit/shared"
)

// limited is a shop with a plugin whose config ends with a line of its own, the 12th.
func limited(upstream, last string) string {
	return shop(upstream, "orders") + "  plugins:\n  - name: rate-limiting\n    config:\n      " + last + "\n"
}

// TestSchemasStopABadConfigBeforeAnyGateway: the fleet's own schemas are read, carried to the translator, and refuse what every gateway would.
func TestSchemasStopABadConfigBeforeAnyGateway(t *testing.T) {
	f := labfleet.Start(t, binaries, lab.Config{Gateways: 2, Schemas: shared.SchemaDir(t)})
	good, bad := write(t, "shop.yaml", limited(f.Echo(), "minute: 5")), write(t, "shop.yaml", limited(f.Echo(), "minuet: 5"))
	process.Eventually(t, 30*time.Second, "the translators have the gateways' schemas", func() error {
		for range 4 { // whichever replica answers
			if r := f.CLI.Run(t, "validate", "-g", lab.Group, bad); r.Code != 2 {
				return fmt.Errorf("exit code %d: %s", r.Code, r.Stderr)
			}
		}
		return nil
	})
	before := posts(f)
	r := want(t, f.CLI.Run(t, "apply", "-g", lab.Group, "--wait", bad), 2, `plugin "rate-limiting"`, "config.minuet", "unknown field")
	if place := bad + ":12"; !strings.Contains(r.Stderr, place) {
		t.Errorf("the refusal does not name %s:\n%s", place, r.Stderr)
	}
	if after := posts(f); !slices.Equal(after, before) || revisions(t, f) != 0 {
		t.Errorf("posts before %v, after %v; %d revisions", before, after, revisions(t, f))
	}
	want(t, f.CLI.Run(t, "apply", "-g", lab.Group, "--wait", good), 0, "revision 1")
	routed(t, f, "/orders", 200)
}

// TestWithoutSchemasTheFirstWaveStopsIt: gateways that show no schemas leave the judgement to the first of them.
func TestWithoutSchemasTheFirstWaveStopsIt(t *testing.T) {
	f := labfleet.Start(t, binaries, lab.Config{Gateways: 2})
	bad := write(t, "shop.yaml", shop(f.Echo(), "orders")+"  plugins:\n  - name: no-such-plugin\n")
	want(t, f.CLI.Run(t, "apply", "-g", lab.Group, "--wait", bad), 2, "revision 1 committed", `plugin "no-such-plugin"`, "halted")
}

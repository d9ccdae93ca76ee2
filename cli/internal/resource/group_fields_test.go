package resource

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/testkit/groupfields"
)

var fieldFlags = map[string][]string{
	"description":                       {"--description=x"},
	"drift":                             {"--drift=report"},
	"trusted_schemas":                   {"--trust-schemas=sha256:" + strings.Repeat("a", 64)},
	"policy.waves.nodes":                {"--waves=7,100%"},
	"policy.waves.percent":              {"--waves=7%,100%"},
	"policy.waves.soak":                 {"--waves=2:9s,100%"},
	"policy.max_loading_percent":        {"--max-loading=7"},
	"policy.deadline":                   {"--deadline=9s"},
	"policy.load_interval":              {"--load-interval=9s"},
	"policy.targets_at_once_percent":    {"--targets-at-once=7%"},
	"policy.gates.max_failed_percent":   {"--max-failed=7"},
	"policy.gates.probes.path":          {"--probe=/other"},
	"policy.gates.probes.expect":        {"--probe=/health,expect=404"},
	"policy.gates.probes.host":          {"--probe=/health,host=shop.example"},
	"policy.gates.probes.headers":       {"--probe=/health,header=X-Field:x"},
	"policy.gates.probes.interval":      {"--probe=/health,interval=9s"},
	"policy.gates.probes.timeout":       {"--probe=/health,timeout=1s"},
	"policy.gates.probes.readiness":     {"--probe=/health,readiness"},
	"policy.on_reject":                  {"--on-reject=pin"},
	"policy.on_unhealthy":               {"--on-unhealthy=halt"},
	"policy.on_inconclusive":            {"--on-inconclusive=halt"},
	"policy.keep_revisions":             {"--keep-revisions=7"},
	"policy.keep_age":                   {"--keep-age=2d"},
	"policy.waves.label":                {"--waves=zone=eu-1,100%"},
	"policy.spread.label":               {"--spread=rack"},
	"policy.windows.schedule":           {"--window=0 22 * * 1-5 for 1h"},
	"policy.windows.duration":           {"--window=0 8 * * * for 2h"},
	"policy.windows.time_zone":          {"--window=0 8 * * * for 1h in Europe/Berlin"},
	"policy.spread.max_loading_percent": {"--spread=zone,max-loading=7%"},
	"policy.spread.max_values_loading":  {"--spread=zone,at-once=7"},

	"policy.gates.error_ratio.max_increase_percent": {"--gate=error-ratio=7%,min-requests=9", "--gate=latency=p90+9%"},
	"policy.gates.error_ratio.min_requests":         {"--gate=error-ratio=9%,min-requests=7", "--gate=latency=p90+9%"},
	"policy.gates.latency.quantile_percent":         {"--gate=error-ratio=9%,min-requests=9", "--gate=latency=p95+9%"},
	"policy.gates.latency.max_increase_percent":     {"--gate=error-ratio=9%,min-requests=9", "--gate=latency=p90+7%"},
}

func TestEveryFieldOfAGroupHasAFlagAndIsShown(t *testing.T) {
	shown := func(g *registryv1.Group) string {
		var b strings.Builder
		g.SchemaDigests = []string{"sha256:" + strings.Repeat("a", 64)}
		g.SchemaBacking = []*registryv1.SchemaBacking{{Digest: g.GetSchemaDigests()[0], Nodes: 1, NodeNames: []string{"gw-1"}}}
		printGroup(&app.App{Out: &b}, g, nil)
		return b.String()
	}
	base := shown(groupfields.Base("g"))
	for _, c := range groupfields.Cases("g") {
		var f groupFlags
		cmd := &cobra.Command{}
		f.add(cmd)
		if err := cmd.ParseFlags(fieldFlags[c.Field]); err != nil {
			t.Fatal(err)
		}
		got := groupfields.Base("g")
		for _, given := range fieldFlags[c.Field] {
			if flag, _, _ := strings.Cut(strings.TrimPrefix(given, "--"), "="); !strings.Contains(f.changed(), flag) {
				t.Errorf("%s: update group prints %q without %s", c.Field, f.changed(), flag)
			}
		}
		if err := f.put(got); err != nil || !f.given() {
			t.Errorf("%s: no flag sets it, or it is not counted as given: add it to groupFlags.add and to this test (%v)", c.Field, err)
		}
		if a, b := groupfields.Value(got, c.Field), groupfields.Value(c.Group, c.Field); a != b {
			t.Errorf("%s: %v gives %q, want %q", c.Field, fieldFlags[c.Field], a, b)
		}
		if shown(c.Group) == base {
			t.Errorf("%s: describe group does not show it", c.Field)
		}
	}
}

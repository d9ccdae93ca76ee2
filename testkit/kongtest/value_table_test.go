package kongtest_test

import (
	"testing"

	"github.com/silverback-gateway/silverback/testkit/kongtest"
	"github.com/silverback-gateway/silverback/testkit/values"
)

// TestValueTable holds the simulated gateway's own rules to the table of verdicts. It has no schemas here: these are kong/schema's to read.
func TestValueTable(t *testing.T) {
	g := kongtest.Start(t, kongtest.SwitchAfter(0))
	for _, v := range values.Table(t) {
		if v.NeedsSchemas() {
			continue
		}
		if got := post(t, g, string(v.Config(t))); (got.status == 201) != v.Taken() {
			t.Errorf("%s: %s, got %d %.200s", v, v.Verdict, got.status, got.body)
		}
	}
}

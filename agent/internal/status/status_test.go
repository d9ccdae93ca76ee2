package status

import (
	"slices"
	"testing"
)

func TestUnready(t *testing.T) {
	well := View{GatewayReady: true, Proven: true}
	with := func(change func(*View)) View {
		v := well
		change(&v)
		return v
	}
	probe := func(p Probe) View { return with(func(v *View) { v.Probes = []Probe{p} }) }
	for _, c := range []struct {
		name string
		view View
		want []string
	}{
		{"all is well", well, nil},
		{"the gateway says no", with(func(v *View) { v.GatewayReady = false }), []string{"the gateway is not ready"}},
		{"another agent has the name", with(func(v *View) { v.NameTaken = true }), []string{"another agent is enrolled under the node's name"}},
		{"nothing was proven", with(func(v *View) { v.Proven = false }), []string{"no snapshot is proven to be served"}},
		{"drained without a word", with(func(v *View) { v.Draining = true }), []string{"draining"}},
		{"drained for a reason", with(func(v *View) { v.Draining, v.DrainReason = true, "new disk" }), []string{"draining: new disk"}},
		{"a probe that counts fails", probe(Probe{Path: "/h", Host: "a", Readiness: true, Asked: true, Failing: true, Reason: "timeout"}),
			[]string{"probe /h of a fails: timeout"}},
		{"a probe that counts is good", probe(Probe{Path: "/h", Readiness: true, Asked: true}), nil},
		{"a probe that counts was not asked yet", probe(Probe{Path: "/h", Readiness: true, Failing: true}), nil},
		{"a probe that is only reported fails", probe(Probe{Path: "/h", Asked: true, Failing: true}), nil},
		{
			"everything at once", View{Draining: true, Probes: []Probe{{Path: "/h", Readiness: true, Asked: true, Failing: true,
				Reason: "status 503"}}},
			[]string{"the gateway is not ready", "no snapshot is proven to be served", "draining", "probe /h fails: status 503"},
		},
		{"conditions alone do not count", with(func(v *View) { v.Conditions = []Condition{{Type: "Drift"}} }), nil},
	} {
		if got := c.view.Unready(); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

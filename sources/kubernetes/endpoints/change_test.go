package endpoints_test

import (
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/sources/kubernetes/endpoints"
)

func TestWhatAChangeIs(t *testing.T) {
	for title, c := range map[string]struct {
		change func(*model)
		want   endpoints.Change
	}{
		"nothing":                   {func(*model) {}, endpoints.None},
		"a pod of no route":         {func(m *model) { m.pods["b"]["10.0.1.3"] = ready }, endpoints.None},
		"a pod came":                {func(m *model) { m.pods["a"]["10.0.0.4"] = ready }, endpoints.Targets},
		"a pod is gone":             {func(m *model) { delete(m.pods["a"], "10.0.0.1") }, endpoints.Targets},
		"all pods are gone":         {func(m *model) { clear(m.pods["a"]) }, endpoints.Targets},
		"a pod ends, with weight 0": {func(m *model) { m.options.DrainSupport, m.pods["a"]["10.0.0.1"] = true, leaving }, endpoints.Targets},
		"a route":                   {func(m *model) { m.ingress["more"] = "b" }, endpoints.More},
		"a route and a pod":         {func(m *model) { m.ingress["shop"] = "b"; delete(m.pods["a"], "10.0.0.1") }, endpoints.More},
		"health checks":             {func(m *model) { m.options.RemovableTargets = false }, endpoints.More},
	} {
		m := shop()
		before := printOf(t, m)
		c.change(m)
		if got := before.ChangeTo(printOf(t, m)); got != c.want {
			t.Errorf("%s: %v, want %v", title, got, c.want)
		}
	}
	if got := (endpoints.Print{}).ChangeTo(endpoints.Print{}); got != endpoints.More {
		t.Errorf("what is not known is %v", got)
	}
}

func printOf(t *testing.T, m *model) endpoints.Print {
	t.Helper()
	result, _, _ := m.observe(t)
	before := len(result.Config.Upstreams[0].Targets)
	p, err := endpoints.PrintOf(result.Config)
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Config.Upstreams[0].Targets) != before {
		t.Error("the configuration lost its targets")
	}
	return p
}

func TestWhenAChangeIsDue(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	pace := endpoints.Pace{Settle: endpoints.DefaultSettle, Window: endpoints.DefaultWindow}
	slow := pace
	slow.LoadInterval = 44 * time.Second
	for title, c := range map[string]struct {
		pace          endpoints.Pace
		change        endpoints.Change
		changed, last time.Time
		want          time.Time
	}{
		"nothing":                       {pace, endpoints.None, at(0), at(0), time.Time{}},
		"a route":                       {pace, endpoints.More, at(3), at(2), at(4)},
		"the first targets":             {pace, endpoints.Targets, at(3), time.Time{}, at(4)},
		"targets after a while":         {pace, endpoints.Targets, at(30), at(0), at(31)},
		"targets in the window":         {pace, endpoints.Targets, at(3), at(0), at(10)},
		"targets at the window's end":   {pace, endpoints.Targets, at(10), at(0), at(11)},
		"targets in the load interval":  {slow, endpoints.Targets, at(12), at(0), at(44)},
		"a route in the load interval":  {slow, endpoints.More, at(12), at(0), at(13)},
		"targets after a load interval": {slow, endpoints.Targets, at(50), at(0), at(51)},
	} {
		if got := c.pace.Due(c.change, c.changed, c.last); !got.Equal(c.want) {
			t.Errorf("%s: %v, want %v", title, got.Sub(start), c.want.Sub(start))
		}
	}
}

// TestARollingDeploymentCostsALoadForEachWindow replaces 40 pods, one a second, and submits when it is due.
func TestARollingDeploymentCostsALoadForEachWindow(t *testing.T) {
	pace := endpoints.Pace{Settle: endpoints.DefaultSettle, Window: endpoints.DefaultWindow}
	start := time.Unix(1_700_000_000, 0)
	var changed, last time.Time
	var submitted []time.Time
	for second := range 60 {
		now := start.Add(time.Duration(second) * time.Second)
		if second < 40 && changed.IsZero() {
			changed = now
		}
		if !changed.IsZero() && !now.Before(pace.Due(endpoints.Targets, changed, last)) {
			submitted, last, changed = append(submitted, now), now, time.Time{}
		}
	}
	for i := 1; i < len(submitted); i++ {
		if gap := submitted[i].Sub(submitted[i-1]); gap < pace.Window {
			t.Errorf("two loads within %v", gap)
		}
	}
	if len(submitted) != 5 {
		t.Errorf("%d submissions of 40 s of changes, want one at once and one for each window: %v", len(submitted), submitted)
	}
}

package desired

import (
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/cost"
	serving "github.com/silverback-gateway/silverback/services/translator/internal/groups"
)

func TestBodyLimitsOfAGroup(t *testing.T) {
	node := func(name string, body int64) serving.Limits { return serving.Limits{Node: name, Body: body} }
	for _, c := range []struct {
		name  string
		all   []serving.Limits
		over  int
		every bool
	}{
		{"nobody says anything", nil, 0, true},
		{"all take it", []serving.Limits{node("a", 100), node("b", 200)}, 0, false},
		{"one has no limit", []serving.Limits{node("a", 0), node("b", 99)}, 1, false},
		{"none takes it", []serving.Limits{node("a", 99), node("b", 50)}, 2, true},
	} {
		over, every := overBody(c.all, 100)
		if len(over) != c.over || every != c.every {
			t.Errorf("%s: %v, every %v", c.name, over, every)
		}
		if len(over) > 1 && over[0].Node != "b" {
			t.Errorf("%s: the smallest limit is not first: %v", c.name, over)
		}
	}
}

func TestForecastOfALoad(t *testing.T) {
	big, small := cost.Size{Routes: 10_000, Entities: 20_000, Bytes: 3 << 20}, cost.Size{Routes: 100, Entities: 200, Bytes: 30_000}
	next := cost.Size{Routes: 20_000, Entities: 40_000, Bytes: 6 << 20}
	sizes := map[fleet.Digest]cost.Size{"big": big, "small": small}
	node := func(timeout, took time.Duration, digest fleet.Digest) serving.Limits {
		return serving.Limits{Node: "gw", Gateway: cost.Gateway{Workers: 2, LoadTimeout: timeout}, LoadTime: took, Digest: digest}
	}
	measured := node(time.Minute, 0, "")
	measured.Gateway.Samples = []cost.Sample{{Size: big, Workers: 2, Serving: 20 * time.Second}}
	for _, c := range []struct {
		name string
		all  []serving.Limits
		want string // empty: no warning
	}{
		{"measured, with much time left", []serving.Limits{node(time.Minute, 10*time.Second, "big")}, ""},
		{"measured, and near", []serving.Limits{node(time.Minute, 20*time.Second, "big")},
			"gw is forecast to take 39s to load 20000 routes (6291456 bytes), by 1 load(s) that it measured"},
		{"the same by samples", []serving.Limits{measured}, "gw is forecast to take 39s"},
		{"a small load says nothing of a large one", []serving.Limits{node(time.Minute, 30*time.Second, "small")}, ""},
		{"not measured, and little time", []serving.Limits{node(15*time.Second, 0, "")},
			"gw is forecast to take 9.5s to load 20000 routes (6291456 bytes), as gateways of its kind do"},
		{"an agent that does not say how long it waits", []serving.Limits{node(0, time.Hour, "big")}, ""},
		{"the worst is named", []serving.Limits{node(time.Minute, 20*time.Second, "big"), node(time.Minute, 25*time.Second, "big")}, "49s"},
	} {
		got := slowest(c.all, sizes, next)
		if (got != "") != (c.want != "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q", c.name, got)
		}
		if len(c.all) > 1 && !strings.HasSuffix(got, "(and 1 more)") {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}

func TestForecastOfMemory(t *testing.T) {
	next := cost.Size{Routes: 20_000, Entities: 40_000, Bytes: 6 << 20}
	node := func(name string, workers int, memory int64) serving.Limits {
		return serving.Limits{Node: name, Gateway: cost.Gateway{Workers: workers, MemoryLimit: memory}}
	}
	for name, tt := range map[string]struct {
		all  []serving.Limits
		want string
	}{
		"enough":  {[]serving.Limits{node("a", 2, 2_000_000_000)}, ""},
		"unknown": {[]serving.Limits{node("a", 2, 0)}, ""},
		"too little": {[]serving.Limits{node("a", 2, 1_500_000_000)},
			"a is forecast to need 1.6 GB while it loads 20000 routes on 2 workers, and may take 1.5 GB"},
		"too many workers":   {[]serving.Limits{node("a", 8, 2_000_000_000)}, "a is forecast to need 6.4 GB"},
		"the worst is named": {[]serving.Limits{node("a", 2, 1_500_000_000), node("b", 2, 500_000_000), node("c", 2, 1<<40)}, "b is forecast"},
	} {
		got := tightest(tt.all, next)
		if (got != "") != (tt.want != "") || !strings.HasPrefix(got, tt.want) || len(tt.all) > 1 && !strings.HasSuffix(got, "(and 1 more)") {
			t.Errorf("%s: %q", name, got)
		}
	}
}

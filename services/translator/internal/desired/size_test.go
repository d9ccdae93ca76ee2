package desired

import (
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
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
	const mega = 1 << 20
	sizes := map[fleet.Digest]int64{"big": 8 * mega, "small": mega / 100}
	node := func(timeout, took time.Duration, digest fleet.Digest) serving.Limits {
		return serving.Limits{Node: "gw", LoadTimeout: timeout, LoadTime: took, Digest: digest}
	}
	for _, c := range []struct {
		name string
		all  []serving.Limits
		want string // empty: no warning
	}{
		{"measured, with much time left", []serving.Limits{node(time.Minute, 10*time.Second, "big")}, ""},
		{"measured, and near", []serving.Limits{node(time.Minute, 20*time.Second, "big")},
			"gw is forecast to take 40s to load 16777216 bytes, by the 20s that 8388608 bytes took there"},
		{"a small load says nothing of a large one", []serving.Limits{node(time.Minute, 30*time.Second, "small")}, ""},
		{"not measured, and little time", []serving.Limits{node(30*time.Second, 0, "")},
			"gw is forecast to take 22.4s to load 16777216 bytes, as gateways of its kind do"},
		{"an agent that does not say how long it waits", []serving.Limits{node(0, time.Hour, "big")}, ""},
		{"the worst is named", []serving.Limits{node(time.Minute, 20*time.Second, "big"), node(time.Minute, 25*time.Second, "big")}, "50s"},
	} {
		got, is := slowest(c.all, sizes, 16*mega)
		if is != (c.want != "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q", c.name, got)
		}
		if len(c.all) > 1 && !strings.HasSuffix(got, "(and 1 more)") {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}

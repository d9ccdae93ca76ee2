package roster_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
)

func TestDrains(t *testing.T) {
	then, now := time.Unix(1000, 0), time.Unix(2000, 0)
	drained := roster.Node{Drain: &roster.Drain{Reason: "disk", Since: then}, DrainOrder: 3, DrainRequests: []string{"one"}}
	for _, c := range []struct {
		name    string
		got     func() (roster.Node, bool)
		changed bool
		drain   string // reason and since; empty is none
		order   int64
	}{
		{"a node is drained", func() (roster.Node, bool) { return roster.DrainNode(now, roster.Node{}, "disk", "") }, true, "disk 2000", 1},
		{"the same reason again changes nothing", func() (roster.Node, bool) { return roster.DrainNode(now, drained, "disk", "") }, false,
			"disk 1000", 3},
		{"another reason keeps since when", func() (roster.Node, bool) { return roster.DrainNode(now, drained, "fan", "") }, true, "fan 1000", 4},
		{"a request that was carried out changes nothing", func() (roster.Node, bool) { return roster.DrainNode(now, drained, "fan", "one") },
			false, "disk 1000", 3},
		{"a node is given back", func() (roster.Node, bool) { return roster.UndrainNode(drained, "") }, true, "", 4},
		{"an undrain that was carried out changes nothing", func() (roster.Node, bool) { return roster.UndrainNode(drained, "one") }, false,
			"disk 1000", 3},
		{"a node that is not drained stays so", func() (roster.Node, bool) { return roster.UndrainNode(roster.Node{}, "") }, false, "", 0},
	} {
		n, changed := c.got()
		drain := ""
		if n.Drain != nil {
			drain = fmt.Sprintf("%s %d", n.Drain.Reason, n.Drain.Since.Unix())
		}
		if changed != c.changed || drain != c.drain || n.DrainOrder != c.order {
			t.Errorf("%s: changed %v, drain %q, order %d", c.name, changed, drain, n.DrainOrder)
		}
	}
	n := roster.Node{}
	for i := range 100 {
		n, _ = roster.DrainNode(now, n, fmt.Sprint(i), fmt.Sprint(i))
	}
	if len(n.DrainRequests) > 10 || n.DrainRequests[len(n.DrainRequests)-1] != "99" {
		t.Errorf("remembers the requests %v", n.DrainRequests)
	}
}

func TestAnEnrolmentKeepsADrain(t *testing.T) {
	before := &roster.Node{BootID: "1", Drain: &roster.Drain{Reason: "disk"}, DrainOrder: 3, DrainRequests: []string{"one"}}
	after, _, err := roster.Enrol(time.Unix(1, 0), roster.Key{}, before, nil, roster.Node{BootID: "2"}, roster.Session{BootID: "2"})
	if err != nil || after.Drain == nil || after.DrainOrder != 3 || len(after.DrainRequests) != 1 {
		t.Errorf("got %+v, %v", after, err)
	}
}

func TestProbeViolations(t *testing.T) {
	span := func(d time.Duration) *time.Duration { return &d }
	for _, c := range []struct {
		name  string
		probe fleet.Probe
		want  string // field and words; empty is none
	}{
		{"a path is enough", fleet.Probe{Path: "/health"}, ""},
		{"a query is allowed", fleet.Probe{Path: "/health?deep=1"}, ""},
		{"everything at once", fleet.Probe{Path: "/h", Host: "a.example:8443", Expect: 404, Headers: map[string]string{"X-Probe": "1"},
			Interval: span(time.Second), Timeout: span(time.Millisecond)}, ""},
		{"no path", fleet.Probe{}, "path: must begin"},
		{"a whole URL", fleet.Probe{Path: "http://a/"}, "path: must begin"},
		{"a space", fleet.Probe{Path: "/a b"}, "path: holds a space"},
		{"a long path", fleet.Probe{Path: "/" + strings.Repeat("a", 1024)}, "path: has 1025 bytes"},
		{"a key in the query", fleet.Probe{Path: "/h?api_key=1"}, "path: its query looks like a credential"},
		{"a status that is none", fleet.Probe{Path: "/h", Expect: 99}, "expect: is 99"},
		{"a host with a path", fleet.Probe{Path: "/h", Host: "a/b"}, "host: is not a host"},
		{"the reserved host", fleet.Probe{Path: "/h", Host: "Silverback.internal:80"}, "host: is reserved"},
		{"a credential", fleet.Probe{Path: "/h", Headers: map[string]string{"authorization": "hunter2"}},
			"headers: \"Authorization\" looks like a credential"},
		{"a cookie", fleet.Probe{Path: "/h", Headers: map[string]string{"Cookie": "hunter2"}}, "a route of its own"},
		{"a key", fleet.Probe{Path: "/h", Headers: map[string]string{"X-Api-Key": "hunter2"}}, "looks like a credential"},
		{"a host as a header", fleet.Probe{Path: "/h", Headers: map[string]string{"host": "a"}}, "use host"},
		{"a header of the connection", fleet.Probe{Path: "/h", Headers: map[string]string{"Transfer-Encoding": "chunked"}},
			"belongs to the connection"},
		{"a header twice", fleet.Probe{Path: "/h", Headers: map[string]string{"X-A": "1", "x-a": "2"}}, "given twice"},
		{"a header that is none", fleet.Probe{Path: "/h", Headers: map[string]string{"a b": "1"}}, "not the name of a header"},
		{"a line break", fleet.Probe{Path: "/h", Headers: map[string]string{"X-A": "1\r\nX-B: 2"}}, "control character"},
		{"too often", fleet.Probe{Path: "/h", Interval: span(0)}, "interval: is 0s"},
		{"too seldom", fleet.Probe{Path: "/h", Interval: span(time.Hour)}, "interval: is 1h"},
		{"a timeout as long as the interval",
			fleet.Probe{Path: "/h", Interval: span(time.Second), Timeout: span(time.Second)}, "timeout: is 1s"},
		{"no timeout", fleet.Probe{Path: "/h", Timeout: span(0)}, "timeout: is 0s"},
	} {
		got := roster.PolicyViolations("p", fleet.Policy{Probes: []fleet.Probe{c.probe}})
		if c.want == "" {
			if len(got) > 0 {
				t.Errorf("%s: got %+v", c.name, got)
			}
			continue
		}
		if len(got) != 1 || !strings.Contains(strings.TrimPrefix(got[0].Field, "p.gates.probes[0].")+": "+got[0].Description, c.want) {
			t.Errorf("%s: got %+v, want %q", c.name, got, c.want)
		}
		for _, v := range got {
			if strings.Contains(v.Description, "hunter2") {
				t.Errorf("%s: a secret is repeated in %q", c.name, v.Description)
			}
		}
	}
	twice := fleet.Policy{Probes: []fleet.Probe{{Path: "/h", Host: "A"}, {Path: "/h", Host: "a"}, {Path: "/h"}}}
	if got := roster.PolicyViolations("p", twice); len(got) != 1 || got[0].Field != "p.gates.probes[1].path" {
		t.Errorf("the same probe twice: got %+v", got)
	}
	if got := roster.PolicyViolations("p", fleet.Policy{Probes: make([]fleet.Probe, roster.MaxProbes+1)}); len(got) == 0 ||
		got[0].Field != "p.gates.probes" {
		t.Errorf("too many probes: got %+v", got)
	}
}

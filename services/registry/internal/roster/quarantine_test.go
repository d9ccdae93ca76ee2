package roster_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
)

func TestQuarantine(t *testing.T) {
	now := time.Unix(2000, 0)
	in := roster.Node{Quarantine: &roster.Quarantine{Reason: "disk", Since: time.Unix(1000, 0)}, DrainOrder: 3, DrainRequests: []string{"one"}}
	for _, c := range []struct {
		name    string
		got     func() (roster.Node, bool)
		changed bool
		want    string // reason and since; empty is none
	}{
		{"a node is put into it", func() (roster.Node, bool) { return roster.QuarantineNode(now, roster.Node{}, "disk", "") }, true, "disk 2000"},
		{"the same reason again changes nothing", func() (roster.Node, bool) { return roster.QuarantineNode(now, in, "disk", "two") }, false,
			"disk 1000"},
		{"another reason keeps since when", func() (roster.Node, bool) { return roster.QuarantineNode(now, in, "fan", "two") }, true, "fan 1000"},
		{"a request that was carried out changes nothing", func() (roster.Node, bool) { return roster.QuarantineNode(now, in, "fan", "one") },
			false, "disk 1000"},
		{"a node is released", func() (roster.Node, bool) { return roster.ReleaseNode(in, "two") }, true, ""},
		{"a release that was carried out changes nothing", func() (roster.Node, bool) { return roster.ReleaseNode(in, "one") }, false,
			"disk 1000"},
		{"a node that is in none stays so", func() (roster.Node, bool) { return roster.ReleaseNode(roster.Node{}, "") }, false, ""},
	} {
		n, changed := c.got()
		got := ""
		if n.Quarantine != nil {
			got = fmt.Sprintf("%s %d", n.Quarantine.Reason, n.Quarantine.Since.Unix())
		}
		if changed != c.changed || got != c.want {
			t.Errorf("%s: changed %v, %q", c.name, changed, got)
		}
		if n.DrainOrder != 0 && n.DrainOrder != in.DrainOrder {
			t.Errorf("%s: the agent is told a new order about draining", c.name)
		}
	}
}

func TestAnEnrolmentKeepsAQuarantine(t *testing.T) {
	before := &roster.Node{BootID: "1", Quarantine: &roster.Quarantine{Reason: "disk"}}
	after, _, err := roster.Enrol(time.Unix(1, 0), roster.Key{}, before, nil, roster.Node{BootID: "2"}, roster.Session{BootID: "2"})
	if err != nil || after.Quarantine == nil || after.Quarantine.Reason != "disk" {
		t.Errorf("got %+v, %v", after, err)
	}
}

package roster_test

import (
	"errors"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
)

func TestStateOf(t *testing.T) {
	serving := roster.Report{Received: true, Proven: true, Ready: true}
	with := func(change func(*roster.Report)) *roster.Session {
		s := &roster.Session{Report: serving}
		change(&s.Report)
		return s
	}
	for _, c := range []struct {
		name    string
		node    roster.Node
		session *roster.Session
		want    roster.State
	}{
		{"enrolled without a status is joining", roster.Node{}, &roster.Session{}, roster.Joining},
		{"serving without complaint is ready", roster.Node{}, with(func(*roster.Report) {}), roster.Ready},
		{"a condition degrades", roster.Node{}, with(func(r *roster.Report) { r.Conditions = 1 }), roster.Degraded},
		{"a condition degrades also a node that joins", roster.Node{}, with(func(r *roster.Report) { r.Conditions, r.Proven = 1, false }),
			roster.Degraded},
		{"a gateway that stopped answering degrades", roster.Node{}, with(func(r *roster.Report) { r.Ready = false }), roster.Degraded},
		{"draining outweighs conditions", roster.Node{}, with(func(r *roster.Report) { r.Draining, r.Conditions = true, 1 }), roster.Draining},
		{"no session is unreachable", roster.Node{}, nil, roster.Unreachable},
		{"no session after a goodbye is gone", roster.Node{Left: true}, nil, roster.Gone},
	} {
		if got := roster.StateOf(c.node, c.session); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

func TestRenew(t *testing.T) {
	now := time.Unix(1000, 0)
	node := &roster.Node{BootID: "1"}
	for _, c := range []struct {
		name    string
		node    *roster.Node
		session *roster.Session
		claim   bool
		want    error // kind; nil is allowed
	}{
		{"a node that nobody knows enrols first", nil, nil, true, fault.Of(fault.Missing)},
		{"a node that left enrols first", &roster.Node{BootID: "1", Left: true}, nil, true, fault.Of(fault.Missing)},
		{"another boot enrols first", &roster.Node{BootID: "2"}, nil, true, fault.Of(fault.Missing)},
		{"a session that ran out is opened again", node, nil, true, nil},
		{"a session is taken over when the agent comes here", node, &roster.Session{BootID: "1", Replica: "other"}, true, nil},
		{"a session that moved is not taken back", node, &roster.Session{BootID: "1", Replica: "other"}, false, fault.Of(fault.WrongState)},
	} {
		_, err := roster.Renew(now, roster.Key{Group: "g", Node: "n"}, c.node, c.session, roster.Session{BootID: "1", Replica: "here"}, c.claim)
		if (err == nil) != (c.want == nil) || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
}

func TestTheTimeOfAStateStandsWhileTheStateDoes(t *testing.T) {
	then, now := time.Unix(1000, 0), time.Unix(2000, 0)
	node := &roster.Node{BootID: "1"}
	before := &roster.Session{BootID: "1", Replica: "here", Since: then}
	same, err := roster.Renew(now, roster.Key{}, node, before, roster.Session{BootID: "1", Replica: "there"}, true)
	if err != nil || !same.Since.Equal(then) {
		t.Errorf("a take-over moved the time to %v, %v", same.Since, err)
	}
	ready := roster.Session{BootID: "1", Replica: "here", Report: roster.Report{Received: true, Proven: true, Ready: true}}
	if changed, err := roster.Renew(now, roster.Key{}, node, before, ready, false); err != nil || !changed.Since.Equal(now) {
		t.Errorf("a new state has the time %v, %v", changed.Since, err)
	}
}

func TestPolicyViolations(t *testing.T) {
	all := fleet.Wave{Percent: 100}
	for _, c := range []struct {
		name   string
		policy fleet.Policy
		want   string // field; empty is none
	}{
		{"no waves are the default", fleet.Policy{}, ""},
		{"one node, a share, all", fleet.Policy{Waves: []fleet.Wave{{Nodes: 1}, {Percent: 10},
			all}}, ""},
		{"a wave without a size", fleet.Policy{Waves: []fleet.Wave{{}, all}}, "p.waves[0]"},
		{"less than no nodes", fleet.Policy{Waves: []fleet.Wave{{Nodes: -1}, all}}, "p.waves[0].nodes"},
		{"shares that fall", fleet.Policy{Waves: []fleet.Wave{{Percent: 50},
			{Percent: 20}, all}}, "p.waves[1].percent"},
		{"not the whole group at the end", fleet.Policy{Waves: []fleet.Wave{{Nodes: 1}}}, "p.waves[0]"},
		{"a deadline of nothing", fleet.Policy{Deadline: new(time.Duration)}, "p.deadline"},
		{"more than everything at once", fleet.Policy{MaxLoading: 101}, "p.max_loading_percent"},
		{"no past", fleet.Policy{KeepRevisions: new(0)}, "p.keep_revisions"},
		{"nothing to go back to", fleet.Policy{KeepRevisions: new(1)}, "p.keep_revisions"},
		{"the least past", fleet.Policy{KeepRevisions: new(2), KeepAge: new(time.Hour)}, ""},
		{"too much of a past", fleet.Policy{KeepRevisions: new(100_001)}, "p.keep_revisions"},
		{"a past of minutes", fleet.Policy{KeepAge: new(59 * time.Minute)}, "p.keep_age"},
		{"a past of no end", fleet.Policy{KeepAge: new(fleet.MaxKeepAge + 1)}, "p.keep_age"},
		{"a load interval that never ends", fleet.Policy{LoadInterval: new(2 * time.Hour)}, "p.load_interval"},
		{"a negative load interval", fleet.Policy{LoadInterval: new(-time.Second)}, "p.load_interval"},
	} {
		got := roster.PolicyViolations("p", c.policy)
		if c.want == "" && len(got) > 0 || c.want != "" && (len(got) != 1 || got[0].Field != c.want) {
			t.Errorf("%s: got %+v, want %q", c.name, got, c.want)
		}
	}
}

// The next run of an agent is no second one: it names the run that it succeeds.
func TestARestartTakesTheNameOver(t *testing.T) {
	key := roster.Key{Group: "g", Node: "n"}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	before, session := &roster.Node{BootID: "one"}, &roster.Session{BootID: "one"}
	for _, tt := range []struct {
		boot, succeeds string
		taken          bool
	}{
		{boot: "one"}, {boot: "two", succeeds: "one"}, {boot: "two", taken: true}, {boot: "two", succeeds: "zero", taken: true},
	} {
		node, _, err := roster.Enrol(now, key, before, session, roster.Node{BootID: tt.boot, Succeeds: tt.succeeds},
			roster.Session{BootID: tt.boot})
		if taken := errors.Is(err, fault.Of(fault.Exists)); taken != tt.taken || !taken && node.BootID != tt.boot {
			t.Errorf("boot %q, which succeeds %q: %v", tt.boot, tt.succeeds, err)
		}
	}
	// The one that was succeeded does not get the name back while the other renews.
	if _, _, err := roster.Enrol(now, key, before, &roster.Session{BootID: "two"}, roster.Node{BootID: "one", Succeeds: "zero"},
		roster.Session{BootID: "one"}); !errors.Is(err, fault.Of(fault.Exists)) {
		t.Errorf("the run before took the name back: %v", err)
	}
}

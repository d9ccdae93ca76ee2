package event_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/distributor/internal/event"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
)

var now = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func reasons(all []event.Event) string {
	var words []string
	for _, e := range all {
		words = append(words, string(e.Reason))
	}
	return strings.Join(words, " ")
}

func order(verb rollout.Verb, full bool) rollout.Order {
	return rollout.Order{ID: fmt.Sprint(verb, full), Verb: verb, Full: full, Author: "olga", Reason: "because"}
}

// three is a rollout of revision 7 in three waves, in its second.
func three(edit func(r *rollout.Rollout)) rollout.Rollout {
	r := rollout.Rollout{
		Group: "g", ID: "00000003", Stable: rollout.Target{Revision: 6, Digest: "6"}, Candidate: rollout.Target{Revision: 7, Digest: "7"},
		State: rollout.Progressing, Wave: 2, Policy: rollout.Policy{Waves: []rollout.Wave{{Nodes: 1}, {Percent: 50}, {Percent: 100}}},
		Progress: rollout.Progress{Online: 4, InWave: 2, Serving: 1, Loading: 1},
	}
	edit(&r)
	return r
}

func same(*rollout.Rollout) {}

func TestEveryDecisionIsTold(t *testing.T) {
	failed := []rollout.GateResult{{Gate: "error-ratio", Outcome: rollout.GateFailed, Evidence: "9 of 90 failed", Nodes: []fleet.NodeID{"n1"}}}
	refusals := []rollout.Refusal{{Node: "n1", Problem: rollout.Problem{Kind: "route", Name: "orders", Field: "paths[0]",
		Message: "invalid regex"}}}
	for _, tt := range []struct {
		name          string
		before, after func(r *rollout.Rollout)
		want          string
		says          string // in the last message
	}{
		{name: "only counts changed", before: same, after: func(r *rollout.Rollout) { r.Progress.Serving = 2 }},
		{name: "a soak begins", before: same, after: func(r *rollout.Rollout) { r.State, r.SettleTime = rollout.Soaking, now }},
		{name: "the first wave", before: func(r *rollout.Rollout) { r.State, r.Wave = rollout.Waiting, 0 },
			after: func(r *rollout.Rollout) { r.Wave = 1 }, want: "WaveStarted", says: "wave 1 of 3 begins, with 2 of 4 online node(s) so far"},
		{name: "the next wave", before: same, after: func(r *rollout.Rollout) { r.Wave = 3 }, want: "WavePassed WaveStarted",
			says: "wave 3 of 3 begins"},
		{name: "two waves at once", before: func(r *rollout.Rollout) { r.Wave = 1 }, after: func(r *rollout.Rollout) { r.Wave = 3 },
			want: "WavePassed WaveStarted WavePassed WaveStarted"},
		{name: "completed in the last wave", before: func(r *rollout.Rollout) { r.Wave = 3 },
			after: func(r *rollout.Rollout) {
				r.Wave, r.State, r.Progress = 3, rollout.Completed, rollout.Progress{Online: 4, Serving: 4}
			},
			want: "WavePassed RolloutCompleted", says: "revision 7 is complete: 4 of 4 online node(s) serve it"},
		{name: "a gate failed and the candidate is taken back", before: same, after: func(r *rollout.Rollout) {
			r.State, r.Reason, r.Gates, r.FailedGate, r.Pinning = rollout.RolledBack, "gate error-ratio failed", failed, "error-ratio",
				&rollout.Pinning{}
		}, want: "GateFailed RolloutRolledBack", says: "is rolled back: gate error-ratio failed"},
		{name: "a gate failed and the rollout halts", before: same, after: func(r *rollout.Rollout) {
			r.State, r.Gates, r.FailedGate = rollout.Halted, failed, "error-ratio"
		}, want: "GateFailed RolloutHalted"},
		{name: "halted by something else than a gate that was skipped", before: same, after: func(r *rollout.Rollout) {
			r.State, r.Gates, r.Reason = rollout.Halted, failed, "wave 2 did not end"
		}, want: "RolloutHalted", says: "halted: wave 2 did not end"},
		{name: "a gateway refused", before: same, after: func(r *rollout.Rollout) {
			r.State, r.Refusals, r.Reason = rollout.Halted, refusals, "node n1 refused the candidate"
		}, want: "NodeRefused RolloutHalted", says: "halted: node n1 refused the candidate"},
		{name: "aborted", before: same, after: func(r *rollout.Rollout) {
			r.State, r.Orders, r.Reason = rollout.RolledBack, []rollout.Order{order(rollout.Abort, false)}, "aborted by olga: because"
		}, want: "RolloutRolledBack", says: "aborted by olga"},
		{name: "paused", before: same, after: func(r *rollout.Rollout) {
			r.State, r.Paused, r.Orders = rollout.Paused, true, []rollout.Order{order(rollout.Pause, false)}
		}, want: "RolloutPaused", says: "is paused, by order of olga: because"},
		{name: "paused and resumed in one step", before: same, after: func(r *rollout.Rollout) {
			r.Orders = []rollout.Order{order(rollout.Pause, false), order(rollout.Resume, false)}
		}, want: "RolloutPaused RolloutResumed"},
		{name: "an order is told once", before: func(r *rollout.Rollout) { r.Orders = []rollout.Order{order(rollout.Pause, false)} },
			after: func(r *rollout.Rollout) { r.Orders = []rollout.Order{order(rollout.Pause, false)} }},
		{name: "promoted", before: same, after: func(r *rollout.Rollout) {
			r.Wave, r.Promoted, r.Orders = 3, 2, []rollout.Order{order(rollout.Promote, false)}
		}, want: "RolloutPromoted WavePassed WaveStarted"},
		{name: "express", before: same, after: func(r *rollout.Rollout) {
			r.Wave, r.Promoted, r.Orders = 3, 3, []rollout.Order{order(rollout.Promote, true)}
		}, want: "RolloutExpress WavePassed WaveStarted"},
		{name: "pinned: told when it is seen", before: func(r *rollout.Rollout) { r.State, r.Pinning = rollout.RolledBack, &rollout.Pinning{} },
			after: func(r *rollout.Rollout) {
				r.State, r.Pinning = rollout.RolledBack, &rollout.Pinning{Done: true, Pinned: []fleet.SourceID{"a"}}
			}},
		{name: "not pinned", before: func(r *rollout.Rollout) { r.State, r.Pinning = rollout.RolledBack, &rollout.Pinning{} },
			after: func(r *rollout.Rollout) {
				r.State, r.Pinning = rollout.RolledBack, &rollout.Pinning{Done: true, Problem: "the revision is gone"}
			}, want: "PinFailed", says: "the revision is gone"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before, after := three(tt.before), three(tt.after)
			all := event.Decided(now, &before, rollout.Decision{Rollout: &after})
			if got := reasons(all); got != tt.want {
				t.Fatalf("it tells %q, want %q", got, tt.want)
			}
			for _, e := range all {
				if e.Group != "g" || e.Revision != 7 || e.Rollout != "00000003" || !e.Time.Equal(now) || e.Message == "" || !e.Reason.Known() {
					t.Errorf("it tells %+v", e)
				}
			}
			if len(all) > 0 && !strings.Contains(all[len(all)-1].Message, tt.says) {
				t.Errorf("it says %q, want %q", all[len(all)-1].Message, tt.says)
			}
		})
	}
}

func TestAGateAndARefusalAreNamed(t *testing.T) {
	before := three(same)
	after := three(func(r *rollout.Rollout) {
		r.State, r.FailedGate = rollout.RolledBack, "latency"
		r.Gates = []rollout.GateResult{{Gate: "probes", Outcome: rollout.GatePassed},
			{Gate: "latency", Outcome: rollout.GateFailed, Evidence: "p99 is 900 ms", Nodes: []fleet.NodeID{"n4", "n2"}}}
	})
	all := event.Decided(now, &before, rollout.Decision{Rollout: &after})
	if e := all[0]; e.Subject != "latency" || e.NodeCount != 2 || e.Nodes[0] != "n4" ||
		e.Message != "gate latency failed in wave 2 of 3: p99 is 900 ms" {
		t.Errorf("the gate is told as %+v", e)
	}
	after = three(func(r *rollout.Rollout) {
		r.State = rollout.Halted
		for i := range 3 {
			r.Refusals = append(r.Refusals, rollout.Refusal{Node: fleet.NodeID(fmt.Sprint("n", i)), Problem: rollout.Problem{Kind: "plugin",
				ID: "0001", Source: "team-a", Message: "is not\ninstalled \x1b[31m" + strings.Repeat("x", 2000)}})
		}
	})
	all = event.Decided(now, &before, rollout.Decision{Rollout: &after})
	if e := all[1]; e.Subject != "plugin 0001" || e.Source != "team-a" || !slices.Equal(e.Nodes, []fleet.NodeID{"n1"}) {
		t.Errorf("the refusal is told as %+v", e)
	}
	if e := all[3]; e.NodeCount != 3 {
		t.Errorf("the halt is told as %+v", e)
	}
	for _, e := range all {
		if len(e.Message) > clean.MaxMessage || strings.ContainsAny(e.Message, "\n\x1b") {
			t.Errorf("it says %q", e.Message)
		}
	}
}

// A rollout is driven by the engine itself, so that what it tells is what the engine does.
func TestTheEngineTellsARolloutFromItsStart(t *testing.T) {
	in := rollout.Input{Group: "g", Newest: rollout.Target{Revision: 1, Digest: "sha256:1"}, Policy: rollout.Policy{},
		Nodes: []rollout.Node{{Name: "n1", Position: 10, Online: true}, {Name: "n2", Position: 20, Online: true}}}
	var told []event.Event
	step := func() rollout.Decision {
		d := rollout.Plan(now, in)
		told = append(told, event.Decided(now, in.Rollout, d)...)
		if d.Rollout != nil {
			in.Rollout = d.Rollout
		}
		if d.Assignment != nil {
			a := *d.Assignment
			a.Decision++
			if in.Assignment != nil {
				a.Decision += in.Assignment.Decision
			}
			in.Assignment = &a
		}
		return d
	}
	serve := func(n int) {
		positions := rollout.Positions{10, 20}[:n]
		in.Tallies = []rollout.Tally{{Decision: in.Assignment.Decision, Threshold: in.Assignment.Threshold, Connected: n, Serving: n,
			Nodes: rollout.Nodes{Serving: positions}}}
	}
	step()
	serve(1)
	step()
	in.Newest = rollout.Target{Revision: 2, Digest: "sha256:2"}
	in.Orders = in.Orders.With(rollout.Order{ID: "p", Verb: rollout.Pause, Rollout: in.Rollout.ID, Author: "olga", Reason: "wait"})
	step()
	in.Orders = in.Orders.With(rollout.Order{ID: "r", Verb: rollout.Resume, Rollout: in.Rollout.ID, Author: "olga", Reason: "on"})
	step()
	serve(2)
	step()
	in.Tallies = nil
	step()
	serve(1)
	in.Newest = rollout.Target{Revision: 3, Digest: "sha256:3"}
	step()
	want := "RolloutStarted WaveStarted WavePassed WaveStarted RolloutPaused RolloutResumed WavePassed RolloutCompleted " +
		"RolloutStarted WaveStarted RolloutSuperseded RolloutStarted WaveStarted"
	if got := reasons(told); got != want {
		t.Errorf("it tells\n%s, want\n%s", got, want)
	}
}

func TestTheStartSaysThatTargetsGoAtOnce(t *testing.T) {
	next := three(func(r *rollout.Rollout) {
		r.ID, r.State, r.Wave, r.AtOnce, r.Reason = "00000004", rollout.Waiting, 0, true, "only targets change"
	})
	all := event.Decided(now, nil, rollout.Decision{Rollout: &next})
	if reasons(all) != "RolloutStarted" || !strings.HasSuffix(all[0].Message, "; only targets change") {
		t.Errorf("it tells %+v", all)
	}
}

func TestARetryIsToldWithTheStart(t *testing.T) {
	before := three(func(r *rollout.Rollout) { r.State = rollout.Halted })
	next := three(func(r *rollout.Rollout) {
		r.ID, r.State, r.Wave, r.Orders = "00000004", rollout.Waiting, 0, []rollout.Order{order(rollout.Retry, false)}
	})
	all := event.Decided(now, &before, rollout.Decision{Rollout: &next})
	if reasons(all) != "RolloutStarted" || all[0].Author != "olga" || !strings.Contains(all[0].Message, "retried by olga: because") {
		t.Errorf("it tells %+v", all)
	}
}

package agent_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/silverback-gateway/silverback/agent/internal/apply"
)

// recording holds the first state of an applier, and every decision after it. Every component test checks at the end of each run of its
// agent that the events alone give the states: nothing but Decide changes the state, and Decide depends on nothing else.
type recording struct {
	first     *apply.State
	decisions []decision
}

type decision struct {
	at    apply.Moment
	event apply.Event
	after apply.State
}

func (r *recording) add(before apply.State, at apply.Moment, event apply.Event, after apply.State) {
	if r.first == nil {
		r.first = &before
	}
	r.decisions = append(r.decisions, decision{at, event, after})
}

// check replays the events. It must not be called while the agent runs.
func (r *recording) check(t *testing.T) {
	t.Helper()
	if r.first == nil {
		return
	}
	state := *r.first
	for i, d := range r.decisions {
		state, _ = apply.Decide(state, d.at, d.event)
		if diff := cmp.Diff(d.after, state); diff != "" {
			t.Errorf("decision %d (%T) of %d: the replayed events do not give the state (-agent +replay):\n%s", i, d.event, len(r.decisions), diff)
			return
		}
	}
}

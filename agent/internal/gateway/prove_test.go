package gateway

import (
	"errors"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/proof"
)

// A proof is that every worker was seen serving the digest and nothing else over many connections, or, where workers cannot be told
// apart, as many answers in a row.
func TestWhatProves(t *testing.T) {
	const digest, other = "sha256:a", "sha256:b"
	type step struct {
		answer proof.Answer
		err    error
		times  int
	}
	says := func(worker, process int, digest fleet.Digest) step {
		return step{answer: proof.Answer{Digest: digest, Worker: worker, Workers: 2, Process: process}, times: 1}
	}
	times := func(s step, n int) step {
		s.times = n
		return s
	}
	of := func(s step, workers int) step {
		s.answer.Workers = workers
		return s
	}
	a0, a1, b0 := says(0, 10, digest), says(1, 11, digest), says(0, 10, other)
	enough := confirmations(2)
	silent, absent := step{err: errors.New("no answer"), times: 1}, step{err: errNoRoute, times: 1}
	for _, tt := range []struct {
		name   string
		form   proof.Form
		steps  []step
		proven bool
		wrong  verdict.Reason // when the last answer was wrong
		stray  bool
	}{
		{name: "one worker of two is no proof, however often it answers", form: proof.Worker, steps: []step{times(a0, 100)}},
		{name: "every worker, once, is no proof: an orphan may not have been met", form: proof.Worker, steps: []step{a0, a1}},
		{name: "every worker, and nothing else for long, is", form: proof.Worker, steps: []step{a0, times(a1, enough-1)}, proven: true},
		{name: "one answer less is not", form: proof.Worker, steps: []step{a0, times(a1, enough-2)}},
		{name: "another digest in between starts anew", form: proof.Worker, steps: []step{times(a0, enough-2), b0, a0, a1, a1}},
		{name: "a worker that turned back counts no more", form: proof.Worker, steps: []step{a0, b0, times(a1, 100)}},
		{name: "and counts again when it turned", form: proof.Worker, steps: []step{a0, b0, times(a1, enough), a0}, proven: true},
		{name: "a lost answer takes nothing back", form: proof.Worker, steps: []step{times(a0, enough-1), silent, a1}, proven: true},
		{name: "an answer that names no worker proves nothing", form: proof.Worker, steps: []step{times(of(a0, 0), 100)}},
		{
			name: "another number of workers is another set of processes", form: proof.Worker,
			steps: []step{a0, a1, of(says(2, 12, digest), 3), times(of(says(0, 13, digest), 3), 100)},
		},
		{name: "answers in a row", form: proof.Route, steps: []step{times(of(a0, 0), enough)}, proven: true},
		{name: "another digest breaks the row", form: proof.Route, steps: []step{times(of(a0, 0), enough-1), of(b0, 0), of(a0, 0)}},
		{name: "no answer breaks the row", form: proof.Route, steps: []step{times(of(a0, 0), enough-1), silent, of(a0, 0)}},

		{name: "an only worker that stays at the old digest has a stale router", form: proof.Worker, steps: []step{a1, b0},
			wrong: verdict.StaleRouter},
		{name: "so has one that never had the route", form: proof.Worker, steps: []step{absent}, wrong: verdict.StaleRouter},
		{name: "the old digest of a process that another one seemed to replace is a stray's", form: proof.Worker,
			steps: []step{b0, says(0, 20, digest), b0}, wrong: verdict.StrayWorker},
		{name: "a worker that was replaced in the meantime is none", form: proof.Worker,
			steps: []step{b0, says(0, 20, digest), times(a1, enough-1)}, proven: true},
		{name: "a stray is known by another number of workers too", form: proof.Worker,
			steps: []step{of(b0, 4), says(1, 21, digest), of(b0, 4)}, wrong: verdict.StrayWorker},
		{name: "and by being one too many", form: proof.Worker, steps: []step{a0, a1, absent}, wrong: verdict.StrayWorker},
		{name: "strays that serve it too are told, and nothing is wrong yet", form: proof.Worker,
			steps: []step{a0, says(0, 20, digest), a0, times(a1, enough)}, proven: true, stray: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			state, proven := newProofState(digest, tt.form, 2), false
			for _, s := range tt.steps {
				for range s.times {
					proven, _ = state.add(s.answer, s.err)
				}
			}
			if proven != tt.proven || state.other != (tt.wrong != 0) || proven && (state.strays != "") != tt.stray {
				t.Fatalf("proven %v, the last answer is wrong %v, strays %q: %s", proven, state.other, state.strays, state.incomplete())
			}
			if state.other && state.mismatch().Reason != tt.wrong {
				t.Errorf("got %v", state.mismatch())
			}
		})
	}
}

func TestMessagesAboutStrays(t *testing.T) {
	state := newProofState("sha256:a", proof.Worker, 1)
	for _, a := range []proof.Answer{{Digest: "sha256:b", Workers: 1, Process: 8791}, {Digest: "sha256:a", Workers: 1, Process: 9147},
		{Digest: "sha256:b", Workers: 1, Process: 8791}} {
		state.add(a, nil)
	}
	if got := state.mismatch().Message; !strings.Contains(got, "8791 and 9147") {
		t.Errorf("the processes are not named: %s", got)
	}
}

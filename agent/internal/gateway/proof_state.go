package gateway

import (
	"errors"
	"fmt"

	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/proof"
)

// errNoRoute means that a worker has no reserved route in its router.
var errNoRoute = errors.New("the reserved route answered 404")

// confirmations is how many answers in a row must match. The kernel gives one orphan beside n workers 1/(n+1) of the
// connections (reuseport spreads them by a hash). This many answers miss it with a probability under 0.04 % (e^-8), and 2^-32
// when it gets half of them.
func confirmations(workers int) int { return max(32, 8*(workers+1)) }

// proofState collects the answers of the reserved route, and decides when they are a proof. It is pure.
type proofState struct {
	digest  fleet.Digest
	form    proof.Form
	workers int          // as the gateway reported before the proof
	seen    map[int]bool // workers that serve it
	streak  int          // right answers in a row
	count   int          // of workers, by the answers
	named   bool         // an answer named a snapshot
	other   bool         // the last answer was of another configuration
	last    string       // why the proof is not complete

	processes map[int]int    // the process that answered as a worker last
	answered  map[int]answer // by process
	replaced  map[int]int    // processes in whose place another one answered since, and that one
	strays    string         // processes that share a worker's place; empty when none do
}

type answer struct{ worker, workers int }

func newProofState(digest fleet.Digest, form proof.Form, workers int) *proofState {
	return &proofState{
		digest: digest, form: form, workers: workers, seen: map[int]bool{}, last: "no answer",
		processes: map[int]int{}, answered: map[int]answer{}, replaced: map[int]int{},
	}
}

// add takes an answer. Progress means that another request without a pause is worthwhile.
func (s *proofState) add(a proof.Answer, err error) (proven, progress bool) {
	s.other = errors.Is(err, errNoRoute) || err == nil && a.Digest != s.digest
	if err == nil {
		s.named = true
		s.trackProcess(a)
	}
	switch {
	case err != nil:
		s.last = err.Error()
		if s.other || s.form == proof.Route {
			s.streak = 0
		}
		return false, false
	case s.other:
		// A worker that switches later than others, that switched back, or that no longer belongs to the gateway.
		s.last = "a worker serves another snapshot"
		delete(s.seen, a.Worker)
		s.streak = 0
		return false, false
	}
	s.streak++
	if s.form == proof.Route {
		want := confirmations(s.workers)
		s.last = fmt.Sprintf("%d of %d answers in a row", s.streak, want)
		return s.streak >= want, true
	}
	if a.Workers == 0 {
		s.last = "the answer names no worker"
		return false, false
	}
	if a.Workers != s.count {
		s.count = a.Workers
		clear(s.seen) // another set of processes
	}
	s.seen[a.Worker] = true
	want := confirmations(s.count)
	s.last = fmt.Sprintf("%d of %d workers serve it, %d of %d answers in a row", len(s.seen), s.count, s.streak, want)
	// The kernel chooses the worker of a connection, so the same worker may answer repeatedly. The limit bounds requests without a pause.
	return len(s.seen) >= s.count && s.streak >= want, s.streak < 2*want
}

// trackProcess distinguishes a worker that was replaced from two processes that answer at the same time (fact F48): only in the
// second case does the first one answer again after the second.
func (s *proofState) trackProcess(a proof.Answer) {
	p := a.Process
	if p == 0 || a.Workers == 0 || len(s.answered) > maxProcesses {
		return
	}
	if by, is := s.replaced[p]; is {
		s.strays = fmt.Sprintf("processes %d and %d both answer as worker %d of %d", min(p, by), max(p, by), a.Worker, a.Workers)
		delete(s.replaced, p)
	}
	for q, other := range s.answered {
		if q != p && (other.worker == a.Worker || other.workers != a.Workers) {
			s.replaced[q] = p
		}
	}
	s.answered[p] = answer{a.Worker, a.Workers}
	s.processes[a.Worker] = p
}

// maxProcesses bounds the processes that are remembered of a gateway whose workers keep dying.
const maxProcesses = 1024

// mismatch is the failure of a gateway that still answers with another configuration after the grace time.
func (s *proofState) mismatch() *verdict.Failure {
	switch {
	case s.strays != "":
		return &verdict.Failure{Reason: verdict.StrayWorker, Message: s.strays +
			", with different configurations: a master that was killed left workers behind"}
	case s.count > 0 && len(s.seen) >= s.count:
		return &verdict.Failure{
			Reason:  verdict.StrayWorker,
			Message: fmt.Sprintf("all %d workers serve it, but another process that shares their listener does not", s.count),
		}
	}
	return &verdict.Failure{Reason: verdict.StaleRouter, Blind: !s.named,
		Message: "loaded, but a worker still routes by the previous configuration: " + s.last}
}

func (s *proofState) incomplete() string {
	if len(s.seen) > 0 {
		return fmt.Sprintf("only %d of %d workers were seen serving it in time: %s", len(s.seen), s.count, s.last)
	}
	return "not seen serving it in time: " + s.last
}

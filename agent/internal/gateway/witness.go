package gateway

import (
	"errors"
	"fmt"

	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/proof"
)

// errNoRoute is a worker whose router does not have the reserved route.
var errNoRoute = errors.New("the reserved route answered 404")

// confirmations is how many answers in a row must be right. One orphan beside n workers gets a share of 1/(n+1) of the
// connections (reuseport spreads them by a hash), and is missed by so many with a probability under 0.04 %: e^-8, and 2^-32 where it has
// half.
func confirmations(workers int) int { return max(32, 8*(workers+1)) }

// witness judges the answers of the reserved route. It is pure.
type witness struct {
	digest  fleet.Digest
	form    proof.Form
	workers int          // as was said beforehand
	seen    map[int]bool // workers that serve it
	clean   int          // right answers in a row
	count   int          // of workers, as the answers say
	named   bool         // an answer named a snapshot
	bad     bool         // the last answer was of another configuration
	last    string       // what kept the proof from being complete

	holds    map[int]int    // the process that answered as a worker last
	answered map[int]answer // by process
	replaced map[int]int    // processes in whose place another one answered since, and which
	strays   string         // processes that share a worker's place; empty when none do
}

type answer struct{ worker, workers int }

func newWitness(digest fleet.Digest, form proof.Form, workers int) *witness {
	return &witness{
		digest: digest, form: form, workers: workers, seen: map[int]bool{}, last: "no answer",
		holds: map[int]int{}, answered: map[int]answer{}, replaced: map[int]int{},
	}
}

// take notes an answer. Progress means that asking again at once is worthwhile.
func (w *witness) take(a proof.Answer, err error) (proven, progress bool) {
	w.bad = errors.Is(err, errNoRoute) || err == nil && a.Digest != w.digest
	if err == nil {
		w.named = true
		w.identify(a)
	}
	switch {
	case err != nil:
		w.last = err.Error()
		if w.bad || w.form == proof.Route {
			w.clean = 0
		}
		return false, false
	case w.bad:
		// A worker that turns later than others, one that turned back, or one that is not the gateway's any more.
		w.last = "a worker serves another snapshot"
		delete(w.seen, a.Worker)
		w.clean = 0
		return false, false
	}
	w.clean++
	if w.form == proof.Route {
		want := confirmations(w.workers)
		w.last = fmt.Sprintf("%d of %d answers in a row", w.clean, want)
		return w.clean >= want, true
	}
	if a.Workers == 0 {
		w.last = "the answer names no worker"
		return false, false
	}
	if a.Workers != w.count {
		w.count = a.Workers
		clear(w.seen) // another set of processes
	}
	w.seen[a.Worker] = true
	want := confirmations(w.count)
	w.last = fmt.Sprintf("%d of %d workers serve it, %d of %d answers in a row", len(w.seen), w.count, w.clean, want)
	// Which worker a connection reaches is the kernel's choice, so known ones come again; but not for ever without a pause.
	return len(w.seen) >= w.count && w.clean >= want, w.clean < 2*want
}

// identify tells a worker that was replaced from two that are there at the same time (fact F48): only of the latter the
// first answers again after the second.
func (w *witness) identify(a proof.Answer) {
	p := a.Process
	if p == 0 || a.Workers == 0 || len(w.answered) > maxProcesses {
		return
	}
	if by, is := w.replaced[p]; is {
		w.strays = fmt.Sprintf("processes %d and %d both answer as worker %d of %d", min(p, by), max(p, by), a.Worker, a.Workers)
		delete(w.replaced, p)
	}
	for q, other := range w.answered {
		if q != p && (other.worker == a.Worker || other.workers != a.Workers) {
			w.replaced[q] = p
		}
	}
	w.answered[p] = answer{a.Worker, a.Workers}
	w.holds[a.Worker] = p
}

// maxProcesses bounds what is remembered of a gateway whose workers die at every question.
const maxProcesses = 1024

// wrong is the failure of a gateway of which some answers are of another configuration although it had time to turn.
func (w *witness) wrong() *verdict.Failure {
	switch {
	case w.strays != "":
		return &verdict.Failure{Reason: verdict.StrayWorker, Message: w.strays +
			", with different configurations: a master that was killed left workers behind"}
	case w.count > 0 && len(w.seen) >= w.count:
		return &verdict.Failure{
			Reason:  verdict.StrayWorker,
			Message: fmt.Sprintf("all of the %d workers serve it, and another process that shares their listener does not", w.count),
		}
	}
	return &verdict.Failure{Reason: verdict.StaleRouter, Blind: !w.named,
		Message: "loaded, and a worker still routes by the configuration of before: " + w.last}
}

func (w *witness) missing() string {
	if len(w.seen) > 0 {
		return fmt.Sprintf("only %d of %d workers were seen serving it in time: %s", len(w.seen), w.count, w.last)
	}
	return "not seen serving it in time: " + w.last
}

package chaos_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/test/chaos/check"
	"github.com/silverback-gateway/silverback/test/process"
)

// lookTick is how often each agent and each gateway is asked.
const lookTick = 50 * time.Millisecond

// A recorder writes down what a fleet does: what agents say of themselves, what gateways answer, what writers were told, and which faults
// were made. Its methods may be called from anywhere.
type recorder struct {
	tb    testing.TB
	fleet *process.Fleet
	start time.Time

	mu      sync.Mutex
	history []check.Event
	writers []string // whose routes are asked for

	stop     chan struct{}
	watchers sync.WaitGroup
}

// record records a fleet until the test ends. When the test fails then, the history is kept in a file.
func record(tb testing.TB, f *process.Fleet, writers ...string) *recorder {
	tb.Helper()
	r := &recorder{tb: tb, fleet: f, start: time.Now(), writers: writers, stop: make(chan struct{})}
	for _, g := range f.Gateways {
		r.watchers.Go(func() { r.each(func() { r.view(g) }) })
		r.watchers.Go(func() { r.each(func() { r.ask(g) }) })
	}
	tb.Cleanup(func() {
		r.end()
		if tb.Failed() {
			r.keep()
		}
	})
	return r
}

func (r *recorder) each(look func()) {
	ticks := time.NewTicker(lookTick)
	defer ticks.Stop()
	for {
		select {
		case <-r.stop:
			return
		case <-ticks.C:
			look()
		}
	}
}

// end stops the watching. It may be called again.
func (r *recorder) end() {
	select {
	case <-r.stop:
	default:
		close(r.stop)
	}
	r.watchers.Wait()
}

func (r *recorder) now() time.Duration { return time.Since(r.start) }

func (r *recorder) add(e check.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.At = r.now()
	r.history = append(r.history, e)
}

// mark returns where the history stands.
func (r *recorder) mark() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.history)
}

// at returns when the event after a mark was known.
func (r *recorder) at(mark int) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.history[mark].At
}

// submissions is how many were accepted so far.
func (r *recorder) submissions() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.history {
		if e.Kind == check.Submitted {
			n++
		}
	}
	return n
}

// since returns the history from a mark on, and before it every submission: what revisions hold is not of one moment.
func (r *recorder) since(mark int) (all []check.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.history[:mark] {
		if e.Kind == check.Submitted {
			all = append(all, e)
		}
	}
	return append(all, r.history[mark:]...)
}

// looked is what was seen of agents and gateways from a mark on. It leaves the submissions out: numbers of revisions are made again after
// a restore.
func (r *recorder) looked(mark int) (all []check.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.history[mark:] {
		if e.Kind == check.Viewed || e.Kind == check.Answered {
			all = append(all, e)
		}
	}
	return all
}

// looks waits until every gateway was asked so often for every writer's route.
func (r *recorder) looks(n int) {
	r.tb.Helper()
	from := r.mark()
	process.Eventually(r.tb, convergeTime, "every gateway was looked at", func() error {
		seen := map[string]int{}
		for _, e := range r.since(from) {
			if e.Kind == check.Answered {
				seen[e.Node+" "+e.Writer]++
			}
		}
		for _, g := range r.fleet.Gateways {
			for _, w := range r.writers {
				if seen[g.Name+" "+w] < n {
					return fmt.Errorf("%s was asked for %s %d times", g.Name, w, seen[g.Name+" "+w])
				}
			}
		}
		return nil
	})
}

// view writes down what an agent says. One that does not answer says nothing.
func (r *recorder) view(g *process.Gateway) {
	if v, err := g.View(); err == nil {
		r.add(check.Event{
			Kind: check.Viewed, Node: g.Name, Epoch: v.Epoch, Decision: v.Decision, Term: v.Term, Revision: v.Revision, Wanted: v.WantedRevision,
			Proven: v.Proven,
		})
	}
}

// atoi reads what marked found.
func atoi(digits string) int {
	n, _ := strconv.Atoi(digits)
	return n
}

var marked = regexp.MustCompile(`mark-(\d+)`)

// ask writes down what the proxy answers on the route of each writer.
func (r *recorder) ask(g *process.Gateway) {
	for _, writer := range r.writers {
		began := r.now()
		status, body, err := g.Route("/" + writer)
		if err != nil {
			continue
		}
		e := check.Event{Kind: check.Answered, Node: g.Name, Writer: writer, Began: began}
		switch found := marked.FindStringSubmatch(body); {
		case found != nil: // whatever its status: some writers break their own route
			e.Number = atoi(found[1])
		case status != 404:
			continue // the gateway is on its way down, or up
		}
		r.add(e)
	}
}

// keep writes the history to a file that outlives the test.
func (r *recorder) keep() {
	path := filepath.Join(os.TempDir(), fmt.Sprintf("silverback-history-%d.jsonl", os.Getpid()))
	f, err := os.Create(path) //nolint:gosec // the name is made here
	if err == nil {
		err = check.Write(f, r.since(0))
		_ = f.Close()
	}
	r.tb.Logf("the history is in %s (%v)", path, err)
}

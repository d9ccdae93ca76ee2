package controller

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/sources/kubernetes/delivery"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/status"
)

const (
	statusPause = 500 * time.Millisecond // between two plans: waves move quickly, and only the newest counts
	statusRetry = 5 * time.Second        // after a failure
	statusSlice = time.Second            // how long a plan is written at least, however soon the next one comes
)

// maxUnsaid bounds the Events that newer plans kept from being said; the oldest go.
const maxUnsaid = 10000

// statuses writes what is known of each object into its status, the newest first: what was told meanwhile is skipped.
type statuses struct {
	writer   *status.Writer
	options  status.Options
	versions func() []string // of the Gateway API's definitions; nil when they are not known
	log      *slog.Logger
	bell     chan struct{} // capacity 1: something was told

	mu   sync.Mutex
	next *tale
}

type tale struct {
	set  *object.Set
	view delivery.View
}

func newStatuses(writer *status.Writer, options status.Options, log *slog.Logger) *statuses {
	return &statuses{writer: writer, options: options, log: log, bell: make(chan struct{}, 1)}
}

// Apply takes what is known now. It does not wait.
func (s *statuses) Apply(_ context.Context, set *object.Set, view delivery.View) {
	s.mu.Lock()
	s.next = &tale{set: set, view: view}
	s.mu.Unlock()
	s.ring()
}

func (s *statuses) ring() {
	select {
	case s.bell <- struct{}{}:
	default:
	}
}

// Run writes until ctx ends.
func (s *statuses) Run(ctx context.Context) error {
	var unsaid []status.Event
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.bell:
		}
		s.mu.Lock()
		now := s.next
		s.mu.Unlock()
		s.options.Now = time.Now()
		if s.versions != nil {
			s.options.BundleVersions = s.versions()
		}
		work := status.Plan(now.set, now.view, s.options)
		work.Events = append(unsaid[:len(unsaid):len(unsaid)], work.Events...)
		outcome, cut, err := s.write(ctx, work)
		if unsaid = outcome.Unsaid; len(unsaid) > maxUnsaid {
			unsaid = unsaid[len(unsaid)-maxUnsaid:]
		}
		pause := statusPause
		switch {
		case ctx.Err() != nil || cut:
		case err != nil:
			s.log.Warn("statuses are not written", telemetry.Err, err, "failed", outcome.Failed)
			pause = statusRetry
			s.ring()
		}
		s.options.Before = &now.view
		if err := backoff.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// errNewer ends the writing of a plan.
var errNewer = errors.New("there is a newer plan")

// write carries work out until something newer is told: that has what is left, in the order of now. The first moments are never cut, so
// that something is written however often plans come.
func (s *statuses) write(ctx context.Context, work status.Work) (outcome status.Outcome, cut bool, err error) {
	writing, cancel := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		if backoff.Sleep(writing, statusSlice) != nil {
			return
		}
		select {
		case <-writing.Done():
		case <-s.bell:
			s.ring() // for Run
			cancel(errNewer)
		}
	})
	outcome, err = s.writer.Write(writing, work)
	cut = errors.Is(context.Cause(writing), errNewer)
	cancel(nil)
	watching.Wait()
	return outcome, cut, err
}

// refreshed is a set with the statuses of now: objects that have other contents by now stay as they were, and what is gone is left out.
func refreshed(set, now *object.Set) *object.Set {
	fresh := &object.Set{}
	for _, obj := range set.All() {
		current, there := now.Find(object.RefOf(obj))
		switch {
		case there && sameMeaning(obj, current):
			fresh.Add(current)
		case there:
			fresh.Add(obj)
		}
	}
	return fresh
}

package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/services/distributor/internal/event"
)

// Places are where hooks are in the events, as the ledger has it.
type Places interface {
	// Place returns up to where a hook is; false for one that the ledger does not know.
	Place(ctx context.Context, hook string) (at event.Sequence, known bool, err error)
	// SetPlace stores that, or fails with a fault of kind StaleTerm when the leadership is over.
	SetPlace(ctx context.Context, hook string, at event.Sequence) error
}

// Retries are the pauses after failed attempts.
var Retries = backoff.Policy{Base: time.Second, Cap: time.Minute, Jitter: 0.5}

// Deps are what a sender uses. All are required.
type Deps struct {
	Hooks   []Hook
	Read    func() event.Reading
	Log     *slog.Logger
	Metrics *Metrics
	Retries backoff.Policy
}

// A Sender sends events to hooks while its replica leads.
type Sender struct{ Deps }

// New returns a sender. It counts for every hook from the start.
func New(d Deps) *Sender {
	for i := range d.Hooks {
		d.Metrics.of(d.Hooks[i].Name)
	}
	return &Sender{d}
}

// Lead sends to every hook until ctx ends. A successor goes on where this leader was: it may send the last event of a hook once more.
func (s *Sender) Lead(ctx context.Context, places Places) {
	var all sync.WaitGroup
	for i := range s.Hooks {
		l := &line{Sender: s, Hook: &s.Hooks[i], places: places, state: s.Metrics.of(s.Hooks[i].Name)}
		all.Go(func() {
			defer l.state.idle()
			l.run(ctx)
		})
	}
	all.Wait()
}

// line is one hook during one leadership.
type line struct {
	*Sender
	*Hook
	places Places
	state  *state
	client *http.Client
	at     event.Sequence // everything up to here was dealt with
	stored event.Sequence // up to here the ledger says so
}

// storeEvery is how far a hook may be ahead of its place in the ledger over events that it does not want.
const storeEvery = 1024 * event.MaxBatch

// run sends until ctx ends or the leadership is over.
func (l *line) run(ctx context.Context) {
	tries := backoff.Backoff{Policy: l.Retries}
	for {
		err := l.send(ctx, &tries)
		if ctx.Err() != nil || errors.Is(err, fault.Of(fault.StaleTerm)) {
			return
		}
		l.Log.Warn("webhook waits; trying again", "hook", l.Name, telemetry.Err, err)
		if tries.Wait(ctx) != nil {
			return
		}
	}
}

// send sends events from the hook's place on. It returns why the place can be neither read nor stored, or with the cause of ctx.
func (l *line) send(ctx context.Context, tries *backoff.Backoff) error {
	if err := l.begin(ctx); err != nil {
		return err
	}
	for {
		reading := l.Read()
		if l.at < reading.Trimmed {
			l.Log.Error("events were deleted before a webhook took them", "hook", l.Name, "after", l.at, "up_to", reading.Trimmed)
			l.state.dead.Inc()
			l.at = reading.Trimmed
		}
		e, found := l.next(reading)
		if !found {
			l.state.idle()
			l.at = max(l.at, reading.Newest())
			if l.at-l.stored > storeEvery || l.stored < reading.Trimmed {
				if err := l.store(ctx, l.at); err != nil {
					return err
				}
			}
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-reading.Changed:
			}
			continue
		}
		if err := l.deliver(ctx, e); err != nil {
			return err
		}
		// The event may be sent twice when this fails, and is never left out.
		if err := l.store(ctx, e.Sequence); err != nil {
			return err
		}
		l.at = e.Sequence
		tries.Reset()
	}
}

// begin reads where the hook is. A new one begins with what happens from now on.
func (l *line) begin(ctx context.Context) (err error) {
	if l.client == nil {
		if l.client, err = l.Hook.client(); err != nil {
			return err
		}
	}
	at, known, err := l.places.Place(ctx, l.Name)
	if err != nil {
		return fmt.Errorf("read the place of the hook: %w", err)
	}
	if !known {
		at = l.Read().Newest()
		if err := l.store(ctx, at); err != nil {
			return err
		}
	}
	l.at, l.stored = at, at
	return nil
}

func (l *line) store(ctx context.Context, at event.Sequence) error {
	if err := l.places.SetPlace(ctx, l.Name, at); err != nil {
		return fmt.Errorf("store the place of the hook: %w", err)
	}
	l.stored = at
	return nil
}

// next returns the next event that the hook wants.
func (l *line) next(r event.Reading) (event.Event, bool) {
	filter := l.filter()
	for e := range r.After(l.at) {
		if filter.Has(e) {
			return e, true
		}
	}
	return event.Event{}, false
}

// deliver tries to send one event until it is taken, until no further attempt makes sense, or until ctx ends, of which it returns the
// cause.
func (l *line) deliver(ctx context.Context, e event.Event) error {
	began := time.Now()
	tries := backoff.Backoff{Policy: l.Retries}
	for attempt := 1; ; attempt++ {
		l.state.waits(e.Time)
		status, after, err := l.post(ctx, l.client, e)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		verdict := judge(status)
		if err != nil {
			verdict = again
		}
		pause := pauseOf(after, time.Now(), tries.Next())
		if verdict == taken {
			l.state.sent.Inc()
			return nil
		}
		l.state.failed.Inc()
		why := fmt.Sprintf("it answered %d", status)
		if err != nil {
			why = err.Error()
		}
		attributes := []any{"hook", l.Name, "sequence", e.Sequence, "event", e.Reason, telemetry.Group, e.Group, "attempt", attempt,
			telemetry.Err, why}
		if verdict == dead || time.Since(began)+pause > l.RetryFor {
			l.state.dead.Inc()
			l.Log.Error("event not delivered to webhook, and given up", attributes...)
			return nil
		}
		if attempt == 1 {
			l.Log.Warn("event not delivered to webhook yet; trying again", attributes...)
		}
		if err := backoff.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}

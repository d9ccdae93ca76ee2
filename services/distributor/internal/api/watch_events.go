package api

import (
	"context"
	"time"

	"google.golang.org/grpc"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/services/distributor/internal/event"
	"github.com/silverback-gateway/silverback/services/distributor/internal/message"
)

// DefaultSendTimeout is how long a client may take to take what is sent.
const DefaultSendTimeout = time.Minute

// eventsIdle is how often a quiet watch says how far it is.
const eventsIdle = 15 * time.Second

type eventStream = grpc.ServerStreamingServer[distributorv1.WatchEventsResponse]

// WatchEvents streams events, in order and without a hole. All watches read the same journal; each has a place in it and no buffer.
func (s *EventService) WatchEvents(request *distributorv1.WatchEventsRequest, stream eventStream) error {
	filter, err := filterOf(request.GetGroups(), request.GetReasons())
	if err != nil {
		return err
	}
	ctx := stream.Context()
	if err := s.Journal.Ready(ctx); err != nil {
		return err
	}
	w := eventWatch{EventService: s, stream: stream, filter: filter, place: event.Sequence(request.GetAfterSequence())}
	switch reading := s.Journal.Read(); {
	case request.GetOnlyNew():
		w.place = reached(reading)
	case w.place == 0:
		w.place = reading.Trimmed
	default:
		if err := s.exists(ctx, w.place, reading); err != nil {
			return err
		}
	}
	return w.run(ctx)
}

// exists refuses a sequence that the ledger has not come to, which the client has from before it was restored. A replica that is behind
// another one asks etcd.
func (s *EventService) exists(ctx context.Context, after event.Sequence, r event.Reading) error {
	if after <= reached(r) {
		return nil
	}
	known, err := s.Journal.Known(ctx)
	if err != nil {
		return err
	}
	if after <= known {
		return nil
	}
	return outOfRange(fault.New(fault.OutOfRange, "EVENTS_UNKNOWN", "the ledger has not come to event %d, so it was restored or is another "+
		"one; resume after %d to read everything that it has", after, r.Trimmed), r)
}

// reached returns up to which sequence a reading is complete.
func reached(r event.Reading) event.Sequence { return max(r.UpTo, r.Newest()) }

// An eventWatch is one call of WatchEvents.
type eventWatch struct {
	*EventService
	stream eventStream
	filter event.Filter
	place  event.Sequence // everything up to here was sent, or not asked for
}

// run sends events until ctx ends, the replica stops, or the ledger is lost.
func (w *eventWatch) run(ctx context.Context) error {
	lost := w.Journal.Lost()
	idle := time.NewTicker(eventsIdle)
	defer idle.Stop()
	say := true // how far the watch is
	for {
		reading := w.Journal.Read()
		if err := w.catchUp(reading, say); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-w.Draining:
			return fault.New(fault.Down, "STOPPING", "this replica is stopping")
		case <-lost:
			return fault.NoLedger(nil)
		case <-reading.Changed:
			say = false
		case <-idle.C:
			say = true
		}
	}
}

// catchUp sends what a reading has after the place of the watch.
func (w *eventWatch) catchUp(r event.Reading, say bool) error {
	if w.place < r.Trimmed {
		return trimmedAfter(w.place, r)
	}
	for e := range r.After(w.place) {
		if w.filter.Has(e) {
			if err := w.send(&distributorv1.WatchEventsResponse{Step: &distributorv1.WatchEventsResponse_Event{
				Event: message.Event(e)}}); err != nil {
				return err
			}
		}
		w.place = e.Sequence
	}
	w.place = max(w.place, reached(r))
	if !say {
		return nil
	}
	return w.send(&distributorv1.WatchEventsResponse{Step: &distributorv1.WatchEventsResponse_ReachedSequence{
		ReachedSequence: int64(w.place)}})
}

// send sends one message, and gives up on a client that does not take it. The goroutine ends with the stream, which ends then.
func (w *eventWatch) send(m *distributorv1.WatchEventsResponse) error {
	limit := w.SendTimeout
	if limit == 0 {
		limit = DefaultSendTimeout
	}
	sent := make(chan error, 1)
	go func() { sent <- w.stream.Send(m) }()
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case err := <-sent:
		return err
	case <-late.C:
		return fault.New(fault.Busy, "SLOW_READER", "an event was not taken within %s; resume after the last one that you got", limit)
	}
}

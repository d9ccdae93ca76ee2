package client

import (
	"context"
	"errors"
	"io"
	"iter"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
)

// EventsTrimmed and EventsUnknown are the reasons of the [*Error] of a watch that cannot continue at its position: the next events were
// deleted, or the ledger was restored and has not reached that position again. The metadata has "resume_after": a watch that starts there
// yields all events that are kept.
const (
	EventsTrimmed = "EVENTS_TRIMMED"
	EventsUnknown = "EVENTS_UNKNOWN"
)

// slowReader is the reason of a stream that the service ended because this program did not receive fast enough.
const slowReader = "SLOW_READER"

// EventsRequest chooses events.
type EventsRequest struct {
	After   int64    // the sequence of the last known event; 0 starts with the oldest event that is kept
	OnlyNew bool     // start with new events, whatever After is
	Groups  []string // empty: all
	Reasons []string // empty: all
}

// WatchEvents yields events in order. When a replica goes away, the next one continues after the last event: no event is skipped or
// repeated.
//
// The loop goes on until it breaks, ctx ends or a service refuses. The last two yield an error and no event. A program that stores the
// sequence of the last event that it has processed resumes after it.
func (c *Client) WatchEvents(ctx context.Context, r EventsRequest) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		w := eventWatch{yield: yield, request: &distributorv1.WatchEventsRequest{
			AfterSequence: r.After, OnlyNew: r.OnlyNew, Groups: r.Groups, Reasons: r.Reasons,
		}}
		if ended := c.follow(ctx, func(conn *replicas) bool { return w.once(ctx, conn) }, w.failed); !ended {
			yield(nil, context.Cause(ctx))
		}
	}
}

// An eventWatch is one loop over events. Its request has the start of the next stream.
type eventWatch struct {
	yield   func(*Event, error) bool
	request *distributorv1.WatchEventsRequest
}

// once watches through one connection until its stream ends, and returns whether to go on.
func (w *eventWatch) once(ctx context.Context, conn *replicas) bool {
	ctx, cancel := context.WithCancel(ctx) // ends the stream
	defer cancel()
	stream, err := distributorv1.NewEventServiceClient(conn).WatchEvents(ctx, w.request)
	if err != nil {
		return w.failed(err)
	}
	for {
		response, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF): // the replica shuts down
			return true
		case err != nil:
			return w.failed(err)
		}
		if e := response.GetEvent(); e != nil {
			w.reach(e.GetSequence())
			if !w.yield(e, nil) {
				return false
			}
		} else {
			w.reach(response.GetReachedSequence())
		}
	}
}

// reach sets where the next stream starts.
func (w *eventWatch) reach(sequence int64) {
	w.request.AfterSequence = max(w.request.AfterSequence, sequence)
	if sequence > 0 {
		w.request.OnlyNew = false
	}
}

// failed yields an error that other replicas would return too, and returns whether to go on.
func (w *eventWatch) failed(err error) bool {
	var e *Error
	if passing(err) || errors.As(err, &e) && e.Reason == slowReader {
		return true
	}
	w.yield(nil, err)
	return false
}

package client

import (
	"context"
	"errors"
	"io"
	"iter"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
)

// EventsTrimmed and EventsUnknown are the reasons of the [*Error] of a watch that cannot go on where it was: the events after that were
// deleted, or the ledger was restored and has not come as far. Its metadata has "resume_after": a watch that begins there gets everything
// that is kept.
const (
	EventsTrimmed = "EVENTS_TRIMMED"
	EventsUnknown = "EVENTS_UNKNOWN"
)

// slowReader is the reason of a stream that ended because this program did not take what was sent.
const slowReader = "SLOW_READER"

// EventsRequest chooses events.
type EventsRequest struct {
	After   int64    // the sequence of the last event that is known; 0 begins with the oldest that is kept
	OnlyNew bool     // begins with what happens from now on, whatever After says
	Groups  []string // empty: all
	Reasons []string // empty: all
}

// WatchEvents yields what happened, in order. When a replica goes away, the next one goes on after the last event: none is left out, and
// none comes twice.
//
// The loop goes on until it breaks, ctx ends or a service refuses. The last two yield an error and no event. A program that keeps the
// sequence of the last event that it is done with resumes after it.
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

// An eventWatch is one loop over events. Its request says where the next stream begins.
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
		case errors.Is(err, io.EOF): // the replica stops
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

// reach says where to go on.
func (w *eventWatch) reach(sequence int64) {
	w.request.AfterSequence = max(w.request.AfterSequence, sequence)
	if sequence > 0 {
		w.request.OnlyNew = false
	}
}

// failed yields an error that another replica would answer too, and returns whether to go on.
func (w *eventWatch) failed(err error) bool {
	var e *Error
	if passing(err) || errors.As(err, &e) && e.Reason == slowReader {
		return true
	}
	w.yield(nil, err)
	return false
}

package client_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/silverback-gateway/silverback/client"
	"github.com/silverback-gateway/silverback/kit/fault"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
)

// teller is a distributor that sends three events on a stream, then ends the stream with each of its faults in turn, and finally refuses.
type teller struct {
	distributorv1.UnimplementedEventServiceServer
	mu     sync.Mutex
	ends   []error
	asked  []string
	newest int64
}

func (s *teller) WatchEvents(r *distributorv1.WatchEventsRequest, stream distributorv1.EventService_WatchEventsServer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, fmt.Sprint(r.GetAfterSequence(), r.GetOnlyNew()))
	at := r.GetAfterSequence()
	if r.GetOnlyNew() {
		at = s.newest
		if err := stream.Send(&distributorv1.WatchEventsResponse{Step: &distributorv1.WatchEventsResponse_ReachedSequence{
			ReachedSequence: at}}); err != nil {
			return err
		}
	} else {
		for range 3 {
			at++
			if err := stream.Send(&distributorv1.WatchEventsResponse{Step: &distributorv1.WatchEventsResponse_Event{
				Event: &client.Event{Sequence: at}}}); err != nil {
				return err
			}
		}
	}
	if len(s.ends) == 0 {
		<-stream.Context().Done()
		return stream.Context().Err()
	}
	end := s.ends[0]
	s.ends = s.ends[1:]
	return fault.ToStatus(end).Err()
}

func tellerAt(t *testing.T, s *teller) *client.Client {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	distributorv1.RegisterEventServiceServer(server, s)
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() { server.Stop(); <-done })
	return dial(t, "127.0.0.1:1", l.Addr().String())
}

func TestEventsGoOnWhereTheyWere(t *testing.T) {
	s := &teller{ends: []error{
		fault.New(fault.Down, "STOPPING", "this replica is stopping"), fault.New(fault.Busy, "SLOW_READER", "too slow"),
		fault.New(fault.OutOfRange, "EVENTS_TRIMMED", "gone").With("resume_after", "70"),
	}}
	var got []int64
	var last error
	for e, err := range tellerAt(t, s).WatchEvents(t.Context(), client.EventsRequest{After: 10}) {
		if err != nil {
			last = err
			continue
		}
		got = append(got, e.GetSequence())
	}
	if want := []int64{11, 12, 13, 14, 15, 16, 17, 18, 19}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	var e *client.Error
	if !errors.As(last, &e) || e.Reason != client.EventsTrimmed || e.Metadata["resume_after"] != "70" {
		t.Errorf("it ended with %v", last)
	}
}

// Events that happen while a watch of new events is reopened are not lost.
func TestOnlyNewEventsAreResumedToo(t *testing.T) {
	s := &teller{newest: 40, ends: []error{fault.New(fault.Down, "STOPPING", "this replica is stopping")}}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for e, err := range tellerAt(t, s).WatchEvents(ctx, client.EventsRequest{OnlyNew: true}) {
		if err != nil || e.GetSequence() != 41 {
			t.Errorf("got %v, %v", e, err)
		}
		break
	}
	cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := fmt.Sprint(s.asked); got != "[0 true 40 false]" {
		t.Errorf("it asked for %s", got)
	}
}

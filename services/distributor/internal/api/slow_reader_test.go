package api_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/kit/rpcserver"
	"github.com/silverback-gateway/silverback/services/distributor/internal/api"
	"github.com/silverback-gateway/silverback/services/distributor/internal/event"
)

// journal is an api.Journal that does not change.
type journal struct{ event.Reading }

func (journal) Ready(context.Context) error                     { return nil }
func (journal) Lost() <-chan struct{}                           { return nil }
func (j journal) Read() event.Reading                           { return j.Reading }
func (j journal) Known(context.Context) (event.Sequence, error) { return j.UpTo, nil }

// ending tells when a watch has ended.
type ending struct {
	*api.EventService
	ended chan struct{} // capacity for all
}

func (e ending) WatchEvents(r *distributorv1.WatchEventsRequest, s distributorv1.EventService_WatchEventsServer) error {
	defer func() { e.ended <- struct{}{} }()
	return e.EventService.WatchEvents(r, s)
}

// A reader that takes nothing is cut with a reason, and goes on where it was.
func TestASlowReaderIsCutAndResumes(t *testing.T) {
	const batches, each = 40, 100 // more than the windows of a connection
	const patience = 30 * time.Second
	var all event.Reading
	for at := range int64(batches) {
		b := event.Batch{At: at + 1}
		for i := range each {
			b.Events = append(b.Events, event.Event{Reason: event.WaveStarted, Group: "g", Sequence: event.SequenceAt(0, at+1, i),
				Message: strings.Repeat("x", 1000)})
		}
		all.Batches, all.UpTo = append(all.Batches, b), b.Last()
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	server, err := rpcserver.New(rpcserver.Config{Listen: "127.0.0.1:0"}, rpcserver.Deps{Log: slog.New(slog.DiscardHandler),
		Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	service := ending{&api.EventService{Journal: journal{all}, SendTimeout: 200 * time.Millisecond}, make(chan struct{}, batches)}
	distributorv1.RegisterEventServiceServer(server, service)
	go func() { done <- server.Serve(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil && ctx.Err() == nil {
			t.Error(err)
		}
	}()
	conn, err := rpc.Dial(rpc.ClientConfig{Addresses: []string{server.Address()}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	client := distributorv1.NewEventServiceClient(conn)

	seen, cuts, last := map[int64]bool{}, 0, int64(0)
	for len(seen) < batches*each {
		stream, err := client.WatchEvents(ctx, &distributorv1.WatchEventsRequest{AfterSequence: last})
		if err != nil {
			t.Fatal(err)
		}
		if cuts == 0 {
			select {
			case <-service.ended: // nothing is read meanwhile
			case <-time.After(patience):
				t.Fatal("the server still waits for its reader")
			}
		}
		for {
			m, err := stream.Recv()
			if err != nil {
				var f *fault.Error
				if !errors.As(fault.FromStatus(err), &f) || f.Kind != fault.Busy || f.Reason != "SLOW_READER" {
					t.Fatalf("the stream ended with %v", err)
				}
				cuts++
				break
			}
			e := m.GetEvent()
			if e == nil {
				break // it has caught up
			}
			if seen[e.GetSequence()] || e.GetSequence() <= last {
				t.Fatalf("event %d came twice, or after %d", e.GetSequence(), last)
			}
			seen[e.GetSequence()], last = true, e.GetSequence()
		}
	}
	if cuts == 0 {
		t.Error("nobody was cut")
	}
	if len(seen) != batches*each {
		t.Errorf("%d events were received", len(seen))
	}
	t.Log(fmt.Sprint("cut ", cuts, " times"))
}

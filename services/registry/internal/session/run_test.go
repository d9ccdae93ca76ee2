package session

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
	"github.com/silverback-gateway/silverback/services/registry/internal/store"
)

// deadLeases grants nothing, and says nothing.
type deadLeases struct{ clientv3.Lease }

func (deadLeases) Grant(ctx context.Context, _ int64) (*clientv3.LeaseGrantResponse, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// A stop waits for the calls under way, and these wait for an etcd that does not answer: they must end with the book.
func TestWhoWaitsForAWriteIsToldOfTheStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Config{Replica: "r", TTL: time.Minute, Log: slog.New(slog.DiscardHandler), Metrics: NewMetrics(prometheus.NewRegistry())},
			nil, deadLeases{}, func(roster.Key) store.Current { return store.Current{} })
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _ = b.Run(ctx) }()
		answered := make(chan error, 1)
		go func() {
			_, err := b.Enrol(t.Context(), roster.Key{Group: "g", Node: "n"}, roster.Node{BootID: "1"}, roster.Report{})
			answered <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-answered; !errors.Is(err, fault.Of(fault.Down)) {
			t.Errorf("the enrolment was answered with %v", err)
		}
	})
}

package session

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
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

// A stop waits for the calls under way, and these wait for an etcd that does not answer: they must end with the sessions.
func TestWhoWaitsForAWriteIsToldOfTheStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{Replica: "r", TTL: time.Minute, Log: slog.New(slog.DiscardHandler), Metrics: NewMetrics(prometheus.NewRegistry())},
			nil, deadLeases{}, func(roster.Key) store.Current { return store.Current{} })
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _ = s.Run(ctx) }()
		answered := make(chan error, 1)
		go func() {
			_, err := s.Enrol(t.Context(), roster.Key{Group: "g", Node: "n"}, roster.Node{BootID: "1"}, roster.Report{})
			answered <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-answered; !errors.Is(err, fault.Of(fault.Down)) {
			t.Errorf("the enrolment was answered with %v", err)
		}
	})
}

// fullLeases is an etcd without space: it answers, and grants nothing.
type fullLeases struct {
	clientv3.Lease
	asked chan struct{}
}

func (l fullLeases) Grant(context.Context, int64) (*clientv3.LeaseGrantResponse, error) {
	l.asked <- struct{}{}
	return nil, rpctypes.ErrNoSpace
}

// Whoever enrols waits for a lease, and nothing else tells why.
func TestALeaseThatEtcdRefusesIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		leases := fullLeases{asked: make(chan struct{})}
		s := New(Config{Replica: "r", TTL: time.Minute, Log: slog.New(slog.NewTextHandler(&log, nil)),
			Metrics: NewMetrics(prometheus.NewRegistry())},
			nil, leases, func(roster.Key) store.Current { return store.Current{} })
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); _ = s.Run(ctx) }()
		for range 3 {
			<-leases.asked
		}
		synctest.Wait() // until it rests after the third
		cancel()
		<-ended
		if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "etcd grants no lease for sessions") ||
			!strings.Contains(text, "space exceeded") {
			t.Errorf("the log says\n%s", text)
		}
	})
}

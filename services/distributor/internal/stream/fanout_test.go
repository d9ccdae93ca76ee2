package stream

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/kit/content"
	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/snapshot"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
	"github.com/silverback-gateway/silverback/services/distributor/internal/store"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// memoryStream is a stream whose other end takes everything and answers nothing.
type memoryStream struct {
	grpc.ServerStream
	ctx   context.Context
	hello chan *distributorv1.FollowAssignmentRequest
	sent  *atomic.Int64
}

func (s *memoryStream) Context() context.Context     { return s.ctx }
func (s *memoryStream) SendHeader(metadata.MD) error { return nil }
func (s *memoryStream) SendMsg(any) error            { s.sent.Add(1); return nil }
func (s *memoryStream) Send(*distributorv1.FollowAssignmentResponse) error {
	return nil
}

func (s *memoryStream) Recv() (*distributorv1.FollowAssignmentRequest, error) {
	select {
	case m := <-s.hello:
		return m, nil
	case <-s.ctx.Done():
		return nil, s.ctx.Err()
	}
}

func TestTenThousandSessionsGetADirective(t *testing.T) {
	const sessions = 10_000
	etcd := etcdtest.Client(t)
	log := slog.New(slog.DiscardHandler)
	view, contents := store.NewView(log), content.New(etcd, 0)
	hub := NewHub(Deps{View: view, Content: contents, Tallies: store.NewTallies(etcd, "r"), Log: log,
		Metrics: NewMetrics(prometheus.NewRegistry())})
	ctx, cancel := context.WithCancel(context.Background())
	var loops sync.WaitGroup
	defer loops.Wait()
	defer cancel()
	loops.Go(func() { _ = view.Run(ctx, etcd) })
	loops.Go(func() { _ = hub.Run(ctx) })
	var sent atomic.Int64
	for i := range sessions {
		s := &memoryStream{ctx: ctx, sent: &sent, hello: make(chan *distributorv1.FollowAssignmentRequest, 1)}
		s.hello <- &distributorv1.FollowAssignmentRequest{Message: &distributorv1.FollowAssignmentRequest_Hello{
			Hello: &distributorv1.Hello{Group: "g", Node: fmt.Sprint("n", i)}}}
		loops.Go(func() { _ = hub.Follow(s) })
	}
	joined := func() int {
		hub.mu.Lock()
		g := hub.groups["g"]
		hub.mu.Unlock()
		if g == nil {
			return 0
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		return len(g.sessions)
	}
	wait(t, func() bool { return joined() == sessions })
	snap, err := snapshot.Open([]byte("{\"_format_version\":\"3.0\"}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := contents.Put(ctx, snap); err != nil {
		t.Fatal(err)
	}
	answer, err := etcd.Put(ctx, store.Election("distributor")+"/x", "")
	if err != nil {
		t.Fatal(err)
	}
	fence := etcdkv.Fence{Key: store.Election("distributor") + "/x", Term: fleet.Term(answer.Header.Revision)}
	assignment := &rollout.Assignment{Stable: rollout.Target{Revision: 1, Digest: snap.Digest()}}
	if _, err := store.Decide(ctx, etcd, fence, "g", store.Group{}, rollout.Decision{Assignment: assignment}, store.News{}); err != nil {
		t.Fatal(err)
	}
	wait(t, func() bool { return sent.Load() == sessions })
}

func wait(t *testing.T, holds func() bool) {
	t.Helper()
	deadline, tick := time.After(2*time.Minute), time.NewTicker(2*time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			t.Fatal("not within two minutes")
		case <-tick.C:
		}
	}
}

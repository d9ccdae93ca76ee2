package store

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/run"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// A wave waits for an unreadable tally: it is not ignored, and the earlier tally of its replica no longer counts.
func TestAnUnreadableTallyCountsAsEmpty(t *testing.T) {
	etcd := etcdtest.Client(t)
	tallies := NewTallies(etcd, "r")
	if err := tallies.grant(t.Context()); err != nil {
		t.Fatal(err)
	}
	good := rollout.Tally{Decision: 7, Connected: 2, Serving: 2, Nodes: rollout.Nodes{Serving: rollout.Positions{1, 1 << 60}}}
	if err := tallies.Put(t.Context(), "g", "00000001", good); err != nil {
		t.Fatal(err)
	}
	v := NewView(slog.New(slog.DiscardHandler))
	read := func() []rollout.Tally {
		load(t, etcd, v, tallyPrefix)
		return v.Group("g").Tallies("00000001")
	}
	if got := read(); len(got) != 1 || !got[0].Equal(good) {
		t.Fatalf("the ledger holds %+v", got)
	}
	for _, text := range []string{
		"{", `{"v":99,"value":{"decision":7}}`,
		`{"v":1,"value":{"decision":7,"connected":1,"serving":1,"nodes":{"serving":"!"}}}`,
		`{"v":1,"value":{"decision":7,"connected":1,"serving":1,"nodes":{"serving":[1]}}}`,
	} {
		if _, err := etcd.Put(t.Context(), tallyKey("g", "00000001", "r"), text); err != nil {
			t.Fatal(err)
		}
		if got := read(); len(got) != 1 || !got[0].Equal(rollout.Tally{}) {
			t.Errorf("%s gave %+v", text, got)
		}
	}
}

// held runs tallies until they have a lease, and returns what stops them.
func held(t *testing.T, tallies *Tallies) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	leased, ended := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(ended)
		_ = tallies.Run(ctx, func() {
			select {
			case leased <- struct{}{}:
			default:
			}
		})
	}()
	<-leased
	return func() { cancel(); <-ended }
}

// The tallies of a stopped replica do not hold up a wave.
func TestAStoppingReplicaDeletesItsTallies(t *testing.T) {
	etcd := etcdtest.Client(t)
	tallies := NewTallies(etcd, "r")
	stop := held(t, tallies)
	if err := tallies.Put(t.Context(), "g", "00000001", rollout.Tally{}); err != nil {
		t.Fatal(err)
	}
	stop()
	if left, _, err := etcdkv.List(t.Context(), etcd, tallyPrefix); err != nil || len(left) > 0 {
		t.Errorf("it left %v behind, %v", left, err)
	}
}

// deaf does not answer a revocation of a lease, and sends the error of its context.
type deaf struct {
	clientv3.Lease
	gaveUp chan error
}

func (d deaf) Revoke(ctx context.Context, _ clientv3.LeaseID) (*clientv3.LeaseRevokeResponse, error) {
	<-ctx.Done()
	d.gaveUp <- context.Cause(ctx)
	return nil, ctx.Err()
}

func TestTalliesDoNotWaitForADeadEtcd(t *testing.T) {
	etcd := etcdtest.Client(t)
	gaveUp := make(chan error, 1)
	etcd.Lease = deaf{etcd.Lease, gaveUp}
	held(t, NewTallies(etcd, "r"))()
	if err := <-gaveUp; !errors.Is(err, run.ErrShutdownTimeout) {
		t.Errorf("it gave up with %v", err)
	}
}

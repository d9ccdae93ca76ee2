package controller

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
	"github.com/silverback-gateway/silverback/services/distributor/internal/store"
	"github.com/silverback-gateway/silverback/services/distributor/internal/upstreamtest"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// collector is a translator that takes note of what it is to collect.
type collector struct {
	translatorv1.TranslatorServiceClient
	asked []*translatorv1.CollectRevisionsRequest
}

func (c *collector) CollectRevisions(_ context.Context, r *translatorv1.CollectRevisionsRequest, _ ...grpc.CallOption) (
	*translatorv1.CollectRevisionsResponse, error) {
	c.asked = append(c.asked, r)
	return &translatorv1.CollectRevisionsResponse{KeptRevisions: 7}, nil
}

// noSessions implements Sessions without agents.
type noSessions struct{}

func (noSessions) Enrolled(fleet.GroupID, fleet.NodeID, string) {}
func (noSessions) Quarantine(fleet.GroupID, fleet.NodeID, bool) {}

func TestTheLeaderNamesWhatIsInUse(t *testing.T) {
	etcd := etcdtest.Client(t)
	translator := &collector{}
	metrics := NewMetrics(prometheus.NewRegistry())
	upstream := upstreamtest.Start(t)
	upstream.Revise("g", fleet.DigestOf([]byte("1"))) // which a decision under way may name
	upstream.Group("g", &fleetv1.RolloutPolicy{KeepRevisions: new(int32(7)), KeepAge: durationpb.New(36 * time.Hour)})
	elected, err := etcd.Put(t.Context(), "election/distributor/1", "")
	if err != nil {
		t.Fatal(err)
	}
	fence := etcdkv.Fence{Key: "election/distributor/1", Term: fleet.Term(elected.Header.Revision)}
	cache := NewCache(upstream.Translator(), upstream.Registry(), noSessions{}, slog.New(slog.DiscardHandler))
	l := &leadership{Controller: New(Deps{
		Cache: cache, Etcd: etcd, Translator: translator, Log: slog.New(slog.DiscardHandler), Metrics: metrics,
		Retention: Retention{Interval: time.Hour, Revisions: 50, Age: time.Hour},
	}), fence: fence}
	if err := l.collectOnce(t.Context()); !errors.Is(err, fault.Of(fault.Down)) {
		t.Errorf("before the policies of groups were known: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cache.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	if err := cache.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.collectOnce(t.Context()); err != nil || len(translator.asked) > 0 {
		t.Errorf("without an assignment it asked %d times, %v", len(translator.asked), err)
	}
	d := rollout.Decision{
		Rollout: &rollout.Rollout{Group: "g", ID: "00000001", Candidate: rollout.Target{Revision: 3, Digest: fleet.DigestOf(nil)}},
		Assignment: &rollout.Assignment{Stable: rollout.Target{Revision: 2, Digest: fleet.DigestOf([]byte("2"))},
			Candidate: rollout.Target{Revision: 3, Digest: fleet.DigestOf(nil)}},
	}
	at, err := store.Decide(t.Context(), etcd, fence, "g", store.Group{}, d, store.News{})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.collectOnce(t.Context()); err != nil || len(translator.asked) != 1 {
		t.Fatalf("asked %d times, %v", len(translator.asked), err)
	}
	q := translator.asked[0]
	if q.GetLedgerRevision() != at || q.GetKeepRevisions() != 50 || q.GetKeepAge().AsDuration() != time.Hour || len(q.GetGroups()) != 1 {
		t.Fatalf("it asked for %v", q)
	}
	g := q.GetGroups()[0]
	if g.GetKeepRevisions() != 7 || g.GetKeepAge().AsDuration() != 36*time.Hour {
		t.Errorf("it does not tell the policy of the group: %v", g)
	}
	if g.GetGroup() != "g" || !slices.Equal(g.GetRevisions(), []int64{2, 3, 1}) || len(g.GetDigests()) != 3 {
		t.Errorf("it names %v", g)
	}
	if n := testutil.ToFloat64(metrics.kept); n != 7 {
		t.Errorf("%v revisions are kept", n)
	}
	// A leader that was replaced asks for nothing, and does not know that it was.
	if _, err := etcd.Delete(t.Context(), fence.Key); err != nil {
		t.Fatal(err)
	}
	if err := l.collectOnce(t.Context()); !errors.Is(err, fault.Of(fault.StaleTerm)) || len(translator.asked) != 1 {
		t.Errorf("after its term it asked %d times, %v", len(translator.asked), err)
	}
	// Nothing is collected while a record cannot be read: what it names is not known.
	if _, err := etcd.Put(t.Context(), "decided/assignments/h", "{"); err != nil {
		t.Fatal(err)
	}
	if err := l.collectOnce(t.Context()); err == nil || len(translator.asked) != 1 {
		t.Errorf("with a damaged record it asked %d times, %v", len(translator.asked), err)
	}
}

func TestAGroupThatChangesOftenIsCollectedEarly(t *testing.T) {
	heads := func(a, b fleet.Revision) map[fleet.GroupID]rollout.Target {
		return map[fleet.GroupID]rollout.Target{"a": {Revision: a}, "b": {Revision: b}}
	}
	policies := map[fleet.GroupID]rollout.Policy{"b": {KeepRevisions: new(2)}}
	for _, tt := range []struct {
		name      string
		last, now map[fleet.GroupID]rollout.Target
		want      bool
	}{
		{"none", heads(7, 7), heads(7, 7), false},
		{"few", heads(7, 7), heads(56, 26), false},
		{"as many as it may have", heads(7, 7), heads(57, 7), true},
		{"as many as its policy lets it have", heads(7, 7), heads(7, 27), true},
		{"a new group", nil, heads(50, 1), true},
	} {
		if got := crowded(Retention{Revisions: 5}, tt.last, tt.now, policies); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

package endurance_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/kit/fleet"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/services/distributor"
	"github.com/silverback-gateway/silverback/testkit/agenttest"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// hurried is a clock on which a revision grows an hour older in a second.
func hurried() func() time.Time {
	began := time.Now()
	return func() time.Time { return began.Add(time.Duration(float64(time.Since(began)) * time.Hour.Seconds())) }
}

// late is a translator that a collection reaches only when it may, also when who asked for it has given up.
type late struct {
	translatorv1.TranslatorServiceClient
	asked, may chan struct{}
	answer     chan error
}

// CollectRevisions implements the client's method.
func (l *late) CollectRevisions(ctx context.Context, r *translatorv1.CollectRevisionsRequest, _ ...grpc.CallOption) (
	*translatorv1.CollectRevisionsResponse, error) {
	close(l.asked)
	<-l.may
	answer, err := l.TranslatorServiceClient.CollectRevisions(context.WithoutCancel(ctx), r)
	l.answer <- err
	return answer, err
}

func tiny(edit int) []byte {
	return fmt.Appendf(nil, `{"_format_version": "3.0", "services": [{"name": "s", "url": "http://s-%d.internal"}]}`, edit)
}

// TestADeposedLeaderCollectsNothing: a leader reads what is in use and loses its lease while its call is on the way. The next leader keeps
// more and collects before the call arrives.
func TestADeposedLeaderCollectsNothing(t *testing.T) {
	etcd := etcdtest.Start(t)
	p := newPlane(t, etcd, hurried())
	translator := translatorv1.NewTranslatorServiceClient(p.translator().conn)
	s := &submitter{t: t, plane: p, translator: translator, made: map[int64]edited{}}
	cut := etcd.Cut(t)
	held := &late{TranslatorServiceClient: translator, asked: make(chan struct{}), may: make(chan struct{}), answer: make(chan error, 1)}
	first := p.distributor(distributor.Config{
		ReplicaID: "d-1", ElectionTTL: 2 * time.Second, CollectInterval: time.Hour, CollectPause: time.Millisecond, KeepRevisions: 2,
	}, cut.Client(t), held)
	eventually(t, "the first replica leads", func() bool { return first.value(t, "silverback_leader", "") == 1 })
	const made = 25 // more than ten times two
	for i := range made {
		s.send("team", tiny(i))
	}
	wait(t, "the first leader asks for a collection", held.asked)
	second := p.distributor(distributor.Config{
		ReplicaID: "d-2", ElectionTTL: 2 * time.Second, CollectInterval: time.Second, KeepRevisions: 50,
	}, p.client(), translator)
	cut.Sever()
	eventually(t, "the second leader has collected", func() bool {
		return second.value(t, "silverback_distributor_collections_total", "done") > 0
	})
	close(held.may)
	select {
	case err := <-held.answer:
		if status.Code(err) != codes.FailedPrecondition {
			t.Errorf("the late collection: %v", err)
		}
	case <-time.After(waitTimeout):
		t.Fatal("the late collection was not answered")
	}
	if n := len(s.revisions()); n != made {
		t.Errorf("%d revisions are left of %d", n, made)
	}
	cut.Mend()
}

// TestNothingInUseVanishes submits, restores, pins and unpins while a collection follows the other that keeps as little as it may.
func TestNothingInUseVanishes(t *testing.T) {
	p := newPlane(t, etcdtest.Start(t), hurried())
	translator := translatorv1.NewTranslatorServiceClient(p.translator().conn)
	leader := p.distributor(distributor.Config{
		ReplicaID: "d-1", CollectInterval: time.Second, CollectPause: time.Millisecond, KeepRevisions: 2, KeepAge: time.Hour,
	}, p.client(), translator)
	s := &submitter{t: t, plane: p, translator: translator, made: map[int64]edited{}}
	rollouts := distributorv1.NewRolloutServiceClient(leader.conn)
	rng := rand.New(rand.NewPCG(7, 11))
	sources := []string{"a", "b", "c"}
	silent := p.agent(leader)
	for _, source := range sources {
		s.send(source, named(source, 0))
	}
	eventually(t, "the first revisions are stable", func() bool { return s.assignment(rollouts).GetStableRevision() == int64(len(sources)) })
	// From now on no rollout completes: what is stable gets old.
	silent.Store(true)
	restored := 0
	for i := range 300 {
		source := sources[rng.IntN(len(sources))]
		switch rng.IntN(6) {
		case 0:
			all := s.revisions()
			to := all[rng.IntN(len(all))].GetNumber()
			switch _, err := s.restore(to, false); status.Code(err) {
			case codes.OK:
				restored++
			case codes.NotFound: // it was collected since it was listed
			case codes.FailedPrecondition, codes.Aborted: // a pin stands in the way, or the content of a source was collected meanwhile
			default:
				t.Errorf("restore revision %d: %v", to, err)
			}
		case 1:
			_, err := translator.PinSource(t.Context(), &translatorv1.PinSourceRequest{Group: group, Source: source, Reason: "test"})
			if err != nil {
				t.Errorf("pin %s: %v", source, err)
			}
		case 2:
			_, err := translator.UnpinSource(t.Context(), &translatorv1.UnpinSourceRequest{
				Group: group, Source: source, Reason: "test", AllowShrink: true,
			})
			if err != nil && status.Code(err) != codes.FailedPrecondition { // it has no pin
				t.Errorf("unpin %s: %v", source, err)
			}
		default:
			_, err := translator.SubmitConfig(t.Context(), &translatorv1.SubmitConfigRequest{
				Group: group, Source: source, AllowShrink: true,
				Documents: []*translatorv1.Document{{Name: "x.json", Content: named(source, i/5)}}, // now and then what was there before
			})
			if err != nil && status.Code(err) != codes.FailedPrecondition { // it is pinned by hand
				t.Errorf("submit %s: %v", source, err)
			}
		}
		s.inUse(rollouts, sources)
	}
	done := leader.value(t, "silverback_distributor_collections_total", "done")
	eventually(t, "another collection ends", func() bool {
		return leader.value(t, "silverback_distributor_collections_total", "done") > done
	})
	newest, left := s.revisions()[0].GetNumber(), len(s.revisions())
	if stable := s.assignment(rollouts).GetStableRevision(); restored == 0 || int64(left) > newest/2 || stable == 0 || stable > newest/2 {
		t.Errorf("%d restorations; %d revisions are left of %d, and revision %d is stable", restored, left, newest, stable)
	}
	// Nor does it rest on what a translator remembers.
	s.translator = translatorv1.NewTranslatorServiceClient(p.translator().conn)
	s.inUse(rollouts, sources)
}

// named is a configuration of a source of its own.
func named(source string, edit int) []byte {
	return fmt.Appendf(nil, `{"_format_version": "3.0", "services": [{"name": %q, "url": "http://%s-%d.internal"}]}`, source, source, edit)
}

// inUse fails the test unless whatever is in use can be read: the newest revision, what the assignment names, and each source as it was in
// them.
func (r *submitter) inUse(rollouts distributorv1.RolloutServiceClient, sources []string) {
	r.t.Helper()
	r.read(0, sources)
	for range 10 {
		before := r.assignment(rollouts)
		ok := true
		for _, revision := range []int64{before.GetStableRevision(), before.GetCandidateRevision()} {
			if revision == 0 {
				continue
			}
			content, err := r.content(revision, "")
			want := before.GetStableDigest()
			if revision == before.GetCandidateRevision() {
				want = before.GetCandidateDigest()
			}
			ok = ok && err == nil && string(fleet.DigestOf(content)) == want
		}
		if ok {
			return
		}
		// It may have gone out of use meanwhile.
		if after := r.assignment(rollouts); after.GetDecision() == before.GetDecision() {
			r.t.Fatalf("the assignment names what cannot be read: %v", before)
		}
	}
}

func (r *submitter) assignment(rollouts distributorv1.RolloutServiceClient) *distributorv1.Assignment {
	r.t.Helper()
	answer, err := rollouts.GetAssignment(r.t.Context(), &distributorv1.GetAssignmentRequest{Group: group})
	if err != nil && status.Code(err) != codes.NotFound {
		r.t.Fatal(err)
	}
	return answer.GetAssignment()
}

func (r *submitter) read(revision int64, sources []string) {
	r.t.Helper()
	for _, source := range append([]string{""}, sources...) {
		if _, err := r.content(revision, source); err != nil {
			r.t.Fatalf("revision %d, source %q: %v", revision, source, err)
		}
	}
}

// wait waits for an event.
func wait(t *testing.T, what string, event <-chan struct{}) {
	t.Helper()
	select {
	case <-event:
	case <-time.After(waitTimeout):
		t.Fatalf("waited in vain until %s", what)
	}
}

// agent enrols a node and follows its assignment, until it is silent.
func (p *plane) agent(at *replica) (silent *atomic.Bool) {
	p.t.Helper()
	const node = "n-1"
	_, err := registryv1.NewRegistryServiceClient(p.registry).EnrolNode(p.t.Context(), &registryv1.EnrolNodeRequest{
		Group: group, Node: node, BootId: "1",
	})
	if err != nil {
		p.t.Fatal(err)
	}
	silent = &atomic.Bool{}
	a := agenttest.New(agenttest.Config{
		Group: group, Node: node, Conn: func() grpc.ClientConnInterface { return at.conn },
		Answer: func([]byte, *distributorv1.Directive) agenttest.Verdict {
			if silent.Load() {
				return agenttest.Silent
			}
			return agenttest.Ack
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = a.Run(ctx) }()
	p.t.Cleanup(func() { cancel(); <-done })
	return silent
}

package stream

import (
	"context"
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/kit/content"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
	"github.com/silverback-gateway/silverback/services/distributor/internal/store"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// stoppedStream calls a function at each message, like a slow node.
type stoppedStream struct {
	serverStream
	sending func()
}

func (s *stoppedStream) SendMsg(any) error { s.sending(); return nil }

var (
	one = rollout.Target{Revision: 1, Digest: fleet.DigestOf([]byte("one"))}
	two = rollout.Target{Revision: 2, Digest: fleet.DigestOf([]byte("two"))}
)

func stable(t rollout.Target, decision fleet.Decision) *rollout.Assignment {
	return &rollout.Assignment{Stable: t, Decision: decision}
}

func oneSession() *session {
	h := NewHub(Deps{View: store.NewView(slog.New(slog.DiscardHandler)), Log: slog.New(slog.DiscardHandler),
		Metrics: NewMetrics(prometheus.NewRegistry())})
	g := &group{id: "g", sessions: map[fleet.NodeID]*session{}}
	h.groups["g"] = g
	s := newSession(h, g, &distributorv1.Hello{Group: "g", Node: "n"})
	g.sessions["n"] = s
	return s
}

// decide offers an assignment, like a hub.
func (s *session) decide(a *rollout.Assignment) {
	s.group.mu.Lock()
	defer s.group.mu.Unlock()
	s.group.assignment = a
	s.offer(a, false)
}

// deliver sends the waiting directive and returns it; nil when there was none.
func (s *session) deliver(t *testing.T, delta *encodedDelta, sending func()) *directive {
	t.Helper()
	d, messages := s.box.take(), 0
	if d == nil {
		return nil
	}
	if err := s.send(&stoppedStream{sending: func() { messages++; sending() }}, d, delta); err != nil {
		t.Fatal(err)
	}
	if messages == 0 {
		return nil
	}
	return d
}

func (s *session) fails(t *testing.T, d *directive, reason distributorv1.Failure_Reason) {
	t.Helper()
	err := s.receive(&distributorv1.Outcome{
		Nonce: s.nonce, Digest: string(d.Digest), Verdict: &distributorv1.Outcome_Failure{Failure: &distributorv1.Failure{Reason: reason}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func nothing() {}

func TestAnInterruptedDirectiveIsSentAgain(t *testing.T) {
	s := oneSession()
	s.decide(stable(one, 1))
	s.deliver(t, &encodedDelta{parts: [][]byte{{1}, {2}}}, func() {
		s.decide(stable(two, 2))
		s.decide(stable(one, 3))
	})
	if d := s.deliver(t, nil, nothing); d == nil || d.stamp.Decision != 3 {
		t.Errorf("the node was then told %+v, and has half a snapshot", d)
	}
}

func TestBadDeltaDoesNotPutAnOlderDirectiveInPlaceOfANewer(t *testing.T) {
	s := oneSession()
	s.decide(stable(one, 1))
	d := s.deliver(t, nil, nothing)
	s.decide(stable(two, 2))
	s.fails(t, d, distributorv1.Failure_REASON_BAD_DELTA)
	if d := s.deliver(t, nil, nothing); d == nil || d.Revision != two.Revision {
		t.Errorf("the node was then told %+v", d)
	}
}

func TestTheTargetOfAStaleDirectiveIsSentWithANewerDecision(t *testing.T) {
	t.Run("which arrives later", func(t *testing.T) {
		s := oneSession()
		s.decide(stable(one, 1))
		s.fails(t, s.deliver(t, nil, nothing), distributorv1.Failure_REASON_STALE_DECISION)
		if d := s.deliver(t, nil, nothing); d != nil {
			t.Fatalf("the node was told %+v again", d)
		}
		s.decide(stable(one, 2))
		if d := s.deliver(t, nil, nothing); d == nil || d.stamp.Decision != 2 {
			t.Errorf("the node was then told %+v", d)
		}
	})
	t.Run("which came meanwhile", func(t *testing.T) {
		s := oneSession()
		s.decide(stable(one, 1))
		d := s.deliver(t, nil, nothing)
		s.decide(stable(one, 2))
		s.fails(t, d, distributorv1.Failure_REASON_STALE_DECISION)
		if d := s.deliver(t, nil, nothing); d == nil || d.stamp.Decision != 2 {
			t.Errorf("the node was then told %+v", d)
		}
	})
}

func TestATallyOfAFailedWriteIsDeleted(t *testing.T) {
	etcd := etcdtest.Client(t)
	log := slog.New(slog.DiscardHandler)
	h := NewHub(Deps{View: store.NewView(log), Content: content.New(etcd, 0), Tallies: store.NewTallies(etcd, "r"), Log: log,
		Metrics: NewMetrics(prometheus.NewRegistry())})
	g := &group{id: "g", sessions: map[fleet.NodeID]*session{}, dirty: true}
	g.assignment = &rollout.Assignment{Candidate: one, Rollout: "00000001", Reach: rollout.Reach{Threshold: fleet.MaxPosition}, Decision: 1}
	g.sessions["n"] = newSession(h, g, &distributorv1.Hello{Group: "g", Node: "n"})
	// The answer of etcd was lost: the writer gets an error, and the ledger has the tally.
	const key = "observed/tallies/g/00000001/r"
	if wait := h.writeTally(t.Context(), g); wait == 0 {
		t.Fatal("written without a lease")
	}
	if _, err := etcd.Put(t.Context(), key, "{}"); err != nil {
		t.Fatal(err)
	}
	g.mu.Lock()
	delete(g.sessions, "n")
	g.dirty = true
	g.mu.Unlock()
	h.writeTally(context.Background(), g)
	answer, err := etcd.Get(t.Context(), key)
	if err != nil || answer.Count != 0 {
		t.Errorf("%d tallies are left of a replica without sessions, %v", answer.Count, err)
	}
}

func TestUnknownGroupsOfAgentsAreForgotten(t *testing.T) {
	h := oneSession().hub
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = h.tally(ctx) }()
	defer func() { cancel(); <-ended }()
	for _, name := range []string{"a", "b", "c"} {
		s, err := h.join(&distributorv1.Hello{Group: name, Node: "n"})
		if err != nil {
			t.Fatal(err)
		}
		h.leave(s)
	}
	wait(t, func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return len(h.groups) == 0
	})
}

package distributor_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/snapshot"
	"github.com/silverback-gateway/silverback/testkit/agenttest"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// A node names what it holds. The content of another group is no base of a delta: the delta would reveal that content.
func TestADeltaIsBasedOnContentOfTheSameGroup(t *testing.T) {
	p := newControlPlane(t)
	r := p.replica("one")
	p.upstream.Group("h", nil)
	other := p.snapshot(20, "-of-another-group")
	p.upstream.Revise("h", other)
	p.agent(agenttest.Config{Group: "h", Node: "theirs"}, r)
	eventually(t, "the other group runs its own", func() bool {
		answer, err := r.GetAssignment(t.Context(), &distributorv1.GetAssignmentRequest{Group: "h"})
		return err == nil && answer.GetAssignment().GetStableDigest() == string(other)
	})
	p.revise("")
	a := p.agent(agenttest.Config{Node: "n0", Hello: func(h *distributorv1.Hello) { h.HeldDigest = string(other) }}, r)
	r.reaches(t, 1, completed)
	if first := a.History()[0]; !first.Delta || first.Base != "" {
		t.Errorf("the node was sent a difference against %q", first.Base)
	}
}

func TestOneRouteOfTenThousandIsSmallAndEncodedOnce(t *testing.T) {
	p := newControlPlane(t)
	r := p.replica("one")
	agents := p.agents(10, r)
	p.upstream.Revise("g", p.snapshot(10_000, ""))
	r.reaches(t, 1, completed)
	var before []int64
	for _, a := range agents {
		before = append(before, a.Received())
	}
	encoded := r.counter(t, "silverback_distributor_frame_encodings_total")
	p.upstream.Revise("g", p.snapshot(10_000, "-edited"))
	r.reaches(t, 2, completed)
	for i, a := range agents {
		if got := a.Received() - before[i]; got > 10_000 {
			t.Errorf("agent %d received %d bytes for one route", i, got)
		}
	}
	if got := r.counter(t, "silverback_distributor_frame_encodings_total") - encoded; got != 1 {
		t.Errorf("encoded %v times for one pair", got)
	}
}

func TestReconnectWithAnUnchangedDigestCostsNothing(t *testing.T) {
	p := newControlPlane(t)
	one, two := p.replica("one"), p.replica("two")
	var at atomic.Pointer[replica]
	at.Store(one)
	a := p.agent(agenttest.Config{Node: "n0", Conn: func() grpc.ClientConnInterface { return at.Load().conn }}, one)
	p.revise("")
	two.reaches(t, 1, completed)
	before := a.Received()
	at.Store(two)
	one.stop() // asks it to reconnect
	eventually(t, "the agent is at the other replica", func() bool { return a.Opened() >= 2 })
	eventually(t, "it has a session", func() bool { return two.counter(t, "silverback_distributor_sessions") == 1 })
	p.revise("-next")
	two.reaches(t, 2, completed)
	if len(a.History()) != 2 {
		t.Errorf("the agent was told %+v", a.History())
	}
	if got := a.Received() - before; got > 1000 {
		t.Errorf("the reconnect and a small change cost %d bytes", got)
	}
}

func TestASlowAgentDoesNotDelayOthers(t *testing.T) {
	p := newControlPlane(t)
	// The registry reports it as sick, so that it holds up neither other nodes nor rollouts.
	p.upstream.Sick("g", "slow", "StateDirectory")
	r := p.replica("one")
	hold := make(chan struct{})
	slow := agenttest.New(agenttest.Config{Group: "g", Node: "slow", Hold: hold, Conn: func() grpc.ClientConnInterface { return r.conn }})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = slow.Run(ctx) }()
	defer func() { cancel(); <-done }()
	eventually(t, "the slow one is connected", func() bool { return slow.Opened() > 0 })
	agents := p.agents(3, r)
	for i := range 5 {
		p.upstream.Revise("g", p.snapshot(20_000, strings.Repeat("x", i)))
		eventually(t, "the others serve", func() bool {
			for _, a := range agents {
				if a.Serving().Revision != fleet.Revision(i+1) {
					return false
				}
			}
			return true
		})
		left := r.reaches(t, int64(i+1), completed)
		if got := left.GetLeftOut(); len(got) != 1 || got[0].GetNode() != "slow" || got[0].GetReason() != "StateDirectory" ||
			left.GetProgress().GetLeftOut() != 1 {
			t.Errorf("left out are %v", got)
		}
	}
	close(hold)
	eventually(t, "the slow one serves the newest", func() bool { return slow.Serving().Revision == 5 })
}

func TestAfterABadDeltaTheWholeSnapshotIsSent(t *testing.T) {
	p := newControlPlane(t)
	r := p.replica("one")
	a := p.agents(1, r)[0]
	p.revise("")
	r.reaches(t, 1, completed)
	a.Lose()
	p.revise("-edited")
	r.reaches(t, 2, completed)
	h := a.History()
	if len(h) != 3 || h[1].Err == nil || h[2].Base != "" || h[2].Err != nil {
		t.Errorf("the agent was told %+v", h)
	}
}

func TestWithAnUnknownBaseTheWholeSnapshotIsSent(t *testing.T) {
	p := newControlPlane(t)
	r := p.replica("one")
	unknown := string(fleet.DigestOf([]byte("nobody has this")))
	p.revise("")
	a := p.agent(agenttest.Config{Node: "n0", Hello: func(h *distributorv1.Hello) {
		if h.GetHeldDigest() == "" {
			h.HeldDigest = unknown
		}
	}}, r)
	r.reaches(t, 1, completed)
	if h := a.History(); len(h) != 1 || h[0].Base != "" {
		t.Errorf("the agent was told %+v", h)
	}
}

func TestLargeSnapshotComesInParts(t *testing.T) {
	p := newControlPlane(t)
	r := p.replica("one")
	a := p.agents(1, r)[0]
	// The text does not compress, so that it needs more than one part.
	var text bytes.Buffer
	text.WriteString("{\"_format_version\":\"3.0\",\n\"routes\":[\n")
	for i := range 24_000 {
		if i > 0 {
			text.WriteString(",\n")
		}
		random := fleet.DigestOf(fmt.Append(nil, i)).Hex() + fleet.DigestOf(fmt.Append(nil, -i)).Hex()
		fmt.Fprintf(&text, `{"id":"00000000-0000-5000-8000-%012d","name":"route-%06d","paths":["/%s"]}`, i, i, random)
	}
	text.WriteString("\n]}\n")
	s, err := snapshot.Open(text.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.content.Put(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	p.upstream.Revise("g", s.Digest())
	r.reaches(t, 1, completed)
	if h := a.History(); h[0].Parts == 0 || h[0].Err != nil {
		t.Errorf("the agent was told %+v", h)
	}
}

func TestRememberedRefusalIsNotSentAgain(t *testing.T) {
	p := newControlPlane(t)
	r := p.replica("one")
	bad := p.snapshot(20, "-bad")
	a := p.agent(agenttest.Config{Node: "n0", Hello: func(h *distributorv1.Hello) {
		h.Refused = []*distributorv1.Refused{{Digest: string(bad), Problems: refusedRoute}}
	}}, r)
	p.upstream.Revise("g", bad)
	ended := r.reaches(t, 1, halted)
	if len(ended.GetRefusals()) != 1 || len(a.History()) != 0 {
		t.Errorf("refusals are %v, the agent was told %+v", ended.GetRefusals(), a.History())
	}
}

func TestTakeOverInTheMiddleOfARollout(t *testing.T) {
	etcd := etcdtest.Start(t)
	p := newControlPlaneAt(t, etcd.Client(t))
	cut := etcd.Cut(t)
	leader := p.replicaAt("leader", cut.Client(t))
	eventually(t, "there is a leader", func() bool { name, _ := leader.Leader(t.Context()); return name == "leader" })
	other := p.replica("other")
	release := make(chan struct{})
	for _, node := range []string{"n0", "n1", "n2"} {
		p.agent(agenttest.Config{Node: node, Answer: func([]byte, *distributorv1.Directive) agenttest.Verdict {
			<-release
			return agenttest.Ack
		}}, other)
	}
	p.revise("")
	before := other.reaches(t, 1, progressing)
	cut.Sever() // as if it were killed: no word to anybody
	close(release)
	after := other.reaches(t, 1, completed)
	if after.GetId() != before.GetId() || after.GetTerm() <= before.GetTerm() {
		t.Errorf("rollout was %v, is %v", before, after)
	}
	// The old leader wakes up and decides nothing.
	cut.Mend()
	p.revise("-next")
	if last := other.reaches(t, 2, completed); last.GetTerm() != after.GetTerm() {
		t.Errorf("decided in term %d, want %d", last.GetTerm(), after.GetTerm())
	}
}

// A leader that stops resigns. The next one does not wait for the lease, which here lasts longer than the test.
func TestGracefulStopHandsOver(t *testing.T) {
	p := newControlPlane(t)
	p.electionTTL = 20 * timeout
	one := p.replica("one")
	eventually(t, "there is a leader", func() bool { name, _ := one.Leader(t.Context()); return name == "one" })
	two := p.replica("two")
	p.agents(1, two)
	p.revise("")
	two.reaches(t, 1, completed)
	go one.stop()
	p.revise("-next")
	two.reaches(t, 2, completed)
}

func TestTheFirstMessageIsAHelloAndNoOther(t *testing.T) {
	p := newControlPlane(t)
	r := p.replica("one")
	hello := func(node string) *distributorv1.FollowAssignmentRequest {
		return &distributorv1.FollowAssignmentRequest{Message: &distributorv1.FollowAssignmentRequest_Hello{
			Hello: &distributorv1.Hello{Group: "g", Node: node}}}
	}
	empty := &distributorv1.FollowAssignmentRequest{Message: &distributorv1.FollowAssignmentRequest_Outcome{
		Outcome: &distributorv1.Outcome{Nonce: 1}}}
	for _, tt := range []struct {
		name string
		send []*distributorv1.FollowAssignmentRequest
	}{
		{"an outcome before the hello", []*distributorv1.FollowAssignmentRequest{empty}},
		{"two hellos", []*distributorv1.FollowAssignmentRequest{hello("a"), hello("a")}},
		{"an outcome without a verdict", []*distributorv1.FollowAssignmentRequest{hello("a"), empty}},
		{"a name that is part of a path", []*distributorv1.FollowAssignmentRequest{hello("a/b")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stream, err := distributorv1.NewDeliveryServiceClient(r.conn).FollowAssignment(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range tt.send {
				_ = stream.Send(m)
			}
			if _, err := stream.Recv(); status.Code(err) != codes.InvalidArgument {
				t.Errorf("ended with %v", err)
			}
		})
	}
	older, err := distributorv1.NewDeliveryServiceClient(r.conn).FollowAssignment(t.Context())
	if err = errors.Join(err, older.Send(hello("twice"))); err != nil {
		t.Fatal(err)
	}
	if _, err := older.Header(); err != nil {
		t.Fatal(err)
	}
	newer, err := distributorv1.NewDeliveryServiceClient(r.conn).FollowAssignment(t.Context())
	if err = errors.Join(err, newer.Send(hello("twice"))); err != nil {
		t.Fatal(err)
	}
	if _, err := older.Recv(); status.Code(err) != codes.Aborted {
		t.Errorf("the older stream ended with %v", err)
	}
}

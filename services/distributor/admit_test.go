package distributor_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/testkit/agenttest"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// hello opens a stream like an agent with a boot id, and returns how it ended.
func hello(t *testing.T, at *replica, node, boot string) (opened <-chan error, ended <-chan error) {
	t.Helper()
	open, end := make(chan error, 1), make(chan error, 1)
	go func() {
		stream, err := distributorv1.NewDeliveryServiceClient(at.conn).FollowAssignment(t.Context())
		if err == nil {
			err = stream.Send(&distributorv1.FollowAssignmentRequest{Message: &distributorv1.FollowAssignmentRequest_Hello{
				Hello: &distributorv1.Hello{Group: "g", Node: node, BootId: boot},
			}})
		}
		if err == nil {
			_, err = stream.Header()
		}
		if err != nil {
			open <- err
			return
		}
		for {
			_, err := stream.Recv()
			switch code := status.Code(err); {
			case err == nil:
			case code == codes.FailedPrecondition && len(open) == 0:
				open <- err
				end <- err
				return
			default:
				end <- err
				return
			}
		}
	}()
	return open, end
}

func wantTaken(t *testing.T, err error) {
	t.Helper()
	if e := fault.FromStatus(err); status.Code(err) != codes.FailedPrecondition || e == nil ||
		!strings.Contains(e.Error(), "another agent is enrolled as node") {
		t.Errorf("the stream ended with %v, want NODE_TAKEN", err)
	}
}

func TestOnlyTheEnrolledAgentIsServed(t *testing.T) {
	p := newControlPlane(t)
	r := p.replica("one")
	p.upstream.Enrol("g", "n", "first")
	p.revise("") // its rollout counts the nodes in the cache of this replica
	eventually(t, "the replica has heard of the node", func() bool {
		answer, err := r.GetRollout(t.Context(), &distributorv1.GetRolloutRequest{Group: "g"})
		return err == nil && answer.GetRollout().GetProgress().GetOnline() == 1
	})
	// Before its first list from the registry a replica admits any agent.
	p.revise("")
	eventually(t, "the replica knows the node", func() bool { return r.rollout(1).GetProgress().GetOnline() == 1 })
	connected := func(n float64) func() bool {
		return func() bool { return r.counter(t, "silverback_distributor_sessions") == n }
	}
	_, firstEnds := hello(t, r, "n", "first")
	eventually(t, "the enrolled agent is connected", connected(1))
	_, twinEnds := hello(t, r, "n", "twin")
	wantTaken(t, <-twinEnds)
	if !connected(1)() {
		t.Error("the twin pushed the enrolled agent off")
	}
	// The registry gives the name to the next run of the agent. The stream of the previous run ends. An agent that is ahead of the registry's
	// watch waits for it.
	_, nextEnds := hello(t, r, "n", "next")
	p.upstream.Enrol("g", "n", "next")
	wantTaken(t, <-firstEnds)
	eventually(t, "the next run is connected", connected(1))
	select {
	case err := <-nextEnds:
		t.Errorf("the next run's stream ended: %v", err)
	default:
	}
	if got := r.counter(t, "silverback_distributor_names_taken_total"); got != 2 {
		t.Errorf("%v streams were counted as of another agent, want 2", got)
	}
}

// A replica without etcd gets no decisions, so that its agents should connect to another one.
func TestAReplicaWithoutEtcdDisconnectsItsAgents(t *testing.T) {
	etcd := etcdtest.Start(t)
	p := newControlPlaneAt(t, etcd.Client(t))
	cut := etcd.Cut(t)
	lone, other := p.replicaAt("lone", cut.Client(t)), p.replica("other")
	replicas := []*replica{lone, other}
	next := 0
	a := p.agent(agenttest.Config{Node: "n0", Conn: func() grpc.ClientConnInterface {
		next++
		return replicas[(next-1)%2].conn
	}}, nil)
	p.revise("")
	other.reaches(t, 1, completed)
	if lone.counter(t, "silverback_distributor_sessions") != 1 {
		t.Fatal("the agent is not at the replica that will be cut off")
	}
	cut.Sever()
	eventually(t, "the agent is at the other replica", func() bool { return other.counter(t, "silverback_distributor_sessions") == 1 })
	if err := lone.Ready(); err == nil {
		t.Error("the replica says that it is ready")
	}
	if _, err := lone.GetRollout(t.Context(), &distributorv1.GetRolloutRequest{Group: "g"}); !fault.IsNoLedger(err) {
		t.Errorf("the replica answers what it knows of old: %v", err)
	}
	p.revise("-two")
	other.reaches(t, 2, completed)
	if got := a.Serving().Revision; got != 2 {
		t.Errorf("the agent serves revision %d", got)
	}
	cut.Mend()
	eventually(t, "the replica is ready again", func() bool { return lone.Ready() == nil })
	lone.reaches(t, 2, completed)
}

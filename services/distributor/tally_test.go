package distributor_test

import (
	"strings"
	"sync/atomic"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"

	"github.com/silverback-gateway/silverback/testkit/agenttest"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// tally returns a replica's tally of group g in the ledger, and its key.
func (p *controlPlane) tally(replica string) (key, text string) {
	answer, err := p.etcd.Get(p.t.Context(), "observed/tallies/g/", clientv3.WithPrefix())
	if err != nil {
		p.t.Fatal(err)
	}
	for _, kv := range answer.Kvs {
		if strings.HasSuffix(string(kv.Key), "/"+replica) {
			return string(kv.Key), string(kv.Value)
		}
	}
	return "", ""
}

// The tally of a killed replica stays until its lease ends, while another replica counts its agents. They must not count twice, nor stand
// in for a node that does not serve.
func TestATallyOfADeadReplicaCountsNoNodeTwice(t *testing.T) {
	etcd := etcdtest.Start(t)
	p := newControlPlaneAt(t, etcd.Client(t))
	cut := etcd.Cut(t)
	killed, other := p.replicaAt("killed", cut.Client(t)), p.replica("other")
	var at atomic.Pointer[replica]
	at.Store(killed)
	// The last node is online without a stream. It must not be in the first wave, or that would never end.
	names := []string{"n0", "n1", "n2", "n3"}
	late := names[3]
	if first("g", 4) == late {
		late = names[0]
	}
	for _, name := range names {
		if name != late {
			p.agent(agenttest.Config{Node: name, Conn: func() grpc.ClientConnInterface { return at.Load().conn }}, nil)
		}
	}
	p.upstream.Node("g", late, registryv1.Node_STATE_READY)
	watch, err := other.WatchRollouts(t.Context(), &distributorv1.WatchRolloutsRequest{Group: "g"})
	if err != nil {
		t.Fatal(err)
	}
	digest := p.revise("")
	var key, text string
	eventually(t, "the three serve at the first replica", func() bool {
		key, text = p.tally("killed")
		return strings.Contains(text, `"serving":3,`)
	})
	cut.Sever()
	// The old tally must count no node twice for however long it stays.
	if _, err := p.etcd.Put(t.Context(), key, text); err != nil {
		t.Fatal(err)
	}
	at.Store(other)
	killed.stop()
	eventually(t, "the three serve at the second replica", func() bool {
		_,
			text := p.tally("other")
		return strings.Contains(text, `"serving":3,`)
	})
	missing := p.agent(agenttest.Config{Node: late}, other)
	done := other.reaches(t, 1, completed)
	if n := done.GetProgress(); n.GetOnline() != 4 || n.GetInWave() != 4 || n.GetServing() != 4 || n.GetLoading() != 0 {
		t.Errorf("completed with %v", n)
	}
	if s := missing.Serving(); s.Digest != digest || s.At.After(done.GetEndTime().AsTime()) {
		t.Errorf("completed at %s, and %s serves %+v", done.GetEndTime().AsTime(), late, s)
	}
	for {
		m, err := watch.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if n := m.GetRollout().GetProgress(); n.GetServing() > n.GetInWave() || n.GetInWave() > 4 || n.GetOnline() > 4 {
			t.Errorf("progress was %v", n)
		}
		if m.GetRollout().GetState() == completed {
			return
		}
	}
}

package registry_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/kit/rpcserver"
	"github.com/silverback-gateway/silverback/kit/run"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

const testTimeout = time.Minute

type replica struct {
	registryv1.RegistryServiceClient
	stop func()
}

// mortal is for tests in which sessions end: short, and long enough that a node that is meant to live is renewed in time on a busy machine.
var mortal = registry.Config{SessionTTL: 6 * time.Second, RenewInterval: 300 * time.Millisecond}

// start runs a replica over loopback, with the chain of interceptors it has in production. Without a word about it, sessions outlive the
// test.
func start(t *testing.T, etcd *clientv3.Client, c registry.Config) *replica {
	t.Helper()
	if c.SessionTTL == 0 {
		c.SessionTTL, c.RenewInterval = 10*testTimeout, 300*time.Millisecond
	}
	log := slog.New(slog.DiscardHandler)
	svc, err := registry.New(c, registry.Deps{Etcd: etcd, Log: log, Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	server, err := rpcserver.New(rpcserver.Config{Listen: "127.0.0.1:0"}, rpcserver.Deps{Log: log, Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	svc.Register(server)
	server.OnDrain(svc.Drain)
	conn, err := rpc.Dial(rpc.ClientConfig{Addresses: []string{server.Address()}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = run.All(ctx, server.Serve, svc.Run) }()
	r := &replica{RegistryServiceClient: registryv1.NewRegistryServiceClient(conn)}
	r.stop = sync.OnceFunc(func() { cancel(); <-done; _ = conn.Close() })
	t.Cleanup(r.stop)
	eventually(t, "the replica is ready", func() bool {
		_, err := r.ListGroups(t.Context(), &registryv1.ListGroupsRequest{})
		return err == nil
	})
	return r
}

// eventually asks again and again; it is for what has no event to wait on.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(testTimeout)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func (r *replica) group(t *testing.T, name string) {
	t.Helper()
	if _, err := r.CreateGroup(t.Context(), &registryv1.CreateGroupRequest{Group: &registryv1.Group{Name: name}}); err != nil {
		t.Fatal(err)
	}
}

func serving() *fleetv1.NodeStatus {
	return &fleetv1.NodeStatus{Revision: 7, Digest: "sha256:x", GatewayReady: true}
}

func (r *replica) enrol(node, boot string, st *fleetv1.NodeStatus) error {
	_, err := r.EnrolNode(context.Background(), &registryv1.EnrolNodeRequest{Group: "g", Node: node, BootId: boot, Status: st})
	return fault.FromStatus(err)
}

func (r *replica) renew(node, boot string, st *fleetv1.NodeStatus) (*registryv1.RenewNodeResponse, error) {
	a, err := r.RenewNode(context.Background(), &registryv1.RenewNodeRequest{Group: "g", Node: node, BootId: boot, Status: st})
	return a, fault.FromStatus(err)
}

func (r *replica) node(t *testing.T, name string) *registryv1.Node {
	t.Helper()
	a, err := r.GetNode(t.Context(), &registryv1.GetNodeRequest{Group: "g", Node: name})
	if err != nil {
		return nil
	}
	return a.GetNode()
}

func (r *replica) awaitState(t *testing.T, name string, want registryv1.Node_State) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s is %s", name, want), func() bool { return r.node(t, name).GetState() == want })
}

func TestLifeOfANode(t *testing.T) {
	r := start(t, etcdtest.Client(t), mortal)
	if err := r.enrol("a", "1", nil); !errors.Is(err, fault.Of(fault.Missing)) {
		t.Fatalf("a misspelt group was born: %v", err)
	}
	r.group(t, "g")
	if err := r.enrol("a", "1", nil); err != nil {
		t.Fatal(err)
	}
	r.awaitState(t, "a", registryv1.Node_STATE_JOINING)
	if err := r.enrol("a", "2", nil); !errors.Is(err, fault.Of(fault.Exists)) {
		t.Errorf("a second agent under the name was answered %v", err)
	}
	if a, err := r.renew("a", "1", nil); err != nil || !a.GetWantStatus() {
		t.Errorf("renewal without any status: %v, %v", a, err)
	}
	if _, err := r.renew("a", "1", serving()); err != nil {
		t.Fatal(err)
	}
	r.awaitState(t, "a", registryv1.Node_STATE_READY)
	r.awaitState(t, "a", registryv1.Node_STATE_UNREACHABLE)
	if got := r.node(t, "a").GetStatus().GetRevision(); got != 7 {
		t.Errorf("an unreachable node shows revision %d, want what it ran last", got)
	}
	if err := r.enrol("a", "2", serving()); err != nil {
		t.Fatalf("the name is not free after the session's time: %v", err)
	}
	if _, err := r.renew("a", "1", nil); !errors.Is(err, fault.Of(fault.Missing)) {
		t.Errorf("the old agent's renewal was answered %v", err)
	}
	if _, err := r.RenewNode(t.Context(), &registryv1.RenewNodeRequest{Group: "g", Node: "a", BootId: "2", Leaving: true}); err != nil {
		t.Fatal(err)
	}
	r.awaitState(t, "a", registryv1.Node_STATE_GONE)
	if _, err := r.DeleteGroup(t.Context(), &registryv1.DeleteGroupRequest{Name: "g"}); !errors.Is(fault.FromStatus(err),
		fault.Of(fault.WrongState)) {
		t.Errorf("deleting a group with nodes was answered %v", err)
	}
	if _, err := r.DeleteNode(t.Context(), &registryv1.DeleteNodeRequest{Group: "g", Node: "a"}); err != nil || r.node(t, "a") != nil {
		t.Errorf("a deleted node is still there, %v", err)
	}
	if _, err := r.DeleteGroup(t.Context(), &registryv1.DeleteGroupRequest{Name: "g"}); err != nil {
		t.Error(err)
	}
}

// leases counts the leases but for those of the replicas' announcements.
func leases(t *testing.T, etcd *clientv3.Client) int {
	t.Helper()
	announced, err := etcd.Get(t.Context(), "identity/replicas/", clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil {
		t.Fatal(err)
	}
	a, err := etcd.Leases(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return len(a.Leases) - int(announced.Count)
}

func TestAKilledReplicaMakesNoNodeFlap(t *testing.T) {
	server := etcdtest.Start(t)
	a, b := start(t, server.Client(t), mortal), start(t, server.Client(t), mortal)
	etcd := server.Client(t)
	a.group(t, "g")
	for i := range 20 {
		if err := a.enrol(fmt.Sprintf("n%d", i), "1", serving()); err != nil {
			t.Fatal(err)
		}
	}
	// A replica gets its lease in its own time.
	eventually(t, "each of the 2 replicas has one lease, however many nodes", func() bool { return leases(t, etcd) == 2 })
	events := watch(t, b, "")
	a.stop()
	// Renewals go to the other replica until the dead one's lease has run out, and with it what hung on it.
	eventually(t, "one lease is left", func() bool {
		for i := range 20 {
			if _, err := b.renew(fmt.Sprintf("n%d", i), "1", nil); err != nil {
				t.Fatal(err)
			}
		}
		return leases(t, etcd) == 1
	})
	if err := b.enrol("last", "1", serving()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the watch has come so far", func() bool { nodes, _, _ := events.table(); return nodes["last"] != nil })
	for _, n := range events.received() {
		if n.GetState() != registryv1.Node_STATE_READY {
			t.Errorf("%s flapped: %s", n.GetName(), n.GetState())
		}
	}
}

func TestALostLeaseIsRegained(t *testing.T) {
	etcd := etcdtest.Client(t)
	r := start(t, etcd, registry.Config{SessionTTL: 60 * time.Second, RenewInterval: time.Second})
	r.group(t, "g")
	if err := r.enrol("a", "1", serving()); err != nil {
		t.Fatal(err)
	}
	before, err := etcd.Get(t.Context(), "identity/sessions/g/a")
	if err != nil || len(before.Kvs) != 1 || before.Kvs[0].Lease == 0 {
		t.Fatalf("sessions %v, %v", before, err)
	}
	if _, err := etcd.Revoke(t.Context(), clientv3.LeaseID(before.Kvs[0].Lease)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the session is back under another lease", func() bool {
		now, err := etcd.Get(t.Context(), "identity/sessions/g/a")
		return err == nil && len(now.Kvs) == 1 && now.Kvs[0].Lease != before.Kvs[0].Lease
	})
	r.awaitState(t, "a", registryv1.Node_STATE_READY)
}

func TestBadRequestsNameTheirFields(t *testing.T) {
	r := start(t, etcdtest.Client(t), registry.Config{})
	_, err := r.CreateGroup(t.Context(), &registryv1.CreateGroupRequest{Group: &registryv1.Group{Name: "No", Policy: &fleetv1.RolloutPolicy{
		Waves: []*fleetv1.RolloutPolicy_Wave{{Size: &fleetv1.RolloutPolicy_Wave_Percent{Percent: 101}}}, Deadline: durationpb.New(-1),
	}}})
	var bad *fault.Error
	if !errors.As(fault.FromStatus(err), &bad) || len(bad.Violations) != 4 {
		t.Fatalf("got %v", err)
	}
	if bad.Violations[0].Field != "group.name" || bad.Violations[1].Field != "group.policy.waves[0].percent" {
		t.Errorf("violations %+v", bad.Violations)
	}
}

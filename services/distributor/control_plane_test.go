package distributor_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"

	"github.com/silverback-gateway/silverback/kit/content"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/kit/rpcserver"
	"github.com/silverback-gateway/silverback/kit/run"
	"github.com/silverback-gateway/silverback/kong/snapshot"
	"github.com/silverback-gateway/silverback/services/distributor"
	"github.com/silverback-gateway/silverback/services/distributor/internal/upstreamtest"
	"github.com/silverback-gateway/silverback/testkit/agenttest"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

const timeout = time.Minute

// controlPlane is a whole control plane around distributors: real etcd, real gRPC.
type controlPlane struct {
	t           testing.TB
	etcd        *clientv3.Client
	upstream    *upstreamtest.Upstream
	content     *content.Store
	electionTTL time.Duration // of replicas started from now on
	keepEvents  int           // likewise
	webhooks    string        // likewise
}

type replica struct {
	distributorv1.RolloutServiceClient
	*distributor.Distributor
	id      string
	conn    *grpc.ClientConn
	metrics *prometheus.Registry
	stop    func()
}

func newControlPlane(t testing.TB) *controlPlane {
	t.Helper()
	return newControlPlaneAt(t, etcdtest.Client(t))
}

func newControlPlaneAt(t testing.TB, etcd *clientv3.Client) *controlPlane {
	t.Helper()
	p := &controlPlane{t: t, etcd: etcd, upstream: upstreamtest.Start(t), content: content.New(etcd, 0), electionTTL: 6 * time.Second}
	p.upstream.Group("g", nil)
	return p
}

func (p *controlPlane) replica(id string) *replica { return p.replicaAt(id, p.etcd) }

func (p *controlPlane) replicaAt(id string, etcd *clientv3.Client) *replica {
	p.t.Helper()
	return p.replicaWith(id, etcd, p.upstream.Translator())
}

func (p *controlPlane) replicaWith(id string, etcd *clientv3.Client, translator translatorv1.TranslatorServiceClient) *replica {
	p.t.Helper()
	log := slog.New(slog.DiscardHandler)
	if os.Getenv("SILVERBACK_TEST_LOG") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	r := &replica{id: id, metrics: prometheus.NewRegistry()}
	var err error
	r.Distributor, err = distributor.New(distributor.Config{ReplicaID: id, ElectionTTL: p.electionTTL, KeepEvents: p.keepEvents,
		WebhooksFile:    p.webhooks,
		ReconnectSpread: 50 * time.Millisecond}, distributor.Deps{
		Etcd: etcd, Translator: translator, Registry: p.upstream.Registry(), Log: log, Metrics: r.metrics,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	server, err := rpcserver.New(rpcserver.Config{Listen: "127.0.0.1:0", Codec: distributor.Codec()},
		rpcserver.Deps{Log: log, Metrics: r.metrics})
	if err != nil {
		p.t.Fatal(err)
	}
	r.Register(server)
	if r.conn, err = rpc.Dial(rpc.ClientConfig{Addresses: []string{server.Address()}}); err != nil {
		p.t.Fatal(err)
	}
	r.RolloutServiceClient = distributorv1.NewRolloutServiceClient(r.conn)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = run.All(ctx, server.Serve, r.Run) }()
	r.stop = sync.OnceFunc(func() { cancel(); <-done; _ = r.conn.Close() })
	p.t.Cleanup(r.stop)
	return r
}

func (r *replica) counter(t testing.TB, name string) (sum float64) {
	t.Helper()
	families, err := r.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

// agent starts an agent and adds it to the registry.
func (p *controlPlane) agent(c agenttest.Config, at *replica) *agenttest.Agent {
	p.t.Helper()
	if c.Group == "" {
		c.Group = "g"
	}
	if c.Conn == nil {
		c.Conn = func() grpc.ClientConnInterface { return at.conn }
	}
	p.upstream.Node(c.Group, c.Node, registryv1.Node_STATE_READY)
	a := agenttest.New(c)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = a.Run(ctx) }()
	p.t.Cleanup(func() { cancel(); <-done })
	eventually(p.t, "agent "+c.Node+" is connected", func() bool { return a.Opened() > 0 })
	return a
}

func (p *controlPlane) agents(n int, at *replica) (all []*agenttest.Agent) {
	for i := range n {
		all = append(all, p.agent(agenttest.Config{Node: fmt.Sprintf("n%d", i)}, at))
	}
	return all
}

// snapshot stores a configuration with a number of routes; other changes the first one.
func (p *controlPlane) snapshot(routes int, other string) fleet.Digest {
	p.t.Helper()
	lines := make([]string, routes)
	for i := range lines {
		path := fmt.Sprintf("/%d", i)
		if i == 0 {
			path += other
		}
		lines[i] = fmt.Sprintf(`{"id":"00000000-0000-5000-8000-%012d","name":"route-%06d","paths":[%q],"protocols":["http"]}`, i, i, path)
	}
	s, err := snapshot.Open([]byte("{\"_format_version\":\"3.0\",\n\"routes\":[\n" + strings.Join(lines, ",\n") + "\n]}\n"))
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.content.Put(context.Background(), s); err != nil {
		p.t.Fatal(err)
	}
	return s.Digest()
}

func (p *controlPlane) revise(other string) fleet.Digest {
	d := p.snapshot(20, other)
	p.upstream.Revise("g", d)
	return d
}

// first returns the node of a group that the first wave begins with.
func first(group string, nodes int) string {
	best, position := "", fleet.MaxPosition
	for i := range nodes {
		name := fmt.Sprintf("n%d", i)
		if at := fleet.Position(fleet.GroupID(group), fleet.NodeID(name)); at < position {
			best, position = name, at
		}
	}
	return best
}

func (r *replica) rollout(revision int64) *distributorv1.Rollout {
	answer, err := r.GetRollout(context.Background(), &distributorv1.GetRolloutRequest{Group: "g", Revision: revision})
	if err != nil {
		return nil
	}
	return answer.GetRollout()
}

func (r *replica) reaches(t testing.TB, revision int64, want distributorv1.Rollout_State) *distributorv1.Rollout {
	t.Helper()
	eventually(t, fmt.Sprintf("rollout of revision %d is %s", revision, want), func() bool { return r.rollout(revision).GetState() == want })
	return r.rollout(revision)
}

func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(timeout)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("not within %s: %s", timeout, what)
		case <-tick.C:
		}
	}
}

var refusedRoute = []*fleetv1.Problem{{Kind: "route", Name: "route-000000", Field: "paths[0]", Message: "invalid regex"}}

package translator_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/kit/rpcserver"
	"github.com/silverback-gateway/silverback/kit/run"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/services/translator"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

const waitTimeout = time.Minute

// plane is what replicas of the translator share.
type plane struct {
	etcd     *etcdtest.Server
	registry *registry
}

func startPlane(tb testing.TB, groups ...string) *plane {
	tb.Helper()
	return &plane{etcd: etcdtest.Start(tb), registry: startRegistry(tb, groups...)}
}

// replica is one replica, and a client of it alone.
type replica struct {
	translatorv1.TranslatorServiceClient
	tb      testing.TB
	service *translator.Translator
	stop    func()
	logs    *logs
	metrics *prometheus.Registry
}

// logs is what a replica logged, of every level.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (p *plane) replica(tb testing.TB) *replica { return p.replicaOn(tb, p.etcd.Client(tb)) }

// replicaOn runs a replica over loopback, with the chain of interceptors that it has in production.
func (p *plane) replicaOn(tb testing.TB, etcd *clientv3.Client) *replica {
	tb.Helper()
	return p.replicaWith(tb, etcd, translator.Config{})
}

func (p *plane) replicaWith(tb testing.TB, etcd *clientv3.Client, c translator.Config) *replica {
	tb.Helper()
	l := &logs{}
	log := slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
	toRegistry, err := rpc.Dial(rpc.ClientConfig{Addresses: []string{p.registry.address}})
	if err != nil {
		tb.Fatal(err)
	}
	metrics := prometheus.NewRegistry()
	service := translator.New(c, translator.Deps{Etcd: etcd, Registry: registryv1.NewRegistryServiceClient(toRegistry), Log: log,
		Metrics: metrics})
	server, err := rpcserver.New(rpcserver.Config{Listen: "127.0.0.1:0", Large: translator.Large}, rpcserver.Deps{Log: log, Metrics: metrics})
	if err != nil {
		tb.Fatal(err)
	}
	service.Register(server)
	server.OnDrain(service.Drain)
	// Without retries a test sees the first answer, not the fifth.
	conn, err := rpc.Dial(rpc.ClientConfig{Addresses: []string{server.Address()}, MaxReceive: 80 << 20}, grpc.WithDisableRetry())
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = run.All(ctx, server.Serve, service.Run) }()
	r := &replica{TranslatorServiceClient: translatorv1.NewTranslatorServiceClient(conn), tb: tb, service: service, logs: l, metrics: metrics}
	r.stop = sync.OnceFunc(func() { cancel(); <-done; _ = conn.Close(); _ = toRegistry.Close() })
	tb.Cleanup(r.stop)
	eventually(tb, "the replica is ready", func() bool { return service.Ready() == nil })
	return r
}

// eventually asks again and again; it is for what has no event to wait on.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(waitTimeout)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			tb.Fatalf("waited in vain until %s", what)
		}
	}
}

func document(name, content string) []*translatorv1.Document {
	return []*translatorv1.Document{{Name: name, Content: []byte(content)}}
}

// config is a submission of one document named after its source.
func config(group, source, content string) *translatorv1.SubmitConfigRequest {
	return &translatorv1.SubmitConfigRequest{Group: group, Source: source, Documents: document(source+".yaml", content)}
}

// submit submits and gives errors as the faults they were.
func (r *replica) submit(q *translatorv1.SubmitConfigRequest) (*translatorv1.SubmitConfigResponse, error) {
	answer, err := r.SubmitConfig(context.Background(), q)
	return answer, fault.FromStatus(err)
}

func (r *replica) mustSubmit(q *translatorv1.SubmitConfigRequest) *translatorv1.SubmitConfigResponse {
	r.tb.Helper()
	answer, err := r.submit(q)
	if err != nil {
		r.tb.Fatalf("submit to %s by %s: %v", q.GetGroup(), q.GetSource(), err)
	}
	return answer
}

// head is the newest revision of a group; nil before the first.
func (r *replica) head(group string) *translatorv1.Revision {
	r.tb.Helper()
	answer, err := r.GetRevision(context.Background(), &translatorv1.GetRevisionRequest{Group: group})
	if errors.Is(fault.FromStatus(err), fault.Of(fault.Missing)) {
		return nil
	}
	if err != nil {
		r.tb.Fatal(err)
	}
	return answer.GetRevision()
}

// snapshot reads a whole snapshot.
func (r *replica) snapshot(group string, revision int64, format translatorv1.RenderConfigRequest_Format) string {
	r.tb.Helper()
	stream, err := r.GetSnapshot(context.Background(), &translatorv1.GetSnapshotRequest{Group: group, Revision: revision, Format: format})
	if err != nil {
		r.tb.Fatal(err)
	}
	var content bytes.Buffer
	for {
		piece, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return content.String()
		}
		if err != nil {
			r.tb.Fatal(err)
		}
		content.Write(piece.GetContent())
	}
}

// wantFault fails the test unless err is a fault of a kind and reason, and returns it.
func wantFault(tb testing.TB, err error, kind fault.Kind, reason string) fault.Error {
	tb.Helper()
	var got *fault.Error
	if !errors.As(fault.FromStatus(err), &got) || got.Kind != kind || got.Reason != reason {
		tb.Fatalf("got %v, want kind %d, reason %s", err, kind, reason)
	}
	return *got
}

// Package translator is the service that compiles configurations: it turns submitted sources into immutable snapshots and keeps their
// history. It delivers nothing and calls no gateway.
package translator

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/silverback-gateway/silverback/kit/content"
	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/presence"
	"github.com/silverback-gateway/silverback/kit/revocation"
	"github.com/silverback-gateway/silverback/kit/rpcserver"
	"github.com/silverback-gateway/silverback/kit/run"
	"github.com/silverback-gateway/silverback/kong/compile"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/services/translator/internal/api"
	"github.com/silverback-gateway/silverback/services/translator/internal/desired"
	"github.com/silverback-gateway/silverback/services/translator/internal/groups"
	"github.com/silverback-gateway/silverback/services/translator/internal/schemas"
	"github.com/silverback-gateway/silverback/services/translator/internal/store"
)

// Large lists the methods that carry documents. They take a little more than the largest submission, so that the translator refuses a
// larger one with its own error.
var Large = rpcserver.Large{
	Methods: []string{
		translatorv1.TranslatorService_SubmitConfig_FullMethodName, translatorv1.TranslatorService_ValidateConfig_FullMethodName,
		translatorv1.TranslatorService_DiffConfig_FullMethodName, translatorv1.TranslatorService_RenderConfig_FullMethodName,
	},
	Receive: desired.MaxInput + 8<<20,
	AtOnce:  2 * desired.MaxInput,
}

// Config configures a translator. The zero value is the default.
type Config struct {
	// SchemaCheck is what to do when the schemas of a group's gateways refuse something: "refuse", the default, "warn" or "off".
	SchemaCheck string
}

// Check reports what is wrong.
func (c Config) Check() error {
	if _, ok := schemaChecks[c.SchemaCheck]; !ok {
		return fmt.Errorf("schema-check is %q; want refuse, warn or off", c.SchemaCheck)
	}
	return nil
}

var schemaChecks = map[string]desired.SchemaCheck{"": desired.Refuse, "refuse": desired.Refuse, "warn": desired.Warn, "off": desired.Off}

// Deps are what a translator works with. All are required.
type Deps struct {
	Etcd     *clientv3.Client
	Registry registryv1.RegistryServiceClient
	Log      *slog.Logger
	Metrics  prometheus.Registerer
	// Now is the time at which revisions are made, and by which they grow old; nil is time.Now.
	Now func() time.Time
}

// A Translator is one replica of the service.
type Translator struct {
	deps       Deps
	etcdHealth *etcdkv.HealthProbe
	heads      *store.Heads
	groups     *groups.Groups
	schemas    *schemas.Cache
	server     *api.Server
	revoked    *revocation.List
	out        *revocation.Watcher
	presence   *presence.Presence
	drain      chan struct{}
	once       sync.Once
}

// New returns a replica. It does nothing before Run.
func New(c Config, d Deps) *Translator {
	if d.Now == nil {
		d.Now = time.Now
	}
	ledger := store.NewLedger(d.Etcd, d.Log)
	t := &Translator{
		deps: d, drain: make(chan struct{}), groups: groups.New(d.Registry, d.Log), etcdHealth: store.NewHealthProbe(d.Etcd, d.Log),
		presence: presence.New(d.Etcd, presence.Translator, "", d.Log),
		heads: store.NewHeads(d.Etcd, func(key string, err error) {
			d.Log.Error("a head cannot be read and is left out", "key", key, "error", err)
		}),
	}
	t.revoked = revocation.NewList(d.Metrics)
	t.out = revocation.NewWatcher(t.revoked, d.Registry, d.Log)
	t.schemas = schemas.New(d.Registry, t.groups, d.Log)
	service := desired.New(desired.Deps{
		Ledger: ledger, Content: content.New(etcdkv.WithTimeouts(d.Etcd), content.DefaultCacheBytes), Groups: t.groups, Schemas: t.schemas,
		SchemaCheck: schemaChecks[c.SchemaCheck], Compiler: compile.New(compile.DefaultLimits()),
		Log: d.Log, Now: d.Now, Metrics: desired.NewMetrics(d.Metrics),
	})
	t.etcdHealth.Register(d.Metrics)
	d.Metrics.MustRegister(newPinnedSources(t.heads))
	t.server = &api.Server{Service: service, Lists: ledger, Heads: newest{t.heads}, Drain: t.drain}
	return t
}

// Register adds the service to a gRPC server.
func (t *Translator) Register(r grpc.ServiceRegistrar) {
	translatorv1.RegisterTranslatorServiceServer(r, t.server)
}

// Revoked lists the certificates that this replica's server must refuse.
func (t *Translator) Revoked() *revocation.List { return t.revoked }

// Drain ends the watches, so that a server can stop and clients go to another replica.
func (t *Translator) Drain() { t.once.Do(func() { close(t.drain) }) }

// Ready reports whether the replica has read the ledger; the error says why not.
func (t *Translator) Ready() error {
	select {
	case <-t.heads.Synced():
		return nil
	default:
		return t.etcdHealth.NotReady()
	}
}

// Warning is shown on /readyz when the replica is ready but degraded: etcd does not answer or has no space. Empty means none.
func (t *Translator) Warning() string { return t.etcdHealth.Warning() }

// Run keeps the replica's copies up to date until ctx ends. It fails when the ledger is being restored.
func (t *Translator) Run(ctx context.Context) error {
	return run.All(ctx, t.etcdHealth.Run, func(ctx context.Context) error {
		return t.presence.Run(ctx, t.groups.Run, t.schemas.Run, t.out.Run, t.heads.Run)
	})
}

// Package distributor decides which node runs which revision, and collects the verdicts of agents. Replicas elect a leader, which opens a
// rollout for every new revision and decides assignments. Every replica streams them to the agents connected to it. The package owns the
// ledgers decided and observed, and opens no other.
package distributor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/encoding"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"

	"github.com/silverback-gateway/silverback/kit/content"
	"github.com/silverback-gateway/silverback/kit/election"
	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/presence"
	"github.com/silverback-gateway/silverback/kit/revocation"
	"github.com/silverback-gateway/silverback/kit/rpcserver"
	"github.com/silverback-gateway/silverback/kit/run"
	"github.com/silverback-gateway/silverback/services/distributor/internal/api"
	"github.com/silverback-gateway/silverback/services/distributor/internal/controller"
	"github.com/silverback-gateway/silverback/services/distributor/internal/recovery"
	"github.com/silverback-gateway/silverback/services/distributor/internal/store"
	"github.com/silverback-gateway/silverback/services/distributor/internal/stream"
	"github.com/silverback-gateway/silverback/services/distributor/internal/webhook"
)

// Config configures a replica. The zero value is useful.
type Config struct {
	ReplicaID       string        // the name of the leader in its election; empty: host, process and a random part
	ElectionID      string        // one element of a key, the same for all replicas; empty: DefaultElectionID
	ElectionTTL     time.Duration // how long a killed leader still counts as leader; 0: election.DefaultTTL
	FrameBytes      int           // bound of the cache of encoded deltas; 0: 128 MiB
	ReconnectSpread time.Duration // agents reconnect within this time when this replica stops; 0: DefaultReconnectSpread
	CollectInterval time.Duration // how often the leader has old revisions collected; 0: never
	EtcdQuota       int64         // of members of etcd that do not tell theirs, in bytes; 0: not known
	CollectPause    time.Duration // the least time between two collections; 0: DefaultCollectPause
	KeepRevisions   int           // of a group that are kept at least; 0: DefaultKeepRevisions
	KeepAge         time.Duration // how long a revision is kept after the next one took its place
	KeepEvents      int           // how many events are kept at most; 0: DefaultKeepEvents
	WebhooksFile    string        // YAML; empty: none
}

// Defaults of the flags of retention.
const (
	DefaultCollectInterval = time.Hour
	DefaultCollectPause    = time.Minute
	DefaultKeepRevisions   = 50
	DefaultKeepAge         = 30 * 24 * time.Hour
	DefaultKeepEvents      = 10_000
)

// DefaultElectionID is the id of the election.
const DefaultElectionID = "distributor"

const (
	longestElectionID = 128
	leastKeepEvents   = 100
	maxKeepEvents     = 100_000
)

// DefaultReconnectSpread suits a few thousand agents.
const DefaultReconnectSpread = 2 * time.Second

// AddFlags adds the flags of a replica.
func (c *Config) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&c.ReplicaID, "replica-id", "", "name of this replica, unique among all; made up when empty")
	flags.StringVar(&c.ElectionID, "election-id", DefaultElectionID,
		"election that this replica is a candidate of, under --etcd-prefix: the same for all replicas of an installation")
	flags.DurationVar(&c.ElectionTTL, "election-ttl", election.DefaultTTL, "how long a killed leader is missed before another is elected")
	flags.IntVar(&c.FrameBytes, "frame-cache-bytes", stream.DefaultFrameBytes,
		"how many bytes of encoded differences are kept for other agents")
	flags.DurationVar(&c.ReconnectSpread, "reconnect-spread", DefaultReconnectSpread,
		"over which agents open their streams elsewhere when this replica stops")
	flags.Int64Var(&c.EtcdQuota, "etcd-quota-bytes", 0,
		"quota of etcd's members, for those before etcd 3.6, which do not tell it: for metrics and silverback status; 0: not known")
	flags.DurationVar(&c.CollectInterval, "collect-interval", DefaultCollectInterval,
		"how often the leader has old revisions and their content deleted; 0s: never")
	flags.IntVar(&c.KeepRevisions, "keep-revisions", DefaultKeepRevisions,
		"how many revisions of a group are kept at least, when its policy says nothing else")
	flags.DurationVar(&c.KeepAge, "keep-age", DefaultKeepAge,
		"how long a revision is kept after the next one took its place, up to ten times --keep-revisions in a group, when its "+
			"policy says nothing else")
	flags.StringVar(&c.WebhooksFile, "webhooks", "", "YAML file of the servers that the leader sends events to; docs/events.md")
	flags.IntVar(&c.KeepEvents, "keep-events", DefaultKeepEvents, "how many events are kept at most, for up to 30 days")
}

// Check reports the problems of the configuration.
func (c *Config) Check() error {
	var problems []error
	if c.ElectionTTL != 0 && c.ElectionTTL < 2*time.Second {
		problems = append(problems, fmt.Errorf("--election-ttl %s: etcd allows no less than 2s", c.ElectionTTL))
	}
	if c.FrameBytes < 0 {
		problems = append(problems, fmt.Errorf("--frame-cache-bytes %d: want 0 or more", c.FrameBytes))
	}
	if c.ReconnectSpread < 0 {
		problems = append(problems, fmt.Errorf("--reconnect-spread %s: want 0s or more", c.ReconnectSpread))
	}
	if c.EtcdQuota < 0 {
		problems = append(problems, fmt.Errorf("--etcd-quota-bytes %d: want 0 or more", c.EtcdQuota))
	}
	if c.CollectInterval != 0 && c.CollectInterval < time.Second {
		problems = append(problems, fmt.Errorf("--collect-interval %s: want 1s or more, or 0s for never", c.CollectInterval))
	}
	if n := c.KeepRevisions; n != 0 && (n < fleet.MinKeepRevisions || n > fleet.MaxKeepRevisions) {
		problems = append(problems, fmt.Errorf("--keep-revisions %d: want %d to %d", n, fleet.MinKeepRevisions, fleet.MaxKeepRevisions))
	}
	if c.KeepAge < 0 {
		problems = append(problems, fmt.Errorf("--keep-age %s: want 0s or more", c.KeepAge))
	}
	if c.KeepEvents != 0 && (c.KeepEvents < leastKeepEvents || c.KeepEvents > maxKeepEvents) {
		problems = append(problems, fmt.Errorf("--keep-events %d: want %d to %d", c.KeepEvents, leastKeepEvents, maxKeepEvents))
	}
	if _, err := c.webhooks(); err != nil {
		problems = append(problems, fmt.Errorf("--webhooks %s: %w", c.WebhooksFile, err))
	}
	if !element(c.ReplicaID) {
		problems = append(problems, fmt.Errorf("--replica-id %q: it is part of a key, and may hold neither / nor blanks", c.ReplicaID))
	}
	if !element(c.ElectionID) || len(c.ElectionID) > longestElectionID {
		problems = append(problems, fmt.Errorf("--election-id %q: it is one element of a key: at most %d bytes, no / and no blanks; such as %s",
			c.ElectionID, longestElectionID, DefaultElectionID))
	}
	return errors.Join(problems...)
}

// webhooks reads the servers that events are sent to.
func (c *Config) webhooks() ([]webhook.Hook, error) {
	if c.WebhooksFile == "" {
		return nil, nil
	}
	return webhook.Load(c.WebhooksFile)
}

// element reports whether a text can be one element of a key.
func element(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r == '/' || unicode.IsSpace(r) || unicode.IsControl(r) })
}

// Deps are what a distributor uses. All are required.
type Deps struct {
	Etcd       *clientv3.Client
	Translator translatorv1.TranslatorServiceClient
	Registry   registryv1.RegistryServiceClient
	Log        *slog.Logger
	Metrics    prometheus.Registerer
}

// A Distributor is one replica.
type Distributor struct {
	config     Config
	deps       Deps
	view       *store.View
	cache      *controller.Cache
	hub        *stream.Hub
	upstreams  *upstreamsOf
	controller *controller.Controller
	recovery   recovery.Service
	election   *election.Metrics
	etcdHealth *etcdkv.HealthProbe
	etcdSize   *etcdkv.SizeProbe
	outage     *outage
	revoked    *revocation.List
	out        *revocation.Watcher
	presence   *presence.Presence
	draining   chan struct{}
	drained    sync.Once
}

// New returns a replica that does nothing before Run.
func New(c Config, d Deps) (*Distributor, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	if c.ReplicaID == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "unknown"
		}
		c.ReplicaID = fmt.Sprintf("%s-%d-%06x", host, os.Getpid(), rand.N(1<<24))
	}
	if c.ElectionID == "" {
		c.ElectionID = DefaultElectionID
	}
	if c.ReconnectSpread == 0 {
		c.ReconnectSpread = DefaultReconnectSpread
	}
	if c.CollectPause == 0 {
		c.CollectPause = DefaultCollectPause
	}
	if c.KeepRevisions == 0 {
		c.KeepRevisions = DefaultKeepRevisions
	}
	if c.KeepEvents == 0 {
		c.KeepEvents = DefaultKeepEvents
	}
	d.Log = d.Log.With("replica", c.ReplicaID)
	view := store.NewView(d.Log)
	r := &Distributor{
		config: c, deps: d, view: view, draining: make(chan struct{}), election: election.NewMetrics(d.Metrics), outage: newOutage(),
		etcdHealth: etcdkv.NewHealthProbe(d.Etcd, store.Election(c.ElectionID)+"/", d.Log), etcdSize: etcdkv.NewSizeProbe(d.Etcd, c.EtcdQuota),
	}
	r.cache = controller.NewCache(d.Translator, d.Registry, sessions{r}, d.Log)
	contents := content.New(d.Etcd, 0)
	r.upstreams = &upstreamsOf{content: contents}
	r.hub = stream.NewHub(stream.Deps{
		View: view, Content: contents, Tallies: store.NewTallies(d.Etcd, c.ReplicaID), Roster: r.cache, FrameBytes: c.FrameBytes,
		Spread: c.ReconnectSpread, Log: d.Log, Metrics: stream.NewMetrics(d.Metrics),
		Ledger: func(ctx context.Context) (store.Ledger, error) { return store.ReadLedger(ctx, d.Etcd) },
		Gates:  r.cache.HasGates,
	})
	hooks, err := c.webhooks()
	if err != nil {
		return nil, fmt.Errorf("--webhooks %s: %w", c.WebhooksFile, err)
	}
	r.controller = controller.New(controller.Deps{
		Etcd: d.Etcd, View: view, Cache: r.cache, Translator: d.Translator, Log: d.Log, Metrics: controller.NewMetrics(d.Metrics),
		Retention: controller.Retention{
			Interval: c.CollectInterval, Pause: min(c.CollectPause, c.CollectInterval), Revisions: c.KeepRevisions, Age: c.KeepAge,
		},
		KeepEvents: c.KeepEvents,
		Webhooks: webhook.New(webhook.Deps{Hooks: hooks, Read: view.Journal().Read, Log: d.Log, Metrics: webhook.NewMetrics(d.Metrics),
			Retries: webhook.Retries}),
	})
	r.recovery = recovery.Service{Deps: recovery.Deps{Etcd: d.Etcd, View: view.Ledger, Nodes: r.followed, Log: d.Log}}
	r.revoked = revocation.NewList(d.Metrics)
	r.out = revocation.NewWatcher(r.revoked, d.Registry, d.Log)
	r.presence = presence.New(d.Etcd, presence.Distributor, c.ReplicaID, d.Log)
	r.etcdHealth.OnChange(r.silent)
	r.etcdHealth.Register(d.Metrics)
	d.Metrics.MustRegister(r.etcdSize)
	return r, nil
}

// Revoked returns the revoked certificates, which this replica's server must refuse.
func (d *Distributor) Revoked() *revocation.List { return d.revoked }

// ReadBuffer is the size of the read buffer of a connection. It is small because there are many agents that send little.
const ReadBuffer = 4 << 10

// Codec returns the codec that the server needs: it sends bytes that many streams share.
func Codec() encoding.CodecV2 { return stream.NewCodec() }

// Register adds the services to a server with Codec. When the server drains, agents are asked to reconnect to another replica.
func (d *Distributor) Register(s *rpcserver.Server) {
	distributorv1.RegisterDeliveryServiceServer(s, &api.DeliveryService{Follow: d.hub.Follow})
	distributorv1.RegisterRolloutServiceServer(s, &api.RolloutService{Ledger: ledger{d}, Draining: d.draining})
	distributorv1.RegisterTargetServiceServer(s, &api.TargetService{Ledger: ledger{d}, Targets: ledger{d}})
	distributorv1.RegisterEventServiceServer(s, &api.EventService{Journal: journal{ledger{d}}, Draining: d.draining})
	s.OnDrain(d.drain)
}

func (d *Distributor) drain() {
	d.drained.Do(func() { close(d.draining) })
	d.hub.Drain()
}

// Run watches, delivers and takes part in elections until ctx ends. A leader then resigns. Delivery continues until the server stops. It
// fails when the ledger is being restored.
func (d *Distributor) Run(ctx context.Context) error {
	return run.All(ctx, d.etcdHealth.Run, d.etcdSize.Run, func(ctx context.Context) error {
		return d.presence.Run(ctx,
			func(ctx context.Context) error { return d.view.Run(ctx, d.deps.Etcd) },
			d.cache.Run,
			d.out.Run,
			d.hub.Run,
			func(ctx context.Context) error {
				return election.Run(ctx, election.Config{
					Client: d.deps.Etcd, Prefix: store.Election(d.config.ElectionID), Replica: d.config.ReplicaID, TTL: d.config.ElectionTTL,
					Log: d.deps.Log, Metrics: d.election,
				}, d.controller.Lead)
			},
		)
	})
}

// silent is called when etcd stops answering this replica, and when it answers again. Meanwhile the replica gets no new decisions: it sends
// its agents to other replicas and refuses calls.
func (d *Distributor) silent(is bool) {
	if is {
		why := fault.NoLedger(errors.New(d.etcdHealth.Outage()))
		d.outage.begin(why)
		d.hub.Suspend(why)
		return
	}
	d.outage.end()
	d.hub.Resume()
}

// Ready returns nil when this replica can serve, and otherwise what it waits for. A replica cannot serve while etcd does not answer.
func (d *Distributor) Ready() error {
	select {
	case <-d.view.Synced():
	default:
		return d.etcdHealth.NotReady()
	}
	if s := d.etcdHealth.Outage(); s != "" {
		return errors.New(s)
	}
	return nil
}

// Warning is shown on /readyz when the replica is ready but degraded: etcd does not answer or has no space. Empty means none.
func (d *Distributor) Warning() string { return d.etcdHealth.Warning() }

// Leader returns the replica id of the present leader; empty when there is none.
func (d *Distributor) Leader(ctx context.Context) (string, error) {
	return election.Leader(ctx, d.deps.Etcd, store.Election(d.config.ElectionID))
}

// sessions passes calls of the cache to the hub, which is created after the cache.
type sessions struct{ *Distributor }

// Enrolled implements controller.Sessions.
func (s sessions) Enrolled(group fleet.GroupID, node fleet.NodeID, boot string) {
	s.hub.Enrolled(group, node, boot)
}

// Quarantine implements controller.Sessions.
func (s sessions) Quarantine(group fleet.GroupID, node fleet.NodeID, in bool) {
	s.hub.Quarantine(group, node, in)
}

// Package registry is the service that knows the groups and nodes of the fleet, their states and capabilities. Replicas keep no state but
// etcd's; any of them answers any call.
package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/presence"
	"github.com/silverback-gateway/silverback/kit/revocation"
	"github.com/silverback-gateway/silverback/kit/run"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry/internal/api"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
	"github.com/silverback-gateway/silverback/services/registry/internal/schemas"
	"github.com/silverback-gateway/silverback/services/registry/internal/session"
	"github.com/silverback-gateway/silverback/services/registry/internal/store"
	"github.com/silverback-gateway/silverback/services/registry/internal/view"
)

// Config configures the service. The zero value is the default, without a default group.
type Config struct {
	Replica         string        // unique among replicas; empty is made from host and process
	SessionTTL      time.Duration // 0 is 15s
	RenewInterval   time.Duration // 0 is a third of SessionTTL
	DefaultGroup    string        // created when absent; empty is none
	ForgetGoneAfter time.Duration // 0 is 24h
	// ForgetUnreachableAfter is when a node is forgotten that did not leave. Each replica counts from when it first saw the node unreachable.
	// 0 means never.
	ForgetUnreachableAfter time.Duration
	// ForgetSchemasAfter is how long a bundle of schemas is kept that no node reports; 0 is 1h.
	ForgetSchemasAfter time.Duration
	Backup             Backup
}

// Check reports everything that is wrong.
func (c Config) Check() error {
	c = c.filled()
	var problems []error
	if c.SessionTTL < time.Second {
		problems = append(problems, fmt.Errorf("session-ttl is %s; etcd leases last at least 1s", c.SessionTTL))
	}
	if c.RenewInterval <= 0 || 2*c.RenewInterval > c.SessionTTL {
		problems = append(problems, fmt.Errorf("renew-interval is %s; want at most half of session-ttl (%s), so that one lost renewal does "+
			"no harm", c.RenewInterval, c.SessionTTL))
	}
	if c.ForgetGoneAfter < 0 {
		problems = append(problems, errors.New("forget-gone-after is negative"))
	}
	if c.ForgetUnreachableAfter < 0 {
		problems = append(problems, errors.New("forget-unreachable-after is negative"))
	}
	if c.ForgetSchemasAfter < 0 {
		problems = append(problems, errors.New("forget-schemas-after is negative"))
	}
	problems = append(problems, c.Backup.check())
	if c.DefaultGroup != "" {
		problems = append(problems, fleet.ValidName("group", c.DefaultGroup))
	}
	return errors.Join(problems...)
}

func (c Config) filled() Config {
	c.SessionTTL = cmp.Or(c.SessionTTL, 15*time.Second)
	c.RenewInterval = cmp.Or(c.RenewInterval, c.SessionTTL/3)
	c.ForgetGoneAfter = cmp.Or(c.ForgetGoneAfter, 24*time.Hour)
	c.ForgetSchemasAfter = cmp.Or(c.ForgetSchemasAfter, time.Hour)
	if c.Replica == "" {
		host, _ := os.Hostname()
		c.Replica = fmt.Sprintf("%s-%d-%08x", host, os.Getpid(), rand.Uint32())
	}
	return c
}

// Deps is what the service uses. All are required. The caller closes Etcd.
type Deps struct {
	Etcd    *clientv3.Client
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// A Service is one replica.
type Service struct {
	config     Config
	log        *slog.Logger
	etcdHealth *etcdkv.HealthProbe
	store      *store.Store
	view       *view.View
	sessions   *session.Sessions
	schemas    *schemas.Cache
	api        *api.Server
	revoked    *revocation.List
	presence   *presence.Presence
	backups    func(context.Context) error
	drain      func()
}

// observer breaks the cycle of view and sessions: the view notifies the sessions, and the sessions read the view.
type observer struct{ sessions *session.Sessions }

func (o *observer) SessionChanged(key roster.Key, before, after *roster.Session, revision int64) {
	o.sessions.SessionChanged(key, before, after, revision)
}

// New returns a replica. It does nothing before Run.
func New(c Config, d Deps) (*Service, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	c = c.filled()
	o := &observer{}
	s := &Service{config: c, log: d.Log, etcdHealth: etcdkv.NewHealthProbe(d.Etcd, store.Prefix, d.Log), store: store.New(d.Etcd),
		revoked: revocation.NewList(d.Metrics), presence: presence.New(d.Etcd, presence.Registry, c.Replica, d.Log)}
	s.view = view.New(d.Etcd, d.Log, o, s.revoked)
	s.sessions = session.New(session.Config{
		Replica: c.Replica, TTL: c.SessionTTL, Log: d.Log, Metrics: session.NewMetrics(d.Metrics),
	}, s.store, d.Etcd, s.view.Current)
	o.sessions = s.sessions
	s.schemas = schemas.New(schemas.Config{Ledger: s.store, View: s.view, Log: d.Log, Metrics: schemas.NewMetrics(d.Metrics),
		ForgetAfter: c.ForgetSchemasAfter})
	draining := make(chan struct{})
	s.drain = sync.OnceFunc(func() { close(draining) })
	s.api = &api.Server{Ledger: s.store, View: s.view, Sessions: s.sessions, Schemas: s.schemas, TTL: c.SessionTTL, Renew: c.RenewInterval,
		Draining: draining, Unmanaged: store.NewUnmanaged(d.Etcd), InventorySlot: make(chan struct{}, 1)}
	d.Metrics.MustRegister(&collector{view: s.view, sessions: s.sessions})
	var err error
	if s.backups, err = c.Backup.loop(c.Replica, d); err != nil {
		return nil, err
	}
	s.etcdHealth.Register(d.Metrics)
	return s, nil
}

// Register adds the service to a server.
func (s *Service) Register(r grpc.ServiceRegistrar) {
	registryv1.RegisterRegistryServiceServer(r, s.api)
}

// Revoked lists the certificates that this replica's server must refuse.
func (s *Service) Revoked() *revocation.List { return s.revoked }

// Drain ends all watches, so that a graceful stop need not wait for them. Their clients resume at another replica.
func (s *Service) Drain() { s.drain() }

// Ready reports whether the replica knows the fleet; the error says why not.
func (s *Service) Ready() error {
	select {
	case <-s.view.Synced():
		return nil
	default:
		return s.etcdHealth.NotReady()
	}
}

// Warning is shown on /readyz when the replica is ready but degraded: etcd does not answer or has no space. Empty means none.
func (s *Service) Warning() string { return s.etcdHealth.Warning() }

// Run runs the replica until ctx ends. It fails when the ledger is being restored.
func (s *Service) Run(ctx context.Context) error {
	defer s.drain()
	return run.All(ctx, s.etcdHealth.Run, func(ctx context.Context) error {
		return s.presence.Run(ctx, s.view.Run, s.sessions.Run, s.collect, s.backups)
	})
}

const collectInterval = time.Minute

// collect creates the default group, and forgets nodes that left long ago and schemas that no node has reported for long.
func (s *Service) collect(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.view.Synced():
	}
	exists := s.config.DefaultGroup == ""
	absences := map[roster.Key]time.Time{}
	soonest := min(s.config.ForgetGoneAfter, s.config.ForgetSchemasAfter)
	if s.config.ForgetUnreachableAfter > 0 {
		soonest = min(soonest, s.config.ForgetUnreachableAfter)
	}
	for {
		wait := min(collectInterval, max(soonest/10, 10*time.Millisecond))
		if !exists {
			now := time.Now()
			_, _, _, err := s.store.CreateGroup(ctx, roster.Group{Name: fleet.GroupID(s.config.DefaultGroup), Created: now, Updated: now})
			if exists = err == nil; !exists {
				wait = time.Second
				s.log.Warn("default group not created yet", "error", err)
			}
		}
		s.forgetGone(ctx, time.Now())
		s.forgetLost(ctx, time.Now(), absences)
		s.schemas.Collect(ctx, time.Now())
		s.schemas.Tidy(ctx)
		if err := backoff.Sleep(ctx, backoff.Jitter(wait, 0.5)); err != nil {
			return err
		}
	}
}

func (s *Service) forgetGone(ctx context.Context, now time.Time) {
	old := func(n *roster.Node, open *roster.Session) bool {
		return n != nil && roster.Forgettable(*n, open, now, s.config.ForgetGoneAfter)
	}
	var changes []store.Change
	for _, m := range s.view.Members(func(m view.Member) bool { return old(m.Current.Node, m.Current.Session) }) {
		changes = append(changes, store.Change{Key: m.Key, Guess: m.Current, Decide: func(c store.Current) (store.Write, error) {
			return store.Write{DeleteNode: old(c.Node, c.Session)}, nil
		}})
	}
	if _, err := s.store.Commit(ctx, clientv3.NoLease, changes); err != nil && ctx.Err() == nil {
		s.log.Warn("gone nodes not forgotten yet", "error", err)
	}
}

// Package election makes one replica of a service its leader. Leadership is a context with a term: the context ends no later
// than the lease could be lost, and the term fences every write of the leader.
package election

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"

	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/run"
)

// DefaultTTL is the longest time from the death of a leader until another is elected. etcd's minimum is about two seconds.
const DefaultTTL = 3 * time.Second

const checkInterval = time.Second

// retry spaces campaigns. Its pauses do not grow: an election needs a new candidate at once.
var retry = backoff.Policy{Base: 250 * time.Millisecond, Cap: 250 * time.Millisecond, Jitter: 0.8}

// ErrLost is the cause of a leading context whose lease ended.
var ErrLost = errors.New("leadership lost")

// Config configures an election. Client, Prefix and Replica are required.
type Config struct {
	Client  *clientv3.Client
	Prefix  string // such as election/distributor, under the prefix of the client
	Replica string // the leader's name for other replicas
	TTL     time.Duration
	Log     *slog.Logger
	Metrics *Metrics
}

// Metrics are the metrics of an election. A nil Metrics records nothing.
type Metrics struct {
	leader prometheus.Gauge
	terms  prometheus.Counter
}

// NewMetrics registers the metrics of an election.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		leader: prometheus.NewGauge(prometheus.GaugeOpts{Name: "silverback_leader", Help: "1 while this replica leads, else 0."}),
		terms: prometheus.NewCounter(prometheus.CounterOpts{Name: "silverback_leader_terms_total",
			Help: "Leaderships that this replica has begun."}),
	}
	r.MustRegister(m.leader, m.terms)
	return m
}

// Lead is the work of a leader. It returns when ctx ends, which is when the leadership can no longer be relied on, or with an error, after
// which the replica campaigns again.
type Lead func(ctx context.Context, term fleet.Term, fence etcdkv.Fence) error

// Run campaigns and leads repeatedly until ctx ends. It then resigns, so that another replica leads within milliseconds, and returns the
// cause of ctx. When etcd does not answer, resigning takes at most the shutdown timeout.
func Run(ctx context.Context, c Config, lead Lead) error {
	if c.TTL == 0 {
		c.TTL = DefaultTTL
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	pauses := backoff.Backoff{Policy: retry}
	refusal := "" // the last logged reason why etcd grants no lease
	for {
		lease, err := c.grant(ctx)
		switch {
		case err == nil:
			refusal = ""
			if err := c.once(ctx, lease, lead); err != nil && ctx.Err() == nil {
				c.Log.Warn("leadership ended", "error", err)
			}
		case ctx.Err() != nil:
		case !etcdkv.Refused(err):
			// This recurs while etcd is unreachable, which the health probe already reports.
			c.Log.Debug("no lease to campaign with; trying again", "error", err)
		case err.Error() != refusal:
			// Nothing else reports this: etcd without space still answers reads.
			c.Log.Warn("etcd grants no lease to campaign with; trying again", "error", err)
			refusal = err.Error()
		}
		if err := pauses.Wait(ctx); err != nil {
			return err
		}
	}
}

// once handles one lease: campaign, lead, resign.
func (c Config) once(ctx context.Context, lease clientv3.LeaseID, lead Lead) error {
	leaseCtx, endLease := keepLease(ctx, c.Client, lease, c.TTL)
	shutdown, endShutdown := run.ShutdownContext(leaseCtx)
	defer func() {
		endLease()
		defer endShutdown()
		_, _ = c.Client.Revoke(shutdown, lease) // the lease must end with the leadership
	}()
	// A campaign that is cancelled resigns with the context of its client, which otherwise only the end of the process would end.
	client := clientv3.NewCtxClient(shutdown)
	client.KV, client.Lease, client.Watcher = c.Client.KV, c.Client.Lease, c.Client.Watcher
	session, err := concurrency.NewSession(client, concurrency.WithLease(lease), concurrency.WithContext(leaseCtx))
	if err != nil {
		return fmt.Errorf("open session: %w", err)
	}
	defer session.Orphan()
	election := concurrency.NewElection(session, c.Prefix)
	if err := election.Campaign(leaseCtx, c.Replica); err != nil {
		return fmt.Errorf("campaign: %w", err)
	}
	if err := c.alone(leaseCtx); err != nil {
		return err
	}
	term := fleet.Term(election.Rev())
	c.Log.Info("leading", "term", term)
	if c.Metrics != nil {
		c.Metrics.leader.Set(1)
		c.Metrics.terms.Inc()
		defer c.Metrics.leader.Set(0)
	}
	defer c.Log.Info("no longer leading", "term", term)
	return lead(leaseCtx, term, etcdkv.Fence{Key: election.Key(), Term: term, ID: 1 + fleet.TermID(rand.Int64N(1<<52-1))})
}

// alone waits until no other election has a candidate on this ledger. Replicas of one ledger with different elections would be two leaders.
// Each checks after its own candidacy is written, so at least one of two sees the other.
func (c Config) alone(ctx context.Context) error {
	parent := c.Prefix[:strings.LastIndex(c.Prefix, "/")+1]
	logged := false
	for parent != "" {
		answer, err := c.Client.Get(ctx, parent, clientv3.WithPrefix(), clientv3.WithKeysOnly())
		if err != nil {
			return fmt.Errorf("look for other elections: %w", err)
		}
		other := slices.IndexFunc(answer.Kvs, func(kv *mvccpb.KeyValue) bool {
			return !strings.HasPrefix(string(kv.Key), c.Prefix+"/")
		})
		if other < 0 {
			break
		}
		if !logged {
			logged = true
			c.Log.Error("another election has a candidate on this ledger; this replica does not lead while it is there: "+
				"all replicas of an installation need the same election, and two installations different prefixes",
				"election", etcdkv.Full(c.Client, c.Prefix+"/"), "candidate", etcdkv.Full(c.Client, string(answer.Kvs[other].Key)))
		}
		if err := backoff.Sleep(ctx, checkInterval); err != nil {
			return err
		}
	}
	return nil
}

func (c Config) grant(ctx context.Context) (clientv3.LeaseID, error) {
	grantCtx, cancel := context.WithTimeout(ctx, c.TTL)
	defer cancel()
	lease, err := c.Client.Grant(grantCtx, int64((c.TTL+time.Second-1)/time.Second))
	if err != nil {
		return 0, fmt.Errorf("grant lease: %w", err)
	}
	return lease.ID, nil
}

// Leader returns the name of the present leader; empty when there is none.
func Leader(ctx context.Context, client *clientv3.Client, prefix string) (string, error) {
	answer, err := client.Get(ctx, prefix+"/", clientv3.WithFirstCreate()...)
	if err != nil {
		return "", fmt.Errorf("read leader: %w", err)
	}
	if len(answer.Kvs) == 0 {
		return "", nil
	}
	return string(answer.Kvs[0].Value), nil
}

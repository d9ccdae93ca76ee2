package presence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/run"
	"github.com/silverback-gateway/silverback/kit/telemetry"
)

const (
	// TTL is how long a replica that was killed, or asked to stop, still counts as there. The calls that it has then may take 10 s.
	TTL = 12 * time.Second
	// retryPause is the pause after etcd did not answer.
	retryPause = time.Second
)

// ErrUnfinished is returned by a replica that found the marker of a restore.
var ErrUnfinished = errors.New("a restore into this etcd has begun and has not ended: run silverback restore again, with the same " +
	"backup, and then start this service")

// A Presence announces one replica.
type Presence struct {
	client  *clientv3.Client
	part    Part
	replica string
	log     *slog.Logger
}

// record is what a replica says of itself, for people.
type record struct {
	Replica string    `json:"replica"`
	Since   time.Time `json:"since"`
	Stops   bool      `json:"stops,omitempty"` // it was asked to stop
}

// New returns the presence of a replica. An empty name is made from host and process.
func New(client *clientv3.Client, part Part, replica string, log *slog.Logger) *Presence {
	if replica == "" {
		host, _ := os.Hostname()
		replica = fmt.Sprintf("%s-%d", host, os.Getpid())
	}
	return &Presence{client: client, part: part, replica: replica, log: log}
}

// Run waits until etcd says that no restore is under way, then runs the loops beside the announcement. It returns ErrUnfinished when a
// restore is, at the start or later.
func (p *Presence) Run(ctx context.Context, loops ...run.Loop) error {
	for {
		err := p.check(ctx)
		switch {
		case err == nil:
			return run.All(ctx, append(loops, p.announce)...)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, ErrUnfinished), errors.Is(err, etcdkv.ErrWentBack):
			return err
		}
		// The health probe of the service says that etcd does not answer.
		if err := backoff.Sleep(ctx, backoff.Jitter(retryPause, 0.5)); err != nil {
			return err
		}
	}
}

func (p *Presence) check(ctx context.Context) error {
	answer, err := etcdkv.WithTimeouts(p.client).Get(ctx, p.part.Marker())
	if err == nil && len(answer.Kvs) > 0 {
		return p.unfinished(answer.Kvs[0].Value)
	}
	return err
}

// unfinished says which restore is under way.
func (p *Presence) unfinished(text []byte) error {
	var m Mark
	if json.Unmarshal(text, &m) != nil || m.Backup == "" {
		return fmt.Errorf("%w (key %s)", ErrUnfinished, etcdkv.Full(p.client, p.part.Marker()))
	}
	return fmt.Errorf("%w (backup %.12s in %q, begun at %s; key %s)", ErrUnfinished, m.Backup, m.File, m.Time.UTC().Format(time.RFC3339),
		etcdkv.Full(p.client, p.part.Marker()))
}

// announce keeps the record of the replica until ctx ends. What etcd refuses otherwise is tried again: a replica serves what it has when
// etcd takes no writes.
func (p *Presence) announce(ctx context.Context) error {
	told := false
	for {
		err := p.once(ctx)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, ErrUnfinished):
			return err
		case err != nil && !told && etcdkv.Refused(err):
			told = true
			p.log.Warn("etcd does not take the announcement of this replica; trying again", telemetry.Err, err)
		}
		if err := backoff.Sleep(ctx, backoff.Jitter(retryPause, 0.5)); err != nil {
			return err
		}
	}
}

// once announces the replica and keeps the record, until its lease is lost.
func (p *Presence) once(ctx context.Context) error {
	is := record{Replica: p.replica, Since: time.Now().UTC()}
	text, err := json.Marshal(is)
	if err != nil {
		return err
	}
	grantCtx, cancel := context.WithTimeout(ctx, TTL/2)
	defer cancel()
	lease, err := p.client.Grant(grantCtx, int64(TTL/time.Second))
	if err != nil {
		return fmt.Errorf("grant lease: %w", err)
	}
	key := p.part.replicas() + strconv.FormatInt(int64(lease.ID), 16)
	answer, err := p.client.Txn(grantCtx).If(clientv3.Compare(clientv3.CreateRevision(p.part.Marker()), "=", 0)).
		Then(clientv3.OpPut(key, string(text), clientv3.WithLease(lease.ID))).Else(clientv3.OpGet(p.part.Marker())).Commit()
	if err != nil {
		return fmt.Errorf("announce the replica: %w", err)
	}
	if !answer.Succeeded {
		for _, kv := range answer.Responses[0].GetResponseRange().GetKvs() {
			return p.unfinished(kv.Value)
		}
		return ErrUnfinished
	}
	err = p.keep(ctx, lease.ID)
	if ctx.Err() != nil {
		p.stop(ctx, key, is, lease.ID)
	}
	return err
}

// keep renews a lease until that fails for as long as the lease lasts.
func (p *Presence) keep(ctx context.Context, lease clientv3.LeaseID) error {
	last := time.Now()
	for {
		if err := backoff.Sleep(ctx, TTL/4); err != nil {
			return err
		}
		sent := time.Now()
		callCtx, cancel := context.WithTimeout(ctx, TTL/4)
		answer, err := p.client.KeepAliveOnce(callCtx, lease)
		cancel()
		switch {
		case err == nil && answer.TTL > 0:
			last = sent
		case err == nil || time.Since(last) > TTL:
			return errors.New("the lease is gone")
		case errors.Is(err, rpctypes.ErrLeaseNotFound):
			return err
		}
	}
}

// stop says that the replica was asked to stop. The record stays as long as the calls that it still answers may take.
func (p *Presence) stop(ctx context.Context, key string, is record, lease clientv3.LeaseID) {
	ctx, cancel := run.ShutdownContext(ctx)
	defer cancel()
	is.Stops = true
	if text, err := json.Marshal(is); err == nil {
		_, _ = p.client.Put(ctx, key, string(text), clientv3.WithLease(lease))
	}
	_, _ = p.client.KeepAliveOnce(ctx, lease)
}

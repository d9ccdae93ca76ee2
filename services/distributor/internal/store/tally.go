package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/run"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
)

// tallyTTL is how long the tallies of a dead replica can hold up a wave.
const tallyTTL = 5 * time.Second

// Tallies writes the tallies and the evidence of one replica under a lease of its own, so that they expire when the replica dies. Only one
// replica writes a key, so that no term needs to guard it.
type Tallies struct {
	client  *clientv3.Client
	replica string

	mu    sync.Mutex
	lease clientv3.LeaseID
}

// NewTallies returns the tallies of a replica.
func NewTallies(client *clientv3.Client, replica string) *Tallies {
	return &Tallies{client: client, replica: replica}
}

// errNoLease means that nothing can be written now.
var errNoLease = errors.New("no lease yet")

// Run keeps a lease until ctx ends, and then revokes it. It calls renewed after each new lease: everything must be written again.
func (t *Tallies) Run(ctx context.Context, renewed func()) error {
	defer t.giveUp(ctx)
	for {
		wait := tallyTTL / 5
		switch err := t.keep(ctx); {
		case err == nil:
		case errors.Is(err, errNoLease):
			if t.grant(ctx) == nil {
				renewed()
			}
		default:
			wait = tallyTTL / 10
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait):
		}
	}
}

func (t *Tallies) current() clientv3.LeaseID {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lease
}

func (t *Tallies) set(lease clientv3.LeaseID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lease = lease
}

// keep renews the lease; it returns errNoLease when there is none.
func (t *Tallies) keep(ctx context.Context) error {
	lease := t.current()
	if lease == 0 {
		return errNoLease
	}
	ctx, cancel := context.WithTimeout(ctx, tallyTTL/2)
	defer cancel()
	answer, err := t.client.KeepAliveOnce(ctx, lease)
	if errors.Is(err, rpctypes.ErrLeaseNotFound) || err == nil && answer.TTL <= 0 {
		t.set(0)
		return errNoLease
	}
	return err
}

func (t *Tallies) grant(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, tallyTTL)
	defer cancel()
	answer, err := t.client.Grant(ctx, int64(tallyTTL/time.Second))
	if err != nil {
		return err
	}
	t.set(answer.ID)
	return nil
}

func (t *Tallies) giveUp(ctx context.Context) {
	if lease := t.current(); lease != 0 {
		farewell, said := run.ShutdownContext(ctx)
		defer said()
		_, _ = t.client.Revoke(farewell, lease)
	}
}

// Put writes a tally.
func (t *Tallies) Put(ctx context.Context, group fleet.GroupID, id fleet.RolloutID, tally rollout.Tally) error {
	if err := putReport(ctx, t, tallyKey(group, id, t.replica), tally); err != nil {
		return fmt.Errorf("write tally: %w", err)
	}
	return nil
}

// PutEvidence writes the evidence of this replica about a rollout.
func (t *Tallies) PutEvidence(ctx context.Context, group fleet.GroupID, id fleet.RolloutID, e rollout.Evidence) error {
	if err := putReport(ctx, t, evidenceKey(group, id, t.replica), e); err != nil {
		return fmt.Errorf("write evidence: %w", err)
	}
	return nil
}

func putReport[T any](ctx context.Context, t *Tallies, key string, report T) error {
	lease := t.current()
	if lease == 0 {
		return errNoLease
	}
	text, err := encode(report)
	if err != nil {
		return err
	}
	_, err = t.client.Put(ctx, key, text, clientv3.WithLease(lease))
	return err
}

// Delete deletes a tally.
func (t *Tallies) Delete(ctx context.Context, group fleet.GroupID, id fleet.RolloutID) error {
	if _, err := t.client.Delete(ctx, tallyKey(group, id, t.replica)); err != nil {
		return fmt.Errorf("delete tally: %w", err)
	}
	return nil
}

// DeleteEvidence deletes the evidence about a rollout.
func (t *Tallies) DeleteEvidence(ctx context.Context, group fleet.GroupID, id fleet.RolloutID) error {
	if _, err := t.client.Delete(ctx, evidenceKey(group, id, t.replica)); err != nil {
		return fmt.Errorf("delete evidence: %w", err)
	}
	return nil
}

package session

import (
	"context"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/run"
)

// Run keeps the lease, writes sessions and ends those that are not renewed, until ctx ends. The lease is left to run out: nodes renew at
// another replica before it does, and so none of them flaps when this one is stopped. Who waits for a write then is told to go there too.
// A book runs once.
func (b *Book) Run(ctx context.Context) error {
	defer close(b.stopped)
	return run.All(ctx, b.hold, b.write, b.expire)
}

// hold keeps one lease, and gets a new one when it is lost.
func (b *Book) hold(ctx context.Context) error {
	seconds := max(1, int64((b.TTL+time.Second-1)/time.Second))
	refusal := "" // why etcd grants no lease, as the log was told
	for {
		grantCtx, cancel := context.WithTimeout(ctx, commitTimeout)
		lease, err := b.leases.Grant(grantCtx, seconds)
		cancel()
		switch {
		case err == nil:
			refusal = ""
			b.gain(lease.ID)
			b.keepAlive(ctx, lease.ID)
			b.lose()
			if ctx.Err() == nil {
				b.Metrics.leasesLost.Inc()
				b.Log.Warn("session lease lost; getting another")
			}
		case etcdkv.Refused(err) && err.Error() != refusal:
			b.Log.Warn("etcd grants no lease for sessions; trying again", "error", err)
			refusal = err.Error()
		}
		if err != nil && etcdkv.Refused(err) {
			b.refuse(unwritten(err))
		}
		if err := pause(ctx, retryPause); err != nil {
			return err
		}
	}
}

// refuse tells those who wait for an enrolment or a goodbye why it cannot be written. What they asked for stays queued.
func (b *Book) refuse(why error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.entries {
		for _, done := range e.waiting {
			done <- settled{err: why}
		}
		e.waiting = nil
	}
}

// keepAlive returns when the lease is gone, or cannot be trusted any more.
func (b *Book) keepAlive(ctx context.Context, lease clientv3.LeaseID) {
	alive, err := b.leases.KeepAlive(ctx, lease)
	if err != nil {
		return
	}
	for {
		select {
		case _, ok := <-alive:
			if !ok {
				return
			}
		case <-b.lost:
			return
		}
	}
}

func (b *Book) gain(lease clientv3.LeaseID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-b.lost: // was about an earlier lease
	default:
	}
	b.lease = lease
	for key, e := range b.entries {
		// Whatever stands in the ledger hangs on a lease that is going or gone.
		e.committed = false
		b.enqueue(key, e)
	}
	close(b.granted)
}

func (b *Book) lose() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.granted = make(chan struct{})
}

func (b *Book) reportLost(lease clientv3.LeaseID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lease != lease {
		return
	}
	select {
	case b.lost <- struct{}{}:
	default:
	}
}

// leased waits for a lease.
func (b *Book) leased(ctx context.Context) (clientv3.LeaseID, error) {
	for {
		b.mu.Lock()
		granted, lease := b.granted, b.lease
		b.mu.Unlock()
		select {
		case <-granted:
			return lease, nil
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

// expire ends sessions that were not renewed in time.
func (b *Book) expire(ctx context.Context) error {
	every := min(max(b.TTL/10, 20*time.Millisecond), time.Second)
	tick := time.NewTicker(every)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
		now := time.Now()
		b.expireAt(now, now.Sub(last) > b.TTL/2+every)
		last = now
	}
}

// expireAt ends what was not renewed before now. A process that was stopped for a while could not hear renewals, so its nodes get their
// time again.
func (b *Book) expireAt(now time.Time, stalled bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, e := range b.entries {
		switch {
		case stalled:
			e.renewed = now
		case !e.ending && now.Sub(e.renewed) > b.TTL:
			e.ending = true
			b.enqueue(key, e)
		}
	}
}

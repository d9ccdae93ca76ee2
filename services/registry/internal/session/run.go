package session

import (
	"context"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/run"
)

// Run keeps the lease, writes sessions and ends those that are not renewed, until ctx ends. It does not revoke the lease: nodes renew at
// another replica before the lease expires, so that none flaps. Callers that wait for a write then are sent elsewhere. Run may be called
// once.
func (s *Sessions) Run(ctx context.Context) error {
	defer close(s.stopped)
	return run.All(ctx, s.hold, s.write, s.expire)
}

// hold keeps a lease, and replaces a lost one.
func (s *Sessions) hold(ctx context.Context) error {
	seconds := max(1, int64((s.TTL+time.Second-1)/time.Second))
	pause := backoff.Backoff{Policy: retry}
	refusal := "" // the last reason that was logged
	for {
		grantCtx, cancel := context.WithTimeout(ctx, commitTimeout)
		lease, err := s.leases.Grant(grantCtx, seconds)
		cancel()
		switch {
		case err == nil:
			refusal = ""
			pause.Reset()
			s.gain(lease.ID)
			s.keepAlive(ctx, lease.ID)
			s.lose()
			if ctx.Err() == nil {
				s.Metrics.leasesLost.Inc()
				s.Log.Warn("session lease lost; requesting another")
			}
		case etcdkv.Refused(err) && err.Error() != refusal:
			s.Log.Warn("etcd grants no lease for sessions; trying again", "error", err)
			refusal = err.Error()
		}
		if err != nil && etcdkv.Refused(err) {
			s.refuse(unwritten(err))
		}
		if err := pause.Wait(ctx); err != nil {
			return err
		}
	}
}

// refuse answers calls that wait for an enrolment or a leave with an error. Their changes stay queued.
func (s *Sessions) refuse(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		for _, done := range e.waiting {
			done <- settled{err: why}
		}
		e.waiting = nil
	}
}

// keepAlive returns when the lease is lost.
func (s *Sessions) keepAlive(ctx context.Context, lease clientv3.LeaseID) {
	alive, err := s.leases.KeepAlive(ctx, lease)
	if err != nil {
		return
	}
	for {
		select {
		case _, ok := <-alive:
			if !ok {
				return
			}
		case <-s.lost:
			return
		}
	}
}

func (s *Sessions) gain(lease clientv3.LeaseID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.lost: // of an earlier lease
	default:
	}
	s.lease = lease
	for key, e := range s.entries {
		// Sessions in the ledger are bound to the earlier lease.
		e.committed = false
		s.enqueue(key, e)
	}
	close(s.granted)
}

func (s *Sessions) lose() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.granted = make(chan struct{})
}

func (s *Sessions) reportLost(lease clientv3.LeaseID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lease != lease {
		return
	}
	select {
	case s.lost <- struct{}{}:
	default:
	}
}

// leased waits for a lease.
func (s *Sessions) leased(ctx context.Context) (clientv3.LeaseID, error) {
	for {
		s.mu.Lock()
		granted, lease := s.granted, s.lease
		s.mu.Unlock()
		select {
		case <-granted:
			return lease, nil
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

// expire ends sessions that were not renewed in time.
func (s *Sessions) expire(ctx context.Context) error {
	every := min(max(s.TTL/10, 20*time.Millisecond), time.Second)
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
		s.expireAt(now, now.Sub(last) > s.TTL/2+every)
		last = now
	}
}

// expireAt ends sessions that were not renewed by now. A process that stalled could not take renewals, so its nodes get another TTL.
func (s *Sessions) expireAt(now time.Time, stalled bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, e := range s.entries {
		switch {
		case stalled:
			e.renewed = now
		case !e.ending && now.Sub(e.renewed) > s.TTL:
			e.ending = true
			s.enqueue(key, e)
		}
	}
}

package store

import (
	"context"
	"fmt"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
)

// Requests are remembered for a day at least. All requests that a replica answers within an hour share one lease, which is never
// kept alive: 10,000 requests must not cost 10,000 leases.
const (
	requestMemory = 24 * time.Hour
	leaseShared   = time.Hour
)

type requestLease struct {
	client *clientv3.Client

	mu     sync.Mutex
	lease  clientv3.LeaseID
	expiry time.Time // until when the lease may be used for further requests
}

func (r *requestLease) get(ctx context.Context) (clientv3.LeaseID, error) {
	r.mu.Lock()
	lease, valid := r.lease, time.Now().Before(r.expiry)
	r.mu.Unlock()
	if valid {
		return lease, nil
	}
	// No lock is held across the call: two leases in place of one do no harm.
	var granted *clientv3.LeaseGrantResponse
	if err := etcdkv.WithTimeout(ctx, func(ctx context.Context) (err error) {
		granted, err = r.client.Grant(ctx, int64((requestMemory+leaseShared)/time.Second))
		return err
	}); err != nil {
		return 0, fmt.Errorf("grant lease for requests: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lease, r.expiry = granted.ID, time.Now().Add(leaseShared)
	return r.lease, nil
}

// forget gives up a lease that etcd does not know: it was revoked, or etcd was restored from before it.
func (r *requestLease) forget(lease clientv3.LeaseID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lease == lease {
		r.expiry = time.Time{}
	}
}

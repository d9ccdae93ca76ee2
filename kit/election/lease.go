package election

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/backoff"
)

// keepLease keeps a lease alive. It returns a context that ends with ErrLost shortly before the lease may have ended on the server: a TTL
// after the last answered keepalive was sent, by the process's own monotonic clock. A process that was suspended for longer finds its
// context ended when it resumes.
func keepLease(ctx context.Context, client *clientv3.Client, lease clientv3.LeaseID, ttl time.Duration) (context.Context, func()) {
	leaseCtx, end := context.WithCancelCause(ctx)
	t := &leaseKeeper{end: end, ttl: ttl - ttl/10}
	t.timer = time.AfterFunc(t.ttl, func() { end(ErrLost) })
	var done sync.WaitGroup
	done.Go(func() { t.keep(leaseCtx, client, lease) })
	return leaseCtx, func() {
		end(context.Canceled)
		t.timer.Stop()
		done.Wait()
	}
}

type leaseKeeper struct {
	end   context.CancelCauseFunc
	ttl   time.Duration
	timer *time.Timer
}

// keep sends keepalives one by one instead of through the client's stream: the time counts from the sending of a keepalive, which the
// stream does not report.
func (t *leaseKeeper) keep(ctx context.Context, client *clientv3.Client, lease clientv3.LeaseID) {
	for {
		sent := time.Now()
		callCtx, cancel := context.WithTimeout(ctx, t.ttl/3)
		answer, err := client.KeepAliveOnce(callCtx, lease)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, rpctypes.ErrLeaseNotFound), err == nil && answer.TTL <= 0:
			t.end(fmt.Errorf("%w: the lease is gone", ErrLost))
			return
		case err == nil:
			t.timer.Reset(t.ttl - time.Since(sent))
		}
		if backoff.Sleep(ctx, t.ttl/4) != nil {
			return
		}
	}
}

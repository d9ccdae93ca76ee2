package etcdkv

import (
	"context"
	"errors"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/fault"
)

// requestTimeout bounds one request to etcd that a caller waits for. A replica that is cut off from etcd gets no answer at all. Its callers
// must not wait as long: another replica may be well, and without any etcd the caller should get that error, not a deadline.
const requestTimeout = 5 * time.Second

// WithTimeout runs a request to etcd. It gives up after a while with the fault that the ledger does not answer; a write may have happened
// all the same. Refusals of etcd become the fault of Fault.
func WithTimeout(ctx context.Context, ask func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return timeoutFault(ctx, bounded, ask(bounded))
}

// WithTimeouts returns a KV that wraps each request in WithTimeout.
func WithTimeouts(kv clientv3.KV) clientv3.KV { return timeoutKV{kv} }

type timeoutKV struct{ clientv3.KV }

func (p timeoutKV) Get(ctx context.Context, key string, opts ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	var answer *clientv3.GetResponse
	err := WithTimeout(ctx, func(ctx context.Context) (err error) {
		answer, err = p.KV.Get(ctx, key, opts...)
		return err
	})
	return answer, err
}

func (p timeoutKV) Put(ctx context.Context, key, value string, opts ...clientv3.OpOption) (*clientv3.PutResponse, error) {
	var answer *clientv3.PutResponse
	err := WithTimeout(ctx, func(ctx context.Context) (err error) {
		answer, err = p.KV.Put(ctx, key, value, opts...)
		return err
	})
	return answer, err
}

func (p timeoutKV) Txn(ctx context.Context) clientv3.Txn {
	bounded, cancel := context.WithTimeout(ctx, requestTimeout)
	return &timeoutTxn{Txn: p.KV.Txn(bounded), timeoutFault: func(err error) error {
		defer cancel()
		return timeoutFault(ctx, bounded, err)
	}}
}

type timeoutTxn struct {
	clientv3.Txn
	timeoutFault func(error) error
}

func (t *timeoutTxn) If(conditions ...clientv3.Cmp) clientv3.Txn {
	t.Txn = t.Txn.If(conditions...)
	return t
}

func (t *timeoutTxn) Then(ops ...clientv3.Op) clientv3.Txn {
	t.Txn = t.Txn.Then(ops...)
	return t
}

func (t *timeoutTxn) Else(ops ...clientv3.Op) clientv3.Txn {
	t.Txn = t.Txn.Else(ops...)
	return t
}

func (t *timeoutTxn) Commit() (*clientv3.TxnResponse, error) {
	answer, err := t.Txn.Commit()
	return answer, t.timeoutFault(err)
}

func timeoutFault(caller, bounded context.Context, err error) error {
	if err == nil || caller.Err() != nil || !errors.Is(bounded.Err(), context.DeadlineExceeded) {
		return Fault(err)
	}
	return fault.NoLedger(err)
}

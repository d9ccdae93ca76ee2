package etcdkv

import (
	"context"
	"errors"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/fault"
)

// patience bounds one request to etcd that a caller waits for. A replica that is cut off from etcd gets no answer at all, not even a
// refusal; its callers must not wait with it, since another replica may be well, and who has no etcd at all should hear that, not run out
// of time.
const patience = 5 * time.Second

// WithPatience asks etcd something, and gives up after a while with the fault that the ledger does not answer. A write that ended so may
// have been done. What etcd refuses is the fault that Fault makes of it.
func WithPatience(ctx context.Context, ask func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return outOfPatience(ctx, bounded, ask(bounded))
}

// Patient returns a KV that makes each request WithPatience.
func Patient(kv clientv3.KV) clientv3.KV { return patientKV{kv} }

type patientKV struct{ clientv3.KV }

func (p patientKV) Get(ctx context.Context, key string, opts ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	var answer *clientv3.GetResponse
	err := WithPatience(ctx, func(ctx context.Context) (err error) {
		answer, err = p.KV.Get(ctx, key, opts...)
		return err
	})
	return answer, err
}

func (p patientKV) Put(ctx context.Context, key, value string, opts ...clientv3.OpOption) (*clientv3.PutResponse, error) {
	var answer *clientv3.PutResponse
	err := WithPatience(ctx, func(ctx context.Context) (err error) {
		answer, err = p.KV.Put(ctx, key, value, opts...)
		return err
	})
	return answer, err
}

func (p patientKV) Txn(ctx context.Context) clientv3.Txn {
	bounded, cancel := context.WithTimeout(ctx, patience)
	return &patientTxn{Txn: p.KV.Txn(bounded), outOfPatience: func(err error) error {
		defer cancel()
		return outOfPatience(ctx, bounded, err)
	}}
}

type patientTxn struct {
	clientv3.Txn
	outOfPatience func(error) error
}

func (t *patientTxn) If(conditions ...clientv3.Cmp) clientv3.Txn {
	t.Txn = t.Txn.If(conditions...)
	return t
}

func (t *patientTxn) Then(ops ...clientv3.Op) clientv3.Txn {
	t.Txn = t.Txn.Then(ops...)
	return t
}

func (t *patientTxn) Else(ops ...clientv3.Op) clientv3.Txn {
	t.Txn = t.Txn.Else(ops...)
	return t
}

func (t *patientTxn) Commit() (*clientv3.TxnResponse, error) {
	answer, err := t.Txn.Commit()
	return answer, t.outOfPatience(err)
}

func outOfPatience(caller, bounded context.Context, err error) error {
	if err == nil || caller.Err() != nil || !errors.Is(bounded.Err(), context.DeadlineExceeded) {
		return Fault(err)
	}
	return fault.NoLedger(err)
}

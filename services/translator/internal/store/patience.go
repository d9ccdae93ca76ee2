package store

import (
	"context"
	"errors"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/fault"
)

// requestPatience bounds one request to etcd. A replica that is cut off from etcd gets no answer at all, not even a refusal; its callers
// must not wait with it, since another replica may be well.
const requestPatience = 5 * time.Second

// Patient returns a KV whose requests end after a while with a fault of kind Down. A write that ended so may have been done.
func Patient(kv clientv3.KV) clientv3.KV { return patientKV{kv} }

type patientKV struct{ clientv3.KV }

func (p patientKV) Get(ctx context.Context, key string, opts ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	bounded, cancel := context.WithTimeout(ctx, requestPatience)
	defer cancel()
	answer, err := p.KV.Get(bounded, key, opts...)
	return answer, outOfPatience(ctx, bounded, err)
}

func (p patientKV) Put(ctx context.Context, key, value string, opts ...clientv3.OpOption) (*clientv3.PutResponse, error) {
	bounded, cancel := context.WithTimeout(ctx, requestPatience)
	defer cancel()
	answer, err := p.KV.Put(bounded, key, value, opts...)
	return answer, outOfPatience(ctx, bounded, err)
}

func (p patientKV) Txn(ctx context.Context) clientv3.Txn {
	bounded, cancel := context.WithTimeout(ctx, requestPatience)
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
		return err
	}
	return fault.New(fault.Down, "STORE_DOWN", "the store does not answer; try again").Because(err)
}

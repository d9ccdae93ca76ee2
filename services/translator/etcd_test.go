package translator_test

import (
	"context"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// headPrefix is where every commit to a group writes.
const headPrefix = "desired/heads/"

// commits stands around the commits of one etcd client. Only the one transaction by which a group changes is held up;
// content goes through.
type commits struct {
	before func(ctx context.Context) error // an error is the answer, and nothing is sent
	after  func() error                    // an error is the answer although the commit stands
}

// client returns a client whose commits go through c.
func (c *commits) client(tb testing.TB, server *etcdtest.Server) *clientv3.Client {
	client := server.Client(tb)
	client.KV = &heldKV{KV: client.KV, commits: c}
	return client
}

type heldKV struct {
	clientv3.KV
	commits *commits
}

func (k *heldKV) Txn(ctx context.Context) clientv3.Txn {
	return &heldTxn{Txn: k.KV.Txn(ctx), commits: k.commits, ctx: ctx}
}

type heldTxn struct {
	clientv3.Txn
	commits *commits
	ctx     context.Context
	commit  bool
}

func (t *heldTxn) If(cs ...clientv3.Cmp) clientv3.Txn {
	for _, c := range cs {
		t.commit = t.commit || strings.HasPrefix(string(c.KeyBytes()), headPrefix)
	}
	t.Txn = t.Txn.If(cs...)
	return t
}

func (t *heldTxn) Then(ops ...clientv3.Op) clientv3.Txn {
	t.Txn = t.Txn.Then(ops...)
	return t
}

func (t *heldTxn) Else(ops ...clientv3.Op) clientv3.Txn {
	t.Txn = t.Txn.Else(ops...)
	return t
}

func (t *heldTxn) Commit() (*clientv3.TxnResponse, error) {
	if !t.commit {
		return t.Txn.Commit()
	}
	if t.commits.before != nil {
		if err := t.commits.before(t.ctx); err != nil {
			return nil, err
		}
	}
	answer, err := t.Txn.Commit()
	if err == nil && t.commits.after != nil {
		err = t.commits.after()
	}
	return answer, err
}

// keys counts the keys under a prefix, but for the announcements of replicas.
func keys(tb testing.TB, server *etcdtest.Server, prefix string) (n int64) {
	tb.Helper()
	answer, err := server.Client(tb).Get(context.Background(), prefix, clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		tb.Fatal(err)
	}
	for _, kv := range answer.Kvs {
		if !strings.HasPrefix(string(kv.Key), "desired/replicas/") {
			n++
		}
	}
	return n
}

package etcdkv_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/watchcache"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

const prefix = "/t/"

// recorder is a cache of an etcd prefix that also counts lists.
type recorder struct {
	*watchcache.Cache[string, string]
	listed atomic.Int32
}

func decode(kv etcdkv.KV) (string, error) {
	if string(kv.Value) == "bad" {
		return "", errors.New("bad")
	}
	return string(kv.Value), nil
}

// record starts a cache that runs until the test calls stop.
func record(t *testing.T, client *clientv3.Client) (r *recorder, stop func()) {
	t.Helper()
	r = &recorder{}
	source := etcdkv.WatchDecoded(client, prefix, decode, func(string, error) {})
	r.Cache = watchcache.New(func(ctx context.Context, token string) (func() (watchcache.Event[string, string], error), error) {
		recv, err := source(ctx, token)
		return func() (watchcache.Event[string, string], error) {
			e, err := recv()
			if e.Listing {
				r.listed.Add(1)
			}
			return e, err
		}, err
	}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
	}()
	return r, func() { cancel(); <-done }
}

// await waits until the cache is as wanted.
func (r *recorder) await(t *testing.T, want map[string]string) {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		changed := r.Changes()
		got := r.All()
		if maps.Equal(got, want) {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("the cache is %v, want %v", got, want)
		}
	}
}

func put(t *testing.T, client *clientv3.Client, key, value string) {
	t.Helper()
	if _, err := client.Put(t.Context(), prefix+key, value); err != nil {
		t.Fatal(err)
	}
}

func TestAWatchSeesEveryChange(t *testing.T) {
	client := etcdtest.Client(t)
	put(t, client, "a", "1")
	r, stop := record(t, client)
	defer stop()
	r.await(t, map[string]string{"/t/a": "1"})
	put(t, client, "b", "2")
	if _, err := client.Delete(t.Context(), prefix+"a"); err != nil {
		t.Fatal(err)
	}
	put(t, client, "junk", "bad")
	r.await(t, map[string]string{"/t/b": "2"})
	// Put and deletion of one key in one batch keep their order.
	if _, err := client.Txn(t.Context()).Then(clientv3.OpPut(prefix+"c", "x"), clientv3.OpDelete(prefix+"b")).Commit(); err != nil {
		t.Fatal(err)
	}
	put(t, client, "b", "again")
	r.await(t, map[string]string{"/t/b": "again", "/t/c": "x"})
	if n := r.listed.Load(); n != 1 {
		t.Errorf("listed %d times, want once", n)
	}
}

func TestAWatchOutlivesARestartAndACompaction(t *testing.T) {
	server := etcdtest.Start(t)
	client := server.Client(t)
	put(t, client, "gone", "1")
	put(t, client, "stays", "1")
	r, stop := record(t, client)
	defer stop()
	r.await(t, map[string]string{"/t/gone": "1", "/t/stays": "1"})

	server.Stop(0)
	if got := r.All(); len(got) != 2 {
		t.Fatalf("an unreachable etcd changed the cache to %v", got)
	}
	server.Restart(t, 0)
	put(t, client, "new", "2")
	r.await(t, map[string]string{"/t/gone": "1", "/t/stays": "1", "/t/new": "2"})
}

func TestAWatchListsAgainWhenTheHistoryIsGone(t *testing.T) {
	client := etcdtest.Client(t)
	put(t, client, "gone", "1")
	put(t, client, "stays", "1")
	_, old, err := etcdkv.List(t.Context(), client, prefix)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Delete(t.Context(), prefix+"gone"); err != nil {
		t.Fatal(err)
	}
	put(t, client, "new", "2")
	etcdtest.Compact(t, client)

	// A cache that knows the old state learns the difference from a new list.
	opened := false
	cache := watchcache.New(func(ctx context.Context, token string) (func() (watchcache.Event[string, string], error), error) {
		recv, err := etcdkv.WatchDecoded(client, prefix, decode, func(string, error) {})(ctx, strconv.FormatInt(old, 10))
		return func() (watchcache.Event[string, string], error) {
			if !opened {
				opened = true
				return watchcache.Event[string, string]{Listing: true, Synced: true, Token: strconv.FormatInt(old, 10),
					Put: []watchcache.Item[string, string]{
						{Key: "/t/gone", Value: "1", Version: old - 1}, {Key: "/t/stays", Value: "1", Version: old}}}, nil
			}
			return recv()
		}, err
	}, func(err error) { t.Errorf("the watch broke: %v", err) })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = cache.Run(ctx) }()
	defer func() { cancel(); <-done }()
	r := &recorder{Cache: cache}
	r.await(t, map[string]string{"/t/stays": "1", "/t/new": "2"})
	put(t, client, "later", "3")
	r.await(t, map[string]string{"/t/stays": "1", "/t/new": "2", "/t/later": "3"})
}

func TestListPages(t *testing.T) {
	client := etcdtest.Client(t)
	for i := range 25 {
		var ops []clientv3.Op
		for j := range 100 {
			ops = append(ops, clientv3.OpPut(fmt.Sprintf("%s%04d", prefix, i*100+j), "v"))
		}
		if _, err := client.Txn(t.Context()).Then(ops...).Commit(); err != nil {
			t.Fatal(err)
		}
	}
	all, revision, err := etcdkv.List(t.Context(), client, prefix)
	if err != nil || len(all) != 2500 || revision == 0 {
		t.Fatalf("List returned %d items at %d, %v", len(all), revision, err)
	}
	if all[2499].Key != "/t/2499" {
		t.Errorf("the last key is %s", all[2499].Key)
	}
}

func TestFence(t *testing.T) {
	client := etcdtest.Client(t)
	put(t, client, "leader", "me")
	answer, err := client.Get(t.Context(), prefix+"leader")
	if err != nil {
		t.Fatal(err)
	}
	fence := etcdkv.Fence{Key: prefix + "leader", Term: fleet.Term(answer.Kvs[0].CreateRevision)}
	if _, err := fence.Commit(t.Context(), client, nil, clientv3.OpPut(prefix+"x", "1")); err != nil {
		t.Fatalf("the leader cannot write: %v", err)
	}
	missing := clientv3.Compare(clientv3.ModRevision(prefix+"x"), "=", 0)
	if _, err := fence.Commit(t.Context(), client, []clientv3.Cmp{missing}, clientv3.OpPut(prefix+"x", "2")); !errors.Is(err,
		fault.Of(fault.Conflict)) {
		t.Errorf("a lost race is %v, want a conflict", err)
	}
	if _, err := client.Delete(t.Context(), prefix+"leader"); err != nil {
		t.Fatal(err)
	}
	put(t, client, "leader", "other")
	if _, err := fence.Commit(t.Context(), client, nil, clientv3.OpPut(prefix+"x", "3")); !errors.Is(err, fault.Of(fault.StaleTerm)) {
		t.Errorf("a deposed leader wrote: %v", err)
	}
}

package registry_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// events is what a watch saw: the table it amounts to, and every step.
type events struct {
	mu       sync.Mutex
	nodes    map[string]*registryv1.Node
	all      []*registryv1.Node
	listings int
	token    string
	stop     func()
}

func (e *events) received() []*registryv1.Node {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]*registryv1.Node(nil), e.all...)
}

func (e *events) table() (map[string]*registryv1.Node, int, string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := map[string]*registryv1.Node{}
	for k, v := range e.nodes {
		out[k] = v
	}
	return out, e.listings, e.token
}

func watch(t *testing.T, r *replica, token string) *events {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	stream, err := r.WatchNodes(ctx, &registryv1.WatchNodesRequest{ResumeToken: token})
	if err != nil {
		t.Fatal(err)
	}
	e := &events{nodes: map[string]*registryv1.Node{}}
	synced, done := make(chan struct{}), make(chan struct{})
	first := sync.OnceFunc(func() { close(synced) })
	go func() {
		defer close(done)
		defer first()
		for {
			step, err := stream.Recv()
			if err != nil {
				return
			}
			e.mu.Lock()
			switch {
			case step.GetListing() != nil:
				e.listings++
				clear(e.nodes)
			case step.GetUpserted() != nil:
				e.nodes[step.GetUpserted().GetName()] = step.GetUpserted()
				e.all = append(e.all, step.GetUpserted())
			case step.GetDeleted() != nil:
				delete(e.nodes, step.GetDeleted().GetNode())
			case step.GetSynced() != nil:
				e.token = step.GetSynced().GetResumeToken()
				first()
			}
			e.mu.Unlock()
		}
	}()
	e.stop = func() { cancel(); <-done }
	t.Cleanup(e.stop)
	<-synced
	return e
}

func TestAWatchResumesOnAnotherReplica(t *testing.T) {
	server := etcdtest.Start(t)
	a, b := start(t, server.Client(t), registry.Config{}), start(t, server.Client(t), registry.Config{})
	a.group(t, "g")
	first := watch(t, a, "")
	if _, listings, _ := first.table(); listings != 1 {
		t.Errorf("a new watch got %d listings", listings)
	}
	first.stop()
	_, _, token := first.table()
	if err := a.enrol("n", "1", serving()); err != nil {
		t.Fatal(err)
	}
	etcdtest.Compact(t, server.Client(t)) // the replicas' own history must do
	second := watch(t, b, token)
	eventually(t, "the change in between arrives", func() bool { nodes, _, _ := second.table(); return nodes["n"] != nil })
	if _, listings, _ := second.table(); listings != 0 {
		t.Errorf("a resumed watch got %d listings", listings)
	}
	// A replica that started later has no such history: it lists, and nothing is missed.
	c := start(t, server.Client(t), registry.Config{})
	third := watch(t, c, token)
	if nodes, listings, _ := third.table(); listings != 1 || nodes["n"] == nil {
		t.Errorf("a watch that cannot resume got %d listings and %v", listings, nodes)
	}
}

func TestAWatchOutlivesARestartOfEtcd(t *testing.T) {
	server := etcdtest.Start(t)
	r := start(t, server.Client(t), registry.Config{})
	r.group(t, "g")
	if err := r.enrol("before", "1", serving()); err != nil {
		t.Fatal(err)
	}
	e := watch(t, r, "")
	server.Stop(0)
	if nodes, _, _ := e.table(); nodes["before"] == nil {
		t.Error("a dead etcd deleted a node")
	}
	server.Restart(t, 0)
	eventually(t, "nodes can enrol again", func() bool { return r.enrol("after", "1", serving()) == nil })
	eventually(t, "the watch shows both", func() bool {
		nodes, _, _ := e.table()
		return nodes["before"] != nil && nodes["after"] != nil
	})
}

func TestTwoThousandNodes(t *testing.T) {
	server := etcdtest.Start(t)
	r := start(t, server.Client(t), registry.Config{SessionTTL: 60e9, RenewInterval: 10e9})
	r.group(t, "g")
	e := watch(t, r, "")
	const nodes = 2000
	var group sync.WaitGroup
	limit := make(chan struct{}, 200) // callers at once
	for i := range nodes {
		limit <- struct{}{}
		group.Go(func() {
			defer func() { <-limit }()
			if err := r.enrol(fmt.Sprintf("n%d", i), "1", serving()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	eventually(t, "the watch shows every node", func() bool { all, _, _ := e.table(); return len(all) == nodes })
	etcd := server.Client(t)
	eventually(t, fmt.Sprintf("%d nodes on one replica have one lease", nodes), func() bool { return leases(t, etcd) == 1 })
	count, token := 0, ""
	for {
		page, err := r.ListNodes(t.Context(), &registryv1.ListNodesRequest{PageSize: 300, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		count += len(page.GetNodes())
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	if count != nodes {
		t.Errorf("pages hold %d nodes, want %d", count, nodes)
	}
}

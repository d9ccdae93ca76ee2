package registry_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"

	"github.com/silverback-gateway/silverback/kit/fault"
)

// named is a digest that no bundle has.
func named(letter string) string { return "sha256:" + strings.Repeat(letter, 64) }

// enrolWith enrols a node whose gateway has the schemas of a digest, and says whether the registry wants them.
func (r *replica) enrolWith(t *testing.T, node, digest string) bool {
	t.Helper()
	a, err := r.EnrolNode(t.Context(), &registryv1.EnrolNodeRequest{
		Group: "g", Node: node, BootId: "1", Status: serving(), Capabilities: &fleetv1.Capabilities{KongVersion: "3.9.3", SchemaDigest: digest},
	})
	if err != nil {
		t.Fatal(err)
	}
	return a.GetWantSchemas()
}

func (r *replica) leave(t *testing.T, node string) {
	t.Helper()
	if _, err := r.RenewNode(t.Context(), &registryv1.RenewNodeRequest{Group: "g", Node: node, BootId: "1", Leaving: true}); err != nil {
		t.Fatal(err)
	}
}

// groupWatch is what a watch of groups says of the group g.
type groupWatch struct {
	mu       sync.Mutex
	schemas  []string
	seen     bool
	listings int
	token    string
	stop     func()
}

func watchGroup(t *testing.T, r *replica, token string) *groupWatch {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	stream, err := r.WatchGroups(ctx, &registryv1.WatchGroupsRequest{ResumeToken: token})
	if err != nil {
		t.Fatal(err)
	}
	w := &groupWatch{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			step, err := stream.Recv()
			if err != nil {
				return
			}
			w.mu.Lock()
			switch {
			case step.GetListing() != nil:
				w.listings++
			case step.GetUpserted().GetName() == "g":
				w.schemas, w.seen = step.GetUpserted().GetSchemaDigests(), true
			case step.GetSynced() != nil:
				w.token = step.GetSynced().GetResumeToken()
			}
			w.mu.Unlock()
		}
	}()
	w.stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(w.stop)
	return w
}

func (w *groupWatch) await(t *testing.T, want ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("the watch says %q", want), func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.seen && slices.Equal(w.schemas, want)
	})
}

func (w *groupWatch) lastToken() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.token
}

func TestAGroupNamesTheSchemasOfItsNodes(t *testing.T) {
	server := etcdtest.Start(t)
	a, b := start(t, server.Client(t), registry.Config{}), start(t, server.Client(t), registry.Config{})
	a.group(t, "g")
	w := watchGroup(t, b, "")
	w.await(t)
	a.enrolWith(t, "n1", named("b"))
	a.enrolWith(t, "n2", named("a"))
	a.enrolWith(t, "n3", named("a"))
	w.await(t, named("a"), named("b"))
	// Nodes whose agent could not ask their gateway yet, and nodes that nobody hears of, keep what they had.
	if err := a.enrol("n2", "1", serving()); err != nil {
		t.Fatal(err)
	}
	b.awaitState(t, "n2", registryv1.Node_STATE_UNREACHABLE)
	w.await(t, named("a"), named("b"))
	a.enrolWith(t, "n1", named("c"))
	w.await(t, named("a"), named("c"))
	got, err := b.GetGroup(t.Context(), &registryv1.GetGroupRequest{Name: "g"})
	if err != nil || !slices.Equal(got.GetGroup().GetSchemaDigests(), []string{named("a"), named("c")}) {
		t.Errorf("GetGroup says %q, %v", got.GetGroup().GetSchemaDigests(), err)
	}
	list, err := b.ListGroups(t.Context(), &registryv1.ListGroupsRequest{})
	if err != nil || !slices.Equal(list.GetGroups()[0].GetSchemaDigests(), []string{named("a"), named("c")}) {
		t.Errorf("ListGroups says %v, %v", list, err)
	}
	a.leave(t, "n2")
	w.await(t, named("a"), named("c")) // n3 has them too
	a.leave(t, "n3")
	w.await(t, named("c"))
	if _, err := a.DeleteNode(t.Context(), &registryv1.DeleteNodeRequest{Group: "g", Node: "n1"}); err != nil {
		t.Fatal(err)
	}
	w.await(t)
}

func TestAResumedWatchMissesNoSchemas(t *testing.T) {
	server := etcdtest.Start(t)
	a, b := start(t, server.Client(t), registry.Config{}), start(t, server.Client(t), registry.Config{})
	a.group(t, "g")
	a.enrolWith(t, "n1", named("a"))
	first := watchGroup(t, a, "")
	first.await(t, named("a"))
	eventually(t, "the watch can be resumed", func() bool { return first.lastToken() != "" })
	first.stop()
	a.enrolWith(t, "n2", named("b"))
	a.leave(t, "n1") // a transaction of two writes, of which the second takes the schemas away
	second := watchGroup(t, b, first.lastToken())
	second.await(t, named("b"))
	if second.listings != 0 {
		t.Errorf("a resumed watch got %d listings", second.listings)
	}
}

func TestCapabilitiesNameADigestOrNothing(t *testing.T) {
	r := start(t, etcdtest.Client(t), registry.Config{})
	r.group(t, "g")
	_, err := r.EnrolNode(t.Context(), &registryv1.EnrolNodeRequest{
		Group: "g", Node: "n", BootId: "1", Capabilities: &fleetv1.Capabilities{SchemaDigest: "sha256:../../groups/g"},
	})
	if fault.KindOf(fault.FromStatus(err)) != fault.Invalid {
		t.Errorf("got %v", err)
	}
}

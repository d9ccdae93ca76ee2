package registry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/schema"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
	"github.com/silverback-gateway/silverback/services/registry/internal/schemas"
	"github.com/silverback-gateway/silverback/services/registry/internal/store"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
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
	a, b := start(t, server.Client(t), mortal), start(t, server.Client(t), mortal)
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

// bundle makes a small bundle; another version makes another one.
func bundle(t *testing.T, version string) (digest string, zstd []byte) {
	t.Helper()
	b, err := schema.New(schema.Texts{KongVersion: version, Entities: map[string]json.RawMessage{
		"routes":  json.RawMessage(`{"fields":[{"name":{"type":"string"}}]}`),
		"plugins": json.RawMessage(`{"fields":[{"name":{"type":"string"}}]}`),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return string(b.Digest()), schema.Pack(b)
}

// older is a bundle as an agent of before wrote it: with the secret that its gateway invented.
func older(t *testing.T, secret string) (digest string, frame []byte) {
	t.Helper()
	text := fmt.Sprintf(
		`{"entities":{"plugins":{"fields":[{"name":{"type":"string"}}]}},"kong_version":"3.9.3","plugins":{"session":{"fields":[{"config":`+
			`{"fields":[{"secret":{"default":%q,"encrypted":true,"type":"string"}}],"type":"record"}}]}},"vaults":{}}`, secret)
	e, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(fleet.DigestOf([]byte(text))), e.EncodeAll([]byte(text), nil)
}

// without fails when a stored bundle is not one, or has a secret in it.
func without(t *testing.T, frame []byte, secret string) {
	t.Helper()
	b, err := schema.Unpack(frame)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b.Encode()), secret) || !strings.Contains(string(b.Encode()), `"auto":true`) {
		t.Errorf("the stored bundle is %s", b.Encode())
	}
}

// TestSecretsOfGatewaysAreNotStored: neither of agents of before, nor what a registry of before stored.
func TestSecretsOfGatewaysAreNotStored(t *testing.T) {
	etcd := etcdtest.Client(t)
	ledger := store.New(etcd)
	before, beforeZstd := older(t, "hush-1")
	if _, err := ledger.PutSchemas(t.Context(), before, beforeZstd, roster.Key{Group: "g", Node: "n1"}); err != nil {
		t.Fatal(err)
	}
	r := start(t, etcd, registry.Config{})
	r.group(t, "g")
	r.enrolWith(t, "n1", before)
	now, nowZstd := older(t, "hush-2")
	if now == before || !r.enrolWith(t, "n2", now) {
		t.Fatal("the second node is not asked for its schemas")
	}
	if err := r.upload("n2", now, nowZstd); err != nil {
		t.Fatal(err)
	}
	uploaded, err := r.stored(now)
	if err != nil {
		t.Fatal(err)
	}
	without(t, uploaded, "hush-2")
	eventually(t, "the bundle that was there is another", func() bool {
		zstd, err := r.stored(before)
		return err == nil && !bytes.Equal(zstd, beforeZstd)
	})
	stored, err := r.stored(before)
	if err != nil {
		t.Fatal(err)
	}
	without(t, stored, "hush-1")
}

func (r *replica) upload(node, digest string, zstd []byte) error {
	_, err := r.UploadSchemas(context.Background(), &registryv1.UploadSchemasRequest{Group: "g", Node: node, Digest: digest, Zstd: zstd})
	return fault.FromStatus(err)
}

func (r *replica) stored(digest string) ([]byte, error) {
	a, err := r.GetSchemas(context.Background(), &registryv1.GetSchemasRequest{Digest: digest})
	return a.GetZstd(), fault.FromStatus(err)
}

func TestOneNodeIsAskedForSchemasThatAreNotStored(t *testing.T) {
	server := etcdtest.Start(t)
	a, b := start(t, server.Client(t), registry.Config{}), start(t, server.Client(t), registry.Config{})
	a.group(t, "g")
	digest, zstd := bundle(t, "3.9.3")
	if !a.enrolWith(t, "n1", digest) {
		t.Error("the first node is not asked")
	}
	if a.enrolWith(t, "n2", digest) {
		t.Error("the second node is asked while the first one may be at it")
	}
	if again, err := a.renew("n1", "1", nil); err != nil || again.GetWantSchemas() {
		t.Errorf("asked again at once: %v, %v", again, err)
	}
	if err := a.upload("n1", digest, zstd); err != nil {
		t.Fatal(err)
	}
	if err := a.upload("n2", digest, zstd); err != nil {
		t.Errorf("what is there already: %v", err)
	}
	got, err := b.stored(digest)
	if err != nil || !bytes.Equal(got, zstd) {
		t.Errorf("another replica has %d bytes of %d, %v", len(got), len(zstd), err)
	}
	eventually(t, "the other replica knows that they are stored", func() bool { return !b.enrolWith(t, "n3", digest) })
	if _, err := b.stored(named("a")); !errors.Is(err, fault.Of(fault.Missing)) {
		t.Errorf("schemas that nobody uploaded: %v", err)
	}
}

func TestAnAgentThatDoesNotUploadIsNotTheLastOneAsked(t *testing.T) {
	now := time.Now()
	k := schemas.New(schemas.Config{View: emptyView{}})
	digest := named("a")
	if !k.Want(digest, now) || k.Want(digest, now.Add(9*time.Second)) || !k.Want(digest, now.Add(11*time.Second)) {
		t.Error("want: the first is asked, a second one soon after is not, one later is")
	}
	if k.Want("", now) {
		t.Error("a node without a digest is asked")
	}
}

type emptyView struct{ schemas.View }

func (emptyView) Stored(string) bool { return false }

func TestUploadsThatAreNotTheirBundleAreRefused(t *testing.T) {
	etcd := etcdtest.Client(t)
	r := start(t, etcd, registry.Config{})
	r.group(t, "g")
	digest, zstd := bundle(t, "3.9.3")
	other, otherZstd := bundle(t, "3.4.2")
	if err := r.upload("n", digest, zstd); !errors.Is(err, fault.Of(fault.Missing)) {
		t.Errorf("of a node that is not enrolled: %v", err)
	}
	r.enrolWith(t, "n", digest)
	for name, tt := range map[string]struct {
		digest string
		zstd   []byte
		want   fault.Kind
	}{
		"another bundle":                {digest, otherZstd, fault.Invalid},
		"not a bundle":                  {digest, []byte("no zstd"), fault.Invalid},
		"cut short":                     {digest, zstd[:len(zstd)-3], fault.Invalid},
		"a bomb":                        {digest, bomb(t), fault.Invalid},
		"schemas that the node has not": {other, otherZstd, fault.WrongState},
		"too large to travel":           {digest, make([]byte, 768<<10+1), fault.Invalid},
	} {
		if err := r.upload("n", tt.digest, tt.zstd); fault.KindOf(err) != tt.want {
			t.Errorf("%s: %v, want kind %d", name, err, tt.want)
		}
	}
	left, err := etcd.Get(t.Context(), "identity/schemas/", clientv3.WithPrefix())
	if err != nil || left.Count != 0 {
		t.Errorf("%d bundles are stored, %v", left.Count, err)
	}
}

// bomb is a small frame of very much.
func bomb(t *testing.T) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(make([]byte, 256<<20), nil)
}

// TestSchemasHaveALimit, which is of the fleet, and shared by its groups: one that took all the room takes no more, and others still
// get theirs.
func TestSchemasHaveALimit(t *testing.T) {
	etcd := etcdtest.Client(t)
	ledger := store.New(etcd)
	for i := range schemas.MaxBundles {
		by := roster.Key{Group: "g", Node: fleet.NodeID(fmt.Sprintf("n%d", i))}
		if _, err := ledger.PutSchemas(t.Context(), fmt.Sprintf("sha256:%064x", i), []byte("x"), by); err != nil {
			t.Fatal(err)
		}
	}
	r := start(t, etcd, registry.Config{})
	r.group(t, "g")
	r.group(t, "other")
	digest, zstd := bundle(t, "3.9.3")
	r.enrolWith(t, "n", digest)
	if err := r.upload("n", digest, zstd); !errors.Is(err, fault.Of(fault.Busy)) {
		t.Errorf("one too many: %v", err)
	}
	if _, err := r.EnrolNode(t.Context(), &registryv1.EnrolNodeRequest{
		Group: "other", Node: "n", BootId: "1", Capabilities: &fleetv1.Capabilities{KongVersion: "3.9.3", SchemaDigest: digest},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.UploadSchemas(t.Context(), &registryv1.UploadSchemasRequest{Group: "other", Node: "n", Digest: digest,
		Zstd: zstd}); err != nil {
		t.Errorf("another group gets no room: %v", err)
	}
}

// TestOneNodeCannotTakeTheRoomOfTheFleet: a node that names one bundle after the other keeps the last.
func TestOneNodeCannotTakeTheRoomOfTheFleet(t *testing.T) {
	etcd := etcdtest.Client(t)
	r := start(t, etcd, registry.Config{})
	r.group(t, "g")
	first, zstd := bundle(t, "first")
	r.enrolWith(t, "honest", first)
	if err := r.upload("honest", first, zstd); err != nil {
		t.Fatal(err)
	}
	for i := range 3 * schemas.MaxOfNode {
		digest, zstd := bundle(t, fmt.Sprintf("%d", i))
		r.enrolWith(t, "hostile", digest)
		// A replica that has not heard yet that the bundle before is named no more has no room for another one, and the agent asks again.
		eventually(t, fmt.Sprintf("bundle %d is stored", i), func() bool {
			err := r.upload("hostile", digest, zstd)
			if err != nil && !errors.Is(err, fault.Of(fault.Busy)) {
				t.Fatalf("bundle %d: %v", i, err)
			}
			return err == nil
		})
	}
	left, err := etcd.Get(t.Context(), "identity/schemas/", clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil || left.Count > 1+schemas.MaxOfNode {
		t.Errorf("%d bundles are stored, %v", left.Count, err)
	}
	if _, err := r.stored(first); err != nil {
		t.Errorf("the bundle of another node: %v", err)
	}
	uploads, err := etcd.Get(t.Context(), "identity/uploads/", clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil || uploads.Count != left.Count {
		t.Errorf("%d records of uploads beside %d bundles, %v", uploads.Count, left.Count, err)
	}
}

// backing is what is said of a bundle of the group g; nil when nothing is, or the replica does not know the group yet.
func (r *replica) backing(t *testing.T, digest string) *registryv1.SchemaBacking {
	t.Helper()
	got, _ := r.GetGroup(t.Context(), &registryv1.GetGroupRequest{Name: "g"})
	for _, b := range got.GetGroup().GetSchemaBacking() {
		if b.GetDigest() == digest {
			return b
		}
	}
	return nil
}

func TestABundleCountsWhenMostNodesStandBehindIt(t *testing.T) {
	server := etcdtest.Start(t)
	a, b := start(t, server.Client(t), registry.Config{}), start(t, server.Client(t), registry.Config{})
	a.group(t, "g")
	good, bad := named("a"), named("b")
	counts := func(what, digest string, want bool, nodes ...string) {
		t.Helper()
		eventually(t, what, func() bool {
			got := b.backing(t, digest)
			return got.GetCounts() == want && slices.Equal(got.GetNodeNames(), nodes) && int(got.GetNodes()) == len(nodes)
		})
	}
	a.enrolWith(t, "n1", good)
	counts("one node is the whole group", good, true, "n1")
	a.enrolWith(t, "n2", bad)
	counts("one of two does not count", bad, false, "n2")
	counts("neither does the other", good, false, "n1")
	a.enrolWith(t, "n3", good)
	counts("two of three count", good, true, "n1", "n3")
	counts("the third does not", bad, false, "n2")
	// A version of its own makes no majority.
	if _, err := a.EnrolNode(t.Context(), &registryv1.EnrolNodeRequest{
		Group: "g", Node: "n2", BootId: "1", Capabilities: &fleetv1.Capabilities{KongVersion: "9.9.9", SchemaDigest: bad},
	}); err != nil {
		t.Fatal(err)
	}
	counts("one node speaks for a version of its own", bad, false, "n2")
	// An operator's word does, on every replica, and can be taken back.
	update := func(trusted ...string) {
		t.Helper()
		if _, err := a.UpdateGroup(t.Context(), &registryv1.UpdateGroupRequest{
			Group: &registryv1.Group{Name: "g", TrustedSchemas: trusted}}); err != nil {
			t.Fatal(err)
		}
	}
	update(bad)
	counts("an operator trusts it", bad, true, "n2")
	update()
	counts("and no more", bad, false, "n2")
	for _, wrong := range [][]string{{"sha256:1"}, {named("c")}, nil} {
		_, err := a.UpdateGroup(t.Context(), &registryv1.UpdateGroupRequest{Group: &registryv1.Group{Name: "g", TrustedSchemas: wrong}})
		if bad := len(wrong) > 0 && wrong[0] == "sha256:1"; bad != (fault.KindOf(fault.FromStatus(err)) == fault.Invalid) {
			t.Errorf("trusting %q: %v", wrong, err)
		}
	}
}

func TestSchemasThatNoNodeNamesAreCollected(t *testing.T) {
	server := etcdtest.Start(t)
	const after = 300 * time.Millisecond
	a, b := start(t, server.Client(t), registry.Config{ForgetSchemasAfter: after}),
		start(t, server.Client(t), registry.Config{ForgetSchemasAfter: after})
	a.group(t, "g")
	kept, keptZstd := bundle(t, "3.9.3")
	gone, goneZstd := bundle(t, "3.4.2")
	a.enrolWith(t, "stays", kept)
	a.enrolWith(t, "leaves", gone)
	for node, upload := range map[string]func() error{
		"stays": func() error { return a.upload("stays", kept, keptZstd) }, "leaves": func() error { return b.upload("leaves", gone, goneZstd) },
	} {
		if err := upload(); err != nil {
			t.Fatalf("%s: %v", node, err)
		}
	}
	a.leave(t, "leaves")
	eventually(t, "the bundle of the node that left is deleted", func() bool {
		_, err := a.stored(gone)
		return errors.Is(err, fault.Of(fault.Missing))
	})
	if _, err := b.stored(kept); err != nil {
		t.Errorf("a bundle that is named: %v", err)
	}
	// Loss heals: the node that comes back is asked for them.
	eventually(t, "the replica knows that they are gone", func() bool { return b.enrolWith(t, "leaves", gone) })
	if err := b.upload("leaves", gone, goneZstd); err != nil {
		t.Error(err)
	}
}

// A replica that read the nodes before one of them named a bundle must not delete that bundle.
func TestABundleThatWasJustNamedIsNotDeleted(t *testing.T) {
	etcd := etcdtest.Client(t)
	ledger := store.New(etcd)
	r := start(t, etcd, registry.Config{})
	r.group(t, "g")
	digest, zstd := bundle(t, "3.9.3")
	storedAt, err := ledger.PutSchemas(t.Context(), digest, zstd, roster.Key{Group: "g", Node: "n"})
	if err != nil {
		t.Fatal(err)
	}
	r.enrolWith(t, "n", digest)
	if deleted, err := ledger.DeleteSchemas(t.Context(), digest, storedAt, storedAt); err != nil || deleted {
		t.Fatalf("deleted %v, %v", deleted, err)
	}
	now, err := etcd.Get(t.Context(), "any")
	if err != nil {
		t.Fatal(err)
	}
	if deleted, err := ledger.DeleteSchemas(t.Context(), digest, storedAt, now.Header.Revision); err != nil || !deleted {
		t.Errorf("on fresh grounds: deleted %v, %v", deleted, err)
	}
}

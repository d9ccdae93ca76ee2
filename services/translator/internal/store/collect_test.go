package store_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/content"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/compile"
	"github.com/silverback-gateway/silverback/services/translator/internal/desired"
	"github.com/silverback-gateway/silverback/services/translator/internal/groups"
	"github.com/silverback-gateway/silverback/services/translator/internal/store"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// anyGroup is a registry that has every group, without gateways.
type anyGroup struct{}

func (anyGroup) Exists(context.Context, fleet.GroupID) (bool, error)            { return true, nil }
func (anyGroup) Served(context.Context, fleet.GroupID) ([]groups.Served, error) { return nil, nil }
func (anyGroup) Unmanaged(context.Context, fleet.GroupID) ([]groups.Unmanaged, error) {
	return nil, nil
}
func (anyGroup) Limits(context.Context, fleet.GroupID) ([]groups.Limits, error) { return nil, nil }

// keeper is a service of the translator on a real etcd, with a clock of its own.
type keeper struct {
	*desired.Service
	t    *testing.T
	etcd *clientv3.Client
	late atomic.Int64 // how much later than now it is
}

func newKeeper(t *testing.T, etcd *clientv3.Client) *keeper {
	k := &keeper{t: t, etcd: etcd}
	log := slog.New(slog.DiscardHandler)
	k.Service = desired.New(desired.Deps{
		Ledger: store.NewLedger(etcd, log), Content: content.New(etcd, content.DefaultCacheBytes), Groups: anyGroup{},
		Compiler: compile.New(compile.DefaultLimits()), Log: log,
		Now: func() time.Time { return time.Now().Add(time.Duration(k.late.Load())) },
	})
	return k
}

func routes(tag string, n int) string {
	var b strings.Builder
	b.WriteString("_format_version: \"3.0\"\nservices:\n")
	for i := range n {
		fmt.Fprintf(&b, "- name: %s-%d\n  url: http://%s-%d.internal:8080\n  tags: [%s]\n", tag, i, tag, i, tag)
	}
	return b.String()
}

func (k *keeper) submission(group, source, text string) desired.Submission {
	return desired.Submission{
		Group: fleet.GroupID(group), Source: fleet.SourceID(source), AllowShrink: true,
		Documents: []compile.Document{{Name: source + ".yaml", Content: []byte(text)}},
	}
}

func (k *keeper) submit(group, source, text string) *desired.Revision {
	k.t.Helper()
	out, err := k.Submit(k.t.Context(), k.submission(group, source, text))
	if err != nil {
		k.t.Fatal(err)
	}
	return out.Revision
}

// now is the etcd revision.
func (k *keeper) now() int64 {
	answer, err := k.etcd.Get(k.t.Context(), "x")
	if err != nil {
		k.t.Fatal(err)
	}
	return answer.Header.Revision
}

func (k *keeper) collect(before int64, inUse ...desired.InUse) desired.Collected {
	k.t.Helper()
	for i := range inUse {
		inUse[i].KeepRevisions, inUse[i].KeepAge = cmp.Or(inUse[i].KeepRevisions, 5), cmp.Or(inUse[i].KeepAge, 24*time.Hour)
	}
	out, err := k.Collect(k.t.Context(), desired.Collection{Groups: inUse, Before: before})
	if err != nil {
		k.t.Fatal(err)
	}
	return out
}

// count is how many keys have a prefix.
func (k *keeper) count(prefix string) int {
	answer, err := k.etcd.Get(k.t.Context(), prefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil {
		k.t.Fatal(err)
	}
	return int(answer.Count)
}

// readable fails the test unless a service without anything in memory can read the content of a revision and of each of its sources.
func (k *keeper) readable(r *desired.Revision) {
	k.t.Helper()
	if _, err := content.New(k.etcd, -1).Read(k.t.Context(), r.Digest); err != nil {
		k.t.Errorf("revision %d of %s: %v", r.Number, r.Group, err)
	}
	ledger := store.NewLedger(k.etcd, slog.New(slog.DiscardHandler))
	for _, s := range r.Sources {
		if _, err := ledger.Fragment(k.t.Context(), s.Fragment); err != nil {
			k.t.Errorf("revision %d of %s, source %s: %v", r.Number, r.Group, s.Name, err)
		}
	}
}

func TestOldRevisionsAndTheirContentAreCollected(t *testing.T) {
	k := newKeeper(t, etcdtest.Client(t))
	other := k.submit("other", "team", routes("shared", 3)) // of a group that has no assignment
	k.submit("g", "still", routes("still", 3))
	var all []*desired.Revision
	for i := range 40 {
		all = append(all, k.submit("g", "team", routes(fmt.Sprintf("r%d", i), 3)))
	}
	held, head := all[7], all[39]
	inUse := desired.InUse{Group: "g", Revisions: []fleet.Revision{held.Number, head.Number}, Digests: []fleet.Digest{held.Digest}}
	k.late.Store(int64(48 * time.Hour))
	if out := k.collect(1, inUse); out != (desired.Collected{Kept: 41}) {
		t.Errorf("with a list from before all of them: %+v", out)
	}
	k.late.Store(0)
	if out := k.collect(k.now(), inUse); out != (desired.Collected{Kept: 41}) {
		t.Errorf("young revisions: %+v", out)
	}
	k.late.Store(int64(48 * time.Hour))
	out := k.collect(k.now(), inUse)
	if out.Revisions != 34 || out.Kept != 7 {
		t.Errorf("%+v", out)
	}
	// Beside the newest five and the held one, the revision that brought the other source is kept. There is one manifest a revision, and one
	// fragment with its piece for each content of a source.
	if m, f := k.count(content.ManifestPrefix), k.count("content/fragments/"); m != 8 || f != 2*(6+1+1) {
		t.Errorf("%d manifests and %d keys of fragments are left", m, f)
	}
	for _, r := range append(all[35:], held, other) {
		k.readable(r)
	}
	if _, err := k.Revision(t.Context(), "g", all[8].Number); !errors.Is(err, fault.Of(fault.Missing)) {
		t.Errorf("a collected revision: %v", err)
	}
	if out := k.collect(k.now(), inUse); out != (desired.Collected{Kept: 7}) {
		t.Errorf("the second time: %+v", out)
	}
	// A source of a revision that is kept can be restored.
	if _, err := k.Restore(t.Context(), desired.Restoration{Group: "g", To: held.Number, AllowShrink: true, Reason: "r"}); err != nil {
		t.Error(err)
	}
	// A late leader names the head of the past; nothing that came since is touched.
	next := k.submit("g", "team", routes("next", 3))
	k.collect(k.now(), inUse)
	k.readable(next)
	inUse.KeepRevisions = 5
	if _, err := k.Collect(t.Context(), desired.Collection{Groups: []desired.InUse{inUse}, Before: 1 << 40}); err == nil {
		t.Error("a list of another ledger was taken")
	}
}

// TestAPinKeepsWhatItHoldsBack: the refused content is in no revision that is kept, and takes effect when the pin ends.
func TestAPinKeepsWhatItHoldsBack(t *testing.T) {
	k := newKeeper(t, etcdtest.Client(t))
	good := k.submit("g", "team", routes("good", 3))
	bad := k.submit("g", "team", routes("bad", 3))
	_, err := k.Restore(t.Context(), desired.Restoration{
		Group: "g", To: good.Number, From: bad.Number, SkipChanged: true, AllowShrink: true, Reason: "r", Pin: &desired.Pin{Rollout: "1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		k.submit("g", "busy", routes(fmt.Sprintf("r%d", i), 2))
	}
	// A pin keeps its revisions, too. Without the refused one only the pin names the content.
	if _, err := k.etcd.Delete(t.Context(), fmt.Sprintf("desired/revisions/g/%016x", bad.Number)); err != nil {
		t.Fatal(err)
	}
	k.late.Store(int64(48 * time.Hour))
	if out := k.collect(k.now(), desired.InUse{Group: "g"}); out.Revisions == 0 {
		t.Errorf("%+v", out)
	}
	fresh := newKeeper(t, k.etcd)
	pinning := desired.Pinning{Group: "g", Source: "team", Reason: "r"}
	out, err := fresh.Unpin(t.Context(), desired.Unpinning{Pinning: pinning, AllowShrink: true})
	if err != nil || out.Unchanged {
		t.Fatalf("%+v, %v", out, err)
	}
	k.readable(out.Revision)
}

// hooked runs a function once before a commit to a group, or before a deletion of content.
type hooked struct {
	clientv3.KV
	prefix string // of a key that the transaction compares
	hook   func()
}

func (h *hooked) Txn(ctx context.Context) clientv3.Txn { return &hookedTxn{Txn: h.KV.Txn(ctx), h: h} }

type hookedTxn struct {
	clientv3.Txn
	h *hooked
}

func (t *hookedTxn) If(all ...clientv3.Cmp) clientv3.Txn {
	for _, c := range all {
		if hook := t.h.hook; hook != nil && string(c.KeyBytes()) == t.h.prefix {
			t.h.hook = nil
			hook()
		}
	}
	t.Txn = t.Txn.If(all...)
	return t
}

func (t *hookedTxn) Then(ops ...clientv3.Op) clientv3.Txn {
	t.Txn = t.Txn.Then(ops...)
	return t
}

func (t *hookedTxn) Else(ops ...clientv3.Op) clientv3.Txn {
	t.Txn = t.Txn.Else(ops...)
	return t
}

// TestASubmissionInFlightKeepsItsContent: the content that a submission found is collected before its commit.
func TestASubmissionInFlightKeepsItsContent(t *testing.T) {
	server := etcdtest.Start(t)
	k := newKeeper(t, server.Client(t))
	k.submit("g", "team", routes("old", 3))
	for i := range 20 {
		k.submit("g", "team", routes(fmt.Sprintf("r%d", i), 3))
	}
	k.late.Store(int64(48 * time.Hour))
	deleted := 0
	etcd := server.Client(t)
	etcd.KV = &hooked{KV: etcd.KV, prefix: "desired/heads/g", hook: func() {
		out := k.collect(k.now(), desired.InUse{Group: "g"})
		deleted = out.Fragments + out.Manifests + out.Chunks
	}}
	r := newKeeper(t, etcd).submit("g", "team", routes("old", 3))
	if deleted == 0 {
		t.Error("nothing was collected before the commit")
	}
	k.readable(r)
}

// TestARestorationInFlightKeepsItsContent: a restoration read an earlier revision, which is collected before its commit. It is refused, or
// has all its content.
func TestARestorationInFlightKeepsItsContent(t *testing.T) {
	server := etcdtest.Start(t)
	k := newKeeper(t, server.Client(t))
	old := k.submit("g", "team", routes("old", 3))
	for i := range 20 {
		k.submit("g", "team", routes(fmt.Sprintf("r%d", i), 3))
	}
	k.late.Store(int64(48 * time.Hour))
	etcd := server.Client(t)
	etcd.KV = &hooked{KV: etcd.KV, prefix: "desired/heads/g", hook: func() { k.collect(k.now(), desired.InUse{Group: "g"}) }}
	out, err := newKeeper(t, etcd).Restore(t.Context(), desired.Restoration{Group: "g", To: old.Number, AllowShrink: true, Reason: "r"})
	if err == nil {
		k.readable(out.Revision)
		t.Error("the content of the source was collected, and the restoration took it from memory")
	} else if fault.KindOf(err) != fault.WrongState && fault.KindOf(err) != fault.Missing {
		t.Error(err)
	}
	state, err := store.NewLedger(k.etcd, slog.New(slog.DiscardHandler)).Read(t.Context(), "g")
	if err != nil {
		t.Fatal(err)
	}
	k.readable(state.Head)
}

// TestABusyGroupIsCollected: a submission commits between the look at the revisions and their deletion.
func TestABusyGroupIsCollected(t *testing.T) {
	server := etcdtest.Start(t)
	k := newKeeper(t, server.Client(t))
	for i := range 20 {
		k.submit("g", "team", routes(fmt.Sprintf("r%d", i), 3))
	}
	etcd := server.Client(t)
	submitted := false
	etcd.KV = &hooked{KV: etcd.KV, prefix: "desired/heads/g", hook: func() { k.submit("g", "team", routes("next", 3)); submitted = true }}
	collector := newKeeper(t, etcd)
	collector.late.Store(int64(48 * time.Hour))
	if out := collector.collect(collector.now(), desired.InUse{Group: "g"}); !submitted || out.Revisions != 15 {
		t.Errorf("%+v", out)
	}
}

// TestALaterCollectionEndsTheOneBefore: two leaders collect at once, one of them deposed. Each transaction of the deposed one fails from
// the moment on at which the other begins.
func TestALaterCollectionEndsTheOneBefore(t *testing.T) {
	for _, prefix := range []string{"desired/heads/g", "desired/heads/"} { // before revisions are deleted, and before content is
		server := etcdtest.Start(t)
		k := newKeeper(t, server.Client(t))
		for i := range 20 {
			k.submit("g", "team", routes(fmt.Sprintf("r%d", i), 3))
		}
		old := k.now()
		inUse := desired.InUse{Group: "g", KeepRevisions: 5, KeepAge: 24 * time.Hour}
		k.late.Store(int64(48 * time.Hour))
		left := 0
		etcd := server.Client(t)
		etcd.KV = &hooked{KV: etcd.KV, prefix: prefix, hook: func() {
			if _, err := k.etcd.Put(t.Context(), "other", ""); err != nil { // so that the next list is a later one
				t.Error(err)
			}
			keepsMore := inUse
			keepsMore.KeepRevisions = 10 // the new leader knows a later policy
			k.collect(k.now(), keepsMore)
			left = k.count("")
		}}
		deposed := newKeeper(t, etcd)
		deposed.late.Store(int64(48 * time.Hour))
		_, err := deposed.Collect(t.Context(), desired.Collection{Before: old, Groups: []desired.InUse{inUse}})
		if !errors.Is(err, fault.Of(fault.WrongState)) || left == 0 || k.count("") != left {
			t.Errorf("%s: %v; %d keys were there and %d are", prefix, err, left, k.count(""))
		}
		// It gets no other turn with the old list; the leader does, also with the same list again.
		_, err = deposed.Collect(t.Context(), desired.Collection{Before: old, Groups: []desired.InUse{inUse}})
		if !errors.Is(err, fault.Of(fault.WrongState)) || k.count("") != left {
			t.Errorf("%s: with the old list: %v", prefix, err)
		}
		now := k.now()
		k.collect(now, inUse)
		k.collect(now, inUse)
	}
}

// TestContentThatIsNamedMeanwhileIsNotCollected: a submission that found old content commits after the collection has read what is named.
func TestContentThatIsNamedMeanwhileIsNotCollected(t *testing.T) {
	server := etcdtest.Start(t)
	k := newKeeper(t, server.Client(t))
	k.submit("g", "team", routes("old", 3))
	for i := range 20 {
		k.submit("g", "team", routes(fmt.Sprintf("r%d", i), 3))
	}
	var r *desired.Revision
	etcd := server.Client(t)
	etcd.KV = &hooked{KV: etcd.KV, prefix: "desired/heads/", hook: func() { r = k.submit("other", "team", routes("old", 3)) }}
	collector := newKeeper(t, etcd)
	collector.late.Store(int64(48 * time.Hour))
	out := collector.collect(collector.now(), desired.InUse{Group: "g"})
	if r == nil || out.Chunks == 0 {
		t.Fatalf("nothing was submitted during the collection: %+v", out)
	}
	k.readable(r)
}

// TestDamageEndsACollection: what cannot be read may name anything.
func TestDamageEndsACollection(t *testing.T) {
	k := newKeeper(t, etcdtest.Client(t))
	k.submit("g", "team", routes("a", 3))
	if _, err := k.etcd.Put(t.Context(), "content/fragments/00", "1"); err != nil {
		t.Fatal(err)
	}
	if _, err := k.etcd.Put(t.Context(), "desired/revisions/h/0000000000000001", "{"); err != nil {
		t.Fatal(err)
	}
	if out, err := k.Collect(t.Context(), desired.Collection{Before: 1}); err == nil || out.Fragments > 0 {
		t.Errorf("%+v, %v", out, err)
	}
	if _, err := k.etcd.Delete(t.Context(), "desired/revisions/h/0000000000000001"); err != nil {
		t.Fatal(err)
	}
	// Chunks stay when a manifest is gone: its revision is compiled again and rests on them.
	chunks := k.count(content.ChunkPrefix)
	if _, err := k.etcd.Delete(t.Context(), content.ManifestPrefix, clientv3.WithPrefix()); err != nil {
		t.Fatal(err)
	}
	if out := k.collect(1); out.Fragments != 1 || out.Chunks != 0 || k.count(content.ChunkPrefix) != chunks {
		t.Errorf("%+v", out)
	}
}

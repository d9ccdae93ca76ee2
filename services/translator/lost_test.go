package translator_test

import (
	"context"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/fault"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// lose deletes keys by hand, and fails the test when there are none.
func lose(tb testing.TB, server *etcdtest.Server, prefix string) {
	tb.Helper()
	answer, err := server.Client(tb).Delete(context.Background(), prefix, clientv3.WithPrefix())
	if err != nil {
		tb.Fatal(err)
	}
	if answer.Deleted == 0 {
		tb.Fatalf("there is nothing under %s", prefix)
	}
}

// value is what a key holds.
func value(tb testing.TB, server *etcdtest.Server, key string) string {
	tb.Helper()
	answer, err := server.Client(tb).Get(context.Background(), key)
	if err != nil || len(answer.Kvs) != 1 {
		tb.Fatalf("%s holds %v, %v", key, answer, err)
	}
	return string(answer.Kvs[0].Value)
}

func TestALostHeadComesBackFromTheHistory(t *testing.T) {
	p := startPlane(t, "g")
	r := p.replica(t)
	r.mustSubmit(config("g", "team", services("a")))
	r.mustSubmit(config("g", "team", services("a", "b")))
	first, head := value(t, p.etcd, "desired/revisions/g/0000000000000001"), value(t, p.etcd, "desired/heads/g")
	lose(t, p.etcd, "desired/heads/g")
	if n := r.head("g").GetNumber(); n != 2 {
		t.Errorf("the newest revision is said to be %d", n)
	}
	if now := value(t, p.etcd, "desired/heads/g"); now != head {
		t.Errorf("the head is %s, was %s", now, head)
	}
	lose(t, p.etcd, "desired/heads/g")
	if n := r.mustSubmit(config("g", "team", services("a", "b", "c"))).GetRevision().GetNumber(); n != 3 {
		t.Errorf("the next submission made revision %d", n)
	}
	if now := value(t, p.etcd, "desired/revisions/g/0000000000000001"); now != first {
		t.Errorf("revision 1 is %s, was %s", now, first)
	}
}

// A head that an older one was written over, as by a partial restore, does not make a number twice.
func TestAHeadBehindItsHistoryMakesNoNumberTwice(t *testing.T) {
	p := startPlane(t, "g")
	r := p.replica(t)
	r.mustSubmit(config("g", "team", services("a")))
	old := value(t, p.etcd, "desired/heads/g")
	r.mustSubmit(config("g", "team", services("a", "b")))
	second := value(t, p.etcd, "desired/revisions/g/0000000000000002")
	if _, err := p.etcd.Client(t).Put(t.Context(), "desired/heads/g", old); err != nil {
		t.Fatal(err)
	}
	if n := r.mustSubmit(config("g", "team", services("a", "c"))).GetRevision().GetNumber(); n != 3 {
		t.Errorf("the next submission made revision %d", n)
	}
	if now := value(t, p.etcd, "desired/revisions/g/0000000000000002"); now != second {
		t.Errorf("revision 2 is %s, was %s", now, second)
	}
}

func TestALostRecordOfASourceTakesNothingAway(t *testing.T) {
	p := startPlane(t, "g")
	r := p.replica(t)
	r.mustSubmit(config("g", "big", services("a", "b", "c")))
	r.mustSubmit(config("g", "small", services("d")))
	lose(t, p.etcd, "desired/sources/g/small")
	if got := r.mustSubmit(config("g", "big", services("a", "b", "c", "e"))).GetRevision(); got.GetEntities()["services"] != 5 ||
		len(got.GetSources()) != 2 {
		t.Errorf("the next submission of another source gave %v", got)
	}
	if _, err := r.GetSource(t.Context(), &translatorv1.GetSourceRequest{Group: "g", Source: "small"}); err != nil {
		t.Errorf("the source is not there: %v", err)
	}
	// One that is deleted on purpose stays away, also when the head still names it because it had no entities.
	r.mustSubmit(config("g", "empty", "_format_version: \"3.0\"\n"))
	r.mustSubmit(config("g", "small", services("d", "f")))
	for _, source := range []string{"empty", "small"} {
		if _, err := r.DeleteSource(t.Context(), &translatorv1.DeleteSourceRequest{Group: "g", Source: source}); err != nil {
			t.Fatal(err)
		}
		if _, err := r.GetSource(t.Context(), &translatorv1.GetSourceRequest{Group: "g", Source: source}); err == nil {
			t.Errorf("deleted source %s is back", source)
		}
	}
}

// What is gone of the content of the newest revision is made again from its sources, by whatever asks for it.
func TestLostContentIsMadeAgain(t *testing.T) {
	for name, prefix := range map[string]string{"chunks": "content/chunks/", "manifests": "content/manifests/"} {
		for what, ask := range map[string]func(r *replica) error{
			"the same submission": func(r *replica) error { _, err := r.submit(config("g", "team", services("a", "b"))); return err },
			"another submission":  func(r *replica) error { _, err := r.submit(config("g", "team", services("a", "b", "c"))); return err },
			"a dump": func(r *replica) error {
				stream, err := r.GetSnapshot(context.Background(), &translatorv1.GetSnapshotRequest{Group: "g"})
				if err == nil {
					_, err = stream.Recv()
				}
				return err
			},
			"a diff": func(r *replica) error {
				_, err := r.DiffConfig(context.Background(), &translatorv1.DiffConfigRequest{Group: "g", Source: "team",
					Documents: document("team.yaml", services("b"))})
				return err
			},
		} {
			t.Run(name+", "+what, func(t *testing.T) {
				p := startPlane(t, "g")
				p.replica(t).mustSubmit(config("g", "team", services("a", "b")))
				before := keys(t, p.etcd, prefix)
				lose(t, p.etcd, prefix)
				if err := ask(p.replica(t)); err != nil {
					t.Fatalf("it fails: %v", err)
				}
				if after := keys(t, p.etcd, prefix); after < before {
					t.Errorf("%d keys before, %d after", before, after)
				}
				if text := p.replica(t).snapshot("g", 1, translatorv1.RenderConfigRequest_FORMAT_CANONICAL); !strings.Contains(text, "a.internal") {
					t.Errorf("revision 1 is %s", text)
				}
			})
		}
	}
}

// Where nothing is left to make it from, the answer names what is gone, and the way it names is one.
func TestLostSourcesAreNamedAndComeBackWithTheirSubmission(t *testing.T) {
	p := startPlane(t, "g")
	first := p.replica(t)
	first.mustSubmit(config("g", "one", services("a", "b")))
	first.mustSubmit(config("g", "two", services("c", "d")))
	first.mustSubmit(config("g", "three", services("e", "f")))
	lose(t, p.etcd, "content/")
	r := p.replica(t) // it remembers nothing
	_, err := r.submit(config("g", "one", services("a", "b")))
	if e := wantFault(t, err, fault.WrongState, "CONTENT_MISSING"); e.Metadata["sources"] != "three, two" &&
		e.Metadata["sources"] != "two, three" || !strings.Contains(e.Message, "--allow-shrink") {
		t.Errorf("the fault is %v, %v", e.Message, e.Metadata)
	}
	_, err = r.DiffConfig(t.Context(), &translatorv1.DiffConfigRequest{Group: "g", Source: "one",
		Documents: document("one.yaml", services("a"))})
	wantFault(t, err, fault.WrongState, "CONTENT_MISSING")
	stream, err := r.GetSnapshot(t.Context(), &translatorv1.GetSnapshotRequest{Group: "g"})
	if err == nil {
		_, err = stream.Recv()
	}
	wantFault(t, err, fault.WrongState, "CONTENT_MISSING")
	for source, names := range map[string][]string{"one": {"a", "b"}, "two": {"c", "d"}, "three": {"e", "f"}} {
		q := config("g", source, services(names...))
		q.AllowShrink = true
		r.mustSubmit(q)
	}
	head := p.replica(t).head("g")
	if head.GetEntities()["services"] != 6 || len(head.GetSources()) != 3 {
		t.Errorf("in the end the group is %v", head)
	}
	if _, err := p.replica(t).submit(config("g", "one", services("a", "b", "x"))); err != nil {
		t.Errorf("a submission without the word is refused: %v", err)
	}
}

// A fragment is cut into pieces; one of them may be gone.
func TestALostPieceOfASourceIsWrittenAnew(t *testing.T) {
	p := startPlane(t, "g")
	p.replica(t).mustSubmit(config("g", "one", services("a")))
	p.replica(t).mustSubmit(config("g", "two", services("b")))
	client := p.etcd.Client(t)
	answer, err := client.Get(t.Context(), "content/fragments/", clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		t.Fatal(err)
	}
	for _, kv := range answer.Kvs {
		if strings.HasSuffix(string(kv.Key), "/0000") {
			lose(t, p.etcd, string(kv.Key))
		}
	}
	r := p.replica(t)
	q := config("g", "one", services("a"))
	_, err = r.submit(q)
	wantFault(t, err, fault.WrongState, "CONTENT_MISSING")
	q.AllowShrink = true
	r.mustSubmit(q)
	r.mustSubmit(config("g", "two", services("b")))
	if got := p.replica(t).mustSubmit(config("g", "two", services("b", "c"))).GetRevision(); got.GetEntities()["services"] != 3 {
		t.Errorf("in the end the group is %v", got)
	}
}

// A commit that makes no revision writes the head too, and must not put an older one back over one that came meanwhile.
func TestACommitWithoutARevisionLosesToOneThatMakesOne(t *testing.T) {
	p := startPlane(t, "g")
	quick := p.replica(t)
	quick.mustSubmit(config("g", "one", services("a")))
	held := &commits{}
	slow := p.replicaOn(t, held.client(t, p.etcd))
	held.before = func(context.Context) error {
		held.before = nil
		quick.mustSubmit(config("g", "two", services("b")))
		return nil
	}
	slow.mustSubmit(config("g", "one", "# a comment moves the lines\n"+services("a")))
	if head := quick.head("g"); head.GetNumber() != 2 || head.GetEntities()["services"] != 2 {
		t.Errorf("the head is %v", head)
	}
}

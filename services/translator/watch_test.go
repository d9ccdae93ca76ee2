package translator_test

import (
	"context"
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/kit/fault"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// watcher reads one watch.
type watcher struct {
	tb     testing.TB
	stream translatorv1.TranslatorService_WatchRevisionsClient
	listed int // Listings seen
	token  string
}

func (r *replica) watch(group, resume string) *watcher {
	r.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), waitTimeout)
	r.tb.Cleanup(cancel)
	stream, err := r.WatchRevisions(ctx, &translatorv1.WatchRevisionsRequest{Group: group, ResumeToken: resume})
	if err != nil {
		r.tb.Fatal(err)
	}
	return &watcher{tb: r.tb, stream: stream}
}

// next returns the revisions up to the next Synced, as group:number.
func (w *watcher) next() (seen []string) {
	w.tb.Helper()
	for {
		m, err := w.stream.Recv()
		if err != nil {
			w.tb.Fatal(err)
		}
		switch e := m.GetEvent().(type) {
		case *translatorv1.WatchRevisionsResponse_Listing_:
			w.listed++
		case *translatorv1.WatchRevisionsResponse_Revision:
			seen = append(seen, fmt.Sprintf("%s:%d", e.Revision.GetGroup(), e.Revision.GetNumber()))
		case *translatorv1.WatchRevisionsResponse_Synced_:
			w.token = e.Synced.GetResumeToken()
			return seen
		}
	}
}

// until reads on until a revision comes.
func (w *watcher) until(want string) {
	w.tb.Helper()
	for {
		for _, seen := range w.next() {
			if seen == want {
				return
			}
		}
	}
}

func TestAWatchListsThenFollows(t *testing.T) {
	p := startPlane(t, "g", "h")
	a, b := p.replica(t), p.replica(t)
	a.mustSubmit(config("g", "one", services("a")))
	a.mustSubmit(config("h", "one", services("a")))
	a.mustSubmit(config("h", "one", services("a", "b")))
	eventually(t, "the replica has seen all", func() bool {
		return fmt.Sprint(b.watch("", "").next()) == "[g:1 h:2]"
	})
	all, only := b.watch("", ""), b.watch("g", "")
	if got := fmt.Sprint(all.next(), only.next(), all.listed, only.listed); got != "[g:1 h:2] [g:1] 1 1" {
		t.Errorf("listed %s", got)
	}
	a.mustSubmit(config("g", "two", services("c")))
	all.until("g:2")
	only.until("g:2")
	a.mustSubmit(config("h", "two", services("c")))
	all.until("h:3")
	a.mustSubmit(config("g", "three", services("d")))
	only.until("g:3")
	if all.listed != 1 || only.listed != 1 {
		t.Error("a watch that never broke listed twice")
	}
}

func TestAWatchResumesOnAnotherReplicaAfterCompaction(t *testing.T) {
	p := startPlane(t, "g", "h")
	a := p.replica(t)
	a.mustSubmit(config("g", "one", services("a")))
	a.mustSubmit(config("h", "one", services("a")))
	w := a.watch("", "")
	eventually(t, "the watch is past both", func() bool {
		w = a.watch("", "")
		return len(w.next()) == 2
	})
	a.mustSubmit(config("h", "two", services("b")))
	a.mustSubmit(config("h", "three", services("c")))
	a.stop()
	etcdtest.Compact(t, p.etcd.Client(t))
	b := p.replica(t)
	resumed := b.watch("", w.token)
	if got := fmt.Sprint(resumed.next()); got != "[h:3]" {
		t.Errorf("resumed with %s, want only what was missed", got)
	}
	if resumed.listed != 0 {
		t.Error("a resumed watch listed")
	}
	again := b.watch("", resumed.token)
	if got := again.next(); len(got) != 0 {
		t.Errorf("resumed with nothing missed: %v", got)
	}
	b.mustSubmit(config("g", "two", services("z")))
	again.until("g:2")
}

func TestAReplicaFollowsThroughACompaction(t *testing.T) {
	p := startPlane(t, "g")
	way := p.etcd.Cut(t)
	far, near := p.replicaOn(t, way.Client(t)), p.replica(t)
	w := far.watch("g", "")
	w.next()
	way.Sever()
	for i := range 3 {
		near.mustSubmit(config("g", fmt.Sprintf("s%d", i), services(fmt.Sprintf("s%d", i))))
	}
	etcdtest.Compact(t, p.etcd.Client(t))
	way.Mend()
	w.until("g:3")
}

func TestAWatchWithABadTokenIsRefused(t *testing.T) {
	p := startPlane(t)
	r := p.replica(t)
	for _, token := range []string{"x", "-1", "1.5", "99999999999999999999"} {
		stream, err := r.WatchRevisions(t.Context(), &translatorv1.WatchRevisionsRequest{ResumeToken: token})
		if err != nil {
			t.Fatal(err)
		}
		_, err = stream.Recv()
		if e := wantFault(t, err, fault.Invalid, "INVALID_REQUEST"); len(e.Violations) != 1 || e.Violations[0].Field != "resume_token" {
			t.Errorf("%q: %v", token, e.Violations)
		}
	}
}

func TestDrainEndsWatches(t *testing.T) {
	p := startPlane(t, "g")
	r := p.replica(t)
	w := r.watch("", "")
	w.next()
	r.service.Drain()
	r.service.Drain()
	_, err := w.stream.Recv()
	if status.Code(err) != codes.Unavailable {
		t.Errorf("the watch ended with %v", err)
	}
	if answer := r.mustSubmit(config("g", "one", services("a"))); answer.GetRevision().GetNumber() != 1 {
		t.Errorf("a submission while draining gave %v", answer)
	}
}

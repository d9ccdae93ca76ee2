package translator_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/silverback-gateway/silverback/kit/fault"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// services is a configuration of services with a route each.
func services(names ...string) string {
	text := "_format_version: \"3.0\"\nservices:\n"
	for _, n := range names {
		text += fmt.Sprintf("- name: %s\n  url: http://%s.internal:8080\n  routes:\n  - name: %s-route\n    paths: [/%s]\n", n, n, n, n)
	}
	return text
}

func TestTheSameSubmissionAgainMakesNoRevision(t *testing.T) {
	p := startPlane(t, "g")
	a, b := p.replica(t), p.replica(t)
	first := a.mustSubmit(config("g", "team", services("orders")))
	r := first.GetRevision()
	if r.GetNumber() != 1 || first.GetUnchanged() || first.GetChanges().GetAdded() != 2 || r.GetEntities()["routes"] != 1 ||
		r.GetSource() != "team" || r.GetAuthor() != "anonymous" {
		t.Fatalf("first answer %v", first)
	}
	before := keys(t, p.etcd, "")
	for _, replica := range []*replica{a, b} {
		again := replica.mustSubmit(config("g", "team", services("orders")))
		if !again.GetUnchanged() || again.GetRevision().GetNumber() != 1 || again.GetChanges().GetAdded() != 0 {
			t.Errorf("the same again gave %v", again)
		}
	}
	if after := keys(t, p.etcd, ""); after != before {
		t.Errorf("%d keys before, %d after", before, after)
	}
}

func TestARouteThatNothingMatchesIsAWarning(t *testing.T) {
	p := startPlane(t, "g")
	r := p.replica(t)
	text := services("orders") + "    headers:\n      x-team:\n      - |\n        blue\n"
	for range 2 { // the second time it comes from what is stored
		answer := r.mustSubmit(config("g", "team", text))
		if len(answer.GetWarnings()) != 1 {
			t.Fatalf("warnings %v", answer.GetWarnings())
		}
		w := answer.GetWarnings()[0]
		at := fmt.Sprintf("%s:%d: %s %s: %s", w.GetDocument(), w.GetLine(), w.GetKind(), w.GetName(), w.GetField())
		if want := "team.yaml:10: route orders-route: headers.x-team[0]"; at != want {
			t.Errorf("got %s, want %s", at, want)
		}
		if !strings.Contains(w.GetMessage(), "a line feed") || !strings.Contains(w.GetMessage(), "|-") {
			t.Errorf("it says %q", w.GetMessage())
		}
	}
}

func TestConcurrentSubmittersOfDifferentSourcesAllWin(t *testing.T) {
	const each = 15
	p := startPlane(t, "g")
	replicas := []*replica{p.replica(t), p.replica(t)}
	var group sync.WaitGroup
	errs := make(chan error, 2*each)
	for i := range 2 * each {
		name := fmt.Sprintf("s%02d", i)
		group.Go(func() {
			_, err := replicas[i%2].submit(config("g", name, services(name)))
			errs <- err
		})
	}
	group.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	head := replicas[0].head("g")
	if head.GetNumber() != 2*each || head.GetEntities()["services"] != 2*each || len(head.GetSources()) != 2*each {
		t.Errorf("the last revision is %d with %d services of %d sources", head.GetNumber(), head.GetEntities()["services"],
			len(head.GetSources()))
	}
	var submitters []string
	for n := int64(1); n <= 2*each; n++ {
		answer, err := replicas[n%2].GetRevision(t.Context(), &translatorv1.GetRevisionRequest{Group: "g", Revision: n})
		if err != nil {
			t.Fatalf("revision %d: %v", n, err)
		}
		if got := answer.GetRevision().GetEntities()["services"]; got != n {
			t.Errorf("revision %d has %d services: it lost what one before it acknowledged", n, got)
		}
		submitters = append(submitters, answer.GetRevision().GetSource())
	}
	slices.Sort(submitters)
	if len(slices.Compact(submitters)) != 2*each {
		t.Errorf("revisions are by %v", submitters)
	}
}

func TestRevisionsAndSourcesAreListedInPages(t *testing.T) {
	p := startPlane(t, "g", "other")
	r := p.replica(t)
	for i := range 5 {
		name := fmt.Sprintf("s%d", i)
		r.mustSubmit(config("g", name, services(name)))
	}
	r.mustSubmit(config("other", "s", services("x")))
	var numbers []int64
	for token := ""; ; {
		page, err := r.ListRevisions(t.Context(), &translatorv1.ListRevisionsRequest{Group: "g", PageSize: 2, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range page.GetRevisions() {
			numbers = append(numbers, one.GetNumber())
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	if !slices.Equal(numbers, []int64{5, 4, 3, 2, 1}) {
		t.Errorf("revisions %v", numbers)
	}
	foreign, err := r.ListSources(t.Context(), &translatorv1.ListSourcesRequest{Group: "other", PageToken: "g/s3"})
	if err != nil || len(foreign.GetSources()) != 1 || foreign.GetSources()[0].GetGroup() != "other" {
		t.Errorf("another group's token gave %v, %v", foreign, err)
	}
	for group, want := range map[string]int{"g": 5, "": 6} {
		count := 0
		for token := ""; ; {
			page, err := r.ListSources(t.Context(), &translatorv1.ListSourcesRequest{Group: group, PageSize: 2, PageToken: token})
			if err != nil {
				t.Fatal(err)
			}
			count += len(page.GetSources())
			if token = page.GetNextPageToken(); token == "" {
				break
			}
		}
		if count != want {
			t.Errorf("%d sources of group %q, want %d", count, group, want)
		}
	}
}

func TestAStaleExpectedRevisionIsRefused(t *testing.T) {
	p := startPlane(t, "g")
	a, b := p.replica(t), p.replica(t)
	a.mustSubmit(config("g", "one", services("a")))
	b.mustSubmit(config("g", "two", services("b")))
	q := config("g", "one", services("a", "c"))
	q.ExpectedRevision = 1
	_, err := a.submit(q)
	if e := wantFault(t, err, fault.WrongState, "STALE_REVISION"); e.Metadata["current_revision"] != "2" {
		t.Errorf("metadata %v", e.Metadata)
	}
	_, err = a.DeleteSource(t.Context(), &translatorv1.DeleteSourceRequest{Group: "g", Source: "two", ExpectedRevision: 1, AllowShrink: true})
	wantFault(t, err, fault.WrongState, "STALE_REVISION")
	q.ExpectedRevision = 2
	if answer := a.mustSubmit(q); answer.GetRevision().GetNumber() != 3 {
		t.Errorf("the right expectation gave %v", answer)
	}
}

func TestRemovingMoreThanHalfMustBeMeant(t *testing.T) {
	p := startPlane(t, "g")
	r := p.replica(t)
	r.mustSubmit(config("g", "team", services("a", "b", "c", "d")))
	r.mustSubmit(config("g", "team", services("a", "b"))) // exactly half is fine
	small := config("g", "team", "_format_version: \"3.0\"\nservices:\n- name: a\n  url: http://a.internal:8080\n")
	_, err := r.submit(small)
	wantFault(t, err, fault.WrongState, "CONFIG_SHRINK")
	_, err = r.DeleteSource(t.Context(), &translatorv1.DeleteSourceRequest{Group: "g", Source: "team"})
	wantFault(t, err, fault.WrongState, "CONFIG_SHRINK")
	if n := r.head("g").GetNumber(); n != 2 {
		t.Fatalf("a refused removal made revision %d", n)
	}
	small.AllowShrink = true
	if answer := r.mustSubmit(small); answer.GetChanges().GetRemoved() != 3 {
		t.Errorf("the meant removal gave %v", answer)
	}
}

func TestDeletingASourceLeavesTheOthers(t *testing.T) {
	p := startPlane(t, "g")
	a, b := p.replica(t), p.replica(t)
	a.mustSubmit(config("g", "one", services("a")))
	a.mustSubmit(config("g", "two", services("b")))
	answer, err := b.DeleteSource(t.Context(), &translatorv1.DeleteSourceRequest{Group: "g", Source: "one", RequestId: "bye",
		Message: "moved away"})
	if err != nil {
		t.Fatal(err)
	}
	r := answer.GetRevision()
	if r.GetNumber() != 3 || r.GetEntities()["services"] != 1 || r.GetSource() != "one" || r.GetMessage() != "moved away" ||
		len(r.GetSources()) != 1 {
		t.Errorf("deletion gave %v", r)
	}
	again, err := a.DeleteSource(t.Context(), &translatorv1.DeleteSourceRequest{Group: "g", Source: "one", RequestId: "bye"})
	if err != nil || again.GetRevision().GetNumber() != 3 {
		t.Errorf("the same deletion again gave %v, %v", again, err)
	}
	_, err = a.DeleteSource(t.Context(), &translatorv1.DeleteSourceRequest{Group: "g", Source: "one"})
	wantFault(t, err, fault.Missing, "NO_SUCH_SOURCE")
	if _, err = a.GetSource(t.Context(), &translatorv1.GetSourceRequest{Group: "g", Source: "one"}); err == nil {
		t.Error("the source is still there")
	}
	last, err := a.DeleteSource(context.Background(), &translatorv1.DeleteSourceRequest{Group: "g", Source: "two", AllowShrink: true})
	if err != nil || last.GetRevision().GetNumber() != 4 || len(last.GetRevision().GetEntities()) != 0 {
		t.Errorf("deleting the last source gave %v, %v", last, err)
	}
}

func TestSourcesThatConflictAreNamedWithTheirLines(t *testing.T) {
	p := startPlane(t, "g")
	a, b := p.replica(t), p.replica(t)
	a.mustSubmit(config("g", "payments", services("orders")))
	_, err := b.submit(config("g", "shop", services("cart", "orders")))
	e := wantFault(t, err, fault.Invalid, "INVALID_CONFIG")
	found := false
	for _, p := range e.Problems {
		if p.GetKind() == "service" && p.GetName() == "orders" {
			found = p.GetDocument() == "shop.yaml" && p.GetLine() == 8 && p.GetOther().GetSource() == "payments" &&
				p.GetOther().GetDocument() == "payments.yaml" && p.GetOther().GetLine() == 3
		}
	}
	if !found {
		t.Errorf("problems %v", e.Problems)
	}
	if n := a.head("g").GetNumber(); n != 1 {
		t.Errorf("a refused submission made revision %d", n)
	}
}

// Gateways that were never given a revision serve nothing that anybody has proven: a source without entities makes the first one too.
func TestTheFirstSubmissionMakesARevisionAlsoOfNothing(t *testing.T) {
	p := startPlane(t, "g", "h")
	r := p.replica(t)
	q := config("g", "team", nothing)
	q.ValidateOnly = true
	if dry := r.mustSubmit(q); dry.GetUnchanged() || dry.GetRevision() != nil {
		t.Errorf("what it would make: %v", dry)
	}
	first := r.mustSubmit(config("g", "team", nothing))
	if first.GetUnchanged() || first.GetRevision().GetNumber() != 1 || len(first.GetRevision().GetSources()) != 1 ||
		len(first.GetRevision().GetEntities()) != 0 {
		t.Fatalf("the first answer is %v", first)
	}
	if text := r.snapshot("g", 1, translatorv1.RenderConfigRequest_FORMAT_CANONICAL); strings.Contains(text, "[") {
		t.Errorf("it has entities: %s", text)
	}
	for _, source := range []string{"team", "another"} {
		if again := r.mustSubmit(config("g", source, nothing)); !again.GetUnchanged() || again.GetRevision().GetNumber() != 1 {
			t.Errorf("%s submits nothing again: %v", source, again)
		}
	}
	if next := r.mustSubmit(config("g", "team", services("orders"))); next.GetRevision().GetNumber() != 2 {
		t.Errorf("the first entity comes with %v", next)
	}
	// What submits nothing makes nothing.
	answer, err := r.RestoreSources(t.Context(), &translatorv1.RestoreSourcesRequest{Group: "h", Reason: "test"})
	if err != nil || !answer.GetUnchanged() || r.head("h") != nil {
		t.Errorf("a restoration of nothing: %v, %v", answer, err)
	}
}

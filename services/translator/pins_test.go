package translator_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/silverback-gateway/silverback/kit/fault"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

func (r *replica) restore(q *translatorv1.RestoreSourcesRequest) (*translatorv1.RestoreSourcesResponse, error) {
	if q.Group == "" {
		q.Group = "g"
	}
	if q.Reason == "" {
		q.Reason = "the gateways refuse it"
	}
	answer, err := r.RestoreSources(context.Background(), q)
	return answer, fault.FromStatus(err)
}

func (r *replica) mustRestore(q *translatorv1.RestoreSourcesRequest) *translatorv1.RestoreSourcesResponse {
	r.tb.Helper()
	answer, err := r.restore(q)
	if err != nil {
		r.tb.Fatalf("restore %v: %v", q, err)
	}
	return answer
}

// source is a source as it is now; nil when it is not there.
func (r *replica) source(name string) *translatorv1.Source {
	r.tb.Helper()
	answer, err := r.GetSource(context.Background(), &translatorv1.GetSourceRequest{Group: "g", Source: name})
	if err != nil {
		wantFault(r.tb, err, fault.Missing, "NO_SUCH_SOURCE")
		return nil
	}
	return answer.GetSource()
}

func (r *replica) canonical() string {
	return r.snapshot("g", 0, translatorv1.RenderConfigRequest_FORMAT_CANONICAL)
}

func (r *replica) unpin(name string) (*translatorv1.UnpinSourceResponse, error) {
	answer, err := r.UnpinSource(context.Background(), &translatorv1.UnpinSourceRequest{Group: "g", Source: name, Reason: "try again"})
	return answer, fault.FromStatus(err)
}

// ofRollout is the pin that a rollout asks for.
func ofRollout(refused int64) *translatorv1.Pin {
	return &translatorv1.Pin{Rollout: "r7", RefusedRevision: refused, Reason: "gw-1 refuses route \"b-route\"", Problems: []*fleetv1.Problem{
		{Source: "one", Document: "one.yaml", Line: 8, Kind: "route", Name: "b-route", Field: "paths[0]", Message: "should start with: /",
			Class: fleetv1.Problem_CLASS_REFUSED_BY_GATEWAY},
		{Source: "other", Document: "other.yaml", Line: 1, Message: "of another source"},
	}}
}

// pinnedByRollout is a group whose source one is pinned to revision 1, while source two goes on.
func pinnedByRollout(t *testing.T) (*plane, *replica) {
	t.Helper()
	p := startPlane(t, "g")
	r := p.replica(t)
	r.mustSubmit(config("g", "one", services("a")))
	r.mustSubmit(config("g", "one", services("a", "b")))
	r.mustSubmit(config("g", "two", services("c")))
	answer := r.mustRestore(&translatorv1.RestoreSourcesRequest{ToRevision: 1, Sources: []string{"one"}, FromRevision: 2, Pin: ofRollout(2)})
	rev := answer.GetRevision()
	if answer.GetUnchanged() || rev.GetNumber() != 4 || rev.GetRestoredRevision() != 1 || rev.GetSource() != "one" ||
		rev.GetAuthor() != "silverback" || rev.GetMessage() != "the gateways refuse it" || answer.GetChanges().GetRemoved() != 2 ||
		!slices.Equal(answer.GetRestored(), []string{"one"}) {
		t.Fatalf("the restoration gave %v", answer)
	}
	return p, r
}

func TestASourceIsRestoredAndPinnedWhileOthersGoOn(t *testing.T) {
	_, r := pinnedByRollout(t)
	if text := r.canonical(); strings.Contains(text, "b.internal") || !strings.Contains(text, "c.internal") {
		t.Errorf("the group is %s", text)
	}
	s := r.source("one")
	pin := s.GetPin()
	if pin.GetRollout() != "r7" || pin.GetGoodRevision() != 1 || pin.GetRefusedRevision() != 2 || pin.GetAuthor() != "silverback" ||
		pin.GetReason() != `gw-1 refuses route "b-route"` || pin.GetCreateTime() == nil || pin.GetRefusedDigest() == "" ||
		pin.GetRefusedDigest() == s.GetDigest() || len(pin.GetProblems()) != 1 || pin.GetProblems()[0].GetLine() != 8 ||
		pin.GetProblems()[0].GetClass() != fleetv1.Problem_CLASS_REFUSED_BY_GATEWAY {
		t.Errorf("the source is %v", s)
	}
	if s.GetRevision() != 4 || !slices.Equal(s.GetDocuments(), []string{"one.yaml"}) {
		t.Errorf("the source is %v", s)
	}
	list, err := r.ListSources(t.Context(), &translatorv1.ListSourcesRequest{Group: "g"})
	if err != nil || list.GetSources()[0].GetPin() == nil || list.GetSources()[1].GetPin() != nil {
		t.Errorf("the sources are %v, %v", list, err)
	}
	// The next team's change goes out without what was refused, and the pin stays.
	if got := r.mustSubmit(config("g", "two", services("c", "d"))); got.GetRevision().GetEntities()["services"] != 3 {
		t.Errorf("the other source's change gave %v", got)
	}
	if r.source("one").GetPin() == nil {
		t.Error("the pin is gone")
	}
	wantPins(t, r, 0, 1)
	// The same verb again is harmless.
	again := r.mustRestore(&translatorv1.RestoreSourcesRequest{ToRevision: 1, Sources: []string{"one"}, FromRevision: 2, Pin: ofRollout(2)})
	if !again.GetUnchanged() || r.head("g").GetNumber() != 5 || !proto.Equal(r.source("one").GetPin(), pin) {
		t.Errorf("the same again gave %v, %v", again, r.source("one"))
	}
}

// wantPins waits until the metric says how many sources of g are pinned.
func wantPins(t *testing.T, r *replica, hand, rollout float64) {
	t.Helper()
	got := map[string]float64{}
	eventually(t, "the metric says how many are pinned", func() bool {
		families, err := r.metrics.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() != "silverback_translator_pinned_sources" {
				continue
			}
			for _, m := range f.GetMetric() {
				got[m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
			}
		}
		return got["hand"] == hand && got["rollout"] == rollout
	})
}

// What the pin holds back changes nothing, however its comments and files look, and its submitter reads why.
func TestTheRefusedContentAgainChangesNothing(t *testing.T) {
	_, r := pinnedByRollout(t)
	before := r.head("g")
	moved := "# a comment moves the lines\n" + services("b", "a")
	for name, q := range map[string]*translatorv1.SubmitConfigRequest{
		"the same":             config("g", "one", services("a", "b")),
		"moved":                config("g", "one", moved),
		"another file":         {Group: "g", Source: "one", Documents: document("other.yaml", services("a", "b"))},
		"with a request_id":    withID(config("g", "one", services("a", "b")), "x"),
		"with that once more":  withID(config("g", "one", services("a", "b")), "x"),
		"a dry run":            {Group: "g", Source: "one", Documents: document("one.yaml", services("a", "b")), ValidateOnly: true},
		"a dry run that moves": {Group: "g", Source: "one", Documents: document("one.yaml", moved), ValidateOnly: true},
	} {
		answer := r.mustSubmit(q)
		if !answer.GetUnchanged() || answer.GetRevision().GetNumber() != before.GetNumber() || answer.GetHeldBack().GetRollout() != "r7" ||
			len(answer.GetWarnings()) != 1 {
			t.Errorf("%s: %v", name, answer)
			continue
		}
		text := answer.GetWarnings()[0].GetMessage()
		for _, want := range []string{"revision 1", "revision 2", `gw-1 refuses route "b-route"`, `one.yaml:8: route "b-route": paths[0]`,
			"silverback unpin one -g g"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: the warning does not say %q: %s", name, want, text)
			}
		}
	}
	valid, err := r.ValidateConfig(t.Context(), &translatorv1.ValidateConfigRequest{Group: "g", Source: "one",
		Documents: document("one.yaml", moved)})
	if err != nil || len(valid.GetProblems()) > 0 || !strings.Contains(strings.Join(messages(valid.GetWarnings()), ""), "silverback unpin") {
		t.Errorf("a validation gave %v, %v", valid, err)
	}
	diff, err := r.DiffConfig(t.Context(), &translatorv1.DiffConfigRequest{Group: "g", Source: "one", Documents: document("one.yaml", moved)})
	if err != nil || len(diff.GetChanges()) > 0 || !strings.Contains(strings.Join(messages(diff.GetWarnings()), ""), "silverback unpin") {
		t.Errorf("a diff gave %v, %v", diff, err)
	}
	if head := r.head("g"); !proto.Equal(head, before) || r.source("one").GetPin() == nil {
		t.Errorf("the head is %v, the source %v", head, r.source("one"))
	}
}

func TestAValidSubmissionEndsThePinOfARollout(t *testing.T) {
	for name, test := range map[string]struct {
		content  string
		revision int64
	}{
		"a correction":               {services("a", "x"), 5},
		"the good content once more": {services("a"), 4},
	} {
		t.Run(name, func(t *testing.T) {
			_, r := pinnedByRollout(t)
			_, err := r.submit(config("g", "one", services("a", "c"))) // conflicts with source two
			wantFault(t, err, fault.Invalid, "INVALID_CONFIG")
			if r.source("one").GetPin() == nil {
				t.Fatal("a refused submission ends the pin")
			}
			answer := r.mustSubmit(config("g", "one", test.content))
			if answer.GetRevision().GetNumber() != test.revision || answer.GetHeldBack() != nil ||
				!strings.Contains(strings.Join(messages(answer.GetWarnings()), ""), "this ends the pin that rollout r7 put on") {
				t.Errorf("it gave %v", answer)
			}
			if pin := r.source("one").GetPin(); pin != nil {
				t.Errorf("the pin is still %v", pin)
			}
			wantPins(t, r, 0, 0)
			if got := r.mustSubmit(config("g", "one", services("a", "b"))); got.GetUnchanged() {
				t.Errorf("what was refused is held back without a pin: %v", got)
			}
		})
	}
}

func TestAPinByHandRefusesEveryChange(t *testing.T) {
	p := startPlane(t, "g")
	r := p.replica(t)
	r.mustSubmit(config("g", "one", services("a")))
	pin := &translatorv1.PinSourceRequest{Group: "g", Source: "one", Reason: "the audit looks at it", RequestId: "p"}
	first, err := r.PinSource(t.Context(), pin)
	if got := first.GetSource().GetPin(); err != nil || got.GetReason() != "the audit looks at it" || got.GetAuthor() != "anonymous" ||
		got.GetGoodRevision() != 1 || got.GetRefusedRevision() != 0 {
		t.Fatalf("the pin is %v, %v", first, err)
	}
	for _, id := range []string{"p", "q", ""} {
		pin.RequestId = id
		again, err := r.PinSource(t.Context(), pin)
		if err != nil || !proto.Equal(again, first) {
			t.Errorf("the same again gave %v, %v", again, err)
		}
	}
	wantPins(t, r, 1, 0)
	for name, change := range map[string]func() error{
		"other content":    func() error { _, err := r.submit(config("g", "one", services("a", "b"))); return err },
		"the same content": func() error { _, err := r.submit(config("g", "one", services("a"))); return err },
		"a deletion": func() error {
			_, err := r.DeleteSource(t.Context(), &translatorv1.DeleteSourceRequest{Group: "g", Source: "one", AllowShrink: true})
			return err
		},
		"a restoration": func() error {
			_, err := r.restore(&translatorv1.RestoreSourcesRequest{ToRevision: 0, AllowShrink: true})
			return err
		},
	} {
		e := wantFault(t, change(), fault.WrongState, "SOURCE_PINNED")
		for _, want := range []string{"anonymous", "the audit looks at it", "silverback unpin one -g g"} {
			if !strings.Contains(e.Message, want) {
				t.Errorf("%s: the refusal does not say %q: %s", name, want, e.Message)
			}
		}
	}
	q := config("g", "one", services("a", "b"))
	q.ValidateOnly = true
	dry := r.mustSubmit(q)
	diff, err := r.DiffConfig(t.Context(), &translatorv1.DiffConfigRequest{Group: "g", Source: "one", Documents: q.GetDocuments()})
	if err != nil || len(diff.GetChanges()) != 2 {
		t.Fatalf("a diff gave %v, %v", diff, err)
	}
	for what, warnings := range map[string][]string{"a dry run": messages(dry.GetWarnings()), "a diff": messages(diff.GetWarnings())} {
		if !strings.Contains(strings.Join(warnings, "\n"), "a submission of this is refused: source \"one\" of group \"g\" is pinned") {
			t.Errorf("%s warns of %q", what, warnings)
		}
	}
	r.mustSubmit(config("g", "two", services("z"))) // others go on
	for range 2 {
		answer, err := r.unpin("one")
		if err != nil || !answer.GetUnchanged() || answer.GetSource().GetPin() != nil || answer.GetRevision().GetNumber() != 2 {
			t.Errorf("unpin gave %v, %v", answer, err)
		}
	}
	r.mustSubmit(config("g", "one", services("a", "b")))
	_, err = r.PinSource(t.Context(), &translatorv1.PinSourceRequest{Group: "g", Source: "none", Reason: "r"})
	wantFault(t, err, fault.Missing, "NO_SUCH_SOURCE")
	_, err = r.unpin("none")
	wantFault(t, err, fault.Missing, "NO_SUCH_SOURCE")
}

func TestUnpinBringsBackWhatWasHeldBack(t *testing.T) {
	_, r := pinnedByRollout(t)
	// Taken over by hand, it holds back what it held back before.
	if _, err := r.PinSource(t.Context(), &translatorv1.PinSourceRequest{Group: "g", Source: "one", Reason: "we look at it"}); err != nil {
		t.Fatal(err)
	}
	_, err := r.submit(config("g", "one", services("a", "b")))
	wantFault(t, err, fault.WrongState, "SOURCE_PINNED")
	q := &translatorv1.UnpinSourceRequest{Group: "g", Source: "one", Reason: "the plugin is installed now", RequestId: "u"}
	first, err := r.UnpinSource(t.Context(), q)
	if err != nil || first.GetUnchanged() || first.GetRevision().GetNumber() != 5 || first.GetRevision().GetSource() != "one" ||
		first.GetRevision().GetMessage() != "the plugin is installed now" || first.GetSource().GetPin() != nil ||
		first.GetSource().GetRevision() != 5 {
		t.Fatalf("unpin gave %v, %v", first, err)
	}
	if again, err := r.UnpinSource(t.Context(), q); err != nil || !proto.Equal(again.GetRevision(), first.GetRevision()) ||
		again.GetUnchanged() || !proto.Equal(again.GetSource(), first.GetSource()) {
		t.Errorf("the same again gave %v, %v", again, err)
	}
	if !strings.Contains(r.canonical(), "b.internal") {
		t.Error("what was held back is not there")
	}
}

// A conflict with what others submitted meanwhile is refused, and the pin stays. Content that is gone is named, with the way out.
func TestUnpinIsCheckedAsASubmission(t *testing.T) {
	p, r := pinnedByRollout(t)
	r.mustSubmit(config("g", "two", services("c", "b")))
	_, err := r.unpin("one")
	wantFault(t, err, fault.Invalid, "INVALID_CONFIG")
	if r.source("one").GetPin() == nil {
		t.Fatal("a refused unpin takes the pin away")
	}
	r.mustSubmit(config("g", "two", services("c")))
	lost := r.source("one").GetPin().GetRefusedDigest()
	lose(t, p.etcd, "content/fragments/"+strings.TrimPrefix(lost, "sha256:"))
	fresh := p.replica(t)
	_, err = fresh.unpin("one")
	if e := wantFault(t, err, fault.WrongState, "CONTENT_MISSING"); !strings.Contains(e.Message, "--allow-shrink") {
		t.Errorf("lost content: %v", e.Message)
	}
	answer, err := fresh.UnpinSource(t.Context(), &translatorv1.UnpinSourceRequest{Group: "g", Source: "one", Reason: "r", AllowShrink: true})
	if err != nil || !answer.GetUnchanged() || answer.GetSource().GetPin() != nil || len(answer.GetWarnings()) != 1 {
		t.Errorf("without what is lost: %v, %v", answer, err)
	}
}

func TestASourceThatWasNewIsHeldAtNoContent(t *testing.T) {
	p := startPlane(t, "g")
	r := p.replica(t)
	r.mustSubmit(config("g", "two", services("c", "d", "e")))
	r.mustSubmit(config("g", "one", services("a")))
	answer := r.mustRestore(&translatorv1.RestoreSourcesRequest{ToRevision: 1, FromRevision: 2, Pin: ofRollout(2)})
	if !slices.Equal(answer.GetRestored(), []string{"one"}) || answer.GetRevision().GetNumber() != 3 {
		t.Fatalf("it gave %v", answer)
	}
	s := r.source("one")
	if s.GetEntityCount() != 0 || s.GetPin().GetGoodRevision() != 0 || s.GetPin().GetRefusedDigest() == "" {
		t.Errorf("the source is %v", s)
	}
	again := r.mustRestore(&translatorv1.RestoreSourcesRequest{ToRevision: 1, FromRevision: 2, Sources: []string{"one"}, Pin: ofRollout(2)})
	if !again.GetUnchanged() {
		t.Errorf("the same again gave %v", again)
	}
	if got := r.mustSubmit(config("g", "one", services("a"))); got.GetHeldBack() == nil ||
		!strings.Contains(got.GetWarnings()[0].GetMessage(), "pinned to no content") {
		t.Errorf("the refused content gave %v", got)
	}
	// A replica that knows nothing reads the empty content, and a lost record comes back with its pin.
	lose(t, p.etcd, "desired/sources/g/one")
	fresh := p.replica(t)
	if pin := fresh.source("one").GetPin(); pin.GetRollout() != "r7" || pin.GetRefusedDigest() != s.GetPin().GetRefusedDigest() {
		t.Errorf("after its record was lost the pin is %v", pin)
	}
	if got := fresh.mustSubmit(config("g", "one", services("x"))); got.GetRevision().GetEntities()["services"] != 4 {
		t.Errorf("a correction gave %v", got)
	}
	// Without a pin it is removed.
	r.mustRestore(&translatorv1.RestoreSourcesRequest{ToRevision: 1})
	if s := r.source("one"); s != nil {
		t.Errorf("a source that was not there then is %v", s)
	}
}

func TestADeletionThatIsRefusedIsHeldBack(t *testing.T) {
	p := startPlane(t, "g")
	r := p.replica(t)
	r.mustSubmit(config("g", "one", services("a")))
	r.mustSubmit(config("g", "two", services("c", "d")))
	if _, err := r.DeleteSource(t.Context(), &translatorv1.DeleteSourceRequest{Group: "g", Source: "one"}); err != nil {
		t.Fatal(err)
	}
	answer := r.mustRestore(&translatorv1.RestoreSourcesRequest{ToRevision: 2, FromRevision: 3, Pin: ofRollout(3)})
	pin := r.source("one").GetPin()
	if !slices.Equal(answer.GetRestored(), []string{"one"}) || pin.GetRefusedRevision() != 3 || pin.GetRefusedDigest() != "" {
		t.Fatalf("it gave %v, %v", answer, pin)
	}
	gone, err := r.unpin("one")
	if err != nil || gone.GetSource() != nil || gone.GetUnchanged() || gone.GetRevision().GetNumber() != 5 || r.source("one") != nil {
		t.Errorf("unpin gave %v, %v", gone, err)
	}
	// The deletion of a source that a rollout pinned takes the pin with it.
	r.mustSubmit(config("g", "one", services("a")))
	r.mustSubmit(config("g", "one", services("a", "b")))
	r.mustRestore(&translatorv1.RestoreSourcesRequest{ToRevision: 6, Pin: ofRollout(7)})
	wantPins(t, r, 0, 1)
	if _, err := r.DeleteSource(t.Context(), &translatorv1.DeleteSourceRequest{Group: "g", Source: "one"}); err != nil {
		t.Error(err)
	}
	wantPins(t, r, 0, 0)
}

func TestWhatWasChangedSinceIsNotRestoredUnasked(t *testing.T) {
	p := startPlane(t, "g")
	r := p.replica(t)
	r.mustSubmit(config("g", "one", services("a", "b")))
	r.mustSubmit(config("g", "two", services("c", "d")))
	r.mustSubmit(config("g", "one", services("a", "x")))
	r.mustSubmit(config("g", "two", services("c", "y"))) // since revision 3
	// A comment is no change.
	r.mustSubmit(config("g", "one", "# moved\n"+services("a", "x")))
	q := &translatorv1.RestoreSourcesRequest{ToRevision: 2, FromRevision: 3}
	_, err := r.restore(q)
	e := wantFault(t, err, fault.WrongState, "SOURCE_CHANGED")
	for _, want := range []string{`source "two" was changed since revision 3, by anonymous at 2`, "in revision 4", "--force"} {
		if !strings.Contains(e.Message, want) {
			t.Errorf("the refusal does not say %q: %s", want, e.Message)
		}
	}
	if strings.Contains(e.Message, `"one"`) || r.head("g").GetNumber() != 4 {
		t.Errorf("the refusal names one: %s", e.Message)
	}
	q.SkipChanged, q.ValidateOnly = true, true
	dry := r.mustRestore(q)
	if !slices.Equal(dry.GetSkipped(), []string{"two"}) || dry.GetChanges().GetAdded() != 2 || r.head("g").GetNumber() != 4 {
		t.Errorf("a dry run gave %v", dry)
	}
	q.ValidateOnly, q.RequestId = false, "skip"
	skipped := r.mustRestore(q)
	if !slices.Equal(skipped.GetRestored(), []string{"one"}) || !slices.Equal(skipped.GetSkipped(), []string{"two"}) ||
		skipped.GetRevision().GetSource() != "one" {
		t.Errorf("skipping gave %v", skipped)
	}
	if again := r.mustRestore(q); !proto.Equal(again, skipped) {
		t.Errorf("the same again gave %v", again)
	}
	both := r.mustRestore(&translatorv1.RestoreSourcesRequest{ToRevision: 2, FromRevision: 3, Force: true})
	if both.GetRevision().GetDigest() != r.revision(2).GetDigest() || both.GetRevision().GetNumber() != 6 || both.GetRevision().GetAuthor() !=
		"anonymous" {
		t.Errorf("by force: %v", both)
	}
	q = &translatorv1.RestoreSourcesRequest{ToRevision: 2, FromRevision: 3, Force: true, RequestId: "skip"}
	_, err = r.restore(q)
	wantFault(t, err, fault.Conflict, "REQUEST_ID_REUSED")
	_, err = r.restore(&translatorv1.RestoreSourcesRequest{ToRevision: 2, Force: true, SkipChanged: true})
	wantFault(t, err, fault.Invalid, "INVALID_REQUEST")
	// Both back again is one revision of no single source.
	all := r.mustRestore(&translatorv1.RestoreSourcesRequest{ToRevision: 4})
	if all.GetRevision().GetSource() != "" || all.GetRevision().GetDigest() != r.revision(4).GetDigest() || len(all.GetRestored()) != 2 {
		t.Errorf("both: %v", all)
	}
}

func (r *replica) revision(n int64) *translatorv1.Revision {
	r.tb.Helper()
	answer, err := r.GetRevision(context.Background(), &translatorv1.GetRevisionRequest{Group: "g", Revision: n})
	if err != nil {
		r.tb.Fatal(err)
	}
	return answer.GetRevision()
}

func TestWhatCannotBeRestoredIsNamed(t *testing.T) {
	p := startPlane(t, "g")
	r := p.replica(t)
	r.mustSubmit(config("g", "one", services("a", "b", "c")))
	lost := r.source("one").GetDigest()
	r.mustSubmit(meant(config("g", "one", services("x"))))
	r.mustSubmit(config("g", "two", services("a")))
	_, err := r.restore(&translatorv1.RestoreSourcesRequest{ToRevision: 9})
	wantFault(t, err, fault.Missing, "NO_SUCH_REVISION")
	_, err = r.restore(&translatorv1.RestoreSourcesRequest{ToRevision: 1, FromRevision: 9})
	wantFault(t, err, fault.Missing, "NO_SUCH_REVISION")
	_, err = r.restore(&translatorv1.RestoreSourcesRequest{ToRevision: 1, Sources: []string{"none"}})
	wantFault(t, err, fault.Missing, "NO_SUCH_SOURCE")
	_, err = r.restore(&translatorv1.RestoreSourcesRequest{Group: "nobody", ToRevision: 1})
	wantFault(t, err, fault.Missing, "NO_SUCH_GROUP")
	// Old content that does not go together with what others have now.
	_, err = r.restore(&translatorv1.RestoreSourcesRequest{ToRevision: 1, Sources: []string{"one"}})
	if e := wantFault(t, err, fault.Invalid, "INVALID_CONFIG"); !strings.Contains(e.Message, "conflicts with") {
		t.Errorf("a conflict: %s", e.Message)
	}
	_, err = r.restore(&translatorv1.RestoreSourcesRequest{ToRevision: 0})
	wantFault(t, err, fault.WrongState, "CONFIG_SHRINK")
	lose(t, p.etcd, "content/fragments/"+strings.TrimPrefix(lost, "sha256:"))
	_, err = p.replica(t).restore(&translatorv1.RestoreSourcesRequest{ToRevision: 1})
	if e := wantFault(t, err, fault.WrongState, "CONTENT_MISSING"); e.Metadata["sources"] != "one" {
		t.Errorf("lost content: %v %v", e.Message, e.Metadata)
	}
	empty := r.mustRestore(&translatorv1.RestoreSourcesRequest{ToRevision: 0, AllowShrink: true})
	if empty.GetRevision().GetNumber() != 4 || len(empty.GetRevision().GetEntities()) != 0 || len(empty.GetRestored()) != 2 {
		t.Errorf("the empty group: %v", empty)
	}
}

// A rollback must not fail because gateways refuse by now what they served before: that is a warning.
func TestSchemasWarnOfARestoration(t *testing.T) {
	p := startPlane(t, "g")
	r := p.replica(t)
	r.mustSubmit(config("g", "team", limited("orders", "rate: 101")))
	r.mustSubmit(config("g", "team", limited("orders", "rate: 7")))
	p.withSchemas(t, kong(t, "3.9.3", 100))
	r.refusal(t, config("g", "team", limited("orders", "rate: 101")))
	answer := r.mustRestore(&translatorv1.RestoreSourcesRequest{ToRevision: 1})
	if answer.GetRevision().GetNumber() != 3 || len(answer.GetWarnings()) != 1 || answer.GetWarnings()[0].GetField() != "config.rate" ||
		answer.GetWarnings()[0].GetSource() != "team" {
		t.Errorf("it gave %v", answer)
	}
	r.mustRestore(&translatorv1.RestoreSourcesRequest{ToRevision: 2, Pin: ofRollout(3)})
	_, err := r.unpin("team")
	wantFault(t, err, fault.Invalid, "INVALID_CONFIG") // as the submission would be
}

// A restoration that a submission overtakes is decided again on what is there then.
func TestARestorationIsDecidedAgainAfterALostRace(t *testing.T) {
	p := startPlane(t, "g")
	quick := p.replica(t)
	quick.mustSubmit(config("g", "one", services("a")))
	quick.mustSubmit(config("g", "one", services("a", "b")))
	held := &commits{}
	slow := p.replicaOn(t, held.client(t, p.etcd))
	held.before = func(context.Context) error {
		held.before = nil
		quick.mustSubmit(config("g", "one", services("a", "fix")))
		return nil
	}
	answer := slow.mustRestore(&translatorv1.RestoreSourcesRequest{ToRevision: 1, FromRevision: 2, SkipChanged: true, Pin: ofRollout(2)})
	if !answer.GetUnchanged() || !slices.Equal(answer.GetSkipped(), []string{"one"}) || answer.GetRevision().GetNumber() != 3 {
		t.Errorf("it gave %v", answer)
	}
	if s := quick.source("one"); s.GetPin() != nil || !strings.Contains(quick.canonical(), "fix.internal") {
		t.Errorf("the source is %v", s)
	}
}

// Many submitters, restorations and pins at once lose nothing of each other.
func TestPinsAndSubmissionsAtOnce(t *testing.T) {
	p := startPlane(t, "g")
	replicas := []*replica{p.replica(t), p.replica(t)}
	const each = 6
	for i := range each {
		replicas[0].mustSubmit(config("g", fmt.Sprintf("s%d", i), services(fmt.Sprintf("a%d", i))))
	}
	good := replicas[0].head("g").GetNumber()
	for i := range each {
		replicas[0].mustSubmit(config("g", fmt.Sprintf("s%d", i), services(fmt.Sprintf("a%d", i), fmt.Sprintf("bad%d", i))))
	}
	var group sync.WaitGroup
	for i := range each {
		name := fmt.Sprintf("s%d", i)
		group.Go(func() {
			replicas[i%2].mustRestore(&translatorv1.RestoreSourcesRequest{ToRevision: good, Sources: []string{name}, Pin: ofRollout(good + 1)})
		})
		group.Go(func() {
			replicas[(i+1)%2].mustSubmit(config("g", "t"+name, services("t"+name)))
		})
	}
	group.Wait()
	text := replicas[0].canonical()
	for i := range each {
		name := fmt.Sprintf("s%d", i)
		if strings.Contains(text, fmt.Sprintf("bad%d.internal", i)) || !strings.Contains(text, "t"+name+".internal") ||
			!strings.Contains(text, fmt.Sprintf("a%d.internal", i)) || replicas[1].source(name).GetPin() == nil {
			t.Errorf("%s: %v in %s", name, replicas[1].source(name), text)
		}
	}
	wantPins(t, replicas[1], 0, each)
	// All of them in one revision.
	all := replicas[0].mustRestore(&translatorv1.RestoreSourcesRequest{ToRevision: good, AllowShrink: true})
	if all.GetRevision().GetDigest() != replicas[0].revision(good).GetDigest() {
		t.Errorf("together: %v", all)
	}
}

// Records that an older version wrote, and those that were lost, are read.
func TestPinsInRecords(t *testing.T) {
	p, r := pinnedByRollout(t)
	pin := r.source("one").GetPin()
	record := map[string]any{}
	if err := json.Unmarshal([]byte(value(t, p.etcd, "desired/sources/g/two")), &record); err != nil || record["pin"] != nil {
		t.Fatalf("a source without a pin is stored as %v, %v", record, err)
	}
	lose(t, p.etcd, "desired/sources/g/one")
	short := r.source("one").GetPin()
	if short.GetReason() != pin.GetReason() || short.GetRollout() != "r7" || short.GetRefusedDigest() != pin.GetRefusedDigest() ||
		short.GetGoodRevision() != 1 || short.GetRefusedRevision() != 2 {
		t.Errorf("after the record was lost the pin is %v", short)
	}
	lose(t, p.etcd, "desired/heads/g")
	if r.source("one").GetPin() == nil || r.head("g").GetNumber() != 4 {
		t.Error("with the head, the pin is gone")
	}
	lose(t, p.etcd, "desired/heads/g")
	lose(t, p.etcd, "desired/sources/g/")
	if r.source("one").GetPin() == nil {
		t.Error("with all records but the history, the pin is gone")
	}
	// A pin that is taken away is not made again from the head.
	if _, err := r.unpin("one"); err != nil {
		t.Fatal(err)
	}
	lose(t, p.etcd, "desired/sources/g/one")
	if s := r.source("one"); s == nil || s.GetPin() != nil {
		t.Errorf("the source is %v", s)
	}
	old := `{"fragment":"` + r.source("two").GetDigest() + `","entities":2,"documents":["two.yaml"],"revision":3,"author":"ann",` +
		`"update_time":"2026-01-02T03:04:05Z"}`
	if _, err := p.etcd.Client(t).Put(t.Context(), "desired/sources/g/two", old); err != nil {
		t.Fatal(err)
	}
	if s := r.source("two"); s.GetAuthor() != "ann" || s.GetPin() != nil || s.GetEntityCount() != 2 {
		t.Errorf("a record of an older version is %v", s)
	}
}

// An operator's restoration of a pinned source keeps the pin, unless it brings what the pin holds back.
func TestARestorationOfAPinnedSource(t *testing.T) {
	_, r := pinnedByRollout(t)
	r.mustRestore(&translatorv1.RestoreSourcesRequest{ToRevision: 0, Sources: []string{"one"}, AllowShrink: true})
	s := r.source("one")
	if s.GetPin().GetRollout() != "r7" || s.GetPin().GetGoodRevision() != 0 || s.GetEntityCount() != 0 {
		t.Fatalf("the source is %v", s)
	}
	answer := r.mustRestore(&translatorv1.RestoreSourcesRequest{ToRevision: 2, Sources: []string{"one"}})
	if s := r.source("one"); s.GetPin() != nil || s.GetEntityCount() != 4 || answer.GetUnchanged() {
		t.Errorf("the source is %v", s)
	}
	// One that is pinned by hand is skipped, or restored by force, and stays pinned.
	if _, err := r.PinSource(t.Context(), &translatorv1.PinSourceRequest{Group: "g", Source: "one", Reason: "hold"}); err != nil {
		t.Fatal(err)
	}
	skipped := r.mustRestore(&translatorv1.RestoreSourcesRequest{ToRevision: 1, Sources: []string{"one"}, SkipChanged: true})
	if !slices.Equal(skipped.GetSkipped(), []string{"one"}) {
		t.Errorf("skipping gave %v", skipped)
	}
	r.mustRestore(&translatorv1.RestoreSourcesRequest{ToRevision: 1, Sources: []string{"one"}, Force: true})
	if s := r.source("one"); s.GetPin().GetReason() != "hold" || s.GetEntityCount() != 2 || s.GetPin().GetGoodRevision() != 1 {
		t.Errorf("by force the source is %v", s)
	}
}

// A pin by hand of a source that a rollout had pinned goes on holding back what was refused, until that is restored by force.
func TestAForcedRestorationOfWhatAPinHoldsBack(t *testing.T) {
	_, r := pinnedByRollout(t)
	if _, err := r.PinSource(t.Context(), &translatorv1.PinSourceRequest{Group: "g", Source: "one", Reason: "hold"}); err != nil {
		t.Fatal(err)
	}
	refused := r.source("one").GetPin().GetRefusedRevision()
	if refused == 0 {
		t.Fatalf("the source is %v", r.source("one"))
	}
	r.mustRestore(&translatorv1.RestoreSourcesRequest{ToRevision: refused, Sources: []string{"one"}, Force: true})
	if p := r.source("one").GetPin(); p.GetReason() != "hold" || p.GetGoodRevision() != refused || p.GetRefusedRevision() != 0 ||
		p.GetRefusedDigest() != "" {
		t.Errorf("the pin is %v", p)
	}
}

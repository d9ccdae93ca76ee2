package translator_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// mixed uses shapes that the canonical form has not: nested entities, select tags, defaults.
const mixed = `_format_version: "1.1"
_info:
  select_tags: [shop]
  defaults:
    service: {retries: 7}
services:
- name: cart
  url: http://cart.internal/base
  routes:
  - name: cart
    paths: [/cart]
    plugins:
    - name: rate-limiting
      config: {minute: 5, policy: local}
consumers:
- username: mobile
  keyauth_credentials:
  - key: an-example-key
upstreams:
- name: cart.internal
  targets:
  - target: 10.0.0.1:80
`

func TestLookingAgreesWithSubmitting(t *testing.T) {
	p := startPlane(t, "g")
	r := p.replica(t)
	r.mustSubmit(config("g", "base", services("orders")))
	documents := document("shop.yaml", mixed)

	valid, err := r.ValidateConfig(t.Context(), &translatorv1.ValidateConfigRequest{Group: "g", Source: "shop", Documents: documents})
	if err != nil || len(valid.GetProblems()) > 0 {
		t.Fatalf("validate: %v, %v", valid, err)
	}
	diff, err := r.DiffConfig(t.Context(), &translatorv1.DiffConfigRequest{Group: "g", Source: "shop", Documents: documents})
	if err != nil {
		t.Fatal(err)
	}
	dry := &translatorv1.SubmitConfigRequest{Group: "g", Source: "shop", Documents: documents, ValidateOnly: true, RequestId: "dry"}
	tried := r.mustSubmit(dry)
	if n := r.head("g").GetNumber(); n != 1 || tried.GetRevision().GetNumber() != 1 || tried.GetUnchanged() {
		t.Errorf("validate_only answered %v, head %d", tried, n)
	}
	done := r.mustSubmit(&translatorv1.SubmitConfigRequest{Group: "g", Source: "shop", Documents: documents})
	if diff.GetRevision() != 1 || diff.GetDigest() != done.GetRevision().GetDigest() || !proto.Equal(diff.GetSummary(), done.GetChanges()) ||
		!proto.Equal(tried.GetChanges(), done.GetChanges()) {
		t.Errorf("diff %v, try %v, submit %v", diff, tried, done)
	}
	if len(diff.GetChanges()) != int(done.GetChanges().GetAdded()) {
		t.Errorf("%d changes are told of %d", len(diff.GetChanges()), done.GetChanges().GetAdded())
	}
	for kind, n := range done.GetRevision().GetEntities() {
		if valid.GetEntities()[kind] != n {
			t.Errorf("validate counted %d %s, submit %d", valid.GetEntities()[kind], kind, n)
		}
	}
	back, err := r.DiffConfig(t.Context(), &translatorv1.DiffConfigRequest{Group: "g", Source: "shop", Documents: documents, Revision: 1})
	if err != nil || !proto.Equal(back.GetSummary(), done.GetChanges()) || back.GetRevision() != 1 {
		t.Errorf("diff with revision 1: %v, %v", back, err)
	}
	now, err := r.DiffConfig(t.Context(), &translatorv1.DiffConfigRequest{Group: "g", Source: "shop", Documents: documents})
	if err != nil || len(now.GetChanges()) != 0 || now.GetRevision() != 2 {
		t.Errorf("diff with what was submitted: %v, %v", now, err)
	}
	if _, err := r.DiffConfig(t.Context(), &translatorv1.DiffConfigRequest{Group: "g", Documents: documents, Revision: 9}); err == nil {
		t.Error("a diff with a revision that is not there")
	}
	for _, c := range now.GetChanges() {
		if strings.Contains(c.String(), "an-example-key") {
			t.Errorf("a diff shows a key: %v", c)
		}
	}
}

func TestRenderIsWhatSubmitMakes(t *testing.T) {
	p := startPlane(t, "g")
	r := p.replica(t)
	rendered, err := r.RenderConfig(t.Context(), &translatorv1.RenderConfigRequest{Documents: document("a.yaml", mixed),
		Format: translatorv1.RenderConfigRequest_FORMAT_CANONICAL})
	if err != nil {
		t.Fatal(err)
	}
	done := r.mustSubmit(config("g", "shop", mixed)).GetRevision()
	canonical := r.snapshot("g", 0, translatorv1.RenderConfigRequest_FORMAT_CANONICAL)
	if string(rendered.GetContent()) != canonical || rendered.GetDigest() != done.GetDigest() ||
		string(fleet.DigestOf([]byte(canonical))) != done.GetDigest() {
		t.Errorf("rendered %s\nsubmitted %s", rendered.GetContent(), canonical)
	}
	if int64(len(canonical)) != done.GetSizeBytes() {
		t.Errorf("%d bytes, the revision says %d", len(canonical), done.GetSizeBytes())
	}
}

func TestAnInvalidDocumentIsAnAnswerOfValidate(t *testing.T) {
	p := startPlane(t, "g")
	r := p.replica(t)
	r.mustSubmit(config("g", "base", services("orders")))
	answer, err := r.ValidateConfig(t.Context(), &translatorv1.ValidateConfigRequest{Group: "g", Source: "shop",
		Documents: document("shop.yaml", services("orders"))})
	if err != nil || len(answer.GetProblems()) == 0 || answer.GetProblemCount() != int64(len(answer.GetProblems())) ||
		answer.GetProblems()[0].GetOther().GetSource() != "base" {
		t.Errorf("got %v, %v", answer, err)
	}
}

func TestWhatDumpGivesCanBeAppliedAgain(t *testing.T) {
	p := startPlane(t, "g", "copy")
	r := p.replica(t)
	r.mustSubmit(config("g", "base", services("orders", "users")))
	r.mustSubmit(config("g", "shop", mixed))
	for _, format := range []translatorv1.RenderConfigRequest_Format{translatorv1.RenderConfigRequest_FORMAT_YAML,
		translatorv1.RenderConfigRequest_FORMAT_CANONICAL} {
		dump := r.snapshot("g", 2, format)
		copied := r.mustSubmit(config("copy", "all", dump))
		if copied.GetRevision().GetDigest() != r.head("g").GetDigest() {
			t.Errorf("%s: the copy has another digest; dump:\n%s", format, dump)
		}
	}
	if n := r.head("copy").GetNumber(); n != 1 {
		t.Errorf("both forms of one snapshot made %d revisions", n)
	}
}

func TestLocateFollowsCommentsThatMoveLines(t *testing.T) {
	p := startPlane(t, "g")
	a, b := p.replica(t), p.replica(t)
	a.mustSubmit(config("g", "base", services("users")))
	a.mustSubmit(config("g", "shop", services("cart", "orders")))
	canonical := a.snapshot("g", 0, translatorv1.RenderConfigRequest_FORMAT_CANONICAL)
	id := idOf(t, canonical, `"name":"orders-route"`)
	locate := func(revision int64) []*translatorv1.LocateEntitiesResponse_Origin {
		t.Helper()
		answer, err := b.LocateEntities(t.Context(), &translatorv1.LocateEntitiesRequest{Group: "g", Revision: revision,
			Entities: []*translatorv1.EntityRef{
				{Kind: "route", Id: id}, {Kind: "service", Name: "nobody"}, {Kind: "service", Name: "users"},
			}})
		if err != nil {
			t.Fatal(err)
		}
		return answer.GetOrigins()
	}
	want := func(got []*translatorv1.LocateEntitiesResponse_Origin, line int32) {
		t.Helper()
		if len(got) != 2 || got[0].GetSource() != "shop" || got[0].GetDocument() != "shop.yaml" || got[0].GetLine() != line ||
			got[0].GetEntity().GetId() != id ||
			got[1].GetSource() != "base" || got[1].GetDocument() != "base.yaml" || got[1].GetLine() != 3 {
			t.Errorf("located %v, want the route on line %d", got, line)
		}
	}
	want(locate(0), 11)
	moved := a.mustSubmit(config("g", "shop", "# one\n# two\n"+services("cart", "orders")))
	if !moved.GetUnchanged() || moved.GetRevision().GetNumber() != 2 {
		t.Errorf("comments made %v", moved)
	}
	want(locate(0), 13)
	want(locate(2), 13)
	a.mustSubmit(config("g", "shop", services("orders", "cart", "new")))
	want(locate(2), 11)
	want(locate(0), 6)
	_, err := b.LocateEntities(t.Context(), &translatorv1.LocateEntitiesRequest{Group: "g", Revision: 9})
	wantFault(t, err, fault.Missing, "NO_SUCH_REVISION")
}

// idOf finds the id in the line of canonical bytes that has a text.
func idOf(tb testing.TB, canonical, text string) string {
	tb.Helper()
	for line := range strings.Lines(canonical) {
		if _, after, ok := strings.Cut(line, `"id":"`); ok && strings.Contains(line, text) {
			id, _, _ := strings.Cut(after, `"`)
			return id
		}
	}
	tb.Fatalf("no line with %s in %s", text, canonical)
	return ""
}

// TestADiffTellsValuesAndNoSecrets: what travels is what may be read; between revisions as of documents.
func TestADiffTellsValuesAndNoSecrets(t *testing.T) {
	p := startPlane(t, "g")
	p.withSchemas(t, kong(t, "3.9.3", 100))
	r := p.replica(t)
	text := func(rate, password string) string {
		return limited("orders", "rate: "+rate+"\n      password: "+password)
	}
	r.mustSubmit(config("g", "team", text("5", "planted-1")))
	ask := &translatorv1.DiffConfigRequest{Group: "g", Source: "team", Documents: document("a.yaml", text("7", "planted-2"))}
	want := []string{
		`OPERATION_CHANGED plugin limit of service orders: config.password "" "" true`,
		`OPERATION_CHANGED plugin limit of service orders: config.rate "5" "7" false`,
	}
	check := func(what string, answer *translatorv1.DiffConfigResponse, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range answer.GetChanges() {
			for _, f := range c.GetValues() {
				got = append(got, fmt.Sprintf("%s %s: %s %q %q %t", c.GetOperation(), c.GetTitle(), f.GetPath(), f.GetOld(), f.GetNew(), f.GetSecret()))
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q", what, got)
		}
		if strings.Contains(answer.String(), "planted") {
			t.Errorf("%s tells a secret: %v", what, answer)
		}
	}
	eventually(t, "the replica knows the schemas", func() bool {
		answer, err := r.DiffConfig(t.Context(), ask)
		return err == nil && len(answer.GetWarnings()) == 0
	})
	answer, err := r.DiffConfig(t.Context(), ask)
	check("of documents", answer, err)
	r.mustSubmit(config("g", "team", text("7", "planted-2")))
	answer, err = r.DiffConfig(t.Context(), &translatorv1.DiffConfigRequest{Group: "g", ToRevision: 2})
	check("of a revision", answer, err)
	if answer.GetRevision() != 1 || answer.GetToRevision() != 2 {
		t.Errorf("compared %d with %d", answer.GetRevision(), answer.GetToRevision())
	}
	answer, err = r.DiffConfig(t.Context(), &translatorv1.DiffConfigRequest{Group: "g", ToRevision: 1, MaxChanges: 1})
	if err != nil || answer.GetSummary().GetAdded() != 2 || len(answer.GetChanges()) != 1 || answer.GetRevision() != 0 {
		t.Errorf("the first revision: %v, %v", answer, err)
	}
	back, err := r.DiffConfig(t.Context(), &translatorv1.DiffConfigRequest{Group: "g", Revision: 2, ToRevision: 1})
	if err != nil || back.GetSummary().GetChanged() != 1 || back.GetRevision() != 2 {
		t.Errorf("backwards: %v, %v", back, err)
	}
	_, err = r.DiffConfig(t.Context(), &translatorv1.DiffConfigRequest{Group: "g", ToRevision: 9})
	wantFault(t, err, fault.Missing, "NO_SUCH_REVISION")
	_, err = r.DiffConfig(t.Context(), &translatorv1.DiffConfigRequest{Group: "h", ToRevision: 1})
	wantFault(t, err, fault.Missing, "NO_SUCH_GROUP")
	for _, bad := range []*translatorv1.DiffConfigRequest{{Group: "g"}, {Group: "g", ToRevision: 1, Documents: ask.GetDocuments()}} {
		_, err = r.DiffConfig(t.Context(), bad)
		wantFault(t, err, fault.Invalid, "INVALID_REQUEST")
	}
}

package translator_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kit/fault"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

const (
	asKong      = translatorv1.RenderConfigRequest_FORMAT_YAML
	asDeck      = translatorv1.RenderConfigRequest_FORMAT_DECK
	asCanonical = translatorv1.RenderConfigRequest_FORMAT_CANONICAL
)

// part reads what a source held in a revision.
func (r *replica) part(group, source string, revision int64, format translatorv1.RenderConfigRequest_Format) (string, error) {
	stream, err := r.GetSnapshot(r.tb.Context(), &translatorv1.GetSnapshotRequest{Group: group, Source: source, Revision: revision,
		Format: format})
	if err != nil {
		return "", err
	}
	var content strings.Builder
	for {
		piece, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return content.String(), nil
		}
		if err != nil {
			return "", err
		}
		content.Write(piece.GetContent())
	}
}

// TestADumpIsReadBackAsTheSame: whatever the form, what is dumped and submitted again changes nothing.
func TestADumpIsReadBackAsTheSame(t *testing.T) {
	p := startPlane(t, "g", "other")
	r := p.replica(t)
	want := r.mustSubmit(config("g", "shop", mixed)).GetRevision()
	for _, form := range []translatorv1.RenderConfigRequest_Format{asKong, asDeck, asCanonical} {
		dumped := r.snapshot("g", 0, form)
		if answer := r.mustSubmit(config("g", "shop", dumped)); !answer.GetUnchanged() {
			t.Errorf("as %v it changes %v:\n%s", form, answer.GetChanges(), dumped)
		}
		if got := r.mustSubmit(config("other", "shop", dumped)).GetRevision(); got.GetDigest() != want.GetDigest() {
			t.Errorf("as %v another group has another configuration of it", form)
		}
	}
}

// TestASourceIsGivenBackAsItWas: a source of an earlier revision is what it was then, without the others that it refers to.
func TestASourceIsGivenBackAsItWas(t *testing.T) {
	p := startPlane(t, "g")
	r := p.replica(t)
	r.mustSubmit(config("g", "base", services("orders")))
	const refers = `_format_version: "3.0"
routes:
- name: shop
  service: orders
  paths: [/shop]
  plugins:
  - name: cors
consumers:
- username: ann
  keyauth_credentials:
  - key: an-example-key
`
	then := r.mustSubmit(config("g", "shop", refers)).GetRevision()
	r.mustSubmit(&translatorv1.SubmitConfigRequest{Group: "g", Source: "shop", Documents: document("shop.yaml", mixed), AllowShrink: true})
	r.mustSubmit(config("g", "base", services("orders", "invoices")))

	for _, form := range []translatorv1.RenderConfigRequest_Format{asKong, asDeck, asCanonical} {
		got, err := r.part("g", "shop", then.GetNumber(), form)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(got, "orders.internal") || strings.Contains(got, "10.0.0.1:80") || !strings.Contains(got, "an-example-key") {
			t.Errorf("as %v it has not what the source had:\n%s", form, got)
		}
		r.mustSubmit(&translatorv1.SubmitConfigRequest{Group: "g", Source: "shop", Documents: document("dump.yaml", got), AllowShrink: true})
		r.mustSubmit(&translatorv1.SubmitConfigRequest{Group: "g", Source: "base", Documents: document("base.yaml", services("orders")),
			AllowShrink: true})
		if head := r.head("g"); head.GetDigest() != then.GetDigest() {
			t.Errorf("as %v, submitted again, it is not what it was:\n%s", form, got)
		}
		r.mustSubmit(&translatorv1.SubmitConfigRequest{Group: "g", Source: "shop", Documents: document("shop.yaml", mixed), AllowShrink: true})
	}
	if deck, _ := r.part("g", "shop", then.GetNumber(), asDeck); !strings.Contains(deck, "  service:\n    name: orders\n") ||
		!strings.Contains(deck, "  plugins:\n  - name: cors\n") {
		t.Errorf("decK reads no such references:\n%s", deck)
	}
	_, err := r.part("g", "none", 0, asKong)
	if f := wantFault(t, err, fault.Missing, "NO_SUCH_SOURCE"); !strings.Contains(f.Message, "it has base, shop") {
		t.Errorf("an unknown source: %q", f.Message)
	}
	_, err = r.part("g", "shop", 1, asKong)
	wantFault(t, err, fault.Missing, "NO_SUCH_SOURCE")
	_, err = r.part("g", "shop", 99, asKong)
	wantFault(t, err, fault.Missing, "NO_SUCH_REVISION")
}

// TestHashesThatDeckHasNoWordFor: decK would have hashed secrets hashed once more.
func TestHashesThatDeckHasNoWordFor(t *testing.T) {
	p := startPlane(t, "g")
	r := p.replica(t)
	r.mustSubmit(config("g", "shop", `_format_version: "3.0"
_transform: false
consumers:
- username: ann
  basicauth_credentials: [{username: ann, password: c4b9e96639197e9a2f0d3641ae84300c27017a90}]
`))
	deck := r.snapshot("g", 0, asDeck)
	if !strings.Contains(deck, "_info:\n  skip_hash_for_basic_auth: true\n") || strings.Contains(deck, "_transform") {
		t.Errorf("decK would hash the password once more:\n%s", deck)
	}
	if answer := r.mustSubmit(config("g", "shop", deck)); !answer.GetUnchanged() {
		t.Errorf("read back it changes %v", answer.GetChanges())
	}
	r.mustSubmit(config("g", "other", `_format_version: "3.0"
_transform: false
consumers:
- username: bob
  oauth2_credentials: [{name: app, client_id: an-id, client_secret: "$pbkdf2-sha512$i=10000,l=32$c2FsdA$aGFzaA", hash_secret: true}]
`))
	_, err := r.part("g", "other", 0, asDeck)
	if f := wantFault(t, err, fault.WrongState, "NOT_IN_THIS_FORM"); !strings.Contains(f.Message, "Kong's form") {
		t.Errorf("the remedy is missing: %q", f.Message)
	}
	if _, err := r.part("g", "other", 0, asKong); err != nil {
		t.Error(err)
	}
}

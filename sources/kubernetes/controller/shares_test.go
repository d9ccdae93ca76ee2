package controller

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/sources/kubernetes/content"
	"github.com/silverback-gateway/silverback/sources/kubernetes/delivery"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
)

// teams are manifests of two namespaces: one has a consumer, to which a plugin of its route is bound.
func teams() []string {
	return []string{
		service("web", "10.0.0.1", "10.0.0.2"), ingress("web/shop", "/shop", "konghq.com/plugins: limit"), plugin("limit", "rate-limiting"),
		service("pay", "10.0.1.1"), ingress("pay/bill", "/bill"), `
apiVersion: configuration.konghq.com/v1
kind: KongConsumer
metadata: {namespace: web, name: anna, annotations: {kubernetes.io/ingress.class: kong, konghq.com/plugins: limit}}
username: anna
`,
	}
}

func meaningOf(m *memory) translate.Result {
	return translate.Translate(m.Read().set, translate.Options{IngressClass: "kong", RemovableTargets: true})
}

// TestSharesComeToWhatTheWholeDoes compiles a configuration share by share, and at once.
func TestSharesComeToWhatTheWholeDoes(t *testing.T) {
	m := newMemory()
	m.apply(t, teams()...)
	result := meaningOf(m)
	c := &compiler{}
	made, problems, err := c.compile(split(result, false), result.Origins)
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	d, err := newDocument("whole", result.Config, result.Origins)
	if err != nil {
		t.Fatal(err)
	}
	whole, problems := content.Compile([]content.Document{d.content()})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	forms := delivery.FormsOf(whole, result.Origins)
	if made.content.Digest() != whole.Digest() || string(made.content.Canonical()) != string(whole.Canonical()) {
		t.Errorf("shares come to\n%s\nthe whole to\n%s", made.content.Canonical(), whole.Canonical())
	}
	if !reflect.DeepEqual(made.forms.Now, forms.Now) || !reflect.DeepEqual(made.forms.Origins, forms.Origins) {
		t.Errorf("the forms differ: %v and %v", made.forms.Now.Owned, forms.Now.Owned)
	}
	for ref := range forms.Keys {
		if !made.forms.In(delivery.Remember(whole), ref) {
			t.Errorf("%s is not seen in what was read back", ref)
		}
	}
	text := string(made.documents[0].text)
	if len(made.documents) != 3 || !strings.Contains(text, "anna") || strings.Contains(text, "bill") {
		t.Errorf("%d documents; the common one is %s", len(made.documents), text)
	}

	// What did not change is not compiled again.
	m.apply(t, ingress("pay/bill", "/bills"))
	before := c.shares
	result = meaningOf(m)
	again, problems, err := c.compile(split(result, false), result.Origins)
	if err != nil || len(problems) > 0 || again.content.Digest() == made.content.Digest() {
		t.Fatal(problems, err)
	}
	for share, same := range map[string]bool{common: true, "web": true, "pay": false} {
		if (before[share] == c.shares[share]) != same {
			t.Errorf("the share of %q was kept: %v", share, !same)
		}
	}
}

// TestAProblemOfAShareLeadsToItsObject has a plugin whose name no compiler takes.
func TestAProblemOfAShareLeadsToItsObject(t *testing.T) {
	m := newMemory()
	m.apply(t, append(teams(), plugin("bad", `""`), ingress("web/other", "/other", "konghq.com/plugins: bad"))...)
	p := planner{broken: broken{}, compiler: &compiler{}}
	p.options.IngressClass = "kong"
	made, err := p.plan(m.Read(), time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	bad := object.Ref{Group: "configuration.konghq.com", Kind: "KongPlugin", Namespace: "web", Name: "bad"}
	if _, left := made.leftOut[bad]; !left {
		t.Errorf("left out: %v, problems: %v", made.leftOut, made.problems)
	}
}

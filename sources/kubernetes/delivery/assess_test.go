package delivery_test

import (
	"strings"
	"testing"

	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/content"
	"github.com/silverback-gateway/silverback/sources/kubernetes/delivery"
	"github.com/silverback-gateway/silverback/sources/kubernetes/manifest"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
)

const shop = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop, namespace: web, annotations: {konghq.com/plugins: cors}}
spec:
  ingressClassName: kong
  rules: [{http: {paths: [{path: /a, pathType: Exact, backend: {service: {name: cart, port: {number: 80}}}}]}}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: other, namespace: web}
spec:
  ingressClassName: kong
  rules: [{http: {paths: [{path: /b, pathType: Exact, backend: {service: {name: cart, port: {number: 80}}}}]}}]
---
{apiVersion: v1, kind: Service, metadata: {name: cart, namespace: web}, spec: {ports: [{port: 80}]}}
---
{apiVersion: configuration.konghq.com/v1, kind: KongPlugin, metadata: {name: cors, namespace: web}, plugin: cors}
---
{apiVersion: v1, kind: Secret, metadata: {name: unused, namespace: web}}
`

func ingress(name string) object.Ref {
	return object.Ref{Group: networking.GroupName, Kind: "Ingress", Namespace: "web", Name: name}
}

// made translates manifests.
func made(t *testing.T, text string) (*object.Set, *content.Content, delivery.Forms) {
	t.Helper()
	set := &object.Set{}
	if _, err := manifest.Read("input", strings.NewReader(text), set); err != nil {
		t.Fatal(err)
	}
	result := translate.Translate(set, translate.Options{})
	document, err := result.Config.YAML()
	if err != nil {
		t.Fatal(err)
	}
	c, problems := content.Compile([]content.Document{{Name: "kubernetes", Content: document}})
	for _, p := range problems {
		t.Fatal(p)
	}
	return set, c, delivery.FormsOf(c, result.Origins)
}

func TestAStateFollowsItsRevision(t *testing.T) {
	set, now, forms := made(t, shop)
	_, before, _ := made(t, strings.Replace(shop, "path: /a,", "path: /old,", 1))
	contents := map[int64]delivery.Remembered{6: delivery.Remember(before), 7: delivery.Remember(now)}
	for _, c := range []struct {
		what          string
		rollout       delivery.Rollout
		head          int64
		waits         string
		held          bool
		shop, another delivery.Phase
		reason        string
	}{
		{what: "not submitted yet", head: 6, rollout: delivery.Rollout{State: delivery.Completed, Candidate: 6, Serving: 3, Online: 3},
			waits: "the translator does not answer", shop: delivery.Pending, another: delivery.Programmed, reason: "the translator does not answer"},
		{what: "held by the guard", head: 6, rollout: delivery.Rollout{State: delivery.Completed, Candidate: 6, Serving: 3, Online: 3},
			waits: "too much would go", held: true, shop: delivery.Held, another: delivery.Programmed, reason: "too much would go"},
		{what: "committed", head: 7, rollout: delivery.Rollout{State: delivery.Completed, Candidate: 6, Serving: 3, Online: 3},
			shop: delivery.Rolling, another: delivery.Programmed, reason: "not begun"},
		{what: "frozen", head: 7, rollout: delivery.Rollout{State: delivery.Completed, Candidate: 6, Serving: 3, Online: 3, Frozen: "audit"},
			shop: delivery.Held, another: delivery.Programmed, reason: "frozen: audit"},
		{what: "waits for a window", head: 7, rollout: delivery.Rollout{State: delivery.Completed, Candidate: 6, Serving: 3, Online: 3,
			Next: "the change window opens at 22:00"}, shop: delivery.Held, another: delivery.Programmed, reason: "opens at 22:00"},
		{what: "moving", head: 7, rollout: delivery.Rollout{State: delivery.Progressing, Stable: 6, Candidate: 7, Serving: 3, Online: 12},
			shop: delivery.Rolling, another: delivery.Programmed, reason: "3/12 gateways"},
		{what: "paused", head: 7, rollout: delivery.Rollout{State: delivery.Paused, Stable: 6, Candidate: 7, Online: 12, Reason: "lunch"},
			shop: delivery.Held, another: delivery.Programmed, reason: "paused: lunch"},
		{what: "taken back", head: 7, rollout: delivery.Rollout{State: delivery.Reverted, Stable: 6, Candidate: 7, Online: 12,
			Reason: "gate says 9 %"},
			shop: delivery.RolledBack, another: delivery.Programmed, reason: "gate says 9 %"},
		{what: "halted by another object", head: 7, rollout: delivery.Rollout{State: delivery.Halted, Stable: 6, Candidate: 7, Online: 12,
			Reason: "gw-1 refused"}, shop: delivery.Pending, another: delivery.Programmed, reason: "gw-1 refused"},
		{what: "proven", head: 7, rollout: delivery.Rollout{State: delivery.Completed, Stable: 6, Candidate: 7, Serving: 12, Online: 12},
			shop: delivery.Programmed, another: delivery.Programmed},
		{what: "without gateways", head: 7, rollout: delivery.Rollout{State: delivery.Completed, Stable: 6, Candidate: 7},
			shop: delivery.Rolling, another: delivery.Rolling, reason: "no gateway"},
	} {
		view := delivery.Assess(delivery.Input{Set: set, Forms: forms, Contents: contents, Head: c.head, Rollout: c.rollout,
			Waits: c.waits, Held: c.held})
		got := view.Objects[ingress("shop")]
		if got.Phase != c.shop || !strings.Contains(got.Reason, c.reason) || c.shop == delivery.Programmed && got.Reason != "" {
			t.Errorf("%s: the changed one is %+v", c.what, got)
		}
		if other := view.Objects[ingress("other")]; other.Phase != c.another {
			t.Errorf("%s: the other one is %+v", c.what, other)
		}
		if s := view.Objects[object.Ref{Kind: "Secret", Namespace: "web", Name: "unused"}]; s.Phase != delivery.Untranslated {
			t.Errorf("%s: what means nothing is %+v", c.what, s)
		}
	}
}

// TestASourceThatHoldsNothingIsProvenToo has what means nothing to a gateway by itself follow the source.
func TestASourceThatHoldsNothingIsProvenToo(t *testing.T) {
	none := map[int64]delivery.Remembered{}
	empty := map[int64]delivery.Remembered{1: {}, 2: {}}
	for what, c := range map[string]struct {
		in     delivery.Input
		want   delivery.Phase
		reason string
	}{
		"before the first submission": {in: delivery.Input{Contents: none, Waits: "the translator does not answer"}, want: delivery.Pending,
			reason: "the translator does not answer"},
		"committed": {in: delivery.Input{Contents: empty, Head: 1}, want: delivery.Rolling, reason: "not begun"},
		"on its way": {in: delivery.Input{Contents: empty, Head: 1, Rollout: delivery.Rollout{State: delivery.Progressing, Candidate: 1,
			Serving: 1, Online: 3}}, want: delivery.Rolling, reason: "1/3 gateways"},
		"served": {in: delivery.Input{Contents: empty, Head: 1, Rollout: delivery.Rollout{State: delivery.Completed, Candidate: 1, Serving: 3,
			Online: 3}}, want: delivery.Programmed},
		"served by nobody": {in: delivery.Input{Contents: empty, Head: 1, Rollout: delivery.Rollout{State: delivery.Completed, Candidate: 1}},
			want: delivery.Rolling, reason: "no gateway"},
		"served, and the next one moves": {in: delivery.Input{Contents: empty, Head: 2, Rollout: delivery.Rollout{State: delivery.Progressing,
			Stable: 1, Candidate: 2, Serving: 1, Online: 3}}, want: delivery.Programmed},
	} {
		c.in.Set = &object.Set{}
		if got := delivery.Assess(c.in).Source; got.Phase != c.want || !strings.Contains(got.Reason, c.reason) {
			t.Errorf("%s: %+v", what, got)
		}
		behind := delivery.Input{Contents: none}
		if got := delivery.Combine(c.in.Set, nil, nil, nil, behind, c.in, behind).Source; got.Phase != c.want {
			t.Errorf("%s, beside sources that hold nothing: %+v", what, got)
		}
	}
}

func TestALostPathIsAnotherForm(t *testing.T) {
	_, before, _ := made(t, strings.Replace(shop, "paths: [{path: /a,", "paths: [{path: /c, pathType: Exact, backend: {service: {name: cart, "+
		"port: {number: 80}}}}, {path: /a,", 1))
	_, now, forms := made(t, strings.Replace(shop, "konghq.com/plugins: cors", "konghq.com/plugins: ''", 1))
	if forms.In(delivery.Remember(before), ingress("shop")) {
		t.Error("a content with more paths holds the form")
	}
	if !forms.In(delivery.Remember(now), ingress("shop")) {
		t.Error("its own content does not hold the form")
	}
}

func TestEndpointsAreNoPartOfAForm(t *testing.T) {
	slice := func(address string) string {
		return shop + `
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: cart-1, namespace: web, labels: {kubernetes.io/service-name: cart}}
addressType: IPv4
endpoints: [{addresses: ["` + address + `"]}]
ports: [{port: 80}]
`
	}
	_, before, _ := made(t, slice("10.0.0.1"))
	_, now, forms := made(t, slice("10.0.0.2"))
	if before.Digest() == now.Digest() {
		t.Fatal("the endpoints make no difference at all")
	}
	if changed := forms.Changed(delivery.Remember(before)); len(changed) > 0 {
		t.Errorf("changed: %v", changed)
	}
}

func TestLeftOutObjectsSayWhy(t *testing.T) {
	set, now, forms := made(t, shop)
	view := delivery.Assess(delivery.Input{Set: set, Forms: forms, Contents: map[int64]delivery.Remembered{1: delivery.Remember(now)}, Head: 1,
		LeftOut: map[object.Ref]delivery.LeftOut{ingress("shop"): {
			Phase: delivery.Refused, Revision: 3, Reason: "no such plugin", LastGood: true}}})
	want := delivery.State{Phase: delivery.Refused, Revision: 3, Reason: "no such plugin", LastGood: true}
	if got := view.Objects[ingress("shop")]; got != want {
		t.Errorf("%+v", got)
	}
}

func TestProblemsAreTheReasonOfWhatIsNotTranslated(t *testing.T) {
	set := &object.Set{}
	set.Add(&networking.Ingress{TypeMeta: meta.TypeMeta{Kind: "Ingress", APIVersion: "networking.k8s.io/v1"},
		ObjectMeta: meta.ObjectMeta{Namespace: "web", Name: "shop"}})
	problems := []object.Problem{{Objects: []object.Ref{ingress("shop")}, Reason: object.ReasonInvalid, Message: "it is wrong"}}
	view := delivery.Assess(delivery.Input{Set: set, Problems: problems})
	if got := view.Objects[ingress("shop")]; got.Phase != delivery.Untranslated || got.Reason != "it is wrong" {
		t.Errorf("%+v", got)
	}
}

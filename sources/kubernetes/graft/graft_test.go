package graft_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/sources/kubernetes/content"
	"github.com/silverback-gateway/silverback/sources/kubernetes/graft"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

const shop = `
_format_version: "3.0"
services:
- name: cart
  host: cart.web.80.svc
  tags: [k8s-name:cart, k8s-namespace:web, k8s-kind:Service]
  routes:
  - {name: web.shop, paths: [/cart], tags: [k8s-name:shop, k8s-namespace:web, k8s-kind:Ingress]}
  - {name: web.other, paths: [/other], tags: [k8s-name:other, k8s-namespace:web, k8s-kind:Ingress]}
upstreams:
- name: cart.web.80.svc
  tags: [k8s-name:cart, k8s-namespace:web, k8s-kind:Service]
  targets: [{target: "10.0.0.1:80"}, {target: "10.0.0.2:80"}]
plugins:
- {name: key-auth, route: web.shop, tags: [k8s-name:auth, k8s-namespace:web, k8s-kind:KongPlugin, k8s-group:configuration.konghq.com]}
- {name: cors, service: cart, tags: [k8s-name:cors, k8s-namespace:web, k8s-kind:KongPlugin, k8s-group:configuration.konghq.com]}
consumers:
- username: ann
  tags: [k8s-name:ann, k8s-namespace:web, k8s-kind:KongConsumer]
  keyauth_credentials: [{key: secret-of-ann}]
- {username: bob, tags: [k8s-name:bob, k8s-namespace:web, k8s-kind:KongConsumer]}
`

func compile(t *testing.T, texts ...string) *content.Content {
	t.Helper()
	var documents []content.Document
	for i, text := range texts {
		documents = append(documents, content.Document{Name: string(rune('a' + i)), Content: []byte(text)})
	}
	c, problems := content.Compile(documents)
	for _, p := range problems {
		t.Fatal(p)
	}
	return c
}

// names lists entities as kind and name.
func names(entities []content.Entity) string {
	var list []string
	for _, e := range entities {
		name := e.Read().Name
		if e.Kind == content.Targets {
			name = "10.0.0." + string(e.Line[strings.Index(string(e.Line), "10.0.0.")+7])
		}
		list = append(list, strings.TrimSuffix(e.Kind, "s")+" "+name)
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func ref(kind, name string) object.Ref { return object.Ref{Kind: kind, Namespace: "web", Name: name} }

const empty = `{_format_version: "3.0"}`

func TestAnObjectKeepsItsLastFormWithWhatItNeeds(t *testing.T) {
	base := compile(t, shop)
	for _, c := range []struct {
		what, now string
		objects   []object.Ref
		want      string
	}{
		{"a route with its service, the plugins of both, the upstream and its targets", empty, []object.Ref{ref("Ingress", "shop")},
			"plugin cors, plugin key-auth, route web.shop, service cart, target 10.0.0.1, target 10.0.0.2, upstream cart.web.80.svc"},
		{"a consumer with its credentials", empty, []object.Ref{ref("KongConsumer", "ann")}, "consumer ann, keyauth_credential "},
		{"what is there already stays as it is now", `{_format_version: "3.0", services: [{name: cart, host: new}]}`,
			[]object.Ref{ref("Ingress", "shop")}, "plugin key-auth, route web.shop"},
		{"an object that had no form", empty, []object.Ref{ref("Ingress", "never")}, ""},
		{"an object of another kind", empty, []object.Ref{ref("HTTPRoute", "shop")}, ""},
		{"a plugin does not bring back the route that it was on", empty, []object.Ref{ref("KongPlugin", "auth")}, ""},
		{"a plugin comes back where its route is",
			`{_format_version: "3.0", services: [{name: cart, host: h, routes: [{name: web.shop, paths: [/a]}]}]}`,
			[]object.Ref{ref("KongPlugin", "auth")}, "plugin key-auth"},
	} {
		kept := graft.Objects(graft.Contents{Base: base, New: compile(t, c.now)}, c.objects, nil)
		if got := names(kept); got != c.want {
			t.Errorf("%s: kept %s, want %s", c.what, got, c.want)
		}
		document, err := graft.Document(kept)
		if err != nil {
			t.Fatal(err)
		}
		compile(t, c.now, string(document)) // it fits
	}
}

func TestTheGraftOfAllThatWasLostIsTheOldContent(t *testing.T) {
	base := compile(t, shop)
	document, err := graft.Document(graft.Lost(graft.Contents{Base: base, New: compile(t, empty)}, nil))
	if err != nil {
		t.Fatal(err)
	}
	if got := compile(t, empty, string(document)); got.Digest() != base.Digest() {
		t.Errorf("kept %s of %s", names(got.Entities()), names(base.Entities()))
	}
}

func TestTargetsOfUpstreamsThatAreThereAreNotKept(t *testing.T) {
	now := strings.ReplaceAll(shop, `, {target: "10.0.0.2:80"}`, "")
	if kept := graft.Lost(graft.Contents{Base: compile(t, shop), New: compile(t, now)}, nil); len(kept) > 0 {
		t.Errorf("kept %s", names(kept))
	}
}

func TestAKeptUpstreamHasTheTargetsOfNow(t *testing.T) {
	current := compile(t, strings.ReplaceAll(shop, "10.0.0.1:80", "10.0.0.9:80"))
	kept := graft.Objects(graft.Contents{Base: compile(t, shop), New: compile(t, empty), Current: current},
		[]object.Ref{ref("Ingress", "shop")}, nil)
	if got := names(kept); !strings.Contains(got, "target 10.0.0.2, target 10.0.0.9") || strings.Contains(got, "10.0.0.1") {
		t.Errorf("kept %s", got)
	}
}

func TestWhatIsDroppedTakesAlongWhatNeedsIt(t *testing.T) {
	dropped := func(key content.Key) bool { return key.Kind == "services" }
	kept := graft.Objects(graft.Contents{Base: compile(t, shop), New: compile(t, empty)},
		[]object.Ref{ref("Ingress", "shop"), ref("KongConsumer", "bob")}, dropped)
	if got := names(kept); got != "consumer bob" {
		t.Errorf("kept %s", got)
	}
}

func TestALineOfADocumentIsAnEntity(t *testing.T) {
	base := compile(t, shop)
	document, err := graft.Document(base.Entities())
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(document), "\n")
	found := 0
	for i, line := range lines {
		key, ok := graft.At(document, i+1)
		if isEntity := strings.HasPrefix(line, `{"`) && i > 0; ok != isEntity {
			t.Errorf("line %d is an entity: %v", i+1, ok)
		} else if ok && !strings.Contains(line, key.ID) {
			t.Errorf("line %d is not %v", i+1, key)
		} else if ok {
			found++
		}
	}
	if found != len(base.Entities()) {
		t.Errorf("found %d of %d", found, len(base.Entities()))
	}
}

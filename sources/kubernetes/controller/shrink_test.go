package controller

import (
	"fmt"
	"strings"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/content"
	"github.com/silverback-gateway/silverback/sources/kubernetes/delivery"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
)

var noon = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)

// routesOf compiles a service with routes of namespaces.
func routesOf(t *testing.T, counts map[string]int) *content.Content {
	t.Helper()
	var text strings.Builder
	text.WriteString("{_format_version: '3.0', services: [{name: s, host: h, routes: [")
	for namespace, n := range counts {
		for i := range n {
			fmt.Fprintf(&text, "{name: %[1]s.%[2]d, paths: [/%[1]s%[2]d], tags: [k8s-kind:Ingress, k8s-name:r%[2]d, 'k8s-namespace:%[1]s']},",
				namespace, i)
		}
	}
	c, problems := content.Compile([]content.Document{{Name: "a", Content: []byte(text.String() + "]}]}")}})
	for _, p := range problems {
		t.Fatal(p)
	}
	return c
}

func namespaceOf(name string, annotations map[string]string) *core.Namespace {
	return &core.Namespace{TypeMeta: meta.TypeMeta{Kind: "Namespace", APIVersion: "v1"}, ObjectMeta: meta.ObjectMeta{Name: name,
		Annotations: annotations}}
}

func TestMoreThanHalfIsTooMuch(t *testing.T) {
	before := map[string]int{"a": 4, "b": 5} // ten entities with the service
	for _, c := range []struct {
		what  string
		left  map[string]int
		stops bool
	}{
		{"nothing goes", before, false},
		{"half goes", map[string]int{"a": 4}, false},
		{"more than half goes", map[string]int{"a": 3}, true},
	} {
		if l := losses(routesOf(t, before), routesOf(t, c.left)); l.tooMuch() != c.stops {
			t.Errorf("%s: %+v stops: %v", c.what, l, !c.stops)
		}
	}
	l := losses(routesOf(t, map[string]int{"a": 2, "b": 6}), routesOf(t, map[string]int{"a": 2}))
	if message, about := l.tell(); !l.tooMuch() || !strings.Contains(message, "6 of namespace b") || about[0].Name != "b" {
		t.Errorf("a namespace with most entities goes: %s, about %v", message, about)
	}
	if l := losses(routesOf(t, map[string]int{"a": 2}), routesOf(t, nil)); l.tooMuch() {
		t.Errorf("so few are guarded: %+v", l)
	}
}

func TestWhatAllowsALoss(t *testing.T) {
	all := loss{all: 10, gone: 9, by: map[string]int{"a": 7, "b": 2}}
	for _, c := range []struct {
		what    string
		objects []object.Object
		flag    bool
		covers  bool
	}{
		{"nobody", nil, false, false},
		{"the flag", nil, true, true},
		{"the namespace that most comes from", []object.Object{namespaceOf("a", map[string]string{AllowShrink: "true"})}, false, true},
		{"a namespace that little comes from", []object.Object{namespaceOf("b", map[string]string{AllowShrink: "true"})}, false, false},
		{"a namespace that says no", []object.Object{namespaceOf("a", map[string]string{AllowShrink: "false"})}, false, false},
		{"a time to come", []object.Object{namespaceOf("a", map[string]string{AllowShrink: "2026-12-01T13:00:00Z"})}, false, true},
		{"a time that is over", []object.Object{namespaceOf("a", map[string]string{AllowShrink: "2026-12-01T11:00:00Z"})}, false, false},
		{"the class, for the namespace", []object.Object{classOf("kong", "x, a")}, false, true},
		{"the class, for another namespace", []object.Object{classOf("kong", "b")}, false, false},
		{"the class, for everything", []object.Object{classOf("kong", "true")}, false, true},
		{"the class of somebody else", []object.Object{classOf("nginx", "true")}, false, false},
	} {
		set := &object.Set{}
		for _, obj := range c.objects {
			set.Add(obj)
		}
		if got := allowed(set, "kong", "example.com/controller", c.flag, noon); got.covers(all) != c.covers {
			t.Errorf("%s: %+v covers it: %v", c.what, got, !c.covers)
		}
	}
}

func classOf(name, value string) *networking.IngressClass {
	return &networking.IngressClass{TypeMeta: meta.TypeMeta{Kind: "IngressClass", APIVersion: "networking.k8s.io/v1"},
		ObjectMeta: meta.ObjectMeta{Name: name, Annotations: map[string]string{AllowShrink: value}}}
}

func TestTheLargestContentCountsForTheWindow(t *testing.T) {
	var h history
	large, small := routesOf(t, map[string]int{"a": 9}), routesOf(t, map[string]int{"a": 5})
	h.add(large, noon)
	h.add(small, noon.Add(time.Minute))
	h.add(routesOf(t, map[string]int{"a": 4}), noon.Add(2*time.Minute))
	if got := h.contents(noon.Add(5 * time.Minute)); len(got) != 2 || got[1] != large {
		t.Errorf("within the window %d contents count", len(got))
	}
	if got := h.contents(noon.Add(12 * time.Minute)); len(got) != 1 {
		t.Errorf("after the window %d contents count", len(got))
	}
}

func TestAMessageCarriesWhatIsLeftOut(t *testing.T) {
	shop, service := ingressRef("web/shop"), object.Ref{Kind: "Service", Namespace: "web", Name: "cart"}
	b := broken{
		shop: {phase: delivery.RolledBack, revision: 7, reason: "slow", with: []object.Ref{shop, service}, identity: "0123456789abcdef"},
		// What the translator refuses is not carried, nor is what the translation says again each time.
		ingressRef("web/a"): {phase: delivery.Refused, with: []object.Ref{ingressRef("web/a")}, identity: "1", until: noon},
		ingressRef("web/b"): {phase: delivery.Untranslated},
	}
	got := remembered("kubernetes: changed Ingress/web/shop" + b.trailers(common))
	if len(got) != 1 || got[shop].phase != delivery.RolledBack || got[shop].revision != 7 || got[shop].identity != "0123456789abcdef" ||
		fmt.Sprint(got[shop].with) != fmt.Sprint(b[shop].with) {
		t.Errorf("%q is read as %+v", b.trailers(common), got)
	}
	for _, text := range []string{"", "Left-Out: x", "Left-Out: a/b/c/d Refused x y", "Left-Out: a/b/c/d Programmed 1 y"} {
		if got := remembered(text); len(got) > 0 {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}

func TestAnObjectIsTriedAgainWhenItChanges(t *testing.T) {
	m := newMemory()
	m.apply(t, service("web", "10.0.0.1"), ingress("web/shop", "/shop"))
	set := m.Read().set
	shop := ingressRef("web/shop")
	with := []object.Ref{shop, {Kind: "Service", Namespace: "web", Name: "cart"}}
	remember := func() broken {
		return broken{shop: {phase: delivery.Refused, with: with, identity: identity(set, with)}}
	}
	for _, c := range []struct {
		what  string
		apply string
		kept  bool
	}{
		{"its endpoints change", service("web", "10.0.0.2"), true},
		{"another one changes", ingress("web/other", "/other"), true},
		{"it changes", ingress("web/shop", "/bag"), false},
		{"an annotation of it changes", ingress("web/shop", "/shop", "konghq.com/tags: x"), false},
		{"its Service changes", strings.Replace(service("web", "10.0.0.1"), "port: 80}]}", "port: 81}]}", 1), false},
	} {
		m := newMemory()
		m.apply(t, service("web", "10.0.0.1"), ingress("web/shop", "/shop"), c.apply)
		b := remember()
		if b.prune(m.Read().set, noon); (len(b) == 1) != c.kept {
			t.Errorf("%s: it is left out: %v", c.what, !c.kept)
		}
	}
}

func TestAPluginThatIsWrongTakesItsRouteAlong(t *testing.T) {
	m := newMemory()
	bad := "{apiVersion: configuration.konghq.com/v1, kind: KongPlugin, metadata: {namespace: web, name: auth}, plugin: key-auth, config: 1}"
	good := strings.Replace(bad, ", config: 1", "", 1)
	m.apply(t, service("web", "10.0.0.1"), good, ingress("web/shop", "/shop", "konghq.com/plugins: auth"), ingress("web/other", "/other"))
	p := planner{options: translate.Options{}, broken: broken{}}
	before, err := p.plan(m.Read(), noon)
	if err != nil {
		t.Fatal(err)
	}
	m.apply(t, bad, ingress("web/shop", "/new", "konghq.com/plugins: auth"))
	p.base = before.content
	after, err := p.plan(m.Read(), noon)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, e := range after.content.Entities() {
		text.Write(e.Line)
	}
	for what, want := range map[string]bool{`~/shop$`: true, `~/other$`: true, `~/new$`: false, `"key-auth"`: true} {
		if strings.Contains(text.String(), what) != want {
			t.Errorf("%s is there: %v", what, !want)
		}
	}
	if got := after.leftOut[ingressRef("web/shop")]; got.Phase != delivery.Refused || !got.LastGood {
		t.Errorf("the route is %+v", got)
	}
}

package status_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/delivery"
	"github.com/silverback-gateway/silverback/sources/kubernetes/kongcrd"
	"github.com/silverback-gateway/silverback/sources/kubernetes/manifest"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/status"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
)

const shop = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: kong, generation: 3}
spec: {controllerName: example.com/ours}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: web, generation: 2}
spec:
  gatewayClassName: kong
  listeners:
  - {name: http, port: 80, protocol: HTTP}
  - {name: secure, port: 443, protocol: HTTPS, hostname: a.example.com, tls: {certificateRefs: [{name: missing}]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: cart, namespace: web, generation: 5}
spec: {parentRefs: [{name: edge, sectionName: http}], rules: [{backendRefs: [{name: s, port: 80}]}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: secured, namespace: web}
spec: {parentRefs: [{name: edge, sectionName: secure}], rules: [{backendRefs: [{name: none, port: 80}]}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: mirrored, namespace: web}
spec:
  parentRefs: [{name: edge, sectionName: http}, {name: edge, port: 81}, {name: unknown}]
  rules: [{filters: [{type: RequestMirror, requestMirror: {backendRef: {name: s, port: 80}}}], backendRefs: [{name: s, port: 80}]}]
---
apiVersion: v1
kind: Service
metadata: {name: s, namespace: web}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: proxy, namespace: kong}
spec: {type: LoadBalancer, ports: [{port: 443}]}
status: {loadBalancer: {ingress: [{ip: 192.0.2.1}, {hostname: lb.example.com}]}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop, namespace: web}
spec: {ingressClassName: kong, rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: s, port: {number: 80}}}}]}}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: theirs, namespace: web}
spec: {ingressClassName: nginx, rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: s, port: {number: 80}}}}]}}]}
---
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: limit, namespace: web, generation: 9}
plugin: rate-limiting
---
apiVersion: configuration.konghq.com/v1
kind: KongConsumer
metadata: {name: anna, namespace: web, annotations: {kubernetes.io/ingress.class: kong}}
username: anna
---
apiVersion: configuration.konghq.com/v1
kind: KongConsumer
metadata: {name: theirs, namespace: web, annotations: {kubernetes.io/ingress.class: nginx}}
username: theirs
---
apiVersion: configuration.konghq.com/v1beta1
kind: KongUpstreamPolicy
metadata: {name: policy, namespace: web}
spec: {algorithm: latency}
---
apiVersion: v1
kind: Service
metadata: {name: balanced, namespace: web, annotations: {konghq.com/upstream-policy: policy}}
spec: {ports: [{port: 80}]}
`

var (
	now     = time.Unix(1_800_000_000, 0)
	cart    = object.Ref{Group: gateway.GroupName, Kind: "HTTPRoute", Namespace: "web", Name: "cart"}
	ingress = object.Ref{Group: "networking.k8s.io", Kind: "Ingress", Namespace: "web", Name: "shop"}
	plugin  = object.Ref{Group: kongcrd.Group, Kind: kongcrd.KindPlugin, Namespace: "web", Name: "limit"}
)

func read(t *testing.T, text string) *object.Set {
	t.Helper()
	set := &object.Set{}
	if _, err := manifest.Read("input", strings.NewReader(text), set); err != nil {
		t.Fatal(err)
	}
	manifest.FillDefaults(set)
	return set
}

func settings() status.Options {
	return status.Options{
		Translate: translate.Options{GatewayController: "example.com/ours", Attach: true}, Source: "edge/cluster", Now: now,
		Publish: []object.Ref{{Kind: "Service", Namespace: "kong", Name: "proxy"}},
	}
}

// lines are the conditions of a plan, one a line.
func lines(updates []status.Update) string {
	var text strings.Builder
	add := func(of string, conditions []meta.Condition) {
		for _, c := range conditions {
			fmt.Fprintf(&text, "%s: %s %s %s: %s\n", of, c.Type, c.Status, c.Reason, c.Message)
		}
	}
	for _, u := range updates {
		name := object.RefOf(u.Object).String()
		add(name, u.Status.Conditions)
		for _, l := range u.Status.Listeners {
			add(fmt.Sprintf("%s %s (%d)", name, l.Name, l.AttachedRoutes), l.Conditions)
		}
		for _, p := range u.Status.Parents {
			add(fmt.Sprintf("%s at %s", name, p.ParentRef.Name), p.Conditions)
		}
		for _, a := range u.Status.Ancestors {
			add(fmt.Sprintf("%s for %s", name, a.AncestorRef.Name), a.Conditions)
		}
		for _, address := range u.Status.Addresses {
			fmt.Fprintf(&text, "%s: %s %s\n", name, *address.Type, address.Value)
		}
		for _, address := range u.Status.LoadBalancer {
			fmt.Fprintf(&text, "%s: %s%s\n", name, address.IP, address.Hostname)
		}
	}
	return text.String()
}

// TestStatuses plans for objects of every kind while a revision moves.
func TestStatuses(t *testing.T) {
	set := read(t, shop)
	options := settings()
	view := proven(set, options.Translate)
	view.Objects[cart] = delivery.State{
		Phase: delivery.Rolling, Revision: 13, Serving: 3, Online: 12, Reason: "3/12 gateways; soaks until 10:00", LastGood: true,
	}
	want := `Gateway/web/edge: Accepted True Accepted: all listeners are accepted
Gateway/web/edge: ResolvedRefs False ListenersNotResolved: the listener secure: there is no Secret web/missing with a certificate
Gateway/web/edge: Programmed True Programmed: the gateways serve it
Gateway/web/edge http (1): Accepted True Accepted: the listener is accepted
Gateway/web/edge http (1): Conflicted False NoConflicts: no other listener conflicts
Gateway/web/edge http (1): ResolvedRefs True ResolvedRefs: all references are resolved
Gateway/web/edge http (1): Programmed True Programmed: the gateways serve it
Gateway/web/edge secure (1): Accepted True Accepted: the listener is accepted
Gateway/web/edge secure (1): Conflicted False NoConflicts: no other listener conflicts
Gateway/web/edge secure (1): ResolvedRefs False InvalidCertificateRef: there is no Secret web/missing with a certificate
Gateway/web/edge secure (1): Programmed False Invalid: there is no Secret web/missing with a certificate
Gateway/web/edge: IPAddress 192.0.2.1
Gateway/web/edge: Hostname lb.example.com
HTTPRoute/web/cart at edge: Accepted True Accepted: the route is attached
HTTPRoute/web/cart at edge: ResolvedRefs True ResolvedRefs: all references are resolved
HTTPRoute/web/cart at edge: Programmed False Pending: revision 13: 3/12 gateways; soaks until 10:00; its last good form is served meanwhile
HTTPRoute/web/mirrored at edge: Accepted False UnsupportedValue: MIRRORED
HTTPRoute/web/mirrored at edge: ResolvedRefs True ResolvedRefs: all references are resolved
HTTPRoute/web/mirrored at edge: Programmed False UnsupportedValue: MIRRORED
HTTPRoute/web/mirrored at edge: Accepted False NoMatchingParent: the listener http: the route names another port
HTTPRoute/web/mirrored at edge: ResolvedRefs True ResolvedRefs: all references are resolved
HTTPRoute/web/mirrored at edge: Programmed False NoMatchingParent: the listener http: the route names another port
HTTPRoute/web/secured at edge: Accepted True Accepted: the route is attached
HTTPRoute/web/secured at edge: ResolvedRefs False BackendNotFound: there is no Service web/none
HTTPRoute/web/secured at edge: Programmed False InvalidCertificateRef: the listener secure: it has no certificate
KongPlugin/web/limit: Programmed False Pending: nothing that gateways serve uses it (edge/cluster)
KongUpstreamPolicy/web/policy for balanced: Accepted True Accepted: the policy applies
KongUpstreamPolicy/web/policy for balanced: Programmed False Pending: nothing that gateways serve uses it
GatewayClass/kong: Accepted True Accepted: the controller takes Gateways of this class
Ingress/web/shop: 192.0.2.1
Ingress/web/shop: lb.example.com
KongConsumer/web/anna: Programmed True Programmed: revision 7 is proven on 3/3 gateways
`
	const mirrored = "the rules behind httproute.web.mirrored.0: the filter RequestMirror has no equivalent"
	want = strings.ReplaceAll(want, "MIRRORED", mirrored)
	if got := lines(status.Plan(set, view, options).Updates); got != want {
		t.Errorf("plan:\n%s", got)
	}
}

// TestProgrammedSaysHowFarAnObjectHasCome goes through the phases, for a route and for an object of Kong's own kinds.
func TestProgrammedSaysHowFarAnObjectHasCome(t *testing.T) {
	for _, c := range []struct {
		state              delivery.State
		route, kong, words string
	}{
		{
			delivery.State{Phase: delivery.Programmed, Revision: 12, Serving: 12, Online: 12}, "True ConfiguredInGateway", "True Programmed",
			"revision 12 is proven on 12/12 gateways",
		},
		{
			delivery.State{Phase: delivery.Rolling, Revision: 13, Serving: 3, Online: 12, Reason: "3/12 gateways"}, "False Pending", "False Pending",
			"revision 13: 3/12 gateways",
		},
		{delivery.State{Phase: delivery.Pending}, "False Pending", "False Pending", "it waits for the next revision"},
		{
			delivery.State{Phase: delivery.RolledBack, Revision: 13, Reason: "error ratio 7 %, allowed 1 %"}, "False RolledBack", "False RolledBack",
			"revision 13 was rolled back: error ratio 7 %, allowed 1 %",
		},
		{
			delivery.State{Phase: delivery.Refused, Reason: "config.minute: expected a number", LastGood: true}, "False TranslationError",
			"False Invalid", "refused: config.minute: expected a number; its last good form is served meanwhile",
		},
		{
			delivery.State{Phase: delivery.Held, Reason: "the shrink guard stopped it"}, "False Held", "False Held",
			"held: the shrink guard stopped it",
		},
	} {
		set := read(t, shop)
		options := settings()
		view := proven(set, options.Translate)
		view.Objects[cart], view.Objects[plugin] = c.state, c.state
		got := lines(status.Plan(set, view, options).Updates)
		for _, want := range []string{
			"HTTPRoute/web/cart at edge: Programmed " + c.route + ": " + c.words + "\n",
			"KongPlugin/web/limit: Programmed " + c.kong + ": " + c.words + " (edge/cluster)\n",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("%s is not in\n%s", want, got)
			}
		}
	}
}

// TestOnlyWhatDiffersIsWritten writes a plan into the objects and plans again.
func TestOnlyWhatDiffersIsWritten(t *testing.T) {
	set := read(t, shop)
	options := settings()
	view := proven(set, options.Translate)
	theirs := gateway.RouteParentStatus{
		ParentRef: gateway.ParentReference{Name: "foreign"}, ControllerName: "example.com/theirs",
		Conditions: []meta.Condition{{Type: "Accepted", Status: meta.ConditionTrue, Reason: "Accepted"}},
	}
	route, _ := object.Get[*gateway.HTTPRoute](set, "HTTPRoute", "web", "cart")
	route.Status.Parents = []gateway.RouteParentStatus{theirs}
	first := status.Plan(set, view, options)
	for _, u := range first.Updates {
		apply(t, u)
	}
	if len(route.Status.Parents) != 2 || route.Status.Parents[0].ControllerName != "example.com/theirs" {
		t.Fatalf("the entry of another controller is gone: %+v", route.Status.Parents)
	}
	transition := route.Status.Parents[1].Conditions[2].LastTransitionTime
	options.Now = now.Add(time.Hour)
	if again := status.Plan(set, view, options); len(again.Updates) > 0 {
		t.Errorf("planned again:\n%s%s", lines(again.Updates), again.Updates[0].Patch)
	}

	state := view.Objects[cart]
	state.Revision = 8 // the message changes, the status does not
	view.Objects[cart] = state
	updates := status.Plan(set, view, options).Updates
	if len(updates) != 1 || updates[0].Turns {
		t.Fatalf("%d updates:\n%s", len(updates), lines(updates))
	}
	apply(t, updates[0])
	if got := route.Status.Parents[1].Conditions[2]; got.LastTransitionTime != transition || !strings.Contains(got.Message, "revision 8") {
		t.Errorf("the transition of %+v was at %s", got, transition)
	}

	state.Phase = delivery.RolledBack
	view.Objects[cart] = state
	apply(t, status.Plan(set, view, options).Updates[0])
	if got := route.Status.Parents[1].Conditions[2]; !got.LastTransitionTime.Time.Equal(options.Now) || got.ObservedGeneration != 5 {
		t.Errorf("a transition: %+v", got)
	}

	route.Spec.ParentRefs = nil
	for _, u := range only(status.Plan(set, view, options).Updates, cart) {
		apply(t, u)
	}
	if len(route.Status.Parents) != 1 || route.Status.Parents[0].ControllerName != "example.com/theirs" {
		t.Errorf("without our parent: %+v", route.Status.Parents)
	}

	route.Status.Parents[0].ControllerName = "example.com/ours"
	route.Status.Parents[0].Conditions[0].ObservedGeneration = 6
	route.Status.Parents[0].ParentRef = gateway.ParentReference{
		Group: new(gateway.Group(gateway.GroupName)), Kind: new(gateway.Kind("Gateway")), Name: "edge",
	}
	route.Spec.ParentRefs = []gateway.ParentReference{route.Status.Parents[0].ParentRef}
	for _, u := range status.Plan(set, view, options).Updates {
		if u.Object == object.Object(route) {
			t.Errorf("a stale plan wrote over a newer generation: %s", u.Patch)
		}
	}
}

// apply merges the patch of an update into its object, as an API server does for its top fields.
func apply(t testing.TB, u status.Update) {
	t.Helper()
	var patch struct{ Status json.RawMessage }
	if err := json.Unmarshal(u.Patch, &patch); err != nil {
		t.Fatal(err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(patch.Status, &fields); err != nil {
		t.Fatal(err)
	}
	var whole map[string]json.RawMessage
	text, _ := json.Marshal(u.Object)
	_ = json.Unmarshal(text, &whole)
	var is map[string]json.RawMessage
	_ = json.Unmarshal(whole["status"], &is)
	if is == nil {
		is = map[string]json.RawMessage{}
	}
	for name, value := range fields {
		is[name] = value
	}
	whole["status"], _ = json.Marshal(is)
	text, _ = json.Marshal(whole)
	switch obj := u.Object.(type) {
	case *gateway.Gateway:
		obj.Status = gateway.GatewayStatus{}
	case *gateway.HTTPRoute:
		obj.Status = gateway.HTTPRouteStatus{}
	}
	if err := json.Unmarshal(text, u.Object); err != nil {
		t.Fatal(err)
	}
}

// TestAnIngressKeepsItsAddresses gives an Ingress addresses when a form of it is proven, and never takes them away.
func TestAnIngressKeepsItsAddresses(t *testing.T) {
	options := settings()
	for _, c := range []struct {
		what  string
		state delivery.State
		wants bool
	}{
		{"while nothing is proven", delivery.State{Phase: delivery.Rolling, Serving: 1, Online: 2}, false},
		{"when it is proven", delivery.State{Phase: delivery.Programmed, Serving: 2, Online: 2}, true},
		{"while an earlier form is served", delivery.State{Phase: delivery.Refused, LastGood: true}, true},
	} {
		set := read(t, shop)
		view := proven(set, options.Translate)
		view.Objects[ingress] = c.state
		if got := strings.Contains(lines(status.Plan(set, view, options).Updates), "Ingress/web/shop: 192.0.2.1"); got != c.wants {
			t.Errorf("%s: addresses: %v", c.what, got)
		}
	}
	set := read(t, shop)
	view := proven(set, options.Translate)
	obj, _ := object.Get[*networking.Ingress](set, "Ingress", "web", "shop")
	obj.Status.LoadBalancer.Ingress = []networking.IngressLoadBalancerIngress{{IP: "192.0.2.9"}}
	view.Objects[ingress] = delivery.State{Phase: delivery.Refused}
	options.Publish = []object.Ref{{Kind: "Service", Namespace: "kong", Name: "none"}}
	if got := lines(status.Plan(set, view, options).Updates); strings.Contains(got, "Ingress/") {
		t.Errorf("addresses were taken away:\n%s", got)
	}
}

// TestAPluginOfSeveralControllers leaves alone what another controller says of a plugin that ours does not use.
func TestAPluginOfSeveralControllers(t *testing.T) {
	options := settings()
	for _, c := range []struct {
		what, said string
		writes     bool
	}{
		{"nobody said anything", "", true},
		{"another source said something", "revision 3 is proven on 2/2 gateways (edge/other)", false},
		{"this source said something", "revision 3 is proven on 2/2 gateways (edge/cluster)", true},
	} {
		set := read(t, shop)
		obj, _ := object.Get[*kongcrd.Plugin](set, kongcrd.KindPlugin, "web", "limit")
		if c.said != "" {
			obj.Status.Conditions = []meta.Condition{{Type: "Programmed", Status: meta.ConditionTrue, Reason: "Programmed", Message: c.said}}
		}
		got := lines(status.Plan(set, proven(set, options.Translate), options).Updates)
		if strings.Contains(got, "KongPlugin/web/limit") != c.writes {
			t.Errorf("%s:\n%s", c.what, got)
		}
	}
}

// TestGatewaysOutOfReach looks at what a Gateway says of addresses and of gateways that are not there.
func TestGatewaysOutOfReach(t *testing.T) {
	for what, c := range map[string]struct {
		addresses string
		change    func(*status.Options, *delivery.View)
		want      string
	}{
		"an address of ours":     {addresses: "[{value: 192.0.2.1}]", want: "True Programmed"},
		"any name":               {addresses: "[{type: Hostname}]", want: "True Programmed"},
		"an address of nobody's": {addresses: "[{value: 192.0.2.7}]", want: "False AddressNotUsable"},
		"no address yet": {
			change: func(o *status.Options, _ *delivery.View) { o.Publish[0].Name = "none" }, want: "False AddressNotAssigned",
		},
		"nobody says where": {change: func(o *status.Options, _ *delivery.View) { o.Publish = nil }, want: "True Programmed"},
		"no gateway": {
			change: func(_ *status.Options, v *delivery.View) { v.Source = delivery.State{Phase: delivery.Rolling} }, want: "False Pending",
		},
		"nothing was taken back": {
			change: func(_ *status.Options, v *delivery.View) { v.Source = delivery.State{Phase: delivery.RolledBack} }, want: "False RolledBack",
		},
	} {
		set := read(t, shop)
		g, _ := object.Get[*gateway.Gateway](set, "Gateway", "web", "edge")
		if c.addresses != "" {
			g.Spec.Addresses = read(t, strings.Replace(shop, "  gatewayClassName: kong", "  gatewayClassName: kong\n  addresses: "+c.addresses, 1)).
				All()[0].(*gateway.Gateway).Spec.Addresses
		}
		options := settings()
		view := proven(set, options.Translate)
		if c.change != nil {
			c.change(&options, &view)
		}
		if got := lines(status.Plan(set, view, options).Updates); !strings.Contains(got, "Gateway/web/edge: Programmed "+c.want) {
			t.Errorf("%s: want %s in\n%s", what, c.want, got)
		}
	}
}

// TestEvents tells what is news, and tells it once.
func TestEvents(t *testing.T) {
	set := read(t, shop)
	options := settings()
	before := proven(set, options.Translate)
	view := proven(set, options.Translate)
	view.Objects[cart] = delivery.State{Phase: delivery.RolledBack, Revision: 8, Reason: "a probe failed"}
	view.Objects[ingress] = delivery.State{Phase: delivery.Programmed, Revision: 9, Serving: 3, Online: 3}
	view.Problems = append(slices.Clone(view.Problems), object.Problem{
		Objects: []object.Ref{plugin}, Reason: object.ReasonInvalid, Message: strings.Repeat("long ", 1000),
	})
	view.Notices = []delivery.Notice{{
		Reason: delivery.ShrinkHeld, Message: "a half of all routes is gone", Objects: []object.Ref{{Kind: "Namespace", Name: "gone"}},
	}}
	options.Before = &before
	var got []string
	for _, e := range status.Plan(set, view, options).Events {
		if len(e.Note) > 1024 {
			t.Errorf("a note of %d bytes", len(e.Note))
		}
		note, _, _ := strings.Cut(e.Note, " long")
		got = append(got, fmt.Sprintf("%s %s %s: %s", e.About, e.Kind, e.Reason, note))
	}
	want := []string{
		"HTTPRoute/web/cart Warning RolledBack: revision 8 was rolled back: a probe failed",
		"Ingress/web/shop Normal Programmed: revision 9 is proven on 3/3 gateways",
		"KongPlugin/web/limit Warning Invalid: long",
		"Namespace/gone Warning ShrinkHeld: a half of all routes is gone",
	}
	if !slices.Equal(got, want) {
		t.Errorf("events:\n%s", strings.Join(got, "\n"))
	}
	options.Before = &view
	if again := status.Plan(set, view, options).Events; len(again) > 0 {
		t.Errorf("told again: %+v", again)
	}
}

// TestFeaturesAreSorted looks at what a GatewayClass declares.
func TestFeaturesAreSorted(t *testing.T) {
	for _, expressions := range []bool{false, true} {
		listed := status.Features(expressions)
		if !slices.IsSortedFunc(listed, func(a, b gateway.SupportedFeature) int { return strings.Compare(string(a.Name), string(b.Name)) }) {
			t.Errorf("%v", listed)
		}
	}
}

// TestAClassSaysWhatItCannotTake has a class with parameters, and definitions of another version.
func TestAClassSaysWhatItCannotTake(t *testing.T) {
	for _, c := range []struct{ parameters, version, want string }{
		{"", "v1.6.0", "Accepted True Accepted|SupportedVersion True SupportedVersion"},
		{"", "v1.7.0", "Accepted True Accepted|SupportedVersion False UnsupportedVersion"},
		{", parametersRef: {group: example.com, kind: Parameters, name: some}", "", "Accepted False InvalidParameters"},
	} {
		set := read(t, strings.Replace(shop, "{controllerName: example.com/ours}", "{controllerName: example.com/ours"+c.parameters+"}", 1))
		options := settings()
		if c.version != "" {
			options.BundleVersions = []string{c.version}
		}
		got := lines(status.Plan(set, proven(set, options.Translate), options).Updates)
		for want := range strings.SplitSeq(c.want, "|") {
			if !strings.Contains(got, "GatewayClass/kong: "+want) {
				t.Errorf("%s is not in\n%s", want, got)
			}
		}
		if c.parameters != "" && !strings.Contains(got, "Gateway/web/edge: Accepted False InvalidParameters") {
			t.Errorf("a Gateway of a class that is not accepted:\n%s", got)
		}
	}
}

// TestARouteThatIsPartlyLeftOut has a rule with a filter that has no equivalent beside one that works, and loses the condition with it.
func TestARouteThatIsPartlyLeftOut(t *testing.T) {
	const (
		works  = "rules: [{backendRefs: [{name: s, port: 80}]}" // the first of the shop
		mirror = "{filters: [{type: RequestMirror, requestMirror: {backendRef: {name: s, port: 80}}}], backendRefs: [{name: s, port: 81}]}"
	)
	set := read(t, strings.Replace(shop, works, works+", "+mirror, 1))
	options := settings()
	view := proven(set, options.Translate)
	updates := only(status.Plan(set, view, options).Updates, cart)
	got := lines(updates)
	for _, want := range []string{
		"Accepted True Accepted", "Programmed True ConfiguredInGateway", "PartiallyInvalid True UnsupportedValue: Dropped Rule: ",
	} {
		if !strings.Contains(got, "HTTPRoute/web/cart at edge: "+want) {
			t.Errorf("%s is not in\n%s", want, got)
		}
	}
	apply(t, updates[0])
	view.Problems = nil
	for _, u := range only(status.Plan(set, view, options).Updates, cart) {
		apply(t, u)
	}
	route, _ := object.Get[*gateway.HTTPRoute](set, "HTTPRoute", "web", "cart")
	for _, c := range route.Status.Parents[0].Conditions {
		if c.Type == "PartiallyInvalid" {
			t.Errorf("it stays: %+v", c)
		}
	}
}

// TestARouteThatSomeListenersServe is attached to a listener that serves and to one without a certificate.
func TestARouteThatSomeListenersServe(t *testing.T) {
	set := read(t, strings.Replace(shop, "[{name: edge, sectionName: http}], rules", "[{name: edge}], rules", 1))
	options := settings()
	got := lines(only(status.Plan(set, proven(set, options.Translate), options).Updates, cart))
	want := "Programmed True ConfiguredInGateway: revision 7 is proven on 3/3 gateways; it is not served everywhere: " +
		"the listener secure: it has no certificate\n"
	if !strings.Contains(got, want) {
		t.Errorf("%s is not in\n%s", want, got)
	}
}

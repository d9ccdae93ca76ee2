package translate_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/sources/kubernetes/manifest"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
)

const gateways = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: ours}
spec: {controllerName: example.com/ours}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: theirs}
spec: {controllerName: example.com/theirs}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: infra}
spec:
  gatewayClassName: ours
  allowedListeners: {namespaces: {from: Selector, selector: {matchLabels: {sets: "yes"}}}}
  listeners:
  - {name: own, port: 80, protocol: HTTP}
  - {name: all, port: 81, protocol: HTTP, hostname: "*.example.com", allowedRoutes: {namespaces: {from: All}}}
  - {name: grpc, port: 82, protocol: HTTP, allowedRoutes: {namespaces: {from: All}, kinds: [{kind: GRPCRoute}]}}
  - {name: labelled, port: 83, protocol: HTTP, allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {shop: "yes"}}}}}
  - {name: secure, port: 443, protocol: HTTPS, allowedRoutes: {namespaces: {from: All}}, tls: {certificateRefs: [{name: missing}]}}
  - {name: streams, port: 9000, protocol: TCP, allowedRoutes: {namespaces: {from: All}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: foreign, namespace: infra}
spec:
  gatewayClassName: theirs
  listeners: [{name: all, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: more, namespace: sets}
spec:
  parentRef: {name: edge, namespace: infra}
  listeners: [{name: set, port: 84, protocol: HTTP, hostname: set.example.org, allowedRoutes: {namespaces: {from: All}}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: refused, namespace: web}
spec:
  parentRef: {name: edge, namespace: infra}
  listeners: [{name: set, port: 85, protocol: HTTP}]
---
apiVersion: v1
kind: Namespace
metadata: {name: sets, labels: {sets: "yes"}}
---
apiVersion: v1
kind: Service
metadata: {name: s, namespace: web}
spec: {ports: [{port: 80}]}
---
`

// TestOnlyRoutesThatAListenerTakesAreTranslated attaches one route at a time.
func TestOnlyRoutesThatAListenerTakesAreTranslated(t *testing.T) {
	for what, c := range map[string]struct {
		parent, hosts string
		labels        string   // of the route's namespace
		want          []string // the hosts of the route; nil where it is refused
		why           string
	}{
		"any host that a listener has": {parent: "{name: edge, namespace: infra, sectionName: all}", want: []string{"*.example.com"}},
		"hosts that a listener has": {
			parent: "{name: edge, namespace: infra}", hosts: "a.example.com, b.org", want: []string{"a.example.com"},
		},
		"the port of a listener": {parent: "{name: edge, namespace: infra, port: 81}", want: []string{"*.example.com"}},
		"a listener of a set":    {parent: "{kind: ListenerSet, name: more, namespace: sets}", want: []string{"set.example.org"}},
		"a labelled namespace": {
			parent: "{name: edge, namespace: infra, sectionName: labelled}", labels: "shop: 'yes'", want: []string{},
		},
		"no host that a listener has": {
			parent: "{name: edge, namespace: infra, sectionName: all}", hosts: "b.org", why: "it has none of the hosts",
		},
		"a listener of its namespace only": {parent: "{name: edge, namespace: infra, sectionName: own}", why: "no routes of this namespace"},
		"a namespace without the label":    {parent: "{name: edge, namespace: infra, sectionName: labelled}", why: "no routes of this namespace"},
		"a listener for another kind":      {parent: "{name: edge, namespace: infra, sectionName: grpc}", why: "no routes of this kind"},
		"another protocol":                 {parent: "{name: edge, namespace: infra, sectionName: streams}", why: "another protocol"},
		"another port":                     {parent: "{name: edge, namespace: infra, port: 99}", why: "the route names another port"},
		"a listener without certificate":   {parent: "{name: edge, namespace: infra, sectionName: secure}", why: "it has no certificate"},
		"a Gateway of another controller":  {parent: "{name: foreign, namespace: infra}", why: "names no Gateway of ours"},
		"a Gateway that is not there":      {parent: "{name: none}", why: "names no Gateway of ours"},
		"a set that its Gateway refuses":   {parent: "{kind: ListenerSet, name: refused}", why: "allows no ListenerSets of this namespace"},
	} {
		set := objects(t, gateways+`
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r, namespace: web}
spec: {parentRefs: [`+c.parent+`], hostnames: [`+c.hosts+`], rules: [{backendRefs: [{name: s, port: 80}]}]}
---
apiVersion: v1
kind: Namespace
metadata: {name: web, labels: {`+c.labels+`}}
`)
		manifest.FillDefaults(set)
		result := translate.Translate(set, translate.Options{Attach: true, GatewayController: "example.com/ours"})
		attached := len(result.Config.Services) == 1
		if attached != (c.want != nil) {
			t.Errorf("%s: %d services, problems:\n%s", what, len(result.Config.Services), said(result.Problems))
			continue
		}
		if attached {
			if hosts := result.Config.Services[0].Routes[0].Hosts; !slices.Equal(hosts, c.want) {
				t.Errorf("%s: hosts %v, want %v", what, hosts, c.want)
			}
		} else if text := said(result.Problems); !strings.Contains(text, "NotAttached [HTTPRoute/web/r]: ") || !strings.Contains(text, c.why) {
			t.Errorf("%s: problems:\n%s", what, text)
		}
	}
}

// TestBrokenObjectsCostWhatDependsOnThemOnly breaks a Secret: its plugin and what that is attached to go, and nothing else.
func TestBrokenObjectsCostWhatDependsOnThemOnly(t *testing.T) {
	set := objects(t, `
apiVersion: v1
kind: Secret
metadata: {name: config, namespace: web}
---
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: p, namespace: web}
plugin: cors
configFrom: {secretKeyRef: {name: config, key: k}}
---
apiVersion: v1
kind: Service
metadata: {name: with, namespace: web, annotations: {konghq.com/plugins: p}}
---
apiVersion: v1
kind: Service
metadata: {name: without, namespace: web}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: i, namespace: web}
spec: {ingressClassName: kong, rules: [{http: {paths: [{backend: {service: {name: with, port: {number: 80}}}}]}}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: other, namespace: web}
spec: {ingressClassName: kong, rules: [{http: {paths: [{backend: {service: {name: without, port: {number: 80}}}}]}}]}
`)
	left, problems := translate.Without(set, []object.Ref{
		{Kind: "Secret", Namespace: "web", Name: "config"}, {Kind: "Secret", Namespace: "web", Name: "unknown"},
	})
	var names []string
	for _, obj := range left.All() {
		names = append(names, object.RefOf(obj).String())
	}
	if got := strings.Join(names, " "); got != "Ingress/web/other Service/web/without" {
		t.Errorf("left are %s", got)
	}
	if set.Len() != 6 {
		t.Errorf("the set itself has %d objects", set.Len())
	}
	want := `Broken [Ingress/web/i]: it depends on Secret/web/config, which a gateway refused
Broken [KongPlugin/web/p]: it depends on Secret/web/config, which a gateway refused
Broken [Secret/web/config]: a gateway refused it
Broken [Service/web/with]: it depends on Secret/web/config, which a gateway refused
`
	if got := said(problems); got != want {
		t.Errorf("problems:\n%s", got)
	}
}

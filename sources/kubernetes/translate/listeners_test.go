package translate_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/manifest"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
)

// TestListenersThatCannotBeToldApartAreRefused has Gateways with listeners that conflict, and sets that give way.
func TestListenersThatCannotBeToldApartAreRefused(t *testing.T) {
	set := objects(t, `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: ours}
spec: {controllerName: example.com/ours}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: infra}
spec:
  gatewayClassName: ours
  allowedListeners: {namespaces: {from: Same}}
  tls: {frontend: {default: {}, perPort: [{port: 444, tls: {validation: {caCertificateRefs: [{group: "", kind: ConfigMap, name: none}]}}}]}}
  listeners:
  - {name: a, port: 80, protocol: HTTP, hostname: a.example.com}
  - {name: b, port: 80, protocol: HTTP, hostname: b.example.com}
  - {name: tcp, port: 81, protocol: TCP}
  - {name: with-tcp, port: 81, protocol: HTTP}
  - {name: udp, port: 80, protocol: UDP}
  - {name: other, port: 82, protocol: example.com/other}
  - {name: terminate, port: 83, protocol: TLS, hostname: a.example.com, tls: {mode: Terminate, certificateRefs: [{name: none}]}}
  - {name: passthrough, port: 83, protocol: TLS, hostname: b.example.com, tls: {mode: Passthrough}}
  - {name: kinds, port: 84, protocol: HTTP, allowedRoutes: {kinds: [{kind: TCPRoute}, {kind: GRPCRoute}]}}
  - {name: validated, port: 444, protocol: HTTPS, tls: {certificateRefs: [{group: cert-manager.io, kind: Certificate, name: c}]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: younger, namespace: infra, creationTimestamp: "2026-01-02T00:00:00Z"}
spec: {parentRef: {name: edge}, listeners: [{name: c, port: 80, protocol: HTTP, hostname: c.example.com}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: zz-older, namespace: infra, creationTimestamp: "2026-01-01T00:00:00Z"}
spec:
  parentRef: {name: edge}
  listeners:
  - {name: c, port: 80, protocol: HTTP, hostname: c.example.com}
  - {name: a, port: 80, protocol: HTTP, hostname: a.example.com}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: parameters, namespace: infra}
spec:
  gatewayClassName: ours
  infrastructure: {parametersRef: {group: example.com, kind: Parameters, name: p}}
  listeners: [{name: a, port: 80, protocol: HTTP}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: addresses, namespace: infra}
spec:
  gatewayClassName: ours
  addresses: [{type: example.com/name, value: x}]
  listeners: [{name: a, port: 80, protocol: HTTP}]
`)
	manifest.FillDefaults(set)
	var lines []string
	for _, g := range translate.Attach(set, translate.Options{GatewayController: "example.com/ours"}).Gateways() {
		lines = append(lines, strings.TrimRight("Gateway "+g.Name+" "+g.Refused.Reason, " "))
		for _, l := range g.All() {
			var kinds []string
			for _, kind := range l.Kinds {
				kinds = append(kinds, string(kind.Kind))
			}
			lines = append(lines, fmt.Sprintf("  %s/%s %v [%s] [%s] [%s]", l.Owner.GetName(), l.Name, kinds, l.Refused.Reason, l.Certificate.Reason,
				l.InvalidKinds.Reason))
		}
		for _, s := range g.Sets {
			lines = append(lines, strings.TrimRight("  set "+s.Name+" "+s.Refused.Reason, " "))
		}
	}
	want := `Gateway addresses UnsupportedAddress
  addresses/a [HTTPRoute GRPCRoute] [] [] []
Gateway edge
  edge/a [HTTPRoute GRPCRoute] [] [] []
  edge/b [HTTPRoute GRPCRoute] [] [] []
  edge/tcp [TCPRoute] [ProtocolConflict] [] []
  edge/with-tcp [HTTPRoute GRPCRoute] [ProtocolConflict] [] []
  edge/udp [UDPRoute] [] [] []
  edge/other [] [UnsupportedProtocol] [] []
  edge/terminate [TLSRoute] [ProtocolConflict] [InvalidCertificateRef] []
  edge/passthrough [TLSRoute] [ProtocolConflict] [] []
  edge/kinds [GRPCRoute] [] [] [InvalidRouteKinds]
  edge/validated [HTTPRoute GRPCRoute] [NoValidCACertificate] [InvalidCertificateRef] []
  zz-older/c [HTTPRoute GRPCRoute] [] [] []
  zz-older/a [HTTPRoute GRPCRoute] [HostnameConflict] [] []
  set zz-older
  set younger ListenersNotValid
Gateway parameters InvalidParameters
  parameters/a [HTTPRoute GRPCRoute] [] [] []`
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("listeners:\n%s", got)
	}
}

// TestAPortOfStreamsBelongsToTheOldestRoute has two TCPRoutes at one listener: both are attached, and only the older one is served.
func TestAPortOfStreamsBelongsToTheOldestRoute(t *testing.T) {
	route := func(name, created string) string {
		return `
apiVersion: gateway.networking.k8s.io/v1
kind: TCPRoute
metadata: {name: ` + name + `, namespace: infra, creationTimestamp: "` + created + `"}
spec: {parentRefs: [{name: edge, sectionName: streams}], rules: [{backendRefs: [{name: s, port: 80}]}]}
---
`
	}
	set := objects(t, gateways+route("a-younger", "2026-01-02T00:00:00Z")+route("b-older", "2026-01-01T00:00:00Z")+`
apiVersion: v1
kind: Service
metadata: {name: s, namespace: infra}
spec: {ports: [{port: 80}]}
`)
	manifest.FillDefaults(set)
	options := translate.Options{Attach: true, GatewayController: "example.com/ours"}
	result := translate.Translate(set, options)
	var names []string
	for _, s := range result.Config.Services {
		names = append(names, s.Name)
	}
	if !slices.Equal(names, []string{"tcproute.infra.b-older.0"}) {
		t.Errorf("services %v, problems:\n%s", names, said(result.Problems))
	}
	if text := said(result.Problems); !strings.Contains(text, "its port belongs to the older TCPRoute/infra/b-older") {
		t.Errorf("problems:\n%s", text)
	}
	attached := translate.Attach(set, options)
	for _, r := range set.All() {
		if object.RefOf(r).Kind == "TCPRoute" {
			if parents := attached.Route(r); len(parents) != 1 || len(parents[0].Attached) != 1 {
				t.Errorf("%s: %+v", r.GetName(), parents)
			}
		}
	}
}

// TestARouteHasTheListenersOfItsOwnNamespacesSet has two sets of one name and one Gateway.
func TestARouteHasTheListenersOfItsOwnNamespacesSet(t *testing.T) {
	set := objects(t, `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: ours}
spec: {controllerName: example.com/ours}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: infra}
spec: {gatewayClassName: ours, allowedListeners: {namespaces: {from: All}}, listeners: [{name: own, port: 80, protocol: HTTP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: more, namespace: a}
spec: {parentRef: {name: edge, namespace: infra}, listeners: [{name: in-a, port: 81, protocol: HTTP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: more, namespace: b}
spec: {parentRef: {name: edge, namespace: infra}, listeners: [{name: in-b, port: 82, protocol: HTTP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r, namespace: b}
spec: {parentRefs: [{kind: ListenerSet, name: more}]}
`)
	manifest.FillDefaults(set)
	route, _ := object.Get[*gateway.HTTPRoute](set, "HTTPRoute", "b", "r")
	parents := translate.Attach(set, translate.Options{GatewayController: "example.com/ours"}).Route(route)
	if len(parents) != 1 || len(parents[0].Serving) != 1 || parents[0].Serving[0].Name != "in-b" {
		t.Errorf("parents: %+v", parents)
	}
}

// TestAListenerThatGivesWayCostsItsSiblingsNothing has a set whose TCP listener gives way to the Gateway, and one whose listeners conflict
// with each other.
func TestAListenerThatGivesWayCostsItsSiblingsNothing(t *testing.T) {
	set := objects(t, `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: ours}
spec: {controllerName: example.com/ours}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: infra}
spec:
  gatewayClassName: ours
  allowedListeners: {namespaces: {from: Same}}
  listeners: [{name: g, port: 80, protocol: HTTP, hostname: g.example.com}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: gives-way, namespace: infra}
spec:
  parentRef: {name: edge}
  listeners: [{name: a, port: 80, protocol: HTTP, hostname: a.example.com}, {name: b, port: 80, protocol: TCP}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: itself, namespace: infra}
spec:
  parentRef: {name: edge}
  listeners: [{name: c, port: 90, protocol: HTTP}, {name: d, port: 90, protocol: TCP}, {name: e, port: 91, protocol: HTTP}]
`)
	want := map[string]bool{"g": true, "a": true, "b": false, "c": false, "d": false, "e": true}
	for _, g := range translate.Attach(set, translate.Options{GatewayController: "example.com/ours", Attach: true}).Gateways() {
		for _, l := range g.All() {
			if l.Refused.OK() != want[string(l.Name)] {
				t.Errorf("%s: %+v", l.Name, l.Refused)
			}
			delete(want, string(l.Name))
		}
	}
	if len(want) > 0 {
		t.Errorf("without a verdict: %v", want)
	}
}

package translate

import (
	"fmt"
	"strings"

	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/declarative"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// streamRule is a rule of a route below HTTP. Its fields are those of a gateway.TCPRouteRule, UDPRouteRule and TLSRouteRule.
type streamRule struct {
	Name        *gateway.SectionName
	BackendRefs []gateway.BackendRef
}

func streamRules[R gateway.TCPRouteRule | gateway.UDPRouteRule | gateway.TLSRouteRule](rules []R) []streamRule {
	made := make([]streamRule, 0, len(rules))
	for _, rule := range rules {
		made = append(made, streamRule(rule))
	}
	return made
}

// streamRoute is a TCPRoute, a UDPRoute or a TLSRoute: what they have in common.
type streamRoute struct {
	source   object.Object
	kind     string // in names
	protocol string // of the services
	accepts  string // the protocol of the routes
	rules    []streamRule
	ports    []int    // at which streams are accepted
	snis     []string // for which they are
}

// streamRoutes translates every TCPRoute, UDPRoute and TLSRoute: every rule becomes a service with one route.
func (t *translation) streamRoutes() {
	for _, r := range object.List[*gateway.UDPRoute](t.set, "UDPRoute") {
		s := streamRoute{source: r, kind: "udproute", protocol: "udp", accepts: "udp", rules: streamRules(r.Spec.Rules)}
		t.portRoute(s, r.Spec.ParentRefs, gateway.UDPProtocolType)
	}
	for _, r := range object.List[*gateway.TCPRoute](t.set, "TCPRoute") {
		s := streamRoute{source: r, kind: "tcproute", protocol: "tcp", accepts: "tcp", rules: streamRules(r.Spec.Rules)}
		t.portRoute(s, r.Spec.ParentRefs, gateway.TCPProtocolType)
	}
	for _, r := range object.List[*gateway.TLSRoute](t.set, "TLSRoute") {
		t.tlsRoute(r)
	}
}

// portRoute translates a route that is told apart by the ports of its listeners alone.
func (t *translation) portRoute(s streamRoute, parents []gateway.ParentReference, protocol gateway.ProtocolType) {
	if _, ok := t.attach(s.source); !ok {
		return
	}
	s.ports = ports(t.attached(s.source, parents), protocol)
	t.addStream(s, true)
}

func (t *translation) tlsRoute(r *gateway.TLSRoute) {
	if len(r.Spec.Hostnames) == 0 {
		t.problem(object.ReasonInvalid, "the route has no hostnames", r)
		return
	}
	hosts, ok := t.attach(r)
	if !ok {
		return
	}
	s := streamRoute{
		source: r, kind: "tlsroute", protocol: "tcp", accepts: "tls", snis: hostnames(hosts), rules: streamRules(r.Spec.Rules),
	}
	if t.passesThrough(r) {
		s.accepts = "tls_passthrough"
	}
	t.addStream(s, false)
}

// passesThrough says whether a listener that the route is attached to leaves TLS to the backend. Without Attach that is what its status
// says.
func (t *translation) passesThrough(r *gateway.TLSRoute) bool {
	attached := t.attached(r, nil)
	if !t.Attach {
		for _, parent := range r.Status.Parents {
			attached = append(attached, t.listenersOf(r.Namespace, []gateway.ParentReference{parent.ParentRef})...)
		}
	}
	for _, l := range attached {
		if l.TLS != nil && l.TLS.Mode != nil && *l.TLS.Mode == gateway.TLSModePassthrough {
			return true
		}
	}
	return false
}

// addStream makes the services and routes of a route. A rule without backends is left out where it makes no sense.
func (t *translation) addStream(s streamRoute, backendsNeeded bool) {
	if len(s.rules) == 0 {
		t.problem(object.ReasonInvalid, "the route has no rules", s.source)
	}
	for number, rule := range s.rules {
		if backendsNeeded && len(rule.BackendRefs) == 0 {
			t.problem(object.ReasonInvalid, fmt.Sprintf("rule %d has no backends", number), s.source)
			continue
		}
		name := fmt.Sprintf("%s.%s.%s.%d", s.kind, s.source.GetNamespace(), s.source.GetName(), number)
		made := newService(name, name, s.protocol)
		made.namespace, made.parent = s.source.GetNamespace(), s.source
		made.backends = t.backendsOf(s.source, rule.BackendRefs)
		made.routes = []route{s.route(name+".0", rule, t.Expressions)}
		t.services[name] = made
	}
}

func (s streamRoute) route(name string, rule streamRule, expressions bool) route {
	var ruleName string
	if rule.Name != nil {
		ruleName = string(*rule.Name)
	}
	made := declarative.Route{Name: name, Protocols: []string{s.accepts}, Tags: tagsOf(s.source, ruleName)}
	if expressions {
		var atPorts []string
		for _, port := range s.ports {
			atPorts = append(atPorts, fmt.Sprintf("net.dst.port == %d", port))
		}
		made.Expression, made.Priority = new(allOf(matchServerNames(s.snis), anyOf(atPorts...))), new(uint64(1))
		return routeOf(s.source, made)
	}
	for _, port := range s.ports {
		made.Destinations = append(made.Destinations, declarative.Destination{Port: port})
	}
	made.SNIs = s.snis
	return routeOf(s.source, made)
}

// matchServerNames matches any of some names of TLS, wildcards among them.
func matchServerNames(names []string) string {
	var parts []string
	for _, name := range names {
		if suffix, wildcard := strings.CutPrefix(name, "*."); wildcard && sniForm.MatchString(suffix) {
			parts = append(parts, compare("tls.sni", "=^", "."+suffix))
		} else {
			parts = append(parts, matchSNIs(name))
		}
	}
	return anyOf(parts...)
}

package translate

import (
	"cmp"
	"fmt"
	"strings"

	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/declarative"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// grpcMatch is one match of a GRPCRoute for one host, with its priority among those of all GRPCRoutes.
type grpcMatch struct {
	gateway.GRPCRouteMatch
	route        *gateway.GRPCRoute
	host         string
	rule, number int
	priority     uint64
}

// grpcRoutes translates every GRPCRoute: every rule becomes a service, and with expressions every host of it.
func (t *translation) grpcRoutes() {
	var routes []*gateway.GRPCRoute
	for _, r := range object.List[*gateway.GRPCRoute](t.set, "GRPCRoute") {
		if r, ok := t.attachGRPCRoute(r); ok {
			routes = append(routes, r)
		}
	}
	if t.Expressions {
		t.grpcExpressions(routes)
		return
	}
	for _, r := range routes {
		for number := range r.Spec.Rules {
			s := t.grpcService(fmt.Sprintf("grpcroute.%s.%s.%d", r.Namespace, r.Name, number), r, number)
			s.routes = append(s.routes, t.grpcPathRoutes(r, number)...)
		}
	}
}

// grpcService finds or makes the service of a rule. Kong speaks TLS to it unless a listener of the route is one of HTTP.
func (t *translation) grpcService(name string, r *gateway.GRPCRoute, rule int) *service {
	if s := t.services[name]; s != nil {
		return s
	}
	protocol := "grpcs"
	if len(ports(t.attached(r, r.Spec.ParentRefs), gateway.HTTPProtocolType)) > 0 {
		protocol = "grpc"
	}
	s := newService(name, name, protocol)
	s.namespace, s.parent = r.Namespace, r
	refs := make([]gateway.BackendRef, 0, len(r.Spec.Rules[rule].BackendRefs))
	for _, ref := range r.Spec.Rules[rule].BackendRefs {
		refs = append(refs, ref.BackendRef)
	}
	s.backends = t.backendsOf(r, refs)
	if len(refs) > 0 {
		terminate(s)
	}
	t.services[name] = s
	return s
}

// grpcTags are the tags of the routes of a GRPCRoute: they have the names of all its rules.
func grpcTags(r *gateway.GRPCRoute) []string {
	var names []string
	for _, rule := range r.Spec.Rules {
		if rule.Name != nil {
			names = append(names, strings.TrimSpace(string(*rule.Name)))
		}
	}
	return tagsOf(r, names...)
}

// grpcPathRoutes makes a route of the flavor traditional_compatible for every match of a rule.
func (t *translation) grpcPathRoutes(r *gateway.GRPCRoute, number int) []route {
	hosts := t.grpcHosts(r)
	matches := r.Spec.Rules[number].Matches
	one := func(match int) route {
		return routeOf(r, declarative.Route{
			Name:      fmt.Sprintf("grpcroute.%s.%s.%d.%d", r.Namespace, r.Name, number, match),
			Protocols: []string{"grpc", "grpcs"}, Hosts: hosts, Tags: grpcTags(r),
		})
	}
	if len(matches) == 0 {
		all := one(0)
		if len(hosts) == 0 {
			all.Paths = []string{"/"}
		}
		return []route{all}
	}
	var routes []route
	for i, match := range matches {
		made := one(i)
		if match.Method != nil {
			made.Paths = []string{kongRegexPrefix + grpcPath(match.Method)}
		}
		for _, header := range match.Headers {
			if made.Headers == nil {
				made.Headers = map[string][]string{}
			}
			made.Headers[string(header.Name)] = append(made.Headers[string(header.Name)], header.Value)
		}
		routes = append(routes, made)
	}
	return routes
}

// grpcPath is a regular expression for the path of a method; what is not named is anything.
func grpcPath(m *gateway.GRPCMethodMatch) string {
	service, method := ".+", ""
	if isRegex(m) {
		method = ".+"
	}
	if m.Service != nil {
		service = *m.Service
	}
	if m.Method != nil {
		method = *m.Method
	}
	return "/" + service + "/" + method
}

func isRegex(m *gateway.GRPCMethodMatch) bool {
	return is(m.Type, gateway.GRPCMethodMatchRegularExpression)
}

// grpcHosts are the hosts of a route, or else those of the listeners that it names.
func (t *translation) grpcHosts(r *gateway.GRPCRoute) []string {
	if len(r.Spec.Hostnames) > 0 {
		return hostnames(r.Spec.Hostnames)
	}
	var hosts []string
	for _, l := range t.attached(r, r.Spec.ParentRefs) {
		if l.Hostname != nil {
			hosts = append(hosts, string(*l.Hostname))
		}
	}
	return hosts
}

// grpcExpressions makes routes of the flavor expressions. Their priorities are those of HTTPRoutes, but for these bits:
//
//	bits 44-45  the kind GRPCRoute
//	bits 24-34  length of the service
//	bits 13-23  length of the method
//	bits 8-12   number of headers
//	bits 0-7    order among equals
func (t *translation) grpcExpressions(routes []*gateway.GRPCRoute) {
	var all []grpcMatch
	for _, r := range routes {
		all = append(all, splitGRPC(r)...)
	}
	for i := range all {
		all[i].priority = all[i].traits()
	}
	const orderBits = 8
	rank(all, orderBits, func(m *grpcMatch) *uint64 { return &m.priority }, func(a, b grpcMatch) int {
		return cmp.Or(a.route.CreationTimestamp.Compare(b.route.CreationTimestamp.Time), compareNames(a.route, b.route),
			cmp.Compare(a.rule, b.rule), cmp.Compare(a.number, b.number))
	})
	for _, m := range all {
		name := fmt.Sprintf("grpcroute.%s.%s.%s.%d", m.route.Namespace, m.route.Name, hostInName(m.host), m.rule)
		s := t.grpcService(name, m.route, m.rule)
		s.routes = append(s.routes, t.grpcExpressionRoute(m, fmt.Sprintf("%s.%d", name, m.number)))
	}
}

func splitGRPC(r *gateway.GRPCRoute) []grpcMatch {
	matches := func(rule gateway.GRPCRouteRule) []gateway.GRPCRouteMatch { return rule.Matches }
	var all []grpcMatch
	for p := range matchesOfHosts(r.Spec.Hostnames, r.Spec.Rules, matches) {
		all = append(all, grpcMatch{GRPCRouteMatch: p.match, route: r, host: p.host, rule: p.ruleNumber, number: p.number})
	}
	return all
}

func (m grpcMatch) traits() uint64 {
	priority := uint64(kindGRPCBits)<<kindShift + hostPriority(m.host) + uint64(len(m.Headers))<<8
	if m.Method == nil {
		return priority
	}
	if m.Method.Service != nil {
		priority += uint64(len(*m.Method.Service)) << 24
	}
	if m.Method.Method != nil {
		priority += uint64(len(*m.Method.Method)) << 13
	}
	return priority
}

func (t *translation) grpcExpressionRoute(m grpcMatch, name string) route {
	var headers []condition
	for _, h := range m.Headers {
		headers = append(headers, condition{string(h.Name), is(h.Type, gateway.GRPCHeaderMatchRegularExpression), h.Value})
	}
	expression := allOf(matchGRPC(m.Method), matchAll(headerField, headers), matchHosts(m.host),
		matchSNIs(list(m.route.Annotations[annotationSNIs])...))
	if expression == "" {
		expression = catchAll
	}
	var protocols []string
	listeners := t.attached(m.route, m.route.Spec.ParentRefs)
	if len(ports(listeners, gateway.HTTPProtocolType)) > 0 {
		protocols = append(protocols, "grpc")
	}
	if len(ports(listeners, gateway.HTTPSProtocolType)) > 0 {
		protocols = append(protocols, "grpcs")
	}
	return routeOf(m.route, declarative.Route{
		Name: name, PreserveHost: new(true), Protocols: protocols, Expression: &expression, Priority: &m.priority, Tags: grpcTags(m.route),
	})
}

// matchGRPC matches the path of a method.
func matchGRPC(m *gateway.GRPCMethodMatch) string {
	const field = "http.path"
	switch {
	case m == nil:
		return ""
	case m.Service == nil && m.Method == nil:
		return compare(field, "^=", "/")
	case isRegex(m):
		return compare(field, "~", "^"+grpcPath(m))
	case m.Method == nil:
		return compare(field, "^=", "/"+*m.Service+"/")
	case m.Service == nil:
		return compare(field, "=^", "/"+*m.Method)
	}
	return compare(field, "==", "/"+*m.Service+"/"+*m.Method)
}

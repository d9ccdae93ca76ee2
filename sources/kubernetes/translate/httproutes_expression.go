package translate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/declarative"
)

// prioritized is one match for one host, with its priority among those of all HTTPRoutes.
type prioritized struct {
	httpMatch
	host     string
	priority uint64
}

// prioritize splits routes into matches for single hosts and orders them all as the Gateway API asks. The priority of a match is:
//
//	bits 44-45  the kind HTTPRoute
//	bit  43     the host has no wildcard
//	bits 35-42  length of the host
//	bit  34     the path is exact
//	bit  33     the path is a regular expression
//	bits 23-32  length of the path, less its slash
//	bit  22     a method is matched
//	bits 17-21  number of headers
//	bits 12-16  number of query parameters
//	bits 0-11   order among equals: older routes, names, rules and matches first
func prioritize(routes []*gateway.HTTPRoute) map[*gateway.HTTPRoute][]prioritized {
	var all []prioritized
	for _, r := range routes {
		all = append(all, split(r)...)
	}
	for i := range all {
		all[i].priority = all[i].traits()
	}
	const orderBits = 12
	rank(all, orderBits, func(p *prioritized) *uint64 { return &p.priority }, func(a, b prioritized) int {
		return cmp.Or(compareAge(a.rule.route, b.rule.route), cmp.Compare(a.rule.number, b.rule.number), cmp.Compare(a.number, b.number))
	})
	byRoute := map[*gateway.HTTPRoute][]prioritized{}
	for _, p := range all {
		byRoute[p.rule.route] = append(byRoute[p.rule.route], p)
	}
	return byRoute
}

// split makes one match of every pair of a host and a match of a route.
func split(r *gateway.HTTPRoute) []prioritized {
	matches := func(rule gateway.HTTPRouteRule) []gateway.HTTPRouteMatch { return rule.Matches }
	var all []prioritized
	for p := range matchesOfHosts(r.Spec.Hostnames, r.Spec.Rules, matches) {
		all = append(all, prioritized{httpMatch: httpMatch{p.match, httpRule{p.rule, r, p.ruleNumber}, p.number}, host: p.host})
	}
	return all
}

// traits are the bits of a priority but for the order among equals.
func (p prioritized) traits() uint64 {
	priority := uint64(kindHTTPBits)<<kindShift + hostPriority(p.host)
	if p.Path != nil {
		switch pathType(p.Path) {
		case gateway.PathMatchExact:
			priority += 1 << 34
		case gateway.PathMatchRegularExpression:
			priority += 1 << 33
		}
	}
	if length := len(pathOf(p.Path)); length > 0 {
		priority += uint64(length-1) << 23
	}
	if p.Method != nil {
		priority += 1 << 22
	}
	return priority + uint64(len(p.Headers))<<17 + uint64(len(p.QueryParams))<<12
}

// hostPriority are the bits of a host: the same for HTTPRoutes and GRPCRoutes.
func hostPriority(host string) uint64 {
	priority := uint64(len(host)) << 35
	if host != "" && !strings.HasPrefix(host, "*") {
		priority += 1 << 43
	}
	return priority
}

// rank fills in the lowest bits of priorities that are equal, falling from all ones in the order of compare.
func rank[T any](all []T, bits int, priority func(*T) *uint64, compare func(a, b T) int) {
	equal := map[uint64][]int{}
	for i := range all {
		p := *priority(&all[i])
		equal[p] = append(equal[p], i)
	}
	highest := 1<<bits - 1
	for _, group := range equal {
		slices.SortStableFunc(group, func(i, j int) int { return compare(all[i], all[j]) })
		for order, i := range group {
			*priority(&all[i]) += uint64(max(highest-order, 0))
		}
	}
}

// aged is what has a date of birth and a name.
type aged interface {
	GetNamespace() string
	GetName() string
}

// compareAge orders objects by age, then by name.
func compareAge(a, b *gateway.HTTPRoute) int {
	return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), compareNames(a, b))
}

func compareNames(a, b aged) int {
	return cmp.Or(cmp.Compare(a.GetNamespace(), b.GetNamespace()), cmp.Compare(a.GetName(), b.GetName()))
}

// expressionRoutes makes a route of the flavor expressions for every match of some rules.
func (m httpRouteMaker) expressionRoutes(rules []httpRule, priorities map[*gateway.HTTPRoute][]prioritized) ([]route, error) {
	var routes []route
	for _, rule := range rules {
		for _, p := range priorities[rule.route] {
			if p.rule.number != rule.number {
				continue
			}
			made, err := m.expressionRoute(p)
			if err != nil {
				return nil, err
			}
			routes = append(routes, made)
		}
	}
	return routes, nil
}

// hostInName is a host as a part of the name of a route.
func hostInName(host string) string {
	if host == "" {
		return "_"
	}
	return strings.ReplaceAll(host, "*", "_")
}

func (m httpRouteMaker) expressionRoute(p prioritized) (route, error) {
	source := p.rule.route
	tags := tagsOf(source, p.rule.name())
	expression := allOf(
		matchHosts(p.host),
		matchSNIs(list(source.Annotations[annotationSNIs])...),
		matchHTTP(p.HTTPRouteMatch, rewritesPrefix(p.rule.Filters)),
	)
	if expression == "" {
		expression = catchAll
	}
	made := routeOf(source, declarative.Route{
		Name:         fmt.Sprintf("httproute.%s.%s.%s.%d.%d", source.Namespace, source.Name, hostInName(p.host), p.rule.number, p.number),
		PreserveHost: new(true), StripPath: new(false), Protocols: m.protocols, Tags: tags,
		Expression: &expression, Priority: &p.priority,
	})
	var hosts []string
	if p.host != "" {
		hosts = append(hosts, p.host)
	}
	return made, m.filter(&made, p.rule.Filters, m.at(source, pathOf(p.Path), hosts...), tags)
}

// rewritesPrefix says whether filters replace a prefix of the path: then the path is matched so that the rest of it is captured.
func rewritesPrefix(filters []gateway.HTTPRouteFilter) bool {
	return slices.ContainsFunc(filters, func(f gateway.HTTPRouteFilter) bool {
		return f.Type == gateway.HTTPRouteFilterURLRewrite && f.URLRewrite != nil && f.URLRewrite.Path != nil &&
			f.URLRewrite.Path.Type == gateway.PrefixMatchHTTPPathModifier
	})
}

// matchHTTP matches what a match of an HTTPRoute does.
func matchHTTP(match gateway.HTTPRouteMatch, capture bool) string {
	var method string
	if match.Method != nil {
		method = matchMethods(string(*match.Method))
	}
	var headers, queries []condition
	for _, h := range match.Headers {
		headers = append(headers, condition{string(h.Name), is(h.Type, gateway.HeaderMatchRegularExpression), h.Value})
	}
	for _, q := range match.QueryParams {
		queries = append(queries, condition{string(q.Name), is(q.Type, gateway.QueryParamMatchRegularExpression), q.Value})
	}
	return allOf(matchPath(match.Path, capture), matchAll(headerField, headers), matchAll(queryField, queries), method)
}

// matchPath matches a path. With capture the first group of the regular expression is what follows the prefix.
func matchPath(match *gateway.HTTPPathMatch, capture bool) string {
	const field = "http.path"
	if match == nil {
		return ""
	}
	path := pathOf(match)
	switch pathType(match) {
	case gateway.PathMatchExact:
		return compare(field, "==", path)
	case gateway.PathMatchRegularExpression:
		return compare(field, "~", anchored(path))
	}
	path = withoutTrailingSlash(path)
	switch {
	case capture && path == "/":
		return anyOf(compare(field, "==", path), compare(field, "~", "^/(.*)"))
	case capture:
		return anyOf(compare(field, "==", path), compare(field, "~", "^"+path+"(/.*)"))
	case path == "/":
		return compare(field, "^=", "/")
	}
	return anyOf(compare(field, "==", path), compare(field, "^=", path+"/"))
}

// withoutTrailingSlash is a path without its last slash, unless it is the root.
func withoutTrailingSlash(path string) string {
	if path == "" || path == "/" {
		return "/"
	}
	return strings.TrimSuffix(path, "/")
}

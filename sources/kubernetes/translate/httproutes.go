package translate

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/declarative"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// maxServiceName is how long the name of a service can be.
const maxServiceName = 511

// httpRule is a rule of an HTTPRoute.
type httpRule struct {
	gateway.HTTPRouteRule
	route  *gateway.HTTPRoute
	number int
}

// name is what the rule is called by its author.
func (r httpRule) name() string {
	if r.Name == nil {
		return ""
	}
	return string(*r.Name)
}

// httpMatch is a match of a rule.
type httpMatch struct {
	gateway.HTTPRouteMatch
	rule   httpRule
	number int
}

// httpRoutes translates every HTTPRoute: rules with the same backends become one service.
func (t *translation) httpRoutes() {
	var routes []*gateway.HTTPRoute
	for _, r := range object.List[*gateway.HTTPRoute](t.set, "HTTPRoute") {
		if err := t.validHTTPRoute(r); err != nil {
			t.problem(object.ReasonUnsupported, err.Error(), r)
		} else if r, ok := t.attachHTTPRoute(r); ok {
			routes = append(routes, r)
		}
	}
	var priorities map[*gateway.HTTPRoute][]prioritized
	if t.Expressions {
		priorities = prioritize(routes)
	}
	for _, group := range t.groupRules(routes) {
		s, err := t.httpService(group.name, group.rules, priorities)
		if err != nil {
			var blamed []object.Object
			for _, rule := range group.rules {
				if !slices.Contains(blamed, object.Object(rule.route)) {
					blamed = append(blamed, rule.route)
				}
			}
			t.problem(object.ReasonUnsupported, fmt.Sprintf("the rules behind %s: %v", group.name, err), blamed...)
			continue
		}
		t.services[group.name] = s
	}
}

func (t *translation) validHTTPRoute(r *gateway.HTTPRoute) error {
	if len(r.Spec.Rules) == 0 {
		return errors.New("the route has no rules")
	}
	for _, rule := range r.Spec.Rules {
		for _, match := range rule.Matches {
			if len(match.QueryParams) > 0 && !t.Expressions {
				return errors.New("query parameters can be matched with the router flavor expressions only")
			}
		}
	}
	return nil
}

// ruleGroup are the rules of one service.
type ruleGroup struct {
	name  string
	rules []httpRule
}

// groupRules groups rules by their backends and the timeouts of requests: those of one route, or, if services are combined, those of all
// routes of a namespace by their backends alone.
func (t *translation) groupRules(routes []*gateway.HTTPRoute) []*ruleGroup {
	var groups []*ruleGroup
	index := map[string]*ruleGroup{}
	for _, route := range routes {
		for number, rule := range route.Spec.Rules {
			r := httpRule{rule, route, number}
			key := route.Namespace + "/" + route.Name + "/" + sortedText(rule.BackendRefs)
			name := fmt.Sprintf("httproute.%s.%s.%d", route.Namespace, route.Name, number)
			if t.CombinedServices {
				name = combinedName(r)
				key = name
			}
			if limit := requestTimeout(r); limit > 0 && !t.CombinedServices { // a service has one timeout
				key += fmt.Sprintf("/%d", limit)
			}
			if index[key] == nil {
				index[key] = &ruleGroup{name: name}
				groups = append(groups, index[key])
			}
			index[key].rules = append(index[key].rules, r)
		}
	}
	return groups
}

// sortedText is a text that is equal for lists with equal elements in any order.
func sortedText[T any](items []T) string {
	texts := make([]string, 0, len(items))
	for _, item := range items {
		texts = append(texts, textOf(item))
	}
	slices.Sort(texts)
	return strings.Join(texts, ";")
}

// textOf is a text that is equal for equal values.
func textOf(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%+v", v) // types of the Gateway API always have one
	}
	return string(text)
}

// combinedName is the name of a service by its backends.
func combinedName(r httpRule) string {
	prefix := "httproute." + r.route.Namespace + ".svc."
	if len(r.BackendRefs) == 0 {
		return prefix + "_"
	}
	var names []string
	for _, ref := range r.BackendRefs {
		name := r.route.Namespace
		if ref.Namespace != nil {
			name = string(*ref.Namespace)
		}
		name += "." + string(ref.Name)
		if ref.Port != nil {
			name += fmt.Sprintf(".%d", *ref.Port)
		}
		if ref.Weight != nil {
			name += fmt.Sprintf(".%d", *ref.Weight)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	name := prefix + strings.Join(names, "_")
	if len(name) > maxServiceName {
		return fmt.Sprintf("%s%s_combined.%x", prefix, names[0], sha256.Sum256([]byte(name)))
	}
	return name
}

// httpService makes the service of rules with the same backends.
func (t *translation) httpService(name string, rules []httpRule, priorities map[*gateway.HTTPRoute][]prioritized) (*service, error) {
	slices.SortStableFunc(rules, func(a, b httpRule) int {
		return cmp.Compare(fmt.Sprintf("%s/%s.%d", a.route.Namespace, a.route.Name, a.number),
			fmt.Sprintf("%s/%s.%d", b.route.Namespace, b.route.Name, b.number))
	})
	first := rules[0].route
	s := newService(name, name, "http")
	s.namespace, s.parent = first.Namespace, first
	refs := make([]gateway.BackendRef, 0, len(rules[0].BackendRefs))
	for _, ref := range rules[0].BackendRefs {
		refs = append(refs, ref.BackendRef)
	}
	s.backends = t.backendsOf(first, refs)
	if len(refs) > 0 || unanswered(rules) {
		terminate(s)
	}
	var listeners []*Listener
	byRoute := map[*gateway.HTTPRoute][]*Listener{}
	limit := requestTimeout(rules[0])
	if limit > 0 && !slices.ContainsFunc(rules, func(r httpRule) bool { return requestTimeout(r) != limit }) {
		s.ConnectTimeout, s.ReadTimeout, s.WriteTimeout = limit, limit, limit
	}
	for _, rule := range rules {
		timeout(&s.Service, rule)
		byRoute[rule.route] = t.attached(rule.route, rule.route.Spec.ParentRefs)
		listeners = append(listeners, byRoute[rule.route]...)
	}
	maker := httpRouteMaker{protocols: httpProtocols(listeners), listeners: byRoute, redirectPlugin: t.RedirectPlugin,
		expressions: t.Expressions}
	var err error
	if t.Expressions {
		s.routes, err = maker.expressionRoutes(rules, priorities)
	} else {
		s.routes, err = maker.pathRoutes(rules)
	}
	return s, err
}

// unanswered says whether no filter of the rules, which have no backends, can answer: neither a redirection nor a plugin. Kong Ingress
// Controller leaves such rules to Kong, which answers 503; the Gateway API asks for 500.
func unanswered(rules []httpRule) bool {
	return !slices.ContainsFunc(rules, func(r httpRule) bool {
		return r.route.Annotations[annotationPlugins] != "" || slices.ContainsFunc(r.Filters, func(f gateway.HTTPRouteFilter) bool {
			return f.Type == gateway.HTTPRouteFilterRequestRedirect || f.Type == gateway.HTTPRouteFilterExtensionRef
		})
	})
}

// timeout applies the timeout that a rule has for its backends.
func timeout(s *declarative.Service, rule httpRule) {
	if rule.Timeouts == nil || rule.Timeouts.BackendRequest == nil {
		return
	}
	limit, err := time.ParseDuration(string(*rule.Timeouts.BackendRequest))
	if ms := int(limit.Milliseconds()); err == nil && ms != defaultTimeout {
		s.ConnectTimeout, s.ReadTimeout, s.WriteTimeout = ms, ms, ms
	}
}

// requestTimeout is the timeout in milliseconds that a rule has for whole requests and not for its backends, which Kong Ingress Controller
// does not read. It bounds each try. 0 is none.
func requestTimeout(rule httpRule) int {
	if rule.Timeouts == nil || rule.Timeouts.Request == nil || rule.Timeouts.BackendRequest != nil {
		return 0
	}
	limit, err := time.ParseDuration(string(*rule.Timeouts.Request))
	if err != nil {
		return 0
	}
	return int(limit.Milliseconds())
}

// httpRouteMaker makes the routes of the rules of one service.
type httpRouteMaker struct {
	protocols      []string
	listeners      map[*gateway.HTTPRoute][]*Listener
	redirectPlugin bool
	expressions    bool
}

// pathRoutes makes routes of the flavor traditional_compatible. Matches that ask for the same method, headers and parameters, of rules
// with the same filters, share a route.
func (m httpRouteMaker) pathRoutes(rules []httpRule) ([]route, error) {
	var routes []route
	var groups [][]httpMatch
	index := map[string]int{}
	for _, rule := range rules {
		if len(rule.Matches) == 0 {
			made := m.hostRoute(rule)
			if err := m.filter(&made, rule.Filters, m.at(rule.route, "", made.Hosts...), made.Tags); err != nil {
				return nil, err
			}
			routes = append(routes, made)
		}
		filters := sortedText(rule.Filters)
		alone := slices.ContainsFunc(rule.Filters, func(f gateway.HTTPRouteFilter) bool {
			return f.Type == gateway.HTTPRouteFilterRequestRedirect // the plugin of it depends on the path
		})
		for number, match := range rule.Matches {
			key := filters + "\n" + matchKey(rule.route, match)
			if alone {
				key += fmt.Sprintf("\n%d.%d", rule.number, number)
			}
			at, known := index[key]
			if !known {
				at = len(groups)
				index[key] = at
				groups = append(groups, nil)
			}
			groups[at] = append(groups[at], httpMatch{match, rule, number})
		}
	}
	for _, matches := range groups {
		made, err := m.pathRoute(matches)
		if err != nil {
			return nil, err
		}
		routes = append(routes, made)
	}
	return routes, nil
}

func hostnames(names []gateway.Hostname) []string {
	var hosts []string
	for _, name := range names {
		hosts = append(hosts, string(name))
	}
	return hosts
}

// hostRoute makes the route of a rule without matches: all requests for its hosts.
func (m httpRouteMaker) hostRoute(rule httpRule) route {
	return routeOf(rule.route, declarative.Route{
		Name:      fmt.Sprintf("httproute.%s.%s.%d.0", rule.route.Namespace, rule.route.Name, rule.number),
		Protocols: m.protocols, PreserveHost: new(true), Hosts: hostnames(rule.route.Spec.Hostnames), Tags: tagsOf(rule.route),
	})
}

// matchKey is equal for matches that can share a route: those that differ in their paths only.
func matchKey(route *gateway.HTTPRoute, match gateway.HTTPRouteMatch) string {
	var headers []gateway.HTTPHeaderMatch
	seen := map[string]bool{}
	for _, header := range match.Headers {
		header.Name = gateway.HTTPHeaderName(strings.ToLower(string(header.Name)))
		if !seen[string(header.Name)] {
			seen[string(header.Name)] = true
			headers = append(headers, header)
		}
	}
	slices.SortFunc(headers, func(a, b gateway.HTTPHeaderMatch) int { return cmp.Compare(a.Name, b.Name) })
	return route.Namespace + "/" + route.Name + textOf(match.Method) + textOf(headers)
}

// pathRoute makes the route of matches that share one.
func (m httpRouteMaker) pathRoute(matches []httpMatch) (route, error) {
	first := matches[0]
	var names []string
	for _, match := range matches {
		names = append(names, match.rule.name())
	}
	source := first.rule.route
	made := routeOf(source, declarative.Route{
		Name:      fmt.Sprintf("httproute.%s.%s.%d.%d", source.Namespace, source.Name, first.rule.number, first.number),
		Protocols: m.protocols, PreserveHost: new(true), StripPath: new(false), Hosts: hostnames(source.Spec.Hostnames),
		Tags: tagsOf(source, names...),
	})
	var err error
	if made.Headers, err = routeHeaders(first.Headers); err != nil {
		return route{}, err
	}
	for _, match := range matches {
		made.Paths = append(made.Paths, routePaths(match.Path)...)
		if match.Method != nil && !slices.Contains(made.Methods, string(*match.Method)) {
			made.Methods = append(made.Methods, string(*match.Method))
		}
	}
	return made, m.filter(&made, first.rule.Filters, m.at(source, pathOf(first.Path), made.Hosts...), tagsOf(source, names...))
}

// routeHeaders are the headers of a route.
func routeHeaders(matches []gateway.HTTPHeaderMatch) (map[string][]string, error) {
	if len(matches) == 0 {
		return nil, nil
	}
	wanted := map[string][]string{}
	for _, match := range matches {
		name := string(match.Name)
		if wanted[name] != nil {
			return nil, fmt.Errorf("the header %s is matched twice", name)
		}
		switch {
		case match.Type == nil || *match.Type == gateway.HeaderMatchExact:
			wanted[name] = []string{match.Value}
		case *match.Type == gateway.HeaderMatchRegularExpression:
			wanted[name] = []string{kongHeaderRegexPrefix + match.Value}
		default:
			return nil, fmt.Errorf("headers cannot be matched as %s", *match.Type)
		}
	}
	return wanted, nil
}

// pathOf is the path of a match; none at all is the empty one.
func pathOf(match *gateway.HTTPPathMatch) string {
	if match == nil || match.Value == nil {
		return ""
	}
	return *match.Value
}

// pathType is how a path is matched.
func pathType(match *gateway.HTTPPathMatch) gateway.PathMatchType {
	if match.Type == nil {
		return gateway.PathMatchPathPrefix
	}
	return *match.Type
}

// routePaths are the paths of a route that match what a path of an HTTPRoute does.
func routePaths(match *gateway.HTTPPathMatch) []string {
	if match == nil {
		return nil
	}
	path := pathOf(match)
	switch pathType(match) {
	case gateway.PathMatchExact:
		return []string{kongRegexPrefix + path + "$"}
	case gateway.PathMatchRegularExpression:
		return []string{kongRegexPrefix + path}
	}
	return []string{kongRegexPrefix + path + "$", strings.TrimSuffix(path, "/") + "/"}
}

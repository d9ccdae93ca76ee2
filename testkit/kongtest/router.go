package kongtest

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// router decides which route takes a request, in the order of precedence of
// Kong's traditional_compatible flavor. It is immutable.
type router struct {
	rules     []rule // best first
	uses      fields
	upstreams map[string]*upstream
	keys      map[string]bool   // of key-auth
	owners    map[string]string // of keys: the consumers' usernames
	passwords map[string]login  // of basic-auth, by username
	global    []*plugin
	metered   *metering // by a global prometheus plugin
}

// login is a credential of basic-auth.
type login struct{ consumer, owner, hash string }

// rule is one way into a route: a route whose paths have several priorities has
// several (groupPaths).
type rule struct {
	route    *route
	id       string // decides between equal priorities
	priority uint64
	paths    []pathCriterion
	expr     expression // replaces everything, in the flavor "expressions"
}

type route struct {
	id           string
	name         string // the id when there is none, as metrics have it
	criteria     criteria
	https        int  // the status to redirect plain HTTP with, 0 when it is welcome
	grpc         bool // no other requests are welcome
	stripPath    bool
	preserveHost bool
	service      *service
	plugins      []*plugin
	metering     *metering
}

type service struct {
	scheme, host, path string
	name               string // the host when there is none, as metrics have it
	port               int
	disabled           bool
	plugins            []*plugin
	metering           *metering
}

func compileRouter(set *population, flavor string, lua bool) *router {
	r := &router{upstreams: compileUpstreams(set), keys: map[string]bool{}, owners: map[string]string{}, passwords: map[string]login{}}
	usernames := map[string]string{}
	for _, n := range set.byKind["consumers"] {
		usernames[n.id] = n.text("username")
	}
	for _, n := range set.byKind["keyauth_credentials"] {
		r.keys[n.text("key")] = true
		r.owners[n.text("key")] = usernames[set.target(n, "consumer")]
	}
	for _, n := range set.byKind["basicauth_credentials"] {
		consumer := set.target(n, "consumer")
		r.passwords[n.text("username")] = login{consumer, usernames[consumer], n.text("password")}
	}
	services := map[string]*service{}
	for _, n := range set.byKind["services"] {
		services[n.id] = compileService(n)
	}
	routes := map[string]*route{}
	for _, n := range set.byKind["routes"] {
		rt := compileRoute(n)
		rt.service = services[set.target(n, "service")]
		routes[n.id] = rt
		// Routes of other protocols and of disabled services are not in the router.
		if isHTTPRoute(n) && (rt.service == nil || !rt.service.disabled) {
			r.addRules(n, rt, flavor)
		}
	}
	for _, n := range set.byKind["plugins"] {
		if m := compileMetering(n); m != nil {
			switch route, service := set.target(n, "route"), set.target(n, "service"); {
			case set.target(n, "consumer") != "":
			case routes[route] != nil:
				routes[route].metering = m
			case services[service] != nil:
				services[service].metering = m
			default:
				r.metered = m
			}
			continue
		}
		p := compilePlugin(n, lua)
		if p == nil {
			continue
		}
		// A plugin scoped to a consumer runs for no request here: there are no consumers.
		switch route, service := set.target(n, "route"), set.target(n, "service"); {
		case set.target(n, "consumer") != "":
		case route != "" && routes[route] != nil:
			routes[route].plugins = append(routes[route].plugins, p)
		case service != "" && services[service] != nil:
			services[service].plugins = append(services[service].plugins, p)
		case route == "" && service == "":
			r.global = append(r.global, p)
		}
	}
	slices.SortStableFunc(r.rules, func(a, b rule) int {
		return cmp.Or(cmp.Compare(b.priority, a.priority), cmp.Compare(b.id, a.id))
	})
	return r
}

func compileService(n *node) *service {
	e := n.own
	if raw, ok := e["url"].(string); ok {
		e = withURL(e, raw)
	}
	s := &service{scheme: "http", port: 80, disabled: n.own["enabled"] == false}
	if scheme, ok := e["protocol"].(string); ok {
		s.scheme = scheme
	}
	s.host, _ = e["host"].(string)
	s.path, _ = e["path"].(string)
	if port, ok := e["port"].(float64); ok {
		s.port = int(port)
	}
	s.name = cmp.Or(n.text("name"), s.host)
	return s
}

func compileRoute(n *node) *route {
	rt := &route{
		id:           n.id,
		name:         cmp.Or(n.text("name"), n.id),
		stripPath:    n.own["strip_path"] != false,
		preserveHost: n.own["preserve_host"] == true,
	}
	protocols := words(n.own["protocols"])
	if slices.Contains(protocols, "https") && !slices.Contains(protocols, "http") {
		rt.https = 426
		if status, ok := n.own["https_redirect_status_code"].(float64); ok {
			rt.https = int(status)
		}
	}
	rt.grpc = slices.Contains(protocols, "grpc") || slices.Contains(protocols, "grpcs")
	return rt
}

// routedProtocols are those by which the flavor "expressions" chooses; a route of
// https alone takes plain HTTP too, to redirect it.
func routedProtocols(n *node) []string {
	protocols := words(n.own["protocols"])
	if len(protocols) == 0 || len(protocols) == 1 && protocols[0] == "https" {
		return nil
	}
	for i, protocol := range protocols {
		protocols[i] = strings.Replace(protocol, "grpc", "http", 1)
	}
	return protocols
}

func isHTTPRoute(n *node) bool {
	protocols := words(n.own["protocols"])
	return len(protocols) == 0 || slices.ContainsFunc(protocols, func(p string) bool {
		return slices.Contains([]string{"http", "https", "grpc", "grpcs"}, p)
	})
}

func words(value any) []string {
	list, _ := value.([]any)
	out := make([]string, 0, len(list))
	for _, item := range list {
		if word, ok := item.(string); ok {
			out = append(out, word)
		}
	}
	return out
}

func (r *router) addRules(n *node, rt *route, flavor string) {
	if source := n.text("expression"); source != "" && flavor == flavorExpressions {
		expr, err := parseExpression(source)
		if err != nil {
			return // refused before it came here
		}
		rt.criteria.protocols = routedProtocols(n)
		r.uses.path, r.uses.host = true, true // near enough
		priority, _ := n.own["priority"].(float64)
		r.rules = append(r.rules, rule{route: rt, id: n.id, expr: expr, priority: expressionBits | uint64(priority)})
		return
	}
	var ok bool
	if rt.criteria, ok = criteriaOf(n); !ok {
		return // refused before it came here
	}
	if flavor == flavorExpressions {
		rt.criteria.protocols = routedProtocols(n)
	}
	r.uses.host = r.uses.host || len(rt.criteria.hosts) > 0
	for _, h := range rt.criteria.headers {
		if r.uses.headers == nil {
			r.uses.headers = map[string]bool{}
		}
		r.uses.headers[h.name] = true
	}
	paths := words(n.own["paths"])
	r.uses.path = r.uses.path || len(paths) > 0
	groups := groupPaths(paths)
	if len(groups) < 2 {
		r.addRule(rule{route: rt, id: n.id, priority: precedenceOf(n, paths).priority(flavor)}, paths)
		return
	}
	for i, group := range groups {
		r.addRule(rule{route: rt, id: splitID(n.id, i+1), priority: precedenceOf(n, group).priority(flavor)}, group)
	}
}

func (r *router) addRule(rl rule, paths []string) {
	for _, path := range paths {
		criterion, err := pathCriterionOf(path)
		if err != nil {
			return // refused before it came here
		}
		rl.paths = append(rl.paths, criterion)
	}
	r.rules = append(r.rules, rl)
}

// splitID names a group of a route's paths. Of two routes of the same priority
// the one with the larger id comes first, so that names decide and not the order
// in which routes are listed.
func splitID(routeID string, group int) string {
	space, _ := hex.DecodeString("7f145bf90dce4f9198ebdebbce4b9f6b")
	return formatUUID(uuid5(space, fmt.Sprintf("%s#%d", routeID, group)))
}

// match returns the rule that takes the request and the part of the path that
// it matched.
func (r *router) match(a asked) (*rule, string) {
	if !r.uses.readable(a) {
		return nil, ""
	}
	for i := range r.rules {
		rl := &r.rules[i]
		if rl.expr != nil {
			if matched, ok := rl.expr.match(a); ok && rl.route.criteria.met(a) {
				return rl, matched
			}
			continue
		}
		if matched, ok := firstMet(rl.paths, a.path); ok && rl.route.criteria.met(a) {
			return rl, matched
		}
	}
	return nil, ""
}

func splitHost(hostport string) (host, port string) {
	hostport = strings.ToLower(hostport)
	at := strings.LastIndexByte(hostport, ':')
	if at < 0 || strings.HasSuffix(hostport, "]") {
		return hostport, ""
	}
	if _, err := strconv.Atoi(hostport[at+1:]); err != nil {
		return hostport, ""
	}
	return hostport[:at], hostport[at+1:]
}

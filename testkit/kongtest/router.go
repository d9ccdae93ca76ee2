package kongtest

import (
	"cmp"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// router decides which route takes a request, in the order of precedence of
// Kong's traditional_compatible flavor. It is immutable.
type router struct {
	rules     []rule // best first
	upstreams map[string]*upstream
	keys      map[string]bool   // of key-auth
	owners    map[string]string // of keys: the consumers' usernames
	passwords map[string]login  // of basic-auth, by username
	global    []*plugin
	metered   *metering // by a global prometheus plugin
}

// login is a credential of basic-auth.
type login struct{ consumer, owner, hash string }

// rule is one way into a route: a route with several paths has several, for a
// longer path wins whatever else the route lists.
type rule struct {
	route    *route
	top      uint64 // the priority of an expression, which stands above all else
	priority uint64
	path     string
	pattern  *regexp.Regexp // replaces path
	expr     expression     // replaces everything, in the flavor "expressions"
}

type route struct {
	id           string
	name         string // the id when there is none, as metrics have it
	methods      []string
	hosts        []string
	headers      map[string][]string
	https        int // the status to redirect plain HTTP with, 0 when it is welcome
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
		r.addRules(n, rt, flavor)
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
		return cmp.Or(cmp.Compare(b.top, a.top), cmp.Compare(b.priority, a.priority))
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
		methods:      words(n.own["methods"]),
		hosts:        words(n.own["hosts"]),
		stripPath:    n.own["strip_path"] != false,
		preserveHost: n.own["preserve_host"] == true,
	}
	for i, host := range rt.hosts {
		rt.hosts[i] = strings.ToLower(host)
	}
	if headers, ok := n.own["headers"].(map[string]any); ok && len(headers) > 0 {
		rt.headers = map[string][]string{}
		for name, values := range headers {
			rt.headers[http.CanonicalHeaderKey(name)] = words(values)
		}
	}
	if protocols := words(n.own["protocols"]); len(protocols) > 0 && !slices.Contains(protocols, "http") {
		rt.https = 426
		if status, ok := n.own["https_redirect_status_code"].(float64); ok {
			rt.https = int(status)
		}
	}
	return rt
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
	if source := n.text("expression"); source != "" && flavor == "expressions" {
		expr, err := parseExpression(source)
		if err != nil {
			return // refused before it came here
		}
		priority, _ := n.own["priority"].(float64)
		r.rules = append(r.rules, rule{route: rt, expr: expr, top: uint64(priority)})
		return
	}
	regexPriority, _ := n.own["regex_priority"].(float64)
	paths := words(n.own["paths"])
	if len(paths) == 0 {
		r.rules = append(r.rules, rule{route: rt, priority: weigh(rt, n, rule{}, 0)})
		return
	}
	for _, path := range paths {
		rl := rule{route: rt, path: path}
		if source, isRegex := strings.CutPrefix(path, "~"); isRegex {
			pattern, err := regexp.Compile("^(?:" + source + ")")
			if err != nil {
				continue // refused before it came here
			}
			rl.path, rl.pattern = "", pattern
		}
		rl.priority = weigh(rt, n, rl, int(regexPriority))
		r.rules = append(r.rules, rl)
	}
}

// weigh packs the precedence of a rule in one number, as Kong does: how many
// kinds of criteria, then hosts without wildcard, then headers, then regex
// before prefix, then the regex's own priority, then the length of the prefix.
func weigh(rt *route, n *node, rl rule, regexPriority int) uint64 {
	var criteria, priority uint64
	for _, has := range []bool{len(rt.methods) > 0, len(rt.hosts) > 0, len(rt.headers) > 0, rl.path != "" || rl.pattern != nil, len(words(n.own["snis"])) > 0} {
		if has {
			criteria++
		}
	}
	priority = criteria << 61
	if len(rt.hosts) > 0 && !slices.ContainsFunc(rt.hosts, func(h string) bool { return strings.Contains(h, "*") }) {
		priority |= 1 << 60
	}
	priority |= uint64(min(len(rt.headers), 255)) << 52
	if rl.pattern != nil {
		priority |= 1<<51 | uint64(max(regexPriority, 0))<<19&(1<<51-1)
	}
	return priority | uint64(len(rl.path))&0x7ffff
}

// match returns the rule that takes the request and the part of the path that
// it matched.
func (r *router) match(req *http.Request) (*rule, string) {
	host, port := splitHost(req.Host)
	path := req.URL.Path
	for i := range r.rules {
		rl := &r.rules[i]
		if rl.expr != nil {
			if rl.expr(requestFields{req: req, host: host, path: path}) {
				return rl, ""
			}
			continue
		}
		matched := rl.path
		if rl.pattern != nil {
			at := rl.pattern.FindStringIndex(path)
			if at == nil {
				continue
			}
			matched = path[:at[1]]
		} else if !strings.HasPrefix(path, rl.path) {
			continue
		}
		if rl.route.accepts(req, host, port) {
			return rl, matched
		}
	}
	return nil, ""
}

func (rt *route) accepts(req *http.Request, host, port string) bool {
	if len(rt.methods) > 0 && !slices.Contains(rt.methods, req.Method) {
		return false
	}
	if len(rt.hosts) > 0 && !slices.ContainsFunc(rt.hosts, func(want string) bool { return hostMatches(want, host, port) }) {
		return false
	}
	for name, wanted := range rt.headers {
		if !slices.ContainsFunc(req.Header.Values(name), func(got string) bool { return headerMatches(wanted, got) }) {
			return false
		}
	}
	return true
}

func headerMatches(wanted []string, got string) bool {
	if len(wanted) == 1 {
		if pattern, ok := strings.CutPrefix(wanted[0], "~*"); ok {
			matched, err := regexp.MatchString("(?i)"+pattern, got)
			return err == nil && matched
		}
	}
	return slices.ContainsFunc(wanted, func(want string) bool { return strings.EqualFold(want, got) })
}

// hostMatches compares with a host of a route, which may hold one wildcard and
// a port. A host without a port matches on every port.
func hostMatches(want, host, port string) bool {
	wantHost, wantPort := splitHost(want)
	if wantPort != "" && wantPort != port {
		return false
	}
	if suffix, ok := strings.CutPrefix(wantHost, "*"); ok {
		return strings.HasSuffix(host, suffix) && len(host) > len(suffix)
	}
	if prefix, ok := strings.CutSuffix(wantHost, "*"); ok {
		return strings.HasPrefix(host, prefix) && len(host) > len(prefix)
	}
	return host == wantHost
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

// Package router decides which route of a configuration takes a request, and where its upstream is, as Kong's router flavors do.
package router

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/declarative"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/entity"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/expression"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/request"
)

// Router matches requests in the order of precedence of one flavor. It is immutable, but for the health of targets.
type Router struct {
	rules     []Rule // best first
	uses      request.Fields
	upstreams map[string]*upstream // by name

	upstreamIDs map[string]*upstream
}

// Rule is one way into a route. A route whose paths have several priorities has several (groupPaths).
type Rule struct {
	Route    *Route
	id       string // decides between equal priorities
	priority uint64
	paths    []pathCriterion
	expr     expression.Expression // replaces everything, in the flavor "expressions"
}

// Route is what the proxy does with requests of a route.
type Route struct {
	ID           string
	Name         string // the id when there is none, as metrics have it
	RedirectHTTP int    // the status that redirects plain HTTP; 0 when it is accepted
	GRPC         bool   // no other requests are accepted
	StripPath    bool
	PreserveHost bool
	Service      *Service // nil for a route without one

	criteria criteria
}

// Service is where requests go.
type Service struct {
	ID                 string
	Name               string // the host when there is none, as metrics have it
	Scheme, Host, Path string
	Port               int

	disabled bool
}

// Compile makes the router of a configuration. Routes of other protocols than HTTP and gRPC, and of disabled services, are left out.
func Compile(set *declarative.Population, flavor string) *Router {
	r := &Router{}
	r.upstreams, r.upstreamIDs = compileUpstreams(set)
	services := map[string]*Service{}
	for _, n := range set.ByKind["services"] {
		services[n.ID] = compileService(n)
	}
	for _, n := range set.ByKind["routes"] {
		rt := compileRoute(n)
		rt.Service = services[set.Target(n, "service")]
		if isHTTPRoute(n) && (rt.Service == nil || !rt.Service.disabled) {
			r.addRules(n, rt, flavor)
		}
	}
	slices.SortStableFunc(r.rules, func(a, b Rule) int {
		return cmp.Or(cmp.Compare(b.priority, a.priority), cmp.Compare(b.id, a.id))
	})
	return r
}

func compileService(n *entity.Node) *Service {
	e := n.Own
	if raw, ok := e["url"].(string); ok {
		e = declarative.WithURL(e, raw)
	}
	s := &Service{ID: n.ID, Scheme: "http", Port: 80, disabled: n.Own["enabled"] == false}
	if scheme, ok := e["protocol"].(string); ok {
		s.Scheme = scheme
	}
	s.Host, _ = e["host"].(string)
	s.Path, _ = e["path"].(string)
	if port, ok := e["port"].(float64); ok {
		s.Port = int(port)
	}
	s.Name = cmp.Or(n.Text("name"), s.Host)
	return s
}

func compileRoute(n *entity.Node) *Route {
	rt := &Route{
		ID:           n.ID,
		Name:         cmp.Or(n.Text("name"), n.ID),
		StripPath:    n.Own["strip_path"] != false,
		PreserveHost: n.Own["preserve_host"] == true,
	}
	protocols := entity.Words(n.Own["protocols"])
	if slices.Contains(protocols, "https") && !slices.Contains(protocols, "http") {
		rt.RedirectHTTP = 426
		if status, ok := n.Own["https_redirect_status_code"].(float64); ok {
			rt.RedirectHTTP = int(status)
		}
	}
	rt.GRPC = slices.Contains(protocols, "grpc") || slices.Contains(protocols, "grpcs")
	return rt
}

// routedProtocols are the protocols that the flavor "expressions" chooses by. A route of https alone takes plain HTTP too, to redirect it.
func routedProtocols(n *entity.Node) []string {
	protocols := entity.Words(n.Own["protocols"])
	if len(protocols) == 0 || len(protocols) == 1 && protocols[0] == "https" {
		return nil
	}
	for i, protocol := range protocols {
		protocols[i] = strings.Replace(protocol, "grpc", "http", 1)
	}
	return protocols
}

func isHTTPRoute(n *entity.Node) bool {
	protocols := entity.Words(n.Own["protocols"])
	return len(protocols) == 0 || slices.ContainsFunc(protocols, func(p string) bool {
		return slices.Contains([]string{"http", "https", "grpc", "grpcs"}, p)
	})
}

func (r *Router) addRules(n *entity.Node, rt *Route, flavor string) {
	if source := n.Text("expression"); source != "" && flavor == expression.Flavor {
		expr, err := expression.Parse(source)
		if err != nil {
			return // was refused before
		}
		rt.criteria.protocols = routedProtocols(n)
		r.uses.Path, r.uses.Host = true, true // near enough
		priority, _ := n.Own["priority"].(float64)
		r.rules = append(r.rules, Rule{Route: rt, id: n.ID, expr: expr, priority: expressionBits | uint64(priority)})
		return
	}
	var ok bool
	if rt.criteria, ok = criteriaOf(n); !ok {
		return // was refused before
	}
	if flavor == expression.Flavor {
		rt.criteria.protocols = routedProtocols(n)
	}
	r.uses.Host = r.uses.Host || len(rt.criteria.hosts) > 0
	for _, h := range rt.criteria.headers {
		if r.uses.Headers == nil {
			r.uses.Headers = map[string]bool{}
		}
		r.uses.Headers[h.name] = true
	}
	paths := entity.Words(n.Own["paths"])
	r.uses.Path = r.uses.Path || len(paths) > 0
	groups := groupPaths(paths)
	if len(groups) < 2 {
		r.addRule(Rule{Route: rt, id: n.ID, priority: precedenceOf(n, paths).priority(flavor)}, paths)
		return
	}
	for i, group := range groups {
		r.addRule(Rule{Route: rt, id: splitID(n.ID, i+1), priority: precedenceOf(n, group).priority(flavor)}, group)
	}
}

func (r *Router) addRule(rl Rule, paths []string) {
	for _, path := range paths {
		criterion, err := pathCriterionOf(path)
		if err != nil {
			return // was refused before
		}
		rl.paths = append(rl.paths, criterion)
	}
	r.rules = append(r.rules, rl)
}

// splitID names a group of a route's paths. Of two routes of the same priority the one with the larger id comes first.
func splitID(routeID string, group int) string {
	space, _ := hex.DecodeString("7f145bf90dce4f9198ebdebbce4b9f6b")
	return entity.FormatUUID(entity.UUID5(space, fmt.Sprintf("%s#%d", routeID, group)))
}

// Match returns the rule that takes a request, or nil, and by what of the path it does.
func (r *Router) Match(a request.Request) (*Rule, request.Matched) {
	if !r.uses.Readable(a) {
		return nil, request.Matched{}
	}
	for i := range r.rules {
		rl := &r.rules[i]
		if rl.expr != nil {
			if matched, ok := rl.expr.Match(a); ok && rl.Route.criteria.met(a) {
				return rl, matched
			}
			continue
		}
		if matched, ok := firstMet(rl.paths, a.Path); ok && rl.Route.criteria.met(a) {
			return rl, matched
		}
	}
	return nil, request.Matched{}
}

package translate

import (
	"maps"
	"slices"
	"strings"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// Parent is what became of one parent that a route names.
type Parent struct {
	Ref     gateway.ParentReference
	Gateway *Gateway // ours
	// Attached are the listeners that take the route: they count it, also while they serve nothing.
	Attached []*Listener
	// Serving are those of Attached at which gateways serve the route.
	Serving []*Listener
	// Refused is why no listener takes the route.
	Refused Finding
	// Idle is why a listener that takes the route does not serve it.
	Idle Finding

	set *Set // the ListenerSet that it is, if it is one
}

// Attachments says which listeners the Gateways of our controller have, and which of them take a route. The translation (with
// Options.Attach) and the statuses of objects rest on it.
type Attachments struct {
	t        *translation
	gateways map[object.Ref]*Gateway
	sets     map[object.Ref]*Set
	streams  map[streamPort]object.Ref // the route that has a port, of those that are attached at it
}

// streamPort is a port at which all streams go to one route.
type streamPort struct {
	protocol gateway.ProtocolType
	port     gateway.PortNumber
}

// Attach decides about listeners and routes of a set.
func Attach(set *object.Set, options Options) *Attachments {
	return newAttachments(&translation{Options: options, set: set})
}

func newAttachments(t *translation) *Attachments {
	a := &Attachments{t: t, gateways: t.readGateways(), sets: map[object.Ref]*Set{}, streams: map[streamPort]object.Ref{}}
	for _, g := range a.gateways {
		for _, set := range g.Sets {
			a.sets[object.RefOf(set.ListenerSet)] = set
		}
	}
	a.assignStreams()
	return a
}

// Gateways lists the Gateways of our controller by their names.
func (a *Attachments) Gateways() []*Gateway {
	return slices.SortedFunc(maps.Values(a.gateways), func(x, y *Gateway) int {
		return object.Compare(object.RefOf(x.Gateway), object.RefOf(y.Gateway))
	})
}

// Route is what became of the parents that a route names, in its order; those that are not ours are left out.
func (a *Attachments) Route(r object.Object) []Parent {
	claim, ok := routeClaimOf(r)
	if !ok {
		return nil
	}
	return a.route(claim)
}

// Backends is what is wrong with the first backend of a route that cannot be one, or that Kong speaks to in another way than the Service
// asks for.
func (a *Attachments) Backends(r object.Object) Finding {
	refs := backendRefs(r)
	for _, ref := range refs {
		if _, wrong := a.t.refusesBackend(r, ref); !wrong.OK() {
			return wrong
		}
	}
	if _, isHTTP := r.(*gateway.HTTPRoute); !isHTTP {
		return Finding{}
	}
	for _, ref := range refs {
		behind, _ := object.Get[*core.Service](a.t.set, "Service", namespaceOf(r, ref), string(ref.Name))
		for _, port := range behind.Spec.Ports {
			if ref.Port != nil && port.Port == *ref.Port && port.AppProtocol != nil && *port.AppProtocol == "kubernetes.io/h2c" {
				return finding(gateway.RouteReasonUnsupportedProtocol,
					"Kong speaks HTTP/1.1 to the Service %s/%s, whose port %d is of h2c", behind.Namespace, behind.Name, port.Port)
			}
		}
	}
	return Finding{}
}

// backendRefs lists the backends of all rules of a route.
func backendRefs(r object.Object) []gateway.BackendRef {
	var refs []gateway.BackendRef
	switch r := r.(type) {
	case *gateway.HTTPRoute:
		for _, rule := range r.Spec.Rules {
			for _, ref := range rule.BackendRefs {
				refs = append(refs, ref.BackendRef)
			}
		}
	case *gateway.GRPCRoute:
		for _, rule := range r.Spec.Rules {
			for _, ref := range rule.BackendRefs {
				refs = append(refs, ref.BackendRef)
			}
		}
	case *gateway.TLSRoute:
		for _, rule := range r.Spec.Rules {
			refs = append(refs, rule.BackendRefs...)
		}
	case *gateway.TCPRoute:
		for _, rule := range r.Spec.Rules {
			refs = append(refs, rule.BackendRefs...)
		}
	case *gateway.UDPRoute:
		for _, rule := range r.Spec.Rules {
			refs = append(refs, rule.BackendRefs...)
		}
	}
	return refs
}

// BackendServices names the Services that a route can have as backends.
func (a *Attachments) BackendServices(r object.Object) []object.Ref {
	var found []object.Ref
	for _, ref := range backendRefs(r) {
		if _, wrong := a.t.refusesBackend(r, ref); wrong.OK() {
			found = append(found, object.Ref{Kind: "Service", Namespace: namespaceOf(r, ref), Name: string(ref.Name)})
		}
	}
	return found
}

// routeClaim is what a route asks its parents for.
type routeClaim struct {
	route    object.Object
	parents  []gateway.ParentReference
	hosts    []gateway.Hostname
	fits     func(*Listener) bool
	protocol gateway.ProtocolType // of streams that a port has one route for
}

// routeClaimOf is what a route of any kind asks for.
func routeClaimOf(r object.Object) (routeClaim, bool) {
	switch r := r.(type) {
	case *gateway.HTTPRoute:
		return routeClaim{route: r, parents: r.Spec.ParentRefs, hosts: r.Spec.Hostnames, fits: endsHTTP}, true
	case *gateway.GRPCRoute:
		return routeClaim{route: r, parents: r.Spec.ParentRefs, hosts: r.Spec.Hostnames, fits: endsHTTP}, true
	case *gateway.TLSRoute:
		return routeClaim{route: r, parents: r.Spec.ParentRefs, hosts: r.Spec.Hostnames, fits: speaks(gateway.TLSProtocolType)}, true
	case *gateway.TCPRoute:
		return routeClaim{
			route: r, parents: r.Spec.ParentRefs, fits: speaks(gateway.TCPProtocolType), protocol: gateway.TCPProtocolType,
		}, true
	case *gateway.UDPRoute:
		return routeClaim{
			route: r, parents: r.Spec.ParentRefs, fits: speaks(gateway.UDPProtocolType), protocol: gateway.UDPProtocolType,
		}, true
	}
	return routeClaim{}, false
}

func endsHTTP(l *Listener) bool {
	return (l.Protocol == gateway.HTTPProtocolType || l.Protocol == gateway.HTTPSProtocolType) && !l.passesThrough()
}

func speaks(protocol gateway.ProtocolType) func(*Listener) bool {
	return func(l *Listener) bool { return l.Protocol == protocol }
}

// assignStreams gives each port of TCP and UDP to the oldest route that is attached there, for traffic cannot be told apart.
func (a *Attachments) assignStreams() {
	var claims []routeClaim
	for _, r := range object.List[*gateway.TCPRoute](a.t.set, "TCPRoute") {
		claim, _ := routeClaimOf(r)
		claims = append(claims, claim)
	}
	for _, r := range object.List[*gateway.UDPRoute](a.t.set, "UDPRoute") {
		claim, _ := routeClaimOf(r)
		claims = append(claims, claim)
	}
	slices.SortStableFunc(claims, func(x, y routeClaim) int { return byAge(x.route, y.route) })
	for _, c := range claims {
		for _, parent := range a.route(c) {
			for _, l := range parent.Serving {
				if at := (streamPort{c.protocol, l.Port}); a.streams[at] == (object.Ref{}) {
					a.streams[at] = object.RefOf(c.route)
				}
			}
		}
	}
}

func (a *Attachments) route(c routeClaim) []Parent {
	var found []Parent
	for _, ref := range c.parents {
		if p, ok := a.parent(c.route.GetNamespace(), ref); ok {
			found = append(found, a.take(c, p))
		}
	}
	return found
}

// parent finds what a route of a namespace names as its parent, if that is ours. A refused ListenerSet refuses its routes.
func (a *Attachments) parent(namespace string, ref gateway.ParentReference) (Parent, bool) {
	if ref.Namespace != nil && *ref.Namespace != "" {
		namespace = string(*ref.Namespace)
	}
	named := object.Ref{Group: gateway.GroupName, Kind: kindGateway, Namespace: namespace, Name: string(ref.Name)}
	if ref.Kind != nil {
		named.Kind = string(*ref.Kind)
	}
	if ref.Group != nil {
		named.Group = string(*ref.Group)
	}
	if set := a.sets[named]; set != nil {
		p := Parent{Ref: ref, Gateway: a.gateways[gatewayOfSet(set.ListenerSet)], set: set}
		if set.Refused.Reason == string(gateway.ListenerSetReasonNotAllowed) {
			p.Refused = finding(gateway.RouteReasonNoMatchingParent, "%s", set.Refused.Message)
		}
		return p, true
	}
	g := a.gateways[named]
	return Parent{Ref: ref, Gateway: g}, g != nil
}

// listeners are those that a parent has itself.
func (p Parent) listeners() []*Listener {
	if p.set != nil {
		return p.set.Listeners
	}
	return p.Gateway.Listeners
}

// take finds the listeners of a parent that take a route, those that serve it, or why there are none.
func (a *Attachments) take(c routeClaim, p Parent) Parent {
	if !p.Refused.OK() {
		return p
	}
	closest := noListener
	for _, l := range p.listeners() {
		refused := a.t.refuses(l, c, p.Ref)
		if refused != takes {
			if refused > closest || p.Refused.OK() {
				closest = refused
				p.Refused = finding(refused.reason(), "the listener %s: %s", l.Name, refusals[refused])
			}
			continue
		}
		p.Attached = append(p.Attached, l)
		if idle := a.idle(c, p, l); idle.OK() {
			p.Serving = append(p.Serving, l)
		} else {
			p.Idle = finding(gateway.RouteConditionReason(idle.Reason), "the listener %s: %s", l.Name, idle.Message)
		}
	}
	switch {
	case len(p.Attached) > 0:
		p.Refused = Finding{}
	case p.Refused.OK():
		p.Refused = finding(gateway.RouteReasonNoMatchingParent, "the parent has no listeners")
	}
	return p
}

// idle is why a listener that takes a route does not serve it.
func (a *Attachments) idle(c routeClaim, p Parent, l *Listener) Finding {
	switch {
	case !p.Gateway.Refused.OK():
		return p.Gateway.Refused
	case !l.Refused.OK():
		return l.Refused
	case !l.Certificate.OK():
		return finding(l.Certificate.Reason, "it has no certificate")
	}
	if by := a.streams[streamPort{c.protocol, l.Port}]; by != (object.Ref{}) && by != object.RefOf(c.route) {
		return finding(ReasonOlderRoute, "its port belongs to the older %s", by)
	}
	return Finding{}
}

// ReasonOlderRoute says that a port of streams belongs to an older route.
const ReasonOlderRoute = "OlderRoute"

// attached are the listeners of a route: those that serve it, or, where nobody looks, those that its parents have.
func (t *translation) attached(r object.Object, parents []gateway.ParentReference) []*Listener {
	if t.Attach {
		return t.taken[object.RefOf(r)]
	}
	return t.listenersOf(r.GetNamespace(), parents)
}

// attach finds the listeners that serve a route, and the hosts that it has there: those that it shares with one of them. A route that no
// listener serves is a problem, and not ok. Without Attach every route is taken with the hosts that it names.
func (t *translation) attach(r object.Object) (effective []gateway.Hostname, ok bool) {
	claim, ok := routeClaimOf(r)
	if !t.Attach || !ok {
		return claim.hosts, ok
	}
	if t.attachments == nil {
		t.attachments = newAttachments(t)
	}
	var serving []*Listener
	why := "the route names no Gateway of ours"
	for _, parent := range t.attachments.route(claim) {
		serving = append(serving, parent.Serving...)
		switch {
		case !parent.Idle.OK():
			why = parent.Idle.Message
		case !parent.Refused.OK():
			why = parent.Refused.Message
		}
	}
	if len(serving) == 0 {
		t.problem(object.ReasonNotAttached, "no listener takes the route; "+why, r)
		return nil, false
	}
	if t.taken == nil {
		t.taken = map[object.Ref][]*Listener{}
	}
	t.taken[object.RefOf(r)] = serving
	return sharedHosts(serving, claim.hosts), true
}

// refusal is why a listener does not take a route. The later ones come closer to taking it.
type refusal int

const (
	takes refusal = iota - 1
	noListener
	otherListener
	otherPort
	otherProtocol
	otherKind
	otherNamespace
	otherHosts
)

var refusals = map[refusal]string{
	otherListener:  "the route names another one",
	otherPort:      "the route names another port",
	otherProtocol:  "it has another protocol",
	otherKind:      "it takes no routes of this kind",
	otherNamespace: "it takes no routes of this namespace",
	otherHosts:     "it has none of the hosts",
}

// reason is the Gateway API's word for a refusal.
func (r refusal) reason() gateway.RouteConditionReason {
	switch r {
	case otherProtocol, otherKind, otherNamespace:
		return gateway.RouteReasonNotAllowedByListeners
	case otherHosts:
		return gateway.RouteReasonNoMatchingListenerHostname
	default:
		return gateway.RouteReasonNoMatchingParent
	}
}

// refuses says whether a listener takes a route, or why not. Whether it serves it is another question.
func (t *translation) refuses(l *Listener, c routeClaim, parent gateway.ParentReference) refusal {
	switch {
	case parent.SectionName != nil && *parent.SectionName != "" && *parent.SectionName != l.Name:
		return otherListener
	case parent.Port != nil && *parent.Port != l.Port:
		return otherPort
	case !c.fits(l):
		return otherProtocol
	case !kindAllowed(l.Listener, c.route):
		return otherKind
	case !t.namespaceAllowed(l, c.route.GetNamespace()):
		return otherNamespace
	case len(c.hosts) > 0 && len(sharedHosts([]*Listener{l}, c.hosts)) == 0:
		return otherHosts
	}
	return takes
}

func kindAllowed(l gateway.Listener, r object.Object) bool {
	if l.AllowedRoutes == nil || len(l.AllowedRoutes.Kinds) == 0 {
		return true
	}
	ref := object.RefOf(r)
	return slices.ContainsFunc(l.AllowedRoutes.Kinds, func(k gateway.RouteGroupKind) bool {
		return string(k.Kind) == ref.Kind && (k.Group == nil || string(*k.Group) == ref.Group)
	})
}

// namespaceAllowed says whether a listener takes routes of a namespace. Unless it says otherwise, only those of its own.
func (t *translation) namespaceAllowed(l *Listener, namespace string) bool {
	from, selector := gateway.NamespacesFromSame, (*meta.LabelSelector)(nil)
	if allowed := l.AllowedRoutes; allowed != nil && allowed.Namespaces != nil {
		selector = allowed.Namespaces.Selector
		if allowed.Namespaces.From != nil {
			from = *allowed.Namespaces.From
		}
	}
	return t.from(from, selector, l.Owner.GetNamespace(), namespace)
}

// from says whether a namespace is among those that are allowed beside the own one.
func (t *translation) from(from gateway.FromNamespaces, selector *meta.LabelSelector, own, namespace string) bool {
	switch from {
	case gateway.NamespacesFromAll:
		return true
	case gateway.NamespacesFromSame:
		return own == namespace
	case gateway.NamespacesFromSelector:
		wanted, err := meta.LabelSelectorAsSelector(selector)
		if err != nil {
			return false
		}
		has := labels.Set{core.LabelMetadataName: namespace} // as an API server labels each
		if n, ok := object.Get[*core.Namespace](t.set, "Namespace", "", namespace); ok {
			has = labels.Merge(has, n.Labels)
		}
		return wanted.Matches(has)
	}
	return false
}

// sharedHosts are the hosts that a route has at some listeners. Of no hosts at all, on either side, the others count.
func sharedHosts(listeners []*Listener, hosts []gateway.Hostname) []gateway.Hostname {
	var shared []gateway.Hostname
	add := func(host gateway.Hostname) {
		if host != "" && !slices.Contains(shared, host) {
			shared = append(shared, host)
		}
	}
	for _, l := range listeners {
		own := hostOf(l)
		if own == "" && len(hosts) == 0 {
			return nil // any host
		}
		if len(hosts) == 0 {
			add(own)
		}
		for _, host := range hosts {
			add(intersect(own, host))
		}
	}
	return shared
}

// intersect is the more precise of two hosts, one of which includes the other; nothing if neither does. The empty one includes all.
func intersect(a, b gateway.Hostname) gateway.Hostname {
	switch {
	case a == "" || includes(a, b):
		return b
	case b == "" || includes(b, a):
		return a
	}
	return ""
}

func includes(wide, narrow gateway.Hostname) bool {
	if wide == narrow {
		return true
	}
	suffix, wildcard := strings.CutPrefix(string(wide), "*")
	return wildcard && strings.HasSuffix(strings.TrimPrefix(string(narrow), "*"), suffix) && len(narrow) > len(suffix)
}

// attachHTTPRoute is an HTTPRoute with the hosts that it has where it is attached.
func (t *translation) attachHTTPRoute(r *gateway.HTTPRoute) (*gateway.HTTPRoute, bool) {
	hosts, ok := t.attach(r)
	there := *r
	there.Spec.Hostnames = hosts
	return &there, ok
}

// attachGRPCRoute is a GRPCRoute with the hosts that it has where it is attached.
func (t *translation) attachGRPCRoute(r *gateway.GRPCRoute) (*gateway.GRPCRoute, bool) {
	hosts, ok := t.attach(r)
	there := *r
	there.Spec.Hostnames = hosts
	return &there, ok
}

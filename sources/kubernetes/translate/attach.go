package translate

import (
	"fmt"
	"slices"
	"strings"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// kindListenerSet is what brings listeners to a Gateway from beside it.
const kindListenerSet = "ListenerSet"

// attached are the listeners of a route: those that take it, or, where nobody looks, those that its parents have.
func (t *translation) attached(r object.Object, parents []gateway.ParentReference) []listener {
	if t.Attach {
		return t.taken[object.RefOf(r)]
	}
	return t.listenersOf(r.GetNamespace(), parents)
}

// attach finds the listeners that take a route, and the hosts that it has there: those that it shares with one of them. A route that no
// listener takes is a problem, and not ok. Without Attach every route is taken with the hosts that it names.
func (t *translation) attach(
	r object.Object, parents []gateway.ParentReference, hosts []gateway.Hostname, fits func(gateway.Listener) bool,
) (effective []gateway.Hostname, ok bool) {
	if !t.Attach {
		return hosts, true
	}
	var taken []listener
	closest, why := noGateway, ""
	for _, parent := range parents {
		for _, l := range t.parentListeners(r.GetNamespace(), parent) {
			refused := t.refuses(l, r, parent, hosts, fits)
			if refused == takes {
				taken = append(taken, l)
			} else if refused > closest {
				closest, why = refused, fmt.Sprintf("the listener %s: ", l.Name)
			}
		}
	}
	if len(taken) == 0 {
		t.problem(object.ReasonNotAttached, "no listener takes the route; "+why+refusals[closest], r)
		return nil, false
	}
	if t.taken == nil {
		t.taken = map[object.Ref][]listener{}
	}
	t.taken[object.RefOf(r)] = taken
	return sharedHosts(taken, hosts), true
}

// refusal is why a listener does not take a route. The later ones come closer to taking it.
type refusal int

const (
	takes refusal = iota - 1
	noGateway
	otherController
	otherListener
	otherPort
	otherProtocol
	otherKind
	otherNamespace
	otherHosts
	noCertificate
)

var refusals = map[refusal]string{
	noGateway:       "the route names no Gateway of ours",
	otherController: "its Gateway is of another controller",
	otherListener:   "the route names another one",
	otherPort:       "the route names another port",
	otherProtocol:   "it has another protocol",
	otherKind:       "it takes no routes of this kind",
	otherNamespace:  "it takes no routes of this namespace",
	otherHosts:      "it has none of the hosts",
	noCertificate:   "it has no certificate",
}

// refuses says whether a listener takes a route, or why not.
func (t *translation) refuses(
	l listener, r object.Object, parent gateway.ParentReference, hosts []gateway.Hostname, fits func(gateway.Listener) bool,
) refusal {
	switch {
	case !t.oursGateway(l.gateway):
		return otherController
	case parent.SectionName != nil && *parent.SectionName != "" && *parent.SectionName != l.Name:
		return otherListener
	case parent.Port != nil && *parent.Port != l.Port:
		return otherPort
	case !fits(l.Listener):
		return otherProtocol
	case !kindAllowed(l.Listener, r):
		return otherKind
	case !t.namespaceAllowed(l, r.GetNamespace()):
		return otherNamespace
	case len(hosts) > 0 && len(sharedHosts([]listener{l}, hosts)) == 0:
		return otherHosts
	case !t.hasCertificate(l):
		return noCertificate
	}
	return takes
}

// oursGateway says whether a Gateway's class is one of our controller.
func (t *translation) oursGateway(g *gateway.Gateway) bool {
	if g == nil {
		return false
	}
	class, ok := object.Get[*gateway.GatewayClass](t.set, "GatewayClass", "", string(g.Spec.GatewayClassName))
	return ok && t.GatewayController != "" && string(class.Spec.ControllerName) == t.GatewayController
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
func (t *translation) namespaceAllowed(l listener, namespace string) bool {
	from, selector := gateway.NamespacesFromSame, (*meta.LabelSelector)(nil)
	if allowed := l.AllowedRoutes; allowed != nil && allowed.Namespaces != nil {
		selector = allowed.Namespaces.Selector
		if allowed.Namespaces.From != nil {
			from = *allowed.Namespaces.From
		}
	}
	return t.from(from, selector, l.owner.GetNamespace(), namespace)
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

// hasCertificate says whether a listener that ends TLS has what it needs for it.
func (t *translation) hasCertificate(l listener) bool {
	if l.Protocol != gateway.HTTPSProtocolType || l.TLS == nil || len(l.TLS.CertificateRefs) == 0 {
		return true
	}
	_, ok := t.listenerCertificate(l)
	return ok
}

// sharedHosts are the hosts that a route has at some listeners. Of no hosts at all, on either side, the others count.
func sharedHosts(listeners []listener, hosts []gateway.Hostname) []gateway.Hostname {
	var shared []gateway.Hostname
	add := func(host gateway.Hostname) {
		if host != "" && !slices.Contains(shared, host) {
			shared = append(shared, host)
		}
	}
	for _, l := range listeners {
		own := gateway.Hostname("")
		if l.Hostname != nil {
			own = *l.Hostname
		}
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
	hosts, ok := t.attach(r, r.Spec.ParentRefs, r.Spec.Hostnames, endsHTTP)
	there := *r
	there.Spec.Hostnames = hosts
	return &there, ok
}

// attachGRPCRoute is a GRPCRoute with the hosts that it has where it is attached.
func (t *translation) attachGRPCRoute(r *gateway.GRPCRoute) (*gateway.GRPCRoute, bool) {
	hosts, ok := t.attach(r, r.Spec.ParentRefs, r.Spec.Hostnames, endsHTTP)
	there := *r
	there.Spec.Hostnames = hosts
	return &there, ok
}

func endsHTTP(l gateway.Listener) bool {
	return (l.Protocol == gateway.HTTPProtocolType || l.Protocol == gateway.HTTPSProtocolType) &&
		(l.TLS == nil || l.TLS.Mode == nil || *l.TLS.Mode == gateway.TLSModeTerminate)
}

func speaks(protocol gateway.ProtocolType) func(gateway.Listener) bool {
	return func(l gateway.Listener) bool { return l.Protocol == protocol }
}

// listenerSet lists the listeners of a ListenerSet, which belong to the Gateway that it names. With Attach the Gateway must allow them.
func (t *translation) listenerSet(set *gateway.ListenerSet) []listener {
	parent := set.Spec.ParentRef
	namespace := set.Namespace
	if parent.Namespace != nil {
		namespace = string(*parent.Namespace)
	}
	g, _ := object.Get[*gateway.Gateway](t.set, kindGateway, namespace, string(parent.Name))
	if t.Attach && (g == nil || !t.setAllowed(g, set.Namespace)) {
		return nil
	}
	all := make([]listener, 0, len(set.Spec.Listeners))
	for _, l := range set.Spec.Listeners {
		all = append(all, listener{Listener: gateway.Listener(l), owner: set, gateway: g})
	}
	return all
}

// setAllowed says whether a Gateway allows ListenerSets of a namespace. Unless it says otherwise, of none.
func (t *translation) setAllowed(g *gateway.Gateway, namespace string) bool {
	allowed := g.Spec.AllowedListeners
	if allowed == nil || allowed.Namespaces == nil || allowed.Namespaces.From == nil {
		return false
	}
	return t.from(*allowed.Namespaces.From, allowed.Namespaces.Selector, g.Namespace, namespace)
}

// gatewayListeners lists the listeners of a Gateway, its own and those of ListenerSets.
func (t *translation) gatewayListeners(g *gateway.Gateway) []listener {
	all := make([]listener, 0, len(g.Spec.Listeners))
	for _, l := range g.Spec.Listeners {
		all = append(all, listener{Listener: l, owner: g, gateway: g})
	}
	for _, set := range object.List[*gateway.ListenerSet](t.set, kindListenerSet) {
		for _, l := range t.listenerSet(set) {
			if l.gateway == g {
				all = append(all, l)
			}
		}
	}
	return all
}

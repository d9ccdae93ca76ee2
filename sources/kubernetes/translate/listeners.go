package translate

import (
	"fmt"
	"slices"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// Kinds of the Gateway API that bring listeners.
const (
	kindGateway     = "Gateway"     // what a route's parent is, unless it says otherwise
	kindListenerSet = "ListenerSet" // brings listeners to a Gateway from beside it
)

// Finding is what is wrong with an object, in the Gateway API's words for reasons. The zero Finding is that nothing is.
type Finding struct {
	Reason  string
	Message string // names objects and fields, and holds no secrets
}

// OK says that nothing was found.
func (f Finding) OK() bool { return f.Reason == "" }

func finding[R ~string](reason R, format string, values ...any) Finding {
	return Finding{Reason: string(reason), Message: fmt.Sprintf(format, values...)}
}

// Listener is a listener of a Gateway or of a ListenerSet, with what is wrong with it.
type Listener struct {
	gateway.Listener
	Owner   object.Object    // the Gateway or the ListenerSet that names it
	Gateway *gateway.Gateway // what has it; nil where that is not in the set

	// Kinds are the kinds of routes that it takes.
	Kinds []gateway.RouteGroupKind
	// Refused is why the listener is not accepted: a protocol, a mode or a validation that is not supported, or a conflict.
	Refused Finding
	// Conflicted says that Refused is a conflict with another listener.
	Conflicted bool
	// Certificate is why it has no certificate, although it ends TLS.
	Certificate Finding
	// Authorities is what is wrong with the authorities for client certificates that its Gateway names.
	Authorities Finding
	// InvalidKinds names kinds of routes that it asks for and cannot take.
	InvalidKinds Finding
}

// Serves says whether gateways serve the listener: a refused one and one without its certificate take routes, but no traffic.
func (l *Listener) Serves() bool { return l.Refused.OK() && l.Certificate.OK() }

// Set is a ListenerSet of a Gateway of ours.
type Set struct {
	*gateway.ListenerSet
	Refused   Finding // why none of its listeners counts
	Listeners []*Listener
}

// Gateway is a Gateway of ours with all its listeners, those of ListenerSets among them.
type Gateway struct {
	*gateway.Gateway
	Class     *gateway.GatewayClass
	Refused   Finding // why none of its listeners counts
	Listeners []*Listener
	Sets      []*Set // in the order of their precedence
}

// All lists the listeners of a Gateway and those of its sets that count.
func (g *Gateway) All() []*Listener {
	all := slices.Clone(g.Listeners)
	for _, set := range g.Sets {
		if set.Refused.OK() {
			all = append(all, set.Listeners...)
		}
	}
	return all
}

// readGateways finds the Gateways of our controller, and decides about their listeners.
func (t *translation) readGateways() map[object.Ref]*Gateway {
	ours := map[object.Ref]*Gateway{}
	for _, g := range object.List[*gateway.Gateway](t.set, kindGateway) {
		class, ok := t.classOf(g)
		if !ok {
			continue
		}
		made := &Gateway{Gateway: g, Class: class, Refused: refusesGateway(g, class)}
		for _, l := range g.Spec.Listeners {
			made.Listeners = append(made.Listeners, t.judge(&Listener{Listener: l, Owner: g, Gateway: g}))
		}
		ours[object.RefOf(g)] = made
	}
	for _, set := range object.List[*gateway.ListenerSet](t.set, kindListenerSet) {
		if g := ours[gatewayOfSet(set)]; g != nil {
			g.Sets = append(g.Sets, t.readSet(g, set))
		}
	}
	for _, g := range ours {
		slices.SortStableFunc(g.Sets, func(a, b *Set) int { return byAge(a.ListenerSet, b.ListenerSet) })
		conflicts(g)
		for _, set := range g.Sets {
			set.settle()
		}
	}
	return ours
}

// gatewayOfSet names the Gateway that a ListenerSet belongs to.
func gatewayOfSet(set *gateway.ListenerSet) object.Ref {
	namespace := set.Namespace
	if set.Spec.ParentRef.Namespace != nil {
		namespace = string(*set.Spec.ParentRef.Namespace)
	}
	return object.Ref{Group: gateway.GroupName, Kind: kindGateway, Namespace: namespace, Name: string(set.Spec.ParentRef.Name)}
}

// readSet reads a ListenerSet of a Gateway, which must allow it.
func (t *translation) readSet(g *Gateway, set *gateway.ListenerSet) *Set {
	made := &Set{ListenerSet: set}
	switch {
	case !t.setAllowed(g.Gateway, set.Namespace):
		made.Refused = finding(gateway.ListenerSetReasonNotAllowed, "the Gateway allows no ListenerSets of this namespace")
	case !g.Refused.OK():
		made.Refused = finding(gateway.ListenerSetReasonParentNotAccepted, "the Gateway is not accepted")
	}
	for _, l := range set.Spec.Listeners {
		made.Listeners = append(made.Listeners, t.judge(&Listener{Listener: gateway.Listener(l), Owner: set, Gateway: g.Gateway}))
	}
	return made
}

// settle refuses a set none of whose listeners serves.
func (s *Set) settle() {
	if s.Refused.OK() && !slices.ContainsFunc(s.Listeners, (*Listener).Serves) {
		s.Refused = finding(gateway.ListenerSetReasonListenersNotValid, "none of its listeners is valid")
	}
}

// setAllowed says whether a Gateway allows ListenerSets of a namespace. Unless it says otherwise, of none.
func (t *translation) setAllowed(g *gateway.Gateway, namespace string) bool {
	allowed := g.Spec.AllowedListeners
	if allowed == nil || allowed.Namespaces == nil || allowed.Namespaces.From == nil {
		return false
	}
	return t.from(*allowed.Namespaces.From, allowed.Namespaces.Selector, g.Namespace, namespace)
}

// classOf finds the class of a Gateway, if it is one of our controller.
func (t *translation) classOf(g *gateway.Gateway) (*gateway.GatewayClass, bool) {
	class, ok := object.Get[*gateway.GatewayClass](t.set, "GatewayClass", "", string(g.Spec.GatewayClassName))
	return class, ok && t.GatewayController != "" && string(class.Spec.ControllerName) == t.GatewayController
}

// RefusesClass is why a GatewayClass of ours is not accepted: there are no parameters that one could name.
func RefusesClass(class *gateway.GatewayClass) Finding {
	if p := class.Spec.ParametersRef; p != nil {
		return finding(gateway.GatewayClassReasonInvalidParameters, "the parameters %s %s are of no kind that is supported", p.Kind, p.Name)
	}
	return Finding{}
}

// refusesGateway is why a Gateway is not accepted, whatever its listeners.
func refusesGateway(g *gateway.Gateway, class *gateway.GatewayClass) Finding {
	if !RefusesClass(class).OK() {
		return finding(gateway.GatewayReasonInvalidParameters, "its class %s is not accepted", class.Name)
	}
	if infra := g.Spec.Infrastructure; infra != nil && infra.ParametersRef != nil {
		return finding(gateway.GatewayReasonInvalidParameters, "the parameters %s %s are of no kind that is supported",
			infra.ParametersRef.Kind, infra.ParametersRef.Name)
	}
	for _, address := range g.Spec.Addresses {
		if kind := address.Type; kind != nil && *kind != gateway.IPAddressType && *kind != gateway.HostnameAddressType {
			return finding(gateway.GatewayReasonUnsupportedAddress, "addresses of type %s are not supported", *kind)
		}
	}
	return Finding{}
}

// routeKinds are the kinds of routes that a listener can take, by its protocol.
var routeKinds = map[gateway.ProtocolType][]string{
	gateway.HTTPProtocolType:  {"HTTPRoute", "GRPCRoute"},
	gateway.HTTPSProtocolType: {"HTTPRoute", "GRPCRoute"},
	gateway.TLSProtocolType:   {"TLSRoute"},
	gateway.TCPProtocolType:   {"TCPRoute"},
	gateway.UDPProtocolType:   {"UDPRoute"},
}

// judge finds what is wrong with a listener by itself.
func (t *translation) judge(l *Listener) *Listener {
	can := routeKinds[l.Protocol]
	switch {
	case len(can) == 0:
		l.Refused = finding(gateway.ListenerReasonUnsupportedProtocol, "the protocol %s is not supported", l.Protocol)
	case l.Protocol == gateway.HTTPSProtocolType && l.passesThrough():
		l.Refused = finding(gateway.ListenerReasonUnsupportedValue, "a listener of HTTPS ends TLS itself")
	default:
		l.Refused = t.refusesValidation(l)
	}
	l.Kinds, l.InvalidKinds = kindsOf(l.Listener, can)
	if l.endsTLS() && len(l.TLS.CertificateRefs) > 0 {
		_, _, l.Certificate = t.listenerCertificate(l)
	}
	return l
}

func (l *Listener) passesThrough() bool {
	return l.TLS != nil && l.TLS.Mode != nil && *l.TLS.Mode == gateway.TLSModePassthrough
}

func (l *Listener) endsTLS() bool {
	return l.TLS != nil && (l.Protocol == gateway.HTTPSProtocolType || l.Protocol == gateway.TLSProtocolType) && !l.passesThrough()
}

// kindsOf lists the kinds of routes that a listener takes: those that it names of those that its protocol can have, or all of these.
func kindsOf(l gateway.Listener, can []string) (kinds []gateway.RouteGroupKind, invalid Finding) {
	kinds = []gateway.RouteGroupKind{}
	if l.AllowedRoutes == nil || len(l.AllowedRoutes.Kinds) == 0 {
		for _, kind := range can {
			kinds = append(kinds, gateway.RouteGroupKind{Group: new(gateway.Group(gateway.GroupName)), Kind: gateway.Kind(kind)})
		}
		return kinds, Finding{}
	}
	for _, kind := range l.AllowedRoutes.Kinds {
		group := gateway.Group(gateway.GroupName)
		if kind.Group != nil {
			group = *kind.Group
		}
		if group == gateway.GroupName && slices.Contains(can, string(kind.Kind)) {
			kinds = append(kinds, gateway.RouteGroupKind{Group: &group, Kind: kind.Kind})
		} else {
			invalid = finding(gateway.ListenerReasonInvalidRouteKinds, "a listener of %s cannot take routes of kind %s", l.Protocol, kind.Kind)
		}
	}
	return kinds, invalid
}

// validationOf is what a Gateway says of client certificates for a listener; nil where it asks for none.
func validationOf(l *Listener) *gateway.FrontendTLSValidation {
	if l.Protocol != gateway.HTTPSProtocolType || l.Gateway.Spec.TLS == nil || l.Gateway.Spec.TLS.Frontend == nil {
		return nil
	}
	for _, port := range l.Gateway.Spec.TLS.Frontend.PerPort {
		if port.Port == l.Port {
			return port.TLS.Validation
		}
	}
	return l.Gateway.Spec.TLS.Frontend.Default.Validation
}

// refusesValidation refuses a listener whose Gateway wants client certificates checked: Kong checks them by plugins, and a listener that
// let everyone in would be no answer. With the mode AllowInsecureFallback that is what was asked for.
func (t *translation) refusesValidation(l *Listener) Finding {
	validation := validationOf(l)
	if validation == nil {
		return Finding{}
	}
	if l.Authorities = t.validationRefs(l, validation); !l.Authorities.OK() {
		return finding(gateway.ListenerReasonNoValidCACertificate, "%s", l.Authorities.Message)
	}
	if validation.Mode == gateway.AllowInsecureFallback {
		return Finding{}
	}
	return finding(gateway.ListenerReasonUnsupportedValue, "client certificates are not checked by listeners: use a KongPlugin")
}

// AnyClient says whether a Gateway asks for client certificates at one of its listeners, and lets clients in that have none.
func (g *Gateway) AnyClient() bool {
	return slices.ContainsFunc(g.Listeners, func(l *Listener) bool {
		validation := validationOf(l)
		return validation != nil && validation.Mode == gateway.AllowInsecureFallback
	})
}

// validationRefs is what is wrong with the authorities that a Gateway names for the client certificates of a listener.
func (t *translation) validationRefs(l *Listener, validation *gateway.FrontendTLSValidation) Finding {
	for _, ref := range validation.CACertificateRefs {
		namespace := l.Gateway.Namespace
		if ref.Namespace != nil {
			namespace = string(*ref.Namespace)
		}
		to := object.Ref{Group: string(ref.Group), Kind: string(ref.Kind), Namespace: namespace, Name: string(ref.Name)}
		switch {
		case (ref.Group != "" && ref.Group != "core") || ref.Kind != "ConfigMap":
			return finding(gateway.ListenerReasonInvalidCACertificateKind, "an authority is a %s, and only a ConfigMap can be one", ref.Kind)
		case namespace != l.Gateway.Namespace && !t.granted(l.Gateway, to):
			return finding(gateway.ListenerReasonRefNotPermitted, "no ReferenceGrant allows the ConfigMap %s/%s", namespace, ref.Name)
		}
		if found := Authority(t.set, to); !found.OK() {
			return finding(gateway.ListenerReasonInvalidCACertificateRef, "%s", found.Message)
		}
	}
	return Finding{}
}

// ClientCertificate is what is wrong with the certificate that a Gateway names for its connections to backends. A good one is not used
// either.
func (a *Attachments) ClientCertificate(g *Gateway) Finding {
	if g.Spec.TLS == nil || g.Spec.TLS.Backend == nil || g.Spec.TLS.Backend.ClientCertificateRef == nil {
		return Finding{}
	}
	probe := &Listener{Owner: g.Gateway, Gateway: g.Gateway}
	probe.TLS = &gateway.ListenerTLSConfig{CertificateRefs: []gateway.SecretObjectReference{*g.Spec.TLS.Backend.ClientCertificateRef}}
	_, _, wrong := a.t.listenerCertificate(probe)
	switch {
	case wrong.OK():
		return finding(gateway.GatewayConditionReason("Unsupported"),
			"certificates of a Gateway for backends are not used: annotate the Services with %s", annotationClientCert)
	case wrong.Reason == string(gateway.ListenerReasonRefNotPermitted):
		return wrong
	}
	return finding(gateway.GatewayReasonInvalidClientCertificateRef, "%s", wrong.Message)
}

// conflicts refuses listeners of a Gateway that traffic could not be told apart for. Of those that one object names, all are refused;
// those of a ListenerSet give way to the Gateway's and to those of older sets. https://gateway-api.sigs.k8s.io/reference/spec/#gatewayspec
// and GEP-1713.
func conflicts(g *Gateway) {
	conflictsAmong(g.Listeners)
	before := g.Listeners
	for _, set := range g.Sets {
		if !set.Refused.OK() {
			continue
		}
		for _, l := range set.Listeners {
			for _, other := range before {
				if !other.Conflicted || other.Owner == object.Object(g.Gateway) {
					l.conflict(other)
				}
			}
		}
		// What gave way costs its siblings nothing.
		conflictsAmong(slices.DeleteFunc(slices.Clone(set.Listeners), func(l *Listener) bool { return l.Conflicted }))
		before = slices.Concat(before, set.Listeners)
	}
}

func conflictsAmong(listeners []*Listener) {
	for i, l := range listeners {
		for j, other := range listeners {
			if i != j {
				l.conflict(other)
			}
		}
	}
}

// conflict refuses a listener for another one. A listener that is refused for itself conflicts with none.
func (l *Listener) conflict(other *Listener) {
	if reason := indistinct(l, other); reason != "" && (l.Refused.OK() || l.Conflicted) && (other.Refused.OK() || other.Conflicted) {
		l.Refused, l.Conflicted = finding(reason, "another listener has the port %d: %s", l.Port, other.Name), true
	}
}

// indistinct says why traffic cannot be told apart for two listeners; nothing if it can. A port of Kong speaks HTTP with or without TLS,
// or streams of one kind.
func indistinct(a, b *Listener) gateway.ListenerConditionReason {
	datagrams := a.Protocol == gateway.UDPProtocolType
	switch {
	case a.Port != b.Port || datagrams != (b.Protocol == gateway.UDPProtocolType):
		return ""
	case a.Protocol != b.Protocol || datagrams || a.Protocol == gateway.TCPProtocolType:
		return gateway.ListenerReasonProtocolConflict
	case a.Protocol == gateway.TLSProtocolType && a.passesThrough() != b.passesThrough():
		return gateway.ListenerReasonProtocolConflict
	case hostOf(a) == hostOf(b):
		return gateway.ListenerReasonHostnameConflict
	}
	return ""
}

func hostOf(l *Listener) gateway.Hostname {
	if l.Hostname == nil {
		return ""
	}
	return *l.Hostname
}

// hasStatus says whether a listener has a status, and in a cluster that nobody else manages the condition that it is programmed.
func hasStatus(g *gateway.Gateway, name gateway.SectionName, programmed bool) bool {
	return slices.ContainsFunc(g.Status.Listeners, func(s gateway.ListenerStatus) bool {
		return s.Name == name && (!programmed || slices.ContainsFunc(s.Conditions, func(c meta.Condition) bool {
			return c.Type == string(gateway.ListenerConditionProgrammed) && c.Reason == string(gateway.ListenerReasonProgrammed) &&
				c.Status == meta.ConditionTrue && c.ObservedGeneration == g.Generation
		}))
	})
}

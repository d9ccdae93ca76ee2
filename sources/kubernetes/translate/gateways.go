package translate

import (
	"fmt"
	"slices"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/declarative"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// kindGateway is what a route's parent is, unless it says otherwise.
const kindGateway = "Gateway"

// listener is a listener of a Gateway or of a ListenerSet.
type listener struct {
	gateway.Listener
	owner   object.Object    // what names it
	gateway *gateway.Gateway // what has it; nil where that is not in the set
}

// listenersOf lists the listeners that the parents of a route in a namespace name, as far as their Gateways are in the set.
func (t *translation) listenersOf(namespace string, parents []gateway.ParentReference) []listener {
	var found []listener
	for _, parent := range parents {
		for _, l := range t.parentListeners(namespace, parent) {
			if parent.SectionName == nil || *parent.SectionName == l.Name {
				found = append(found, l)
			}
		}
	}
	return found
}

// parentListeners lists all listeners of a parent.
func (t *translation) parentListeners(namespace string, parent gateway.ParentReference) []listener {
	if parent.Namespace != nil && *parent.Namespace != "" {
		namespace = string(*parent.Namespace)
	}
	if parent.Kind != nil && *parent.Kind == kindListenerSet {
		if set, ok := object.Get[*gateway.ListenerSet](t.set, kindListenerSet, namespace, string(parent.Name)); ok {
			return t.listenerSet(set)
		}
		return nil
	}
	g, ok := object.Get[*gateway.Gateway](t.set, kindGateway, namespace, string(parent.Name))
	if !ok {
		return nil
	}
	listeners := make([]listener, 0, len(g.Spec.Listeners))
	for _, l := range g.Spec.Listeners {
		listeners = append(listeners, listener{Listener: l, owner: g, gateway: g})
	}
	return listeners
}

// ports are those of listeners with a protocol.
func ports(listeners []listener, protocol gateway.ProtocolType) []int {
	var found []int
	for _, l := range listeners {
		if l.Protocol == protocol {
			found = append(found, int(l.Port))
		}
	}
	return found
}

// httpProtocols are the protocols of a route by the listeners that it has; none where there are no listeners, which leaves it to Kong.
func httpProtocols(listeners []listener) []string {
	var found []string
	for name, protocol := range map[string]gateway.ProtocolType{"http": gateway.HTTPProtocolType, "https": gateway.HTTPSProtocolType} {
		if len(ports(listeners, protocol)) > 0 {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found
}

// backendsOf finds the Services that a rule names. One that is not there, or not allowed, costs only itself.
func (t *translation) backendsOf(from object.Object, refs []gateway.BackendRef) []backend {
	var found []backend
	for _, ref := range refs {
		namespace := from.GetNamespace()
		if ref.Namespace != nil {
			namespace = string(*ref.Namespace)
		}
		switch {
		case namespace == "":
			t.problem(object.ReasonInvalid, fmt.Sprintf("the backend %s has no namespace", ref.Name), from)
			continue
		case ref.Kind == nil:
			t.problem(object.ReasonInvalid, fmt.Sprintf("the backend %s has no kind", ref.Name), from)
			continue
		case *ref.Kind != "Service" || ref.Group != nil && *ref.Group != "" && *ref.Group != "core":
			t.problem(object.ReasonUnsupported, fmt.Sprintf("the backend %s is a %s, and only a Service can be one", ref.Name, *ref.Kind), from)
			continue
		}
		if _, ok := object.Get[*core.Service](t.set, "Service", namespace, string(ref.Name)); !ok {
			t.problem(object.ReasonUnresolved, fmt.Sprintf("there is no Service %s/%s", namespace, ref.Name), from)
			continue
		}
		to := object.Ref{Kind: "Service", Namespace: namespace, Name: string(ref.Name)}
		if namespace != from.GetNamespace() && !t.granted(from, to) {
			t.problem(object.ReasonNotGranted, fmt.Sprintf("no ReferenceGrant allows the Service %s/%s", namespace, ref.Name), from)
			continue
		}
		b := backend{namespace: namespace, name: string(ref.Name), port: portRef{number: -1}}
		if ref.Port != nil {
			b.port.number = *ref.Port
		}
		if ref.Weight != nil {
			b.weight = new(int(*ref.Weight))
		}
		found = append(found, b)
	}
	return found
}

// terminate answers for a rule all of whose backends are missing, with the status that the Gateway API asks for.
func terminate(s *service, named int) {
	if len(s.backends) == 0 && named > 0 {
		s.Plugins = append(s.Plugins, declarative.Plugin{Name: "request-termination", Config: declarative.Fields{
			"status_code": 500, "message": "no existing backendRef provided",
		}})
	}
}

// listenerCertificates makes the certificates of the listeners of our Gateways, as far as the listener has a status; in a cluster that
// nobody else manages it must be programmed too.
func (t *translation) listenerCertificates() []certificate {
	var found []certificate
	for _, g := range object.List[*gateway.Gateway](t.set, kindGateway) {
		if !t.oursGateway(g) {
			continue
		}
		class, _ := object.Get[*gateway.GatewayClass](t.set, "GatewayClass", "", string(g.Spec.GatewayClassName))
		mustBeProgrammed := class.Annotations[annotationUnmanaged] != ""
		for _, l := range t.gatewayListeners(g) {
			if l.TLS == nil || len(l.TLS.CertificateRefs) == 0 || !t.Attach && !hasStatus(g, l.Name, mustBeProgrammed) {
				continue
			}
			if made, ok := t.listenerCertificate(l); ok {
				found = append(found, made)
			}
		}
	}
	return found
}

func hasStatus(g *gateway.Gateway, name gateway.SectionName, programmed bool) bool {
	return slices.ContainsFunc(g.Status.Listeners, func(s gateway.ListenerStatus) bool {
		return s.Name == name && (!programmed || slices.ContainsFunc(s.Conditions, func(c meta.Condition) bool {
			return c.Type == string(gateway.ListenerConditionProgrammed) && c.Reason == string(gateway.ListenerReasonProgrammed) &&
				c.Status == meta.ConditionTrue && c.ObservedGeneration == g.Generation
		}))
	})
}

func (t *translation) listenerCertificate(l listener) (certificate, bool) {
	if len(l.TLS.CertificateRefs) > 1 {
		t.problem(object.ReasonUnsupported, fmt.Sprintf("the listener %s has more than one certificate", l.Name), l.owner)
		return certificate{}, false
	}
	ref := l.TLS.CertificateRefs[0]
	namespace := l.owner.GetNamespace()
	if ref.Namespace != nil {
		namespace = string(*ref.Namespace)
	}
	to := object.Ref{Kind: "Secret", Namespace: namespace, Name: string(ref.Name)}
	if namespace != l.owner.GetNamespace() && !t.granted(l.owner, to) {
		t.problem(object.ReasonNotGranted, fmt.Sprintf("no ReferenceGrant allows the Secret %s/%s", namespace, ref.Name), l.owner)
		return certificate{}, false
	}
	made, ok := t.certificate(namespace, string(ref.Name), []object.Object{l.owner})
	host := "*"
	if l.Hostname != nil {
		host = string(*l.Hostname)
	}
	made.SNIs = []declarative.SNI{{Name: host}}
	return made, ok
}

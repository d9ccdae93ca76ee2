package translate

import (
	"slices"

	core "k8s.io/api/core/v1"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/declarative"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// listenersOf lists the listeners that the parents of a route in a namespace name, as far as their Gateways are in the set.
func (t *translation) listenersOf(namespace string, parents []gateway.ParentReference) []*Listener {
	var found []*Listener
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
func (t *translation) parentListeners(namespace string, parent gateway.ParentReference) []*Listener {
	if parent.Namespace != nil && *parent.Namespace != "" {
		namespace = string(*parent.Namespace)
	}
	if parent.Kind != nil && *parent.Kind == kindListenerSet {
		if set, ok := object.Get[*gateway.ListenerSet](t.set, kindListenerSet, namespace, string(parent.Name)); ok {
			return t.setListeners(set)
		}
		return nil
	}
	g, ok := object.Get[*gateway.Gateway](t.set, kindGateway, namespace, string(parent.Name))
	if !ok {
		return nil
	}
	listeners := make([]*Listener, 0, len(g.Spec.Listeners))
	for _, l := range g.Spec.Listeners {
		listeners = append(listeners, &Listener{Listener: l, Owner: g, Gateway: g})
	}
	return listeners
}

// setListeners lists the listeners of a ListenerSet, which belong to the Gateway that it names.
func (t *translation) setListeners(set *gateway.ListenerSet) []*Listener {
	named := gatewayOfSet(set)
	g, _ := object.Get[*gateway.Gateway](t.set, kindGateway, named.Namespace, named.Name)
	all := make([]*Listener, 0, len(set.Spec.Listeners))
	for _, l := range set.Spec.Listeners {
		all = append(all, &Listener{Listener: gateway.Listener(l), Owner: set, Gateway: g})
	}
	return all
}

// gatewayListeners lists the listeners of a Gateway, its own and those of ListenerSets. Where nobody looks whether a listener is accepted,
// all count.
func (t *translation) gatewayListeners(g *gateway.Gateway) []*Listener {
	all := t.parentListeners(g.Namespace, gateway.ParentReference{Name: gateway.ObjectName(g.Name)})
	for _, set := range object.List[*gateway.ListenerSet](t.set, kindListenerSet) {
		for _, l := range t.setListeners(set) {
			if l.Gateway == g {
				all = append(all, l)
			}
		}
	}
	return all
}

// ports are those of listeners with a protocol.
func ports(listeners []*Listener, protocol gateway.ProtocolType) []int {
	var found []int
	for _, l := range listeners {
		if l.Protocol == protocol {
			found = append(found, int(l.Port))
		}
	}
	return found
}

// httpProtocols are the protocols of a route by the listeners that it has; none where there are no listeners, which leaves it to Kong.
func httpProtocols(listeners []*Listener) []string {
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
		if reason, wrong := t.refusesBackend(from, ref); !wrong.OK() {
			t.problem(reason, wrong.Message, from)
			continue
		}
		b := backend{namespace: namespaceOf(from, ref), name: string(ref.Name), port: portRef{number: -1}}
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

func namespaceOf(from object.Object, ref gateway.BackendRef) string {
	if ref.Namespace != nil {
		return string(*ref.Namespace)
	}
	return from.GetNamespace()
}

// refusesBackend is why a backend that a route names cannot be one. Whether it may be named comes before whether it is there, for that is
// nobody's business who may not name it.
func (t *translation) refusesBackend(from object.Object, ref gateway.BackendRef) (object.Reason, Finding) {
	namespace := namespaceOf(from, ref)
	to := object.Ref{Kind: "Service", Namespace: namespace, Name: string(ref.Name)}
	switch {
	case namespace == "":
		return object.ReasonInvalid, finding(gateway.RouteReasonBackendNotFound, "the backend %s has no namespace", ref.Name)
	case ref.Kind == nil:
		return object.ReasonInvalid, finding(gateway.RouteReasonInvalidKind, "the backend %s has no kind", ref.Name)
	case *ref.Kind != "Service" || ref.Group != nil && *ref.Group != "" && *ref.Group != "core":
		return object.ReasonUnsupported,
			finding(gateway.RouteReasonInvalidKind, "the backend %s is a %s, and only a Service can be one", ref.Name, *ref.Kind)
	case namespace != from.GetNamespace() && !t.granted(from, to):
		return object.ReasonNotGranted,
			finding(gateway.RouteReasonRefNotPermitted, "no ReferenceGrant allows the Service %s/%s", namespace, ref.Name)
	}
	if _, ok := object.Get[*core.Service](t.set, "Service", namespace, string(ref.Name)); !ok {
		return object.ReasonUnresolved, finding(gateway.RouteReasonBackendNotFound, "there is no Service %s/%s", namespace, ref.Name)
	}
	return "", Finding{}
}

// terminate answers for a rule whose backends are all missing, with the status that the Gateway API asks for.
func terminate(s *service) {
	if len(s.backends) == 0 {
		s.Plugins = append(s.Plugins, declarative.Plugin{Name: "request-termination", Config: declarative.Fields{
			"status_code": 500, "message": "no existing backendRef provided",
		}})
	}
}

// listenerCertificates makes the certificates of the listeners of our Gateways. Without Attach the listener must have a status; in a
// cluster that nobody else manages it must be programmed too.
func (t *translation) listenerCertificates() []certificate {
	var found []certificate
	for _, g := range object.List[*gateway.Gateway](t.set, kindGateway) {
		class, ours := t.classOf(g)
		if !ours {
			continue
		}
		for _, l := range t.certified(g, class) {
			made, origin, wrong := t.listenerCertificate(l)
			if wrong.OK() {
				found = append(found, made)
			} else {
				t.problem(origin.reason, wrong.Message, origin.objects...)
			}
		}
	}
	return found
}

// certified lists the listeners of a Gateway whose certificates count.
func (t *translation) certified(g *gateway.Gateway, class *gateway.GatewayClass) []*Listener {
	var listeners []*Listener
	if t.Attach {
		if t.attachments == nil {
			t.attachments = newAttachments(t)
		}
		if known := t.attachments.gateways[object.RefOf(g)]; known.Refused.OK() {
			listeners = known.All()
		}
	} else {
		listeners = t.gatewayListeners(g)
	}
	mustBeProgrammed := class.Annotations[annotationUnmanaged] != ""
	return slices.DeleteFunc(listeners, func(l *Listener) bool {
		return l.TLS == nil || len(l.TLS.CertificateRefs) == 0 || !l.Refused.OK() || !t.Attach && !hasStatus(g, l.Name, mustBeProgrammed)
	})
}

// blame says whose problem it is that there is no certificate.
type blame struct {
	reason  object.Reason
	objects []object.Object
}

// listenerCertificate makes the certificate of a listener, or says what is wrong with it and whose problem that is.
func (t *translation) listenerCertificate(l *Listener) (certificate, blame, Finding) {
	ref := l.TLS.CertificateRefs[0]
	namespace := l.Owner.GetNamespace()
	if ref.Namespace != nil {
		namespace = string(*ref.Namespace)
	}
	to := object.Ref{Kind: "Secret", Namespace: namespace, Name: string(ref.Name)}
	own := []object.Object{l.Owner}
	switch {
	case len(l.TLS.CertificateRefs) > 1:
		return certificate{}, blame{object.ReasonUnsupported, own},
			finding(gateway.ListenerReasonInvalidCertificateRef, "the listener %s has more than one certificate", l.Name)
	case ref.Kind != nil && *ref.Kind != "Secret" || ref.Group != nil && *ref.Group != "" && *ref.Group != "core":
		return certificate{}, blame{object.ReasonUnsupported, own},
			finding(gateway.ListenerReasonInvalidCertificateRef, "the listener %s has a certificate that is no Secret", l.Name)
	case namespace != l.Owner.GetNamespace() && !t.granted(l.Owner, to):
		return certificate{}, blame{object.ReasonNotGranted, own},
			finding(gateway.ListenerReasonRefNotPermitted, "no ReferenceGrant allows the Secret %s/%s", namespace, ref.Name)
	}
	made, whose, wrong := t.certificateOf(namespace, string(ref.Name), own)
	if wrong != "" {
		return certificate{}, whose, finding(gateway.ListenerReasonInvalidCertificateRef, "%s", wrong)
	}
	host := gateway.Hostname("*")
	if l.Hostname != nil {
		host = *l.Hostname
	}
	made.SNIs = []declarative.SNI{{Name: string(host)}}
	return made, blame{}, Finding{}
}

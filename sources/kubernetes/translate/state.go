package translate

import (
	"fmt"
	"maps"
	"slices"

	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/declarative"
	"github.com/silverback-gateway/silverback/sources/kubernetes/kongcrd"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// translation is what is known while a set is translated.
type translation struct {
	Options
	set      *object.Set
	problems []object.Problem

	lazyClass      bool // an object without a class belongs to ours, which is the cluster's default
	parameters     kongcrd.IngressClassParameters
	services       map[string]*service
	sliceIndex     map[string][]*discovery.EndpointSlice // by namespace/name of the Service
	upstreams      []upstream
	consumers      []consumer
	groups         []group
	vaults         []vault
	plugins        []plugin
	custom         []customEntity
	certificates   []certificate
	caCertificates []caCertificate
	secrets        *sniTable
	attachments    *Attachments               // with Attach, once something asked for it
	taken          map[object.Ref][]*Listener // the listeners that serve a route, with Attach
}

// service is a service of Kong that is being made.
type service struct {
	declarative.Service
	namespace string
	backends  []backend
	// backing are the Services behind the backends that exist, by their names, with what policies add to their annotations.
	backing map[string]*core.Service
	parent  object.Object
	routes  []route
	skipped bool // its Services contradict each other
}

// backings lists the backing Services by name.
func (s *service) backings() []*core.Service {
	list := make([]*core.Service, 0, len(s.backing))
	for _, name := range slices.Sorted(maps.Keys(s.backing)) {
		list = append(list, s.backing[name])
	}
	return list
}

// backingRefs names the Services behind a service.
func (s *service) backingRefs() []object.Ref {
	refs := make([]object.Ref, 0, len(s.backing)+1)
	for _, behind := range s.backings() {
		refs = append(refs, object.RefOf(behind))
	}
	return refs
}

// refs names the objects that a service came from: first the one that its tags name.
func (s *service) refs() []object.Ref {
	refs := s.backingRefs()
	if s.parent == nil {
		return refs
	}
	parent := object.RefOf(s.parent)
	if len(refs) == 1 && parent.Kind != kongcrd.KindServiceFacade {
		return append(refs, parent)
	}
	return append([]object.Ref{parent}, refs...)
}

// backend is one Service, or facade of one, among which a service's load is balanced.
type backend struct {
	namespace string
	name      string
	facade    bool
	port      portRef
	weight    *int
}

// portRef names a port of a Service: by number, by name, or not at all, where a Service has only one.
type portRef struct {
	number int32
	name   string
}

func (p portRef) String() string {
	switch {
	case p.number != 0:
		return fmt.Sprint(p.number)
	case p.name != "":
		return p.name
	}
	return "implicitPort"
}

// route is a route of Kong that is being made, with the annotations that apply to it.
type route struct {
	declarative.Route
	source      object.Object
	annotations map[string]string
}

// routeOf is a route that came from source.
func routeOf(source object.Object, made declarative.Route) route {
	return route{Route: made, source: source, annotations: maps.Clone(source.GetAnnotations())}
}

// problem notes why objects, or parts of them, are left out.
func (t *translation) problem(reason object.Reason, message string, objects ...object.Object) {
	refs := make([]object.Ref, 0, len(objects))
	for _, obj := range objects {
		if obj != nil {
			refs = append(refs, object.RefOf(obj))
		}
	}
	t.problems = append(t.problems, object.Problem{Objects: refs, Reason: reason, Message: message})
}

// names lists the services that are being made, in order.
func (t *translation) names() []string { return slices.Sorted(maps.Keys(t.services)) }

// secret finds a Secret.
func (t *translation) secret(namespace, name string) (*core.Secret, bool) {
	return object.Get[*core.Secret](t.set, "Secret", namespace, name)
}

// refuseKinds refuses objects of kinds that have no translation.
func (t *translation) refuseKinds() {
	for kind, why := range map[string]string{
		kongcrd.KindTCPIngress: "TCPIngress is deprecated and not translated: use a TCPRoute",
		kongcrd.KindUDPIngress: "UDPIngress is deprecated and not translated: use a UDPRoute",
		kongcrd.KindLicense:    "KongLicense is not translated: the gateways are open source",
		"XListenerSet":         "XListenerSet is not translated: use a ListenerSet of gateway.networking.k8s.io",
	} {
		for _, obj := range object.List[*kongcrd.Unsupported](t.set, kind) {
			t.problem(object.ReasonUnsupported, why, obj)
		}
	}
}

package translate

import (
	"maps"
	"slices"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/kongcrd"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// Without is set without the broken objects and all that depends on them, directly or through others, and a problem for each that is left
// out. An Ingress depends on its class, its Services and its plugins; a Service on its plugins and its policy; a plugin on its Secrets. A
// broken object that is not in the set changes nothing.
func Without(set *object.Set, broken []object.Ref) (*object.Set, []object.Problem) {
	kept, left := LeaveOut(set, broken)
	var problems []object.Problem
	for _, ref := range slices.SortedFunc(maps.Keys(left), object.Compare) {
		message := "a gateway refused it"
		if cause := left[ref]; cause != ref {
			message = "it depends on " + cause.String() + ", which a gateway refused"
		}
		problems = append(problems, object.Problem{Objects: []object.Ref{ref}, Reason: object.ReasonBroken, Message: message})
	}
	return kept, problems
}

// LeaveOut is Without for any cause: it says for every object that is left out which broken object is why. A broken one is its own cause.
func LeaveOut(set *object.Set, broken []object.Ref) (*object.Set, map[object.Ref]object.Ref) {
	dependents := map[object.Ref][]object.Ref{}
	for _, obj := range set.All() {
		for _, on := range dependencies(set, obj) {
			dependents[on] = append(dependents[on], object.RefOf(obj))
		}
	}
	left := map[object.Ref]object.Ref{}
	sorted := slices.SortedFunc(slices.Values(broken), object.Compare)
	for _, cause := range sorted {
		if set.Has(cause) {
			left[cause] = cause
		}
	}
	for _, cause := range sorted {
		if left[cause] != cause {
			continue
		}
		for queue := slices.Clone(dependents[cause]); len(queue) > 0; queue = queue[1:] {
			if _, seen := left[queue[0]]; !seen {
				left[queue[0]] = cause
				queue = append(queue, dependents[queue[0]]...)
			}
		}
	}
	return set.Without(func(obj object.Object) bool {
		_, out := left[object.RefOf(obj)]
		return out
	}), left
}

// dependencies lists the objects of the set that obj names and cannot be without.
func dependencies(set *object.Set, obj object.Object) []object.Ref {
	d := naming{set: set, namespace: obj.GetNamespace()}
	switch obj := obj.(type) {
	case *networking.Ingress:
		d.ingress(obj)
	case *core.Service, *kongcrd.ServiceFacade:
		d.add(kongcrd.Group, kongcrd.KindUpstreamPolicy, d.namespace, obj.GetAnnotations()[annotationUpstreamPolicy])
	case *gateway.HTTPRoute:
		for _, rule := range obj.Spec.Rules {
			for _, ref := range rule.BackendRefs {
				d.backend(ref.BackendRef)
			}
		}
	case *gateway.GRPCRoute:
		for _, rule := range obj.Spec.Rules {
			for _, ref := range rule.BackendRefs {
				d.backend(ref.BackendRef)
			}
		}
	case *gateway.TLSRoute:
		for _, rule := range obj.Spec.Rules {
			d.backend(rule.BackendRefs...)
		}
	case *gateway.TCPRoute:
		for _, rule := range obj.Spec.Rules {
			d.backend(rule.BackendRefs...)
		}
	case *gateway.UDPRoute:
		for _, rule := range obj.Spec.Rules {
			d.backend(rule.BackendRefs...)
		}
	case *kongcrd.Plugin:
		d.plugin(obj)
	case *kongcrd.Consumer:
		for _, name := range obj.Credentials {
			d.add("", "Secret", d.namespace, name)
		}
	case *kongcrd.CustomEntity:
		parent := obj.Spec.ParentRef
		if parent != nil && parent.Group == kongcrd.Group && (parent.Namespace == "" || parent.Namespace == d.namespace) {
			d.add(kongcrd.Group, parent.Kind, d.namespace, parent.Name)
		}
	}
	d.plugins(obj.GetAnnotations())
	return d.found
}

// naming gathers what an object of a namespace names, as far as it is in the set.
type naming struct {
	set       *object.Set
	namespace string
	found     []object.Ref
}

func (d *naming) add(group, kind, namespace, name string) bool {
	if kind == kongcrd.KindClusterPlugin || kind == "IngressClass" {
		namespace = ""
	}
	ref := object.Ref{Group: group, Kind: kind, Namespace: namespace, Name: name}
	if name == "" || !d.set.Has(ref) {
		return false
	}
	d.found = append(d.found, ref)
	return true
}

// plugins are those of an annotation: a KongPlugin, or else a KongClusterPlugin of the name.
func (d *naming) plugins(annotations map[string]string) {
	for _, name := range pluginNames(annotations) {
		if name.namespace == "" {
			name.namespace = d.namespace
		}
		if !d.add(kongcrd.Group, kongcrd.KindPlugin, name.namespace, name.name) {
			d.add(kongcrd.Group, kongcrd.KindClusterPlugin, "", name.name)
		}
	}
}

func (d *naming) ingress(ingress *networking.Ingress) {
	class := ingress.Annotations[annotationClass]
	if named := ingress.Spec.IngressClassName; named != nil && *named != "" {
		class = *named
	}
	d.add(networking.GroupName, "IngressClass", "", class)
	d.add(kongcrd.Group, kongcrd.KindUpstreamPolicy, d.namespace, ingress.Annotations[annotationUpstreamPolicy])
	named := func(b networking.IngressBackend) {
		if b.Service != nil {
			d.add("", "Service", d.namespace, b.Service.Name)
		}
		if b.Resource != nil && b.Resource.Kind == kongcrd.KindServiceFacade {
			d.add(kongcrd.IncubatorGroup, kongcrd.KindServiceFacade, d.namespace, b.Resource.Name)
		}
	}
	for _, rule := range ingress.Spec.Rules {
		if rule.HTTP == nil {
			continue
		}
		for _, path := range rule.HTTP.Paths {
			named(path.Backend)
		}
	}
}

func (d *naming) backend(refs ...gateway.BackendRef) {
	for _, ref := range refs {
		namespace := d.namespace
		if ref.Namespace != nil {
			namespace = string(*ref.Namespace)
		}
		if ref.Kind != nil && *ref.Kind == "Service" {
			d.add("", "Service", namespace, string(ref.Name))
		}
	}
}

func (d *naming) plugin(p *kongcrd.Plugin) {
	secret := func(from kongcrd.ConfigSource) {
		namespace := d.namespace
		if namespace == "" {
			namespace = from.SecretKeyRef.Namespace
		}
		d.add("", "Secret", namespace, from.SecretKeyRef.Name)
	}
	if p.ConfigFrom != nil {
		secret(*p.ConfigFrom)
	}
	for _, patched := range p.ConfigPatches {
		secret(patched.ValueFrom)
	}
}

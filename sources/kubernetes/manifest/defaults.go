package manifest

import (
	core "k8s.io/api/core/v1"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// defaultNamespace is the namespace of an object that names none, as for kubectl.
const defaultNamespace = "default"

// FillDefaults fills in what kubectl and an API server do where a manifest leaves it out: the namespace, a Secret's data, and what the
// schemas of the Gateway API have defaults for. Objects that were read from a cluster have all of it. It changes the objects of the set.
func FillDefaults(set *object.Set) {
	for _, obj := range set.All() {
		kind := obj.GetObjectKind().GroupVersionKind().GroupKind()
		if kinds[kind].scope == namespaced && obj.GetNamespace() == "" {
			obj.SetNamespace(defaultNamespace)
		}
		fillObject(obj)
	}
	*set = *set.Without(func(object.Object) bool { return false }) // by their namespaces now
}

// fillObject fills in what the schema of an object's kind has defaults for.
func fillObject(obj object.Object) {
	switch o := obj.(type) {
	case *core.Secret:
		mergeStringData(o)
	case *gateway.HTTPRoute:
		parents(o.Spec.ParentRefs)
		each(o.Spec.Rules, httpRule)
	case *gateway.GRPCRoute:
		parents(o.Spec.ParentRefs)
		each(o.Spec.Rules, grpcRule)
	case *gateway.TLSRoute:
		parents(o.Spec.ParentRefs)
		each(o.Spec.Rules, func(rule *gateway.TLSRouteRule) { each(rule.BackendRefs, backend) })
	case *gateway.TCPRoute:
		parents(o.Spec.ParentRefs)
		each(o.Spec.Rules, func(rule *gateway.TCPRouteRule) { each(rule.BackendRefs, backend) })
	case *gateway.UDPRoute:
		parents(o.Spec.ParentRefs)
		each(o.Spec.Rules, func(rule *gateway.UDPRouteRule) { each(rule.BackendRefs, backend) })
	case *gateway.Gateway:
		each(o.Spec.Listeners, func(l *gateway.Listener) { listener(l.TLS) })
	case *gateway.ListenerSet:
		each(o.Spec.Listeners, func(l *gateway.ListenerEntry) { listener(l.TLS) })
	}
}

// each calls do for every element of a list, in its place.
func each[T any](list []T, do func(*T)) {
	for i := range list {
		do(&list[i])
	}
}

func fill[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}

func parents(refs []gateway.ParentReference) {
	for i := range refs {
		fill(&refs[i].Group, gateway.GroupName)
		fill(&refs[i].Kind, "Gateway")
	}
}

func backend(ref *gateway.BackendRef) {
	fill(&ref.Group, "")
	fill(&ref.Kind, "Service")
	fill(&ref.Weight, 1)
}

func listener(tls *gateway.ListenerTLSConfig) {
	if tls == nil {
		return
	}
	fill(&tls.Mode, gateway.TLSModeTerminate)
	for i := range tls.CertificateRefs {
		fill(&tls.CertificateRefs[i].Group, "")
		fill(&tls.CertificateRefs[i].Kind, "Secret")
	}
}

func grpcRule(rule *gateway.GRPCRouteRule) {
	each(rule.BackendRefs, func(ref *gateway.GRPCBackendRef) { backend(&ref.BackendRef) })
	for _, match := range rule.Matches {
		if match.Method != nil {
			fill(&match.Method.Type, gateway.GRPCMethodMatchExact)
		}
	}
}

func httpRule(rule *gateway.HTTPRouteRule) {
	each(rule.BackendRefs, func(ref *gateway.HTTPBackendRef) { backend(&ref.BackendRef) })
	if len(rule.Matches) == 0 {
		rule.Matches = []gateway.HTTPRouteMatch{{}}
	}
	each(rule.Matches, func(match *gateway.HTTPRouteMatch) {
		fill(&match.Path, gateway.HTTPPathMatch{})
		fill(&match.Path.Type, gateway.PathMatchPathPrefix)
		fill(&match.Path.Value, "/")
		each(match.Headers, func(h *gateway.HTTPHeaderMatch) { fill(&h.Type, gateway.HeaderMatchExact) })
		each(match.QueryParams, func(q *gateway.HTTPQueryParamMatch) { fill(&q.Type, gateway.QueryParamMatchExact) })
	})
	for i := range rule.Filters {
		if to := rule.Filters[i].RequestRedirect; to != nil {
			fill(&to.StatusCode, 302)
		}
	}
}

// mergeStringData does what an API server does with a Secret's stringData.
func mergeStringData(secret *core.Secret) {
	for name, value := range secret.StringData {
		if secret.Data == nil {
			secret.Data = map[string][]byte{}
		}
		secret.Data[name] = []byte(value)
	}
	secret.StringData = nil
}

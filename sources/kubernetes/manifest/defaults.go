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
		if secret, ok := obj.(*core.Secret); ok {
			mergeStringData(secret)
		}
	}
	*set = *set.Without(func(object.Object) bool { return false }) // by their namespaces now
	for _, r := range object.List[*gateway.HTTPRoute](set, "HTTPRoute") {
		parents(r.Spec.ParentRefs)
		for i := range r.Spec.Rules {
			httpRule(&r.Spec.Rules[i])
		}
	}
	for _, r := range object.List[*gateway.GRPCRoute](set, "GRPCRoute") {
		parents(r.Spec.ParentRefs)
		for i := range r.Spec.Rules {
			rule := &r.Spec.Rules[i]
			for j := range rule.BackendRefs {
				backend(&rule.BackendRefs[j].BackendRef)
			}
			for j := range rule.Matches {
				if method := rule.Matches[j].Method; method != nil {
					fill(&method.Type, gateway.GRPCMethodMatchExact)
				}
			}
		}
	}
	for _, r := range object.List[*gateway.TLSRoute](set, "TLSRoute") {
		parents(r.Spec.ParentRefs)
		for i := range r.Spec.Rules {
			backends(r.Spec.Rules[i].BackendRefs)
		}
	}
	for _, r := range object.List[*gateway.TCPRoute](set, "TCPRoute") {
		parents(r.Spec.ParentRefs)
		for i := range r.Spec.Rules {
			backends(r.Spec.Rules[i].BackendRefs)
		}
	}
	for _, r := range object.List[*gateway.UDPRoute](set, "UDPRoute") {
		parents(r.Spec.ParentRefs)
		for i := range r.Spec.Rules {
			backends(r.Spec.Rules[i].BackendRefs)
		}
	}
	for _, g := range object.List[*gateway.Gateway](set, "Gateway") {
		for i := range g.Spec.Listeners {
			listener(g.Spec.Listeners[i].TLS)
		}
	}
	for _, s := range object.List[*gateway.ListenerSet](set, "ListenerSet") {
		for i := range s.Spec.Listeners {
			listener(s.Spec.Listeners[i].TLS)
		}
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

func backends(refs []gateway.BackendRef) {
	for i := range refs {
		backend(&refs[i])
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

func httpRule(rule *gateway.HTTPRouteRule) {
	for i := range rule.BackendRefs {
		backend(&rule.BackendRefs[i].BackendRef)
	}
	if len(rule.Matches) == 0 {
		rule.Matches = []gateway.HTTPRouteMatch{{}}
	}
	for i := range rule.Matches {
		match := &rule.Matches[i]
		fill(&match.Path, gateway.HTTPPathMatch{})
		fill(&match.Path.Type, gateway.PathMatchPathPrefix)
		fill(&match.Path.Value, "/")
		for j := range match.Headers {
			fill(&match.Headers[j].Type, gateway.HeaderMatchExact)
		}
		for j := range match.QueryParams {
			fill(&match.QueryParams[j].Type, gateway.QueryParamMatchExact)
		}
	}
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

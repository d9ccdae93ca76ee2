package manifest

import (
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// FillDefaults fills in what an API server does, by the schemas of the Gateway API, where a manifest leaves it out: objects that were
// read from a cluster have it. It changes the objects of the set.
func FillDefaults(set *object.Set) {
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

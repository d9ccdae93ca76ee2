package status

import (
	"maps"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
)

// backendTLSPolicy plans the status of a BackendTLSPolicy: an entry for each Gateway of ours whose routes have a Service that it targets.
func (p *plan) backendTLSPolicy(policy *gateway.BackendTLSPolicy) {
	if p.Translate.GatewayController == "" {
		return
	}
	accepted, resolved := p.policyConditions(policy)
	var entries []gateway.PolicyAncestorStatus
	for _, g := range p.gatewaysOf(policy) {
		if len(entries) == maxAncestors {
			break
		}
		entries = append(entries, gateway.PolicyAncestorStatus{
			AncestorRef: gateway.ParentReference{
				Group: new(gateway.Group(gateway.GroupName)), Kind: new(gateway.Kind("Gateway")), Namespace: new(gateway.Namespace(g.Namespace)),
				Name: gateway.ObjectName(g.Name),
			},
			ControllerName: gateway.GatewayController(p.Translate.GatewayController), Conditions: []meta.Condition{accepted, resolved},
		})
	}
	p.put(policy, Status{Ancestors: entries, HasAncestors: true, Controller: p.Translate.GatewayController})
}

// readBackends finds out which Gateways have routes to which Services, where a policy will ask for it.
func (p *plan) readBackends() {
	p.backendsOf = map[object.Ref]map[*translate.Gateway]bool{}
	if len(object.List[*gateway.BackendTLSPolicy](p.set, "BackendTLSPolicy")) == 0 {
		return
	}
	for _, facts := range p.routes {
		for _, service := range p.attached.BackendServices(facts.route) {
			if p.backendsOf[service] == nil {
				p.backendsOf[service] = map[*translate.Gateway]bool{}
			}
			for _, parent := range facts.parents {
				if len(parent.Attached) > 0 {
					p.backendsOf[service][parent.Gateway] = true
				}
			}
		}
	}
}

// gatewaysOf lists the Gateways that have a route to a Service which a policy targets.
func (p *plan) gatewaysOf(policy *gateway.BackendTLSPolicy) []*translate.Gateway {
	targets := map[object.Ref]bool{}
	for _, ref := range policy.Spec.TargetRefs {
		if (ref.Group == "" || ref.Group == "core") && ref.Kind == "Service" {
			targets[object.Ref{Kind: "Service", Namespace: policy.Namespace, Name: string(ref.Name)}] = true
		}
	}
	used := map[*translate.Gateway]bool{}
	for target := range targets {
		maps.Copy(used, p.backendsOf[target])
	}
	var found []*translate.Gateway
	for _, g := range p.attached.Gateways() {
		if used[g] {
			found = append(found, g)
		}
	}
	return found
}

// policyConditions judges a policy by itself and beside others with the same target.
func (p *plan) policyConditions(policy *gateway.BackendTLSPolicy) (accepted, resolved meta.Condition) {
	const accept, resolve = gateway.PolicyConditionAccepted, gateway.BackendTLSPolicyConditionResolvedRefs
	accepted = condition(accept, true, gateway.PolicyReasonAccepted, "the policy applies")
	resolved = condition(resolve, true, gateway.BackendTLSPolicyReasonResolvedRefs, "all references are resolved")
	valid := 0
	for _, ref := range policy.Spec.Validation.CACertificateRefs {
		to := object.Ref{Group: string(ref.Group), Kind: string(ref.Kind), Namespace: policy.Namespace, Name: string(ref.Name)}
		if ref.Group != "" && ref.Group != "core" || ref.Kind != "ConfigMap" && ref.Kind != "Secret" {
			resolved = condition(resolve, false, gateway.BackendTLSPolicyReasonInvalidKind,
				"an authority is a "+to.String()+", and only a ConfigMap or a Secret can be one")
		} else if found := translate.Authority(p.set, to); !found.OK() {
			resolved = condition(resolve, false, gateway.BackendTLSPolicyReasonInvalidCACertificateRef, found.Message)
		} else {
			valid++
		}
	}
	if valid == 0 && len(policy.Spec.Validation.CACertificateRefs) > 0 {
		return condition(accept, false, gateway.BackendTLSPolicyReasonNoValidCACertificate, resolved.Message), resolved
	}
	for _, ref := range policy.Spec.TargetRefs {
		target := object.Ref{Kind: string(ref.Kind), Namespace: policy.Namespace, Name: string(ref.Name)}
		for _, problem := range p.problems[target] {
			reason := gateway.PolicyReasonInvalid
			if problem.Reason == object.ReasonConflict {
				reason = gateway.PolicyReasonConflicted
			}
			accepted = condition(accept, false, reason, problem.Message)
		}
	}
	return accepted, resolved
}

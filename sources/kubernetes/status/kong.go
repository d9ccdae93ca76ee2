package status

import (
	"strings"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/delivery"
	"github.com/silverback-gateway/silverback/sources/kubernetes/kongcrd"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// ingress plans the addresses of an Ingress: it gets them when a form of it is proven, and nothing takes them away while it exists. A
// Service without addresses, a refused change or a controller that has just started must not take a name out of DNS.
func (p *plan) ingress(ingress *networking.Ingress) {
	state := p.view.Objects[object.RefOf(ingress)]
	if p.ours(ingress) && (state.Phase == delivery.Programmed || state.LastGood) && len(p.publish.ingress) > 0 {
		p.put(ingress, Status{LoadBalancer: p.publish.ingress})
	}
}

// plugin plans the status of a KongPlugin or a KongClusterPlugin. Several controllers can use a plugin, so each signs what it says. About
// a plugin that ours does not use it says something only where nobody did, or where it did itself.
func (p *plan) plugin(plugin *kongcrd.Plugin) {
	if !p.ours(plugin) {
		return
	}
	wanted, signature := p.programmed(plugin, kongWords), ""
	if p.Source != "" {
		signature = " (" + p.Source + ")"
		wanted.Message += signature
	}
	state := p.view.Objects[object.RefOf(plugin)]
	unused := (state.Phase == delivery.Untranslated || state.Phase == "") && state.Reason == ""
	for _, said := range plugin.Status.Conditions {
		if unused && said.Type == TypeProgrammed && said.Status != meta.ConditionUnknown && !strings.HasSuffix(said.Message, signature) {
			return
		}
	}
	p.put(plugin, Status{Conditions: []meta.Condition{wanted}})
}

// maxAncestors is how many entries the status of a policy can hold.
const maxAncestors = 16

// policyUsers lists the Services, and the facades of Services, that name a KongUpstreamPolicy, by the policy.
func policyUsers(set *object.Set) map[object.Ref][]object.Object {
	users := map[object.Ref][]object.Object{}
	note := func(obj object.Object) {
		if name := obj.GetAnnotations()[annotationUpstreamPolicy]; name != "" {
			ref := object.Ref{Group: kongcrd.Group, Kind: kongcrd.KindUpstreamPolicy, Namespace: obj.GetNamespace(), Name: name}
			users[ref] = append(users[ref], obj)
		}
	}
	for _, s := range object.List[*core.Service](set, "Service") {
		note(s)
	}
	for _, s := range object.List[*kongcrd.ServiceFacade](set, kongcrd.KindServiceFacade) {
		note(s)
	}
	return users
}

// upstreamPolicy plans the status of a KongUpstreamPolicy: an entry for each Service, or facade of one, that names it.
func (p *plan) upstreamPolicy(policy *kongcrd.UpstreamPolicy) {
	if p.Translate.GatewayController == "" {
		return
	}
	users := p.policyUsers[object.RefOf(policy)]
	entries := make([]gateway.PolicyAncestorStatus, 0, len(users))
	for _, user := range users[:min(len(users), maxAncestors)] {
		entries = append(entries, p.policyUser(user))
	}
	p.put(policy, Status{Ancestors: entries, HasAncestors: true, Controller: p.Translate.GatewayController})
}

// policyUser is the entry of a Service in the status of the policy that it names.
func (p *plan) policyUser(user object.Object) gateway.PolicyAncestorStatus {
	ref := object.RefOf(user)
	accepted := condition(gateway.PolicyConditionAccepted, true, gateway.PolicyReasonAccepted, "the policy applies")
	for _, problem := range p.problems[ref] {
		if problem.Reason == object.ReasonConflict {
			accepted = condition(gateway.PolicyConditionAccepted, false, gateway.PolicyReasonConflicted, problem.Message)
		}
	}
	reached := p.programmed(user, kongWords)
	if accepted.Status != meta.ConditionTrue {
		reached = condition(TypeProgrammed, false, ReasonPending, accepted.Message)
	}
	group := ref.Group
	if ref.Kind == "Service" {
		group = "core" // KIC's word for it
	}
	return gateway.PolicyAncestorStatus{
		AncestorRef: gateway.ParentReference{
			Group: new(gateway.Group(group)), Kind: new(gateway.Kind(ref.Kind)), Namespace: new(gateway.Namespace(ref.Namespace)),
			Name: gateway.ObjectName(ref.Name),
		},
		ControllerName: gateway.GatewayController(p.Translate.GatewayController), Conditions: []meta.Condition{accepted, reached},
	}
}

// annotationUpstreamPolicy names the policy of a Service.
const annotationUpstreamPolicy = "konghq.com/upstream-policy"

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

// upstreamPolicy plans the status of a KongUpstreamPolicy: an entry for each Service, or facade of one, that names it.
func (p *plan) upstreamPolicy(policy *kongcrd.UpstreamPolicy) {
	var entries []gateway.PolicyAncestorStatus
	add := func(obj object.Object, group string) {
		if obj.GetNamespace() != policy.Namespace || obj.GetAnnotations()[annotationUpstreamPolicy] != policy.Name ||
			len(entries) == maxAncestors {
			return
		}
		accepted := condition(gateway.PolicyConditionAccepted, true, gateway.PolicyReasonAccepted, "the policy applies")
		for _, problem := range p.problems[object.RefOf(obj)] {
			if problem.Reason == object.ReasonConflict {
				accepted = condition(gateway.PolicyConditionAccepted, false, gateway.PolicyReasonConflicted, problem.Message)
			}
		}
		reached := p.programmed(obj, kongWords)
		if accepted.Status != meta.ConditionTrue {
			reached = condition(TypeProgrammed, false, ReasonPending, accepted.Message)
		}
		entries = append(entries, gateway.PolicyAncestorStatus{
			AncestorRef: gateway.ParentReference{
				Group: new(gateway.Group(group)), Kind: new(gateway.Kind(object.RefOf(obj).Kind)),
				Namespace: new(gateway.Namespace(obj.GetNamespace())), Name: gateway.ObjectName(obj.GetName()),
			},
			ControllerName: gateway.GatewayController(p.Translate.GatewayController), Conditions: []meta.Condition{accepted, reached},
		})
	}
	for _, s := range object.List[*core.Service](p.set, "Service") {
		add(s, "core") // KIC's word for the group
	}
	for _, s := range object.List[*kongcrd.ServiceFacade](p.set, kongcrd.KindServiceFacade) {
		add(s, kongcrd.IncubatorGroup)
	}
	if p.Translate.GatewayController != "" {
		p.put(policy, Status{Ancestors: entries, HasAncestors: true, Controller: p.Translate.GatewayController})
	}
}

// annotationUpstreamPolicy names the policy of a Service.
const annotationUpstreamPolicy = "konghq.com/upstream-policy"

package status

import (
	"fmt"
	"slices"
	"strings"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	gateway "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/gateway-api/pkg/consts"

	"github.com/silverback-gateway/silverback/sources/kubernetes/delivery"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
)

// classes plans the statuses of our GatewayClasses.
func (p *plan) classes() {
	if p.Translate.GatewayController == "" {
		return
	}
	for _, class := range object.List[*gateway.GatewayClass](p.set, "GatewayClass") {
		if string(class.Spec.ControllerName) != p.Translate.GatewayController {
			continue
		}
		status := Status{
			Conditions: []meta.Condition{because(gateway.GatewayClassConditionStatusAccepted, translate.RefusesClass(class),
				gateway.GatewayClassReasonAccepted, "the controller takes Gateways of this class")},
			Features: Features(p.Translate.Expressions),
		}
		if len(p.BundleVersions) > 0 {
			status.Conditions = append(status.Conditions, supportedVersion(p.BundleVersions))
		}
		p.put(class, status)
	}
}

// supportedVersion says whether the resource definitions of the cluster are of the minor version that the controller was built for. Others
// are read as well as they can be.
func supportedVersion(bundles []string) meta.Condition {
	minor := consts.BundleVersion[:strings.LastIndexByte(consts.BundleVersion, '.')]
	for _, version := range bundles {
		if version != minor && !strings.HasPrefix(version, minor+".") {
			return condition(gateway.GatewayClassConditionStatusSupportedVersion, false, gateway.GatewayClassReasonUnsupportedVersion,
				fmt.Sprintf("the cluster has version %q of the Gateway API; supported is %s", version, minor))
		}
	}
	return condition(gateway.GatewayClassConditionStatusSupportedVersion, true, gateway.GatewayClassReasonSupportedVersion,
		"the resource definitions are of version "+minor)
}

// gateways plans the statuses of our Gateways and of the ListenerSets that belong to them.
func (p *plan) gateways() {
	for _, g := range p.attached.Gateways() {
		attachedSets := int32(0)
		for _, set := range g.Sets {
			if set.Refused.OK() {
				attachedSets++
			}
			p.listenerSet(set)
		}
		status := Status{
			Conditions: []meta.Condition{gatewayAccepted(g), p.gatewayRefs(g)}, Listeners: p.listeners(g.Listeners, p.delivered(g.Gateway)),
			AttachedSets: &attachedSets,
		}
		given, unusable := p.publish.forGateway(g.Spec.Addresses)
		if len(given) > 0 {
			status.Addresses = given
		}
		status.Conditions = append(status.Conditions, p.gatewayProgrammed(g, len(given), unusable))
		const insecure = gateway.GatewayConditionInsecureFrontendValidationMode
		if g.AnyClient() {
			status.Conditions = append(status.Conditions, condition(insecure, true, gateway.GatewayReasonConfigurationChanged,
				"listeners let clients in whose certificates are missing or not valid"))
		} else {
			status.Gone = []string{string(insecure)}
		}
		p.put(g.Gateway, status)
	}
}

func gatewayAccepted(g *translate.Gateway) meta.Condition {
	if !g.Refused.OK() {
		return because(gateway.GatewayConditionAccepted, g.Refused, "", "")
	}
	var refused []string
	for _, l := range g.Listeners {
		if !l.Refused.OK() {
			refused = append(refused, string(l.Name))
		}
	}
	if len(refused) == 0 {
		return condition(gateway.GatewayConditionAccepted, true, gateway.GatewayReasonAccepted, "all listeners are accepted")
	}
	return condition(gateway.GatewayConditionAccepted, len(refused) < len(g.Listeners), gateway.GatewayReasonListenersNotValid,
		"not accepted are the listeners "+strings.Join(refused, ", "))
}

// gatewayRefs says whether all that a Gateway and its listeners name is there.
func (p *plan) gatewayRefs(g *translate.Gateway) meta.Condition {
	const kind = gateway.GatewayConditionResolvedRefs
	if found := p.attached.ClientCertificate(g); !found.OK() {
		return because(kind, found, "", "")
	}
	for _, l := range g.Listeners {
		if found := unresolved(l); !found.OK() {
			return condition(kind, false, gateway.GatewayReasonListenersNotResolved, fmt.Sprintf("the listener %s: %s", l.Name, found.Message))
		}
	}
	return condition(kind, true, gateway.GatewayReasonResolvedRefs, "all references are resolved")
}

// gatewayProgrammed says whether gateways serve a Gateway, where clients reach it.
func (p *plan) gatewayProgrammed(g *translate.Gateway, given int, unusable string) meta.Condition {
	const kind = gateway.GatewayConditionProgrammed
	switch {
	case !g.Refused.OK():
		return condition(kind, false, gateway.GatewayReasonInvalid, g.Refused.Message)
	case !slices.ContainsFunc(g.Listeners, (*translate.Listener).Serves):
		return condition(kind, false, gateway.GatewayReasonInvalid, "none of its listeners can be served")
	case unusable != "":
		return condition(kind, false, gateway.GatewayReasonAddressNotUsable, "the gateways cannot be reached at "+unusable)
	case p.publish.wanted && given == 0:
		return condition(kind, false, gateway.GatewayReasonAddressNotAssigned, "the addresses of the gateways are not known yet")
	}
	return p.delivered(g.Gateway)
}

// delivered is the condition Programmed of an object that may mean nothing to a gateway by itself, such as a listener without a
// certificate: that is served by gateways that serve any content of the source, be that empty.
func (p *plan) delivered(obj object.Object) meta.Condition {
	state := p.view.Objects[object.RefOf(obj)]
	if state.Phase != delivery.Untranslated && state.Phase != "" {
		return programmed(state, kongWords)
	}
	if p.view.Source.Phase == delivery.Programmed { // without a number, which would be another one with each revision
		return condition(TypeProgrammed, true, kongWords.programmed, "the gateways serve it")
	}
	return programmed(p.view.Source, kongWords)
}

// listenerSet plans the status of a ListenerSet.
func (p *plan) listenerSet(set *translate.Set) {
	accepted := because(gateway.ListenerSetConditionAccepted, set.Refused, gateway.ListenerSetReasonAccepted, "its listeners are taken")
	reached := p.delivered(set.ListenerSet)
	if !set.Refused.OK() {
		reached = because(gateway.ListenerSetConditionProgrammed, set.Refused, "", "")
	} else if slices.ContainsFunc(set.Listeners, func(l *translate.Listener) bool { return !l.Serves() }) {
		accepted = condition(gateway.ListenerSetConditionAccepted, true, gateway.ListenerSetReasonListenersNotValid,
			"some of its listeners are not valid")
	}
	status := Status{Conditions: []meta.Condition{accepted, reached}}
	if set.Refused.OK() || set.Refused.Reason == string(gateway.ListenerSetReasonListenersNotValid) {
		status.Listeners = p.listeners(set.Listeners, p.delivered(set.ListenerSet))
	} else {
		status.Listeners = []gateway.ListenerStatus{}
	}
	p.put(set.ListenerSet, status)
}

// listeners are the statuses of listeners of one object, whose condition Programmed is that of all which serve.
func (p *plan) listeners(all []*translate.Listener, reached meta.Condition) []gateway.ListenerStatus {
	statuses := make([]gateway.ListenerStatus, 0, len(all))
	for _, l := range all {
		conflict := condition(gateway.ListenerConditionConflicted, false, gateway.ListenerReasonNoConflicts, "no other listener conflicts")
		if l.Conflicted {
			conflict = condition(gateway.ListenerConditionConflicted, true, l.Refused.Reason, l.Refused.Message)
		}
		here := reached
		switch {
		case l.Conflicted:
			here = because(gateway.ListenerConditionProgrammed, l.Refused, "", "")
		case !l.Refused.OK():
			here = condition(gateway.ListenerConditionProgrammed, false, gateway.ListenerReasonInvalid, l.Refused.Message)
		case !l.Certificate.OK():
			here = condition(gateway.ListenerConditionProgrammed, false, gateway.ListenerReasonInvalid, l.Certificate.Message)
		}
		statuses = append(statuses, gateway.ListenerStatus{
			Name: l.Name, SupportedKinds: l.Kinds, AttachedRoutes: p.counts[l], Conditions: []meta.Condition{
				because(gateway.ListenerConditionAccepted, l.Refused, gateway.ListenerReasonAccepted, "the listener is accepted"), conflict,
				because(gateway.ListenerConditionResolvedRefs, unresolved(l), gateway.ListenerReasonResolvedRefs, "all references are resolved"),
				here,
			},
		})
	}
	return statuses
}

// unresolved is what of the things that a listener names is not there, or cannot be used.
func unresolved(l *translate.Listener) translate.Finding {
	for _, found := range []translate.Finding{l.Certificate, l.Authorities, l.InvalidKinds} {
		if !found.OK() {
			return found
		}
	}
	return translate.Finding{}
}

package status

import (
	"cmp"
	"strings"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/sources/kubernetes/delivery"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
)

// routeFacts are what there is to say about a route.
type routeFacts struct {
	route   object.Object
	parents []translate.Parent
	// unsupported is what of the route cannot be translated, and whole says that nothing of it is.
	unsupported string
	whole       bool
}

// readRoutes finds out what became of every route, and counts those that listeners have.
func (p *plan) readRoutes() {
	for _, obj := range p.set.All() {
		if !isRoute(obj) {
			continue
		}
		facts := routeFacts{route: obj, parents: p.attached.Route(obj)}
		facts.unsupported, facts.whole = p.unsupported(object.RefOf(obj))
		p.routes = append(p.routes, facts)
		if facts.whole {
			continue // a route that is not accepted does not count
		}
		counted := map[*translate.Listener]bool{} // several parents of a route can name one listener
		for _, parent := range facts.parents {
			for _, l := range parent.Attached {
				if !counted[l] {
					counted[l] = true
					p.counts[l]++
				}
			}
		}
	}
}

func isRoute(obj object.Object) bool {
	switch obj.(type) {
	case *gateway.HTTPRoute, *gateway.GRPCRoute, *gateway.TLSRoute, *gateway.TCPRoute, *gateway.UDPRoute:
		return true
	}
	return false
}

// unsupported says what of an object no translation can make, and whether that is all of it.
func (p *plan) unsupported(ref object.Ref) (message string, whole bool) {
	var found []string
	for _, problem := range p.problems[ref] {
		if problem.Reason == object.ReasonUnsupported && !p.aboutBackends(problem) || problem.Reason == object.ReasonInvalid {
			found = append(found, problem.Message)
		}
	}
	state := p.view.Objects[ref]
	return strings.Join(found, "; "), len(found) > 0 && state.Phase == delivery.Untranslated && !state.LastGood
}

// aboutBackends says whether a problem of a route is one of its references, which are a condition of their own.
func (p *plan) aboutBackends(problem object.Problem) bool {
	return strings.HasPrefix(problem.Message, "the backend ")
}

// writeRoutes plans the statuses of all routes that have a parent of ours, or had one.
func (p *plan) writeRoutes() {
	for _, facts := range p.routes {
		p.put(facts.route, Status{Parents: p.parents(facts), Controller: p.Translate.GatewayController})
	}
}

// parents are our entries in the status of a route: one for each of its parents that is ours.
func (p *plan) parents(facts routeFacts) []gateway.RouteParentStatus {
	entries := make([]gateway.RouteParentStatus, 0, len(facts.parents))
	resolved := because(gateway.RouteConditionResolvedRefs, p.attached.Backends(facts.route), gateway.RouteReasonResolvedRefs,
		"all references are resolved")
	for _, parent := range facts.parents {
		accepted := because(gateway.RouteConditionAccepted, parent.Refused, gateway.RouteReasonAccepted, "the route is attached")
		if parent.Refused.OK() && facts.whole {
			accepted = condition(gateway.RouteConditionAccepted, false, gateway.RouteReasonUnsupportedValue, facts.unsupported)
		}
		conditions := []meta.Condition{accepted, resolved, p.parentProgrammed(facts, parent, accepted)}
		if facts.unsupported != "" && !facts.whole {
			conditions = append(conditions, condition(gateway.RouteConditionPartiallyInvalid, true, gateway.RouteReasonUnsupportedValue,
				"Dropped Rule: "+facts.unsupported))
		}
		entries = append(entries, gateway.RouteParentStatus{
			ParentRef: parent.Ref, ControllerName: gateway.GatewayController(p.Translate.GatewayController), Conditions: conditions,
		})
	}
	return entries
}

// parentProgrammed says whether gateways serve a route at a parent.
func (p *plan) parentProgrammed(facts routeFacts, parent translate.Parent, accepted meta.Condition) meta.Condition {
	switch {
	case accepted.Status != meta.ConditionTrue:
		return condition(TypeProgrammed, false, accepted.Reason, accepted.Message)
	case len(parent.Serving) == 0:
		return condition(TypeProgrammed, false, cmp.Or(parent.Idle.Reason, routeWords.invalid), parent.Idle.Message)
	}
	said := p.programmed(facts.route, routeWords)
	if !parent.Idle.OK() { // other listeners of the parent serve it
		said.Message = clean.Text(said.Message+"; it is not served everywhere: "+parent.Idle.Message, maxMessage)
	}
	return said
}

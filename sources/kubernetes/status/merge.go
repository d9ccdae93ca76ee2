package status

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"

	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/kongcrd"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// Status is what the status of an object should say, as far as we answer for it. What is nil stays as it is.
type Status struct {
	Conditions []meta.Condition
	Gone       []string // types of conditions of ours that no longer apply
	Features   []gateway.SupportedFeature
	Addresses  []gateway.GatewayStatusAddress
	Listeners  []gateway.ListenerStatus // of a Gateway or a ListenerSet: all of them
	// AttachedSets counts the ListenerSets of a Gateway.
	AttachedSets *int32
	LoadBalancer []networking.IngressLoadBalancerIngress
	// Controller signs the entries of Parents or Ancestors; those of others stay.
	Controller   string
	Parents      []gateway.RouteParentStatus
	Ancestors    []gateway.PolicyAncestorStatus
	HasAncestors bool // Ancestors counts, even if it is empty
}

// observe says of which generation all conditions are.
func (s *Status) observe(generation int64) {
	for _, conditions := range s.lists() {
		for i := range conditions {
			conditions[i].ObservedGeneration = generation
		}
	}
}

func (s *Status) lists() [][]meta.Condition {
	lists := [][]meta.Condition{s.Conditions}
	for i := range s.Listeners {
		lists = append(lists, s.Listeners[i].Conditions)
	}
	for i := range s.Parents {
		lists = append(lists, s.Parents[i].Conditions)
	}
	for i := range s.Ancestors {
		lists = append(lists, s.Ancestors[i].Conditions)
	}
	return lists
}

// document is a status as it is stored; entries of lists that controllers share stay as they are read.
type document struct {
	Conditions           []meta.Condition               `json:"conditions,omitempty"`
	SupportedFeatures    []gateway.SupportedFeature     `json:"supportedFeatures,omitempty"`
	Addresses            []gateway.GatewayStatusAddress `json:"addresses,omitempty"`
	Listeners            []gateway.ListenerStatus       `json:"listeners,omitempty"`
	AttachedListenerSets *int32                         `json:"attachedListenerSets,omitempty"`
	LoadBalancer         struct {
		Ingress []json.RawMessage `json:"ingress,omitempty"`
	} `json:"loadBalancer"`
	Parents   []json.RawMessage `json:"parents,omitempty"`
	Ancestors []json.RawMessage `json:"ancestors,omitempty"`
}

// entry is what is common to entries of parents and ancestors.
type entry struct {
	ParentRef      gateway.ParentReference `json:"parentRef"`
	AncestorRef    gateway.ParentReference `json:"ancestorRef"`
	ControllerName string                  `json:"controllerName"`
	Conditions     []meta.Condition        `json:"conditions"`
}

// turning is what more than words changes in a status.
type turning struct {
	any   bool // the status of a condition, or an address
	worse bool // a condition is bad that was not before
}

// patch is a merge patch of a status that makes it say what s does. Differs says whether there is anything to change, and turn what of it
// is more than words. A status that somebody wrote of a newer generation than s knows differs in nothing: s is stale.
func (s Status) patch(current []byte, now time.Time) (patch []byte, turn turning, differs bool) {
	var is document
	if len(current) > 0 && json.Unmarshal(current, &is) != nil {
		is = document{} // of a form that no version has: all of ours is written anew
	}
	m := merger{now: meta.NewTime(now.UTC().Truncate(time.Second)), fields: map[string]any{}}
	m.conditions(is.Conditions, s.Conditions, s.Gone)
	m.list("supportedFeatures", is.SupportedFeatures, s.Features)
	m.list("addresses", is.Addresses, s.Addresses)
	m.listeners(is.Listeners, s.Listeners)
	if s.AttachedSets != nil && (is.AttachedListenerSets == nil || *is.AttachedListenerSets != *s.AttachedSets) {
		m.fields["attachedListenerSets"] = *s.AttachedSets
	}
	if s.LoadBalancer != nil && !sameAddresses(is.LoadBalancer.Ingress, s.LoadBalancer) {
		m.turn.any = true
		m.fields["loadBalancer"] = map[string]any{"ingress": s.LoadBalancer}
	}
	if s.Parents != nil {
		m.parents(is.Parents, s)
	}
	if s.HasAncestors {
		m.ancestors(is.Ancestors, s)
	}
	if len(m.fields) == 0 || m.stale {
		return nil, turning{}, false
	}
	text, err := json.Marshal(map[string]any{"status": m.fields})
	return text, m.turn, err == nil
}

// merger gathers the fields of a status that change.
type merger struct {
	now    meta.Time
	fields map[string]any
	stale  bool
	turn   turning
}

func (m *merger) list(field string, is, wanted any) {
	if text := textOf(wanted); text != "null" && text != textOf(is) {
		m.turn.any = true
		m.fields[field] = wanted
	}
}

func textOf(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return err.Error() // types of an API always have a text
	}
	return string(text)
}

func (m *merger) conditions(is, wanted []meta.Condition, gone []string) {
	if merged, differs := m.merge(is, wanted, gone); differs {
		m.fields["conditions"] = merged
	}
}

// merge puts conditions among those that are there, and leaves the others where they are. A condition keeps the time of its transition
// while its status does not change.
func (m *merger) merge(is, wanted []meta.Condition, gone []string) (merged []meta.Condition, differs bool) {
	merged = slices.Clone(is)
	for _, w := range wanted {
		at := slices.IndexFunc(merged, func(c meta.Condition) bool { return c.Type == w.Type })
		w.LastTransitionTime = m.now
		if at < 0 {
			merged, differs = append(merged, w), true
			m.turned(w)
			continue
		}
		old := merged[at]
		if old.ObservedGeneration > w.ObservedGeneration {
			m.stale = true
		}
		if old.Status == w.Status {
			w.LastTransitionTime = old.LastTransitionTime
		} else {
			m.turned(w)
		}
		if w.Message != old.Message || w.Reason != old.Reason || w.Status != old.Status || w.ObservedGeneration != old.ObservedGeneration {
			merged[at], differs = w, true
		}
	}
	kept := slices.DeleteFunc(merged, func(c meta.Condition) bool { return slices.Contains(gone, c.Type) })
	return kept, differs || len(kept) < len(is)
}

// badWhenTrue are the conditions that say that something is wrong when they are True; others do so when they are False.
var badWhenTrue = map[string]bool{
	string(gateway.ListenerConditionConflicted): true, string(gateway.RouteConditionPartiallyInvalid): true,
	string(gateway.GatewayConditionInsecureFrontendValidationMode): true,
}

// turned notes that the status of a condition changes.
func (m *merger) turned(now meta.Condition) {
	m.turn.any = true
	bad := meta.ConditionFalse
	if badWhenTrue[now.Type] {
		bad = meta.ConditionTrue
	}
	if now.Status == bad { // and was not: it changes
		m.turn.worse = true
	}
}

// listeners replaces the statuses of listeners, but for the times of transitions and conditions of others.
func (m *merger) listeners(is, wanted []gateway.ListenerStatus) {
	if wanted == nil {
		return
	}
	made := make([]gateway.ListenerStatus, 0, len(wanted))
	differs := len(is) != len(wanted)
	for i, w := range wanted {
		var old gateway.ListenerStatus
		at := slices.IndexFunc(is, func(l gateway.ListenerStatus) bool { return l.Name == w.Name })
		if at >= 0 {
			old = is[at]
		}
		var changed bool
		w.Conditions, changed = m.merge(old.Conditions, w.Conditions, nil)
		differs = differs || changed || at != i || old.AttachedRoutes != w.AttachedRoutes || !sameKinds(old.SupportedKinds, w.SupportedKinds)
		made = append(made, w)
	}
	if differs {
		m.fields["listeners"] = made
	}
}

// sameKinds compares lists of kinds; an empty one is stored like none.
func sameKinds(a, b []gateway.RouteGroupKind) bool {
	return len(a) == 0 && len(b) == 0 || textOf(a) == textOf(b)
}

// sameAddresses compares addresses, without what a load balancer says of its ports.
func sameAddresses(is []json.RawMessage, wanted []networking.IngressLoadBalancerIngress) bool {
	return slices.EqualFunc(is, wanted, func(raw json.RawMessage, w networking.IngressLoadBalancerIngress) bool {
		var one networking.IngressLoadBalancerIngress
		return json.Unmarshal(raw, &one) == nil && one.IP == w.IP && one.Hostname == w.Hostname
	})
}

// maxParents is how many entries the status of a route can hold.
const maxParents = 32

func (m *merger) parents(is []json.RawMessage, s Status) {
	entries := make([]any, 0, len(s.Parents))
	for _, parent := range s.Parents {
		old := findEntry(is, s.Controller, func(e entry) bool { return textOf(e.ParentRef) == textOf(parent.ParentRef) })
		parent.Conditions, _ = m.merge(old.Conditions, parent.Conditions, droppedFrom(old.Conditions, parent.Conditions))
		entries = append(entries, parent)
	}
	m.shared("parents", is, s.Controller, entries, maxParents)
}

func (m *merger) ancestors(is []json.RawMessage, s Status) {
	entries := make([]any, 0, len(s.Ancestors))
	for _, ancestor := range s.Ancestors {
		old := findEntry(is, s.Controller, func(e entry) bool { return textOf(e.AncestorRef) == textOf(ancestor.AncestorRef) })
		ancestor.Conditions, _ = m.merge(old.Conditions, ancestor.Conditions, droppedFrom(old.Conditions, ancestor.Conditions))
		entries = append(entries, ancestor)
	}
	m.shared("ancestors", is, s.Controller, entries, maxAncestors)
}

// droppedFrom names the conditions of an entry of ours that are no longer said.
func droppedFrom(old, wanted []meta.Condition) []string {
	var gone []string
	for _, c := range old {
		if !slices.ContainsFunc(wanted, func(w meta.Condition) bool { return w.Type == c.Type }) {
			gone = append(gone, c.Type)
		}
	}
	return gone
}

func findEntry(is []json.RawMessage, controller string, fits func(entry) bool) entry {
	for _, raw := range is {
		var e entry
		if json.Unmarshal(raw, &e) == nil && e.ControllerName == controller && fits(e) {
			return e
		}
	}
	return entry{}
}

// shared replaces the entries of one controller in a list, and keeps all others first and as they are. Where the list is full, those of
// others stay.
func (m *merger) shared(field string, is []json.RawMessage, controller string, ours []any, limit int) {
	made := make([]any, 0, len(is)+len(ours))
	var before []json.RawMessage
	for _, raw := range is {
		var e entry
		if json.Unmarshal(raw, &e) == nil && e.ControllerName == controller {
			before = append(before, raw)
		} else {
			made = append(made, raw)
		}
	}
	ours = ours[:min(len(ours), max(0, limit-len(made)))]
	same := slices.EqualFunc(before, ours, func(raw json.RawMessage, w any) bool { return sameEntry(raw, w) })
	if !same {
		m.fields[field] = append(made, ours...)
	}
}

// sameEntry compares an entry as it is stored with one as it should be.
func sameEntry(raw json.RawMessage, wanted any) bool {
	var is, want entry
	return json.Unmarshal(raw, &is) == nil && json.Unmarshal([]byte(textOf(wanted)), &want) == nil && textOf(is) == textOf(want)
}

// saidBy says whether an object of a kind that there are thousands of already says all of s, in the order of s. Most do, and a comparison
// costs a tenth of a patch that turns out empty. Not so is no answer.
func (s Status) saidBy(obj object.Object) bool {
	switch obj := obj.(type) {
	case *gateway.HTTPRoute:
		return s.parentsSaid(obj.Status.Parents)
	case *gateway.GRPCRoute:
		return s.parentsSaid(obj.Status.Parents)
	case *gateway.TLSRoute:
		return s.parentsSaid(obj.Status.Parents)
	case *gateway.TCPRoute:
		return s.parentsSaid(obj.Status.Parents)
	case *gateway.UDPRoute:
		return s.parentsSaid(obj.Status.Parents)
	case *networking.Ingress:
		return slices.EqualFunc(obj.Status.LoadBalancer.Ingress, s.LoadBalancer, func(a, b networking.IngressLoadBalancerIngress) bool {
			return a.IP == b.IP && a.Hostname == b.Hostname
		})
	case *kongcrd.Plugin:
		return conditionsSaid(obj.Status.Conditions, s.Conditions)
	case *kongcrd.Consumer:
		return conditionsSaid(obj.Status.Conditions, s.Conditions)
	}
	return false
}

func (s Status) parentsSaid(is []gateway.RouteParentStatus) bool {
	said := 0
	for _, parent := range is {
		if string(parent.ControllerName) != s.Controller {
			continue
		}
		if said == len(s.Parents) || !sameParent(parent.ParentRef, s.Parents[said].ParentRef) ||
			!conditionsSaid(parent.Conditions, s.Parents[said].Conditions) {
			return false
		}
		said++
	}
	return said == len(s.Parents)
}

func sameParent(a, b gateway.ParentReference) bool {
	return a.Name == b.Name && same(a.Group, b.Group) && same(a.Kind, b.Kind) && same(a.Namespace, b.Namespace) &&
		same(a.SectionName, b.SectionName) && same(a.Port, b.Port)
}

func same[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

func conditionsSaid(is, wanted []meta.Condition) bool {
	return slices.EqualFunc(is, wanted, func(a, b meta.Condition) bool {
		a.LastTransitionTime, b.LastTransitionTime = meta.Time{}, meta.Time{}
		return a == b
	})
}

// currentStatus is the status of an object as it was read.
func currentStatus(obj object.Object) []byte {
	var status any
	switch obj := obj.(type) {
	case *gateway.GatewayClass:
		status = obj.Status
	case *gateway.Gateway:
		status = obj.Status
	case *gateway.ListenerSet:
		status = obj.Status
	case *gateway.HTTPRoute:
		status = obj.Status
	case *gateway.GRPCRoute:
		status = obj.Status
	case *gateway.TLSRoute:
		status = obj.Status
	case *gateway.TCPRoute:
		status = obj.Status
	case *gateway.UDPRoute:
		status = obj.Status
	case *gateway.BackendTLSPolicy:
		status = obj.Status
	case *networking.Ingress:
		status = obj.Status
	case *kongcrd.Plugin:
		status = obj.Status
	case *kongcrd.Consumer:
		status = obj.Status
	case *kongcrd.ConsumerGroup:
		status = obj.Status
	case *kongcrd.Vault:
		status = obj.Status
	case *kongcrd.CustomEntity:
		status = obj.Status
	case *kongcrd.UpstreamPolicy:
		status = obj.Status
	}
	text, err := json.Marshal(status)
	if err != nil || bytes.Equal(text, []byte("null")) {
		return nil
	}
	return text
}

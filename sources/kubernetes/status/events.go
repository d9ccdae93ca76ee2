package status

import (
	"cmp"
	"slices"

	core "k8s.io/api/core/v1"

	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/sources/kubernetes/delivery"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// Event is news about an object. Equal Events are one: a Writer writes it once, and counts it later.
type Event struct {
	About  object.Ref
	Object object.Object // nil where it is not there any more
	Kind   string        // core.EventTypeNormal or core.EventTypeWarning
	Reason string        // stable
	Note   string        // holds no secrets
}

// events plans what is news since the last plan: phases that objects came to, problems, notices. Without a last plan only problems and
// notices are, which a Writer knows to be old by their names.
func (p *plan) events() {
	for _, obj := range p.set.All() {
		ref := object.RefOf(obj)
		p.phaseEvent(obj, p.view.Objects[ref])
	}
	before := map[string]bool{}
	if p.Before != nil {
		for _, problem := range p.Before.Problems {
			before[textOf(problem)] = true
		}
		for _, notice := range p.Before.Notices {
			before[textOf(notice)] = true
		}
	}
	for _, problem := range p.view.Problems {
		if before[textOf(problem)] || problem.Reason == object.ReasonBroken {
			continue // what is broken has a phase, which says why
		}
		for _, ref := range problem.Objects {
			p.event(ref, core.EventTypeWarning, string(problem.Reason), problem.Message)
		}
	}
	for _, notice := range p.view.Notices {
		if before[textOf(notice)] {
			continue
		}
		for _, ref := range notice.Objects {
			p.event(ref, core.EventTypeWarning, string(notice.Reason), notice.Message)
		}
	}
	slices.SortStableFunc(p.work.Events, func(a, b Event) int {
		return cmp.Or(object.Compare(a.About, b.About), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Note, b.Note))
	})
	p.work.Events = slices.CompactFunc(p.work.Events, func(a, b Event) bool {
		return a.About == b.About && a.Reason == b.Reason && a.Note == b.Note
	})
}

// phaseEvent tells that an object came to a phase that people wait for, or worry about.
func (p *plan) phaseEvent(obj object.Object, state delivery.State) {
	ref := object.RefOf(obj)
	if p.Before != nil {
		if old := p.Before.Objects[ref]; old.Phase == state.Phase && old.Revision == state.Revision {
			return
		}
	}
	switch state.Phase {
	case delivery.Programmed:
		if p.Before != nil && speaks(obj) {
			p.event(ref, core.EventTypeNormal, "Programmed", describe(state))
		}
	case delivery.RolledBack:
		p.event(ref, core.EventTypeWarning, "RolledBack", describe(state))
	case delivery.Refused:
		p.event(ref, core.EventTypeWarning, "Refused", describe(state))
	case delivery.Held:
		p.event(ref, core.EventTypeWarning, "Held", describe(state))
	}
}

// speaks says whether people follow objects of a kind: not the Secrets and Services behind them.
func speaks(obj object.Object) bool {
	switch object.RefOf(obj).Kind {
	case "Secret", "Service", "EndpointSlice", "ConfigMap", "Namespace", "ReferenceGrant":
		return false
	}
	return true
}

func (p *plan) event(ref object.Ref, kind, reason, note string) {
	p.work.Events = append(p.work.Events, Event{
		About: ref, Object: p.find(ref), Kind: kind, Reason: reason, Note: clean.Line(note, maxNote),
	})
}

// find finds an object of the set by its name.
func (p *plan) find(ref object.Ref) object.Object {
	obj, ok := object.Get[object.Object](p.set, ref.Kind, ref.Namespace, ref.Name)
	if !ok {
		return nil
	}
	return obj
}

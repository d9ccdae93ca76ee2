package webhook

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	"github.com/silverback-gateway/silverback/sources/kubernetes/declarative"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
)

// verdict is what becomes of a review: why the object is refused, and what its author should know.
type verdict struct {
	refused  []string
	warnings []string
}

func (v *verdict) refuse(format string, args ...any) {
	v.refused = append(v.refused, fmt.Sprintf(format, args...))
}
func (v *verdict) warn(format string, args ...any) {
	v.warnings = append(v.warnings, fmt.Sprintf(format, args...))
}

// waits are the reasons that another object may still take away: objects come in any order, so they refuse nothing unless that is asked
// for.
var waits = []object.Reason{object.ReasonUnresolved, object.ReasonNotGranted, object.ReasonNotAttached}

// judgeTranslation adds what is new among the problems of a translation. One that names the reviewed object refuses it; one that names
// others only, or that another object may still take away, is a warning.
func (v *verdict) judgeTranslation(before, after view, ref object.Ref, strict bool) {
	old := map[string]bool{}
	for _, p := range before.problems() {
		old[problemText(p, object.Ref{})] = true
	}
	for _, p := range object.SortProblems(after.problems()) {
		switch text := problemText(p, ref); {
		case old[problemText(p, object.Ref{})]:
		case !names(p.Objects, ref):
			v.warn("this change leaves out a part of %s", text)
		case slices.Contains(waits, p.Reason) && !strict:
			v.warn("%s; it is left out until then", text)
		default:
			v.refuse("%s", text)
		}
	}
}

// problemText is a problem in words. The object under review comes first.
func problemText(p object.Problem, ref object.Ref) string {
	objects := slices.Clone(p.Objects)
	slices.SortStableFunc(objects, func(a, b object.Ref) int { return cmp.Compare(rank(a == ref), rank(b == ref)) })
	list := make([]string, 0, len(objects))
	for _, o := range objects {
		list = append(list, o.String())
	}
	return fmt.Sprintf("%s: %s (%s)", strings.Join(list, ", "), p.Message, p.Reason)
}

func rank(first bool) int {
	if first {
		return 0
	}
	return 1
}

func names(objects []object.Ref, ref object.Ref) bool { return slices.Contains(objects, ref) }

// finding is a problem of the translator with the objects that its entity came from.
type finding struct {
	problem *fleetv1.Problem
	objects []object.Ref
}

// key is equal for the same problem of two states of the cluster.
func (f finding) key() string {
	p := f.problem
	return strings.Join([]string{p.GetDocument(), p.GetKind(), p.GetName(), p.GetId(), p.GetField(), p.GetMessage()}, "\x00")
}

// text says which object and which field, and what is wrong there.
func (f finding) text(ref object.Ref) string {
	objects := make([]string, 0, len(f.objects))
	if names(f.objects, ref) {
		objects = append(objects, ref.String())
	}
	for _, o := range f.objects {
		if o != ref && !isProbe(o) {
			objects = append(objects, o.String())
		}
	}
	p := f.problem
	what := p.GetKind()
	if name := p.GetName(); name != "" && !strings.Contains(name, probeName) {
		what += " " + fmt.Sprintf("%q", name)
	}
	if p.GetField() != "" {
		what += ": " + p.GetField()
	}
	return fmt.Sprintf("%s: %s: %s", strings.Join(objects, ", "), what, p.GetMessage())
}

// judgeFindings adds what the translator says of the changed entities and did not say before.
func (v *verdict) judgeFindings(before, after []finding, ref object.Ref) {
	old := map[string]bool{}
	for _, f := range before {
		old[f.key()] = true
	}
	for _, f := range after {
		switch {
		case old[f.key()]:
		case names(f.objects, ref):
			v.refuse("%s", f.text(ref))
		default:
			v.warn("with this change the gateways would refuse %s", f.text(ref))
		}
	}
}

// provenance finds the objects of entities.
type provenance struct {
	byID   map[string][]object.Ref
	byName map[entityKey][]object.Ref
}

func provenanceOf(origins ...[]translate.Origin) provenance {
	p := provenance{byID: map[string][]object.Ref{}, byName: map[entityKey][]object.Ref{}}
	for _, list := range origins {
		for _, o := range list {
			if o.ID != "" {
				p.byID[o.ID] = append(p.byID[o.ID], o.Objects...)
			}
			key := entityKey{o.Kind, o.Name}
			p.byName[key] = append(p.byName[key], o.Objects...)
		}
	}
	return p
}

// find leads a problem with a top-level entity, or with a part of it, back to objects.
func (p provenance) find(e entity, problem *fleetv1.Problem) []object.Ref {
	var refs []object.Ref
	if refs = p.byID[problem.GetId()]; len(refs) > 0 {
		return distinct(refs)
	}
	plural := problem.GetKind() + "s"
	switch v := e.value.(type) {
	case *declarative.Service:
		if refs = p.byName[entityKey{plural, problem.GetName()}]; len(refs) > 0 && plural != "plugins" {
			return distinct(refs)
		}
		refs = slices.Clone(p.byName[entityKey{"services", v.Name}])
		for i := range v.Routes {
			refs = append(refs, p.byName[entityKey{"routes", v.Routes[i].Name}]...)
		}
	case *declarative.Upstream:
		refs = p.byName[entityKey{"upstreams", v.Name}]
	case *declarative.Plugin:
		refs = p.byID[v.ID]
	case *declarative.Consumer:
		if plural != "consumers" {
			refs = p.byName[entityKey{plural, consumerName(v)}]
		}
		if len(refs) == 0 {
			refs = p.byName[entityKey{"consumers", consumerName(v)}]
		}
	case *declarative.ConsumerGroup:
		refs = p.byName[entityKey{"consumer_groups", v.Name}]
	case *declarative.Membership:
		refs = slices.Concat(p.byName[entityKey{"consumers", v.Consumer}], p.byName[entityKey{"consumer_groups", v.ConsumerGroup}])
	case *declarative.Certificate:
		refs = p.byID[v.ID]
	case *declarative.CACertificate:
		refs = p.byID[v.ID]
	case *declarative.Vault:
		refs = p.byName[entityKey{"vaults", v.Prefix}]
	default: // of a kind that a plugin brings
		for key, found := range p.byName {
			if key.kind == e.key.kind {
				refs = append(refs, found...)
			}
		}
	}
	return distinct(refs)
}

// distinct drops what is there twice. It changes nothing of what it is given.
func distinct(refs []object.Ref) []object.Ref {
	kept := make([]object.Ref, 0, len(refs))
	seen := make(map[object.Ref]bool, len(refs))
	for _, r := range refs {
		if !seen[r] {
			seen[r] = true
			kept = append(kept, r)
		}
	}
	return kept
}

package controller

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	core "k8s.io/api/core/v1"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/sources/kubernetes/content"
	"github.com/silverback-gateway/silverback/sources/kubernetes/declarative"
	"github.com/silverback-gateway/silverback/sources/kubernetes/delivery"
	"github.com/silverback-gateway/silverback/sources/kubernetes/endpoints"
	"github.com/silverback-gateway/silverback/sources/kubernetes/graft"
	"github.com/silverback-gateway/silverback/sources/kubernetes/kongcrd"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
)

// maxRounds bounds how often objects are left out for one change of the cluster: each round takes out all that was named.
const maxRounds = 8

// plan is what a set of objects comes to: what to submit, and why objects are not in it.
type plan struct {
	set       *object.Set
	result    translate.Result // of the documents
	documents documents
	kept      kept
	content   *content.Content // of the documents and what is kept
	beside    *content.Content // what the common source holds; nil for its own plan
	forms     delivery.Forms   // of the documents
	problems  []object.Problem
	leftOut   map[object.Ref]delivery.LeftOut
}

// submission is what is submitted.
func (p *plan) submission() []content.Document {
	list := p.documents.texts()
	if len(p.kept.entities) > 0 {
		list = append(list, content.Document{Name: keptName, Content: p.kept.text})
	}
	return list
}

// cluster is what is known of the objects.
type cluster struct {
	set *object.Set
	// undecoded are objects that could not be read; they are not in the set.
	undecoded []object.Problem
}

// planner makes plans. It is pure: its clock is an argument, and it changes nothing but the broken objects, which it adds to.
type planner struct {
	options translate.Options
	broken  broken
	base    *content.Content // the last good content of the source; nil when there is none
	// share is what is planned of the objects; with byNamespace each namespace has one, else the common one has all.
	share       string
	byNamespace bool
	// beside is what the common source holds, to which the other shares refer. It may be nil.
	beside *content.Content
	// meanings keep what objects mean, for the planners of all shares. It may be nil.
	meanings *meanings
	// compiler and whole compile what is submitted, and all objects with the broken ones. Both may be nil.
	compiler, whole *compiler
}

var errUncompiled = errors.New("the configuration does not compile, and no object can be named for it")

// withoutEnding returns a set without the objects of namespaces that end. They go one by one and in any order: a route whose Service went
// first would be translated to one that answers 500.
func withoutEnding(set *object.Set) *object.Set {
	ending := map[string]bool{}
	for _, namespace := range object.List[*core.Namespace](set, "Namespace") {
		if namespace.DeletionTimestamp != nil {
			ending[namespace.Name] = true
		}
	}
	if len(ending) == 0 {
		return set
	}
	return set.Without(func(obj object.Object) bool { return ending[obj.GetNamespace()] })
}

// meaning is what the objects of a cluster mean.
type meaning struct {
	cluster
	whole, result           translate.Result          // of all objects, and without those that are broken
	left                    map[object.Ref]object.Ref // out, and since which broken one
	wholeShares, theirParts map[string]*part          // of both
}

// meanings keep what objects mean, so that all shares are made of one translation.
type meanings struct {
	set    *object.Set
	whole  translate.Result
	shares map[string]*part
	key    string // of the broken objects
	last   *meaning

	observed  *object.Set // whose endpoints are known
	endpoints endpoints.Cluster
}

// mean translates the objects, with and without those that are broken.
func (p *planner) mean(c cluster, now time.Time) *meaning {
	m := p.meanings
	if m == nil {
		m = &meanings{}
		p.meanings = m
	}
	options := p.options
	options.Now = now
	if m.set == nil || m.set != c.set {
		m.set, m.whole, m.last = c.set, p.translate(c.set, options), nil
		m.shares = split(m.whole, p.byNamespace)
	}
	p.broken.prune(c.set, now)
	p.noteLost(c.set, m.whole)
	if key := p.broken.key(); m.last == nil || m.key != key {
		made := &meaning{cluster: c, whole: m.whole, result: m.whole, left: map[object.Ref]object.Ref{}, wholeShares: m.shares,
			theirParts: m.shares}
		if len(p.broken) > 0 {
			var reduced *object.Set
			reduced, made.left = translate.LeaveOut(c.set, p.broken.refs())
			made.result = p.translate(reduced, options)
			made.theirParts = split(made.result, p.byNamespace)
		}
		m.key, m.last = key, made
	}
	return m.last
}

func (p *planner) translate(set *object.Set, options translate.Options) translate.Result {
	result := translate.Translate(set, options)
	if result.Config.Stub() {
		result.Config.Upstreams = nil // Kong alone would not be ready without any; an agent's reserved route is enough
	}
	return result
}

// own are the shares that are planned.
func (p *planner) own(parts map[string]*part) map[string]*part {
	if !p.byNamespace {
		return parts
	}
	mine := parts[p.share]
	if mine == nil {
		mine = &part{config: declarative.Config{FormatVersion: declarative.FormatVersion}}
	}
	return map[string]*part{p.share: mine}
}

// plan plans the share of the objects. Those that are broken, and what depends on them, are left out, in their last good form where there
// is one.
func (p *planner) plan(c cluster, now time.Time) (*plan, error) {
	for range maxRounds {
		m := p.mean(c, now)
		made, problems, err := p.attempt(m)
		if err != nil || len(problems) == 0 {
			return made, err
		}
		if !p.blame(c.set, made.documents, problems, 0, now.Add(retryRefused)) {
			return nil, fmt.Errorf("%w: %s", errUncompiled, sentence(problems[0]))
		}
	}
	return nil, fmt.Errorf("%w: too many rounds", errUncompiled)
}

// blame adds the objects that problems lead to, and says whether there was any that is not left out already.
func (p *planner) blame(set *object.Set, d documents, problems []fleet.Problem, revision int64, until time.Time) bool {
	found := false
	for _, problem := range problems {
		objects := d.objects(problem)
		if len(objects) == 0 || !set.Has(objects[0]) {
			continue
		}
		if _, already := p.broken[objects[0]]; already {
			continue
		}
		found = true
		p.broken[objects[0]] = cause{phase: delivery.Refused, revision: revision, reason: sentence(problem), with: objects,
			identity: identity(set, objects), until: until, share: p.share}
	}
	return found
}

// alone are the kinds whose objects are in a configuration by themselves. When one has a problem and nothing of it is there, it is broken.
var alone = map[string]bool{
	"Ingress": true, "HTTPRoute": true, "GRPCRoute": true, "TLSRoute": true, "TCPRoute": true, "UDPRoute": true,
	kongcrd.KindPlugin: true, kongcrd.KindClusterPlugin: true, kongcrd.KindConsumer: true, kongcrd.KindConsumerGroup: true,
	kongcrd.KindVault: true, kongcrd.KindCustomEntity: true,
}

// lost are the reasons of problems for which the last good form is kept. What names something that is gone, or is not allowed any more,
// has to go: a credential that was deleted, a grant that was taken back.
var lost = map[object.Reason]bool{object.ReasonInvalid: true, object.ReasonUnsupported: true, object.ReasonConflict: true}

// noteLost counts as broken what the translation left out whole for a reason that lies in the object itself. What it took in parts is
// served as it is now.
func (p *planner) noteLost(set *object.Set, whole translate.Result) {
	there := map[object.Ref]bool{}
	for _, origin := range whole.Origins {
		there[origin.Objects[0]] = true
	}
	for _, problem := range whole.Problems {
		for _, ref := range problem.Objects {
			if _, already := p.broken[ref]; already || !lost[problem.Reason] || !alone[ref.Kind] || there[ref] || !set.Has(ref) {
				continue
			}
			// It is tried again with each translation: nothing has to be remembered.
			p.broken[ref] = cause{phase: delivery.Untranslated, reason: problem.Message}
		}
	}
}

// attempt makes a plan without the objects that are broken by now, and says what the compiler refuses of it.
func (p *planner) attempt(m *meaning) (*plan, []fleet.Problem, error) {
	made := &plan{set: m.set, result: m.result, beside: p.beside, leftOut: map[object.Ref]delivery.LeftOut{}}
	parts := p.own(m.theirParts)
	if p.byNamespace {
		mine := parts[p.share]
		made.result = translate.Result{Config: mine.config, Origins: mine.origins}
	}
	fresh, problems, err := p.compiler.compile(parts, made.result.Origins)
	if err != nil {
		return nil, nil, err
	}
	made.documents, made.content, made.forms = fresh.documents, fresh.content, fresh.forms
	if len(problems) > 0 {
		return made, problems, nil
	}
	broken := slices.Collect(maps.Keys(m.left))
	for _, problem := range m.undecoded {
		broken = append(broken, problem.Objects...)
	}
	if len(broken) > 0 && p.base != nil {
		if err := p.keepLastGood(made, m, broken); err != nil {
			return nil, nil, err
		}
	}
	p.explain(m.cluster, made, m.whole, m.result, m.left)
	return made, nil, nil
}

// keepLastGood adds what the base has of objects that are left out.
func (p *planner) keepLastGood(made *plan, m *meaning, broken []object.Ref) error {
	contents := graft.Contents{Base: p.base, New: made.content, Beside: p.beside}
	if all, problems, err := p.whole.compile(p.own(m.wholeShares), m.whole.Origins); err == nil && len(problems) == 0 {
		// The endpoints of what is kept go on to change; those of a translation that does not compile are not known.
		contents.Current = all.content
	}
	return made.keep(func(drop func(content.Key) bool) []content.Entity { return graft.Objects(contents, broken, drop) })
}

// keep adds entities of an earlier content to the plan, beside those that are kept already, as far as they fit: one that clashes with what
// is there now is dropped.
func (p *plan) keep(choose func(drop func(content.Key) bool) []content.Entity) error {
	dropped := map[content.Key]bool{}
	fresh, before := p.content, p.kept
	for range maxRounds {
		chosen := choose(func(key content.Key) bool { return dropped[key] })
		if len(chosen) == 0 {
			return nil
		}
		entities := slices.Concat(before.entities, chosen)
		text, err := graft.Document(entities)
		if err != nil {
			return fmt.Errorf("keep what was good: %w", err)
		}
		p.kept = kept{entities: entities, text: text}
		both, problems := content.CompileBeside(p.submission(), content.Document{Name: besideName, Content: p.beside.Canonical()})
		if len(problems) == 0 {
			p.content = both
			return nil
		}
		known := len(dropped)
		for _, problem := range problems {
			for _, at := range []fleet.Problem{problem, other(problem)} {
				if key, ok := p.kept.at(at); ok {
					dropped[key] = true
				}
			}
		}
		if len(dropped) == known {
			break
		}
	}
	p.kept, p.content = before, fresh
	return nil
}

// other is the place of the other party of a problem.
func other(p fleet.Problem) fleet.Problem {
	if p.Other == nil {
		return fleet.Problem{}
	}
	return fleet.Problem{Document: p.Other.Document, Line: p.Other.Line}
}

// explain says why objects are left out.
func (p *planner) explain(c cluster, made *plan, whole, result translate.Result, left map[object.Ref]object.Ref) {
	keeps := map[object.Ref]bool{}
	for _, e := range made.kept.entities {
		if ref, ok := e.Read().Object(); ok {
			ref.Group = ""
			keeps[ref] = true
		}
	}
	lastGood := func(ref object.Ref) bool {
		ref.Group = ""
		return keeps[ref]
	}
	made.problems = slices.Concat(result.Problems, c.undecoded) // the same for each share
	for ref, because := range left {
		why := p.broken[because]
		reason := why.reason
		if ref != because {
			reason = "it depends on " + because.String() + ", which is left out: " + reason
		}
		if ref != because || why.phase != delivery.Untranslated {
			made.problems = append(made.problems, object.Problem{Objects: []object.Ref{ref}, Reason: object.ReasonBroken, Message: reason})
		}
		phase := why.phase
		if phase == delivery.Untranslated && ref != because {
			phase = delivery.Refused
		}
		made.leftOut[ref] = delivery.LeftOut{Phase: phase, Revision: why.revision, Reason: reason, LastGood: lastGood(ref)}
	}
	for _, problem := range whole.Problems { // of objects that were left out for them
		if slices.ContainsFunc(problem.Objects, func(ref object.Ref) bool { return left[ref] == ref }) {
			made.problems = append(made.problems, problem)
		}
	}
	made.problems = object.SortProblems(made.problems)
}

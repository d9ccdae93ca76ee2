package webhook

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"

	admission "k8s.io/api/admission/v1"
	core "k8s.io/api/core/v1"

	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/sources/kubernetes/declarative"
	"github.com/silverback-gateway/silverback/sources/kubernetes/manifest"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
)

// subject is the object under review.
type subject struct {
	ref object.Ref
	old object.Object // nil when it is created, or what was stored does not decode
	obj object.Object // nil when it is deleted
}

// errSettled says that there is nothing to review.
var errSettled = errors.New("nothing to review")

// subjectOf reads the object of a request. It returns errSettled for what means nothing to a gateway, or is the same as before. Another
// error says that the object does not decode.
func subjectOf(request *admission.AdmissionRequest) (subject, error) {
	kind := request.Kind
	s := subject{ref: object.Ref{Group: kind.Group, Kind: kind.Kind, Namespace: request.Namespace, Name: request.Name}}
	if !manifest.Reads(kind.Group, kind.Kind) || kind.Kind == kindEndpoints || request.SubResource != "" ||
		request.Operation == admission.Connect {
		return s, errSettled
	}
	if len(request.OldObject.Raw) > 0 {
		if old, err := manifest.DecodeAs(kind.Group, kind.Kind, request.OldObject.Raw); err == nil {
			s.old = slim(old)
		}
	}
	if request.Operation == admission.Delete {
		return s, nil
	}
	obj, err := manifest.DecodeAs(kind.Group, kind.Kind, request.Object.Raw)
	if err != nil {
		return s, err
	}
	if obj.GetName() == "" { // the API server has not made its name yet
		obj.SetName(obj.GetGenerateName() + "…")
	}
	s.obj, s.ref = slim(obj), object.RefOf(obj)
	if obj.GetDeletionTimestamp() != nil || s.old != nil && alike(s.old, obj) {
		return s, errSettled
	}
	return s, nil
}

// lastApplied is a copy of the object that kubectl keeps in it.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// slim drops what the API server, kubectl and controllers note down for themselves: it means nothing to a gateway.
func slim(obj object.Object) object.Object {
	obj.SetManagedFields(nil)
	obj.SetFinalizers(nil)
	obj.SetOwnerReferences(nil)
	annotations := obj.GetAnnotations()
	delete(annotations, lastApplied)
	obj.SetAnnotations(annotations)
	return obj
}

// alike says whether two states of an object mean the same.
func alike(a, b object.Object) bool {
	type version struct {
		resource   string
		generation int64
	}
	was, now := version{a.GetResourceVersion(), a.GetGeneration()}, version{b.GetResourceVersion(), b.GetGeneration()}
	set := func(obj object.Object, v version) {
		obj.SetResourceVersion(v.resource)
		obj.SetGeneration(v.generation)
	}
	set(a, version{})
	set(b, version{})
	same := reflect.DeepEqual(a, b)
	set(a, was)
	set(b, now)
	return same
}

// current says whether a cached object is the stored one, or differs from it in its status at most.
func current(known, stored object.Object) bool {
	if known.GetUID() != stored.GetUID() {
		return false
	}
	return known.GetResourceVersion() == stored.GetResourceVersion() ||
		stored.GetGeneration() > 0 && known.GetGeneration() == stored.GetGeneration() &&
			maps.Equal(known.GetLabels(), stored.GetLabels()) && sameAnnotations(known.GetAnnotations(), stored.GetAnnotations())
}

// sameAnnotations compares annotations, but for those of kubectl.
func sameAnnotations(a, b map[string]string) bool {
	a, b = maps.Clone(a), maps.Clone(b)
	delete(a, lastApplied)
	delete(b, lastApplied)
	return maps.Equal(a, b)
}

// review says what becomes of the object of a request. An error says that it could not be reviewed in whole; the verdict then has what is
// known of it all the same.
func (r *Reviewer) review(ctx context.Context, request *admission.AdmissionRequest) (verdict, object.Ref, error) {
	var v verdict
	s, err := subjectOf(request)
	if errors.Is(err, errSettled) {
		return v, s.ref, nil
	}
	if err != nil {
		v.refuse("%s: %v (%s)", s.ref, err, object.ReasonInvalid)
		return v, s.ref, nil
	}
	set, err := r.Objects.Objects()
	if err != nil {
		return v, s.ref, fmt.Errorf("the objects of the cluster are not known yet: %w", err)
	}
	options := r.Options
	options.Now = r.Now()
	c := r.views(set, s, options)
	v.judgeTranslation(c.before, c.after, s.ref, r.RefuseUnresolved)
	if err := context.Cause(ctx); err != nil {
		return v, s.ref, err
	}
	return v, s.ref, r.checkChanged(ctx, &v, c)
}

// views are what the cluster means without and with the change.
func (r *Reviewer) views(given *object.Set, s subject, options translate.Options) comparison {
	set, asBefore := r.cluster.of(given, options)
	if s.old != nil {
		// The cache can be behind: what the API server says was stored counts.
		if known, ok := object.Get[object.Object](set, s.ref.Kind, s.ref.Namespace, s.ref.Name); !ok || !current(known, s.old) {
			set = set.With(s.old)
			stored := set
			asBefore = func() *translated { return translateSet(stored, options) }
		}
	}
	changed := set.WithoutRef(s.ref)
	if s.obj != nil {
		changed = set.With(s.obj)
	}
	c := comparison{s: s}
	var both sync.WaitGroup
	both.Go(func() { c.was = asBefore() })
	c.now = translateSet(changed, options)
	both.Wait()
	c.before, c.after = view{Result: c.was.result}, view{Result: c.now.result}
	if s.obj == nil || used(c.now.result.Origins, s.ref) {
		return c
	}
	c.after.alone = alone(c.now.set, s.obj, options)
	if s.old != nil {
		c.before.alone = alone(c.was.set, s.old, options)
	}
	return c
}

// used says whether an entity came from an object.
func used(origins []translate.Origin, ref object.Ref) bool {
	return slices.ContainsFunc(origins, func(o translate.Origin) bool { return names(o.Objects, ref) })
}

// comparison is a change with what it does to the configuration.
type comparison struct {
	s             subject
	before, after view
	was, now      *translated
}

// checkChanged asks the translator about the entities that a change makes or changes. What it says of them as they were before does not
// count.
func (r *Reviewer) checkChanged(ctx context.Context, v *verdict, c comparison) error {
	if r.Group == "" {
		return nil
	}
	all, old := c.now.entities, c.was.entities
	if len(c.after.alone.Origins) > 0 || len(c.before.alone.Origins) > 0 {
		all, old = withAlone(all, c.after.alone), withAlone(old, c.before.alone)
	}
	list, cut := changed(old, all)
	if len(list) == 0 {
		return nil
	}
	if cut {
		v.warn("the change reaches more than %d entities; only those were checked by the schemas of the gateways", maxPart)
	}
	found, err := r.validate(ctx, list, all, provenanceOf(c.after.Origins, c.after.alone.Origins))
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return nil
	}
	// Only now is it worth asking what was wrong before.
	var previous []entity
	for _, e := range list {
		if was, ok := old[e.key]; ok {
			previous = append(previous, was)
		}
	}
	var known []finding
	if len(previous) > 0 {
		if known, err = r.validate(ctx, previous, old, provenanceOf(c.before.Origins, c.before.alone.Origins)); err != nil {
			return err
		}
	}
	hide(found, c.now.set)
	hide(known, c.was.set)
	v.judgeFindings(known, found, c.s.ref)
	return nil
}

// withAlone adds the entities of what an object means alone.
func withAlone(all map[entityKey]entity, result translate.Result) map[entityKey]entity {
	joined := maps.Clone(all)
	for key, e := range entities(result.Config) {
		if _, ok := joined[key]; !ok && key.name != declarative.StubUpstream {
			joined[key] = e
		}
	}
	return joined
}

// validate asks the translator about entities of all, with what they refer to: each in a document of its own, so that a problem says which
// it is about. Where another source refers to entities of this one, the others are needed too, or the translator would check nothing.
func (r *Reviewer) validate(ctx context.Context, list []entity, all map[entityKey]entity, from provenance) ([]finding, error) {
	asked := closure(list, all)
	answer, err := r.ask(ctx, asked, nil)
	if err == nil && slices.ContainsFunc(answer.GetProblems(), r.missed) {
		answer, err = r.ask(ctx, asked, all)
	}
	if err != nil {
		return nil, fmt.Errorf("ask the translator: %w", err)
	}
	byName := make(map[string]entity, len(asked))
	for _, e := range asked {
		byName[documentName(e.key)] = e
	}
	var found []finding
	for _, p := range answer.GetProblems() {
		if e, ok := byName[p.GetDocument()]; ok && !r.foreign(p) {
			found = append(found, finding{problem: p, objects: from.find(e, p)})
		}
	}
	return found, nil
}

// foreign says whether a problem is one of another source.
func (r *Reviewer) foreign(p *fleetv1.Problem) bool {
	return p.GetSource() != "" && p.GetSource() != r.Source
}

// missed says whether another source refers to an entity that was not among those asked about.
func (r *Reviewer) missed(p *fleetv1.Problem) bool {
	return r.foreign(p) && p.GetClass() == fleetv1.Problem_CLASS_DANGLING_REFERENCE
}

// ask has the translator validate entities, and beside them, in one document, the rest of all.
func (r *Reviewer) ask(ctx context.Context, list []entity, all map[entityKey]entity) (*translatorv1.ValidateConfigResponse, error) {
	request := &translatorv1.ValidateConfigRequest{Group: r.Group, Source: r.Source}
	add := func(name string, config declarative.Config) error {
		config.FormatVersion = declarative.FormatVersion
		content, err := config.MarshalJSON()
		if err != nil {
			return fmt.Errorf("write %s as JSON: %w", name, err)
		}
		request.Documents = append(request.Documents, &translatorv1.Document{Name: name, Content: content})
		return nil
	}
	listed := make(map[entityKey]bool, len(list))
	for _, e := range list {
		var one declarative.Config
		e.put(&one)
		if err := add(documentName(e.key), one); err != nil {
			return nil, err
		}
		listed[e.key] = true
	}
	var rest declarative.Config
	for key, e := range all {
		if !listed[key] {
			e.put(&rest)
		}
	}
	if !rest.Empty() {
		if err := add("rest", rest); err != nil {
			return nil, err
		}
	}
	return r.Validator.ValidateConfig(ctx, request)
}

// maxName bounds the name of a document.
const maxName = 1000

func documentName(key entityKey) string {
	name := strings.ToValidUTF8(key.String(), "?")
	if len(name) > maxName {
		name = strings.ToValidUTF8(name[:maxName], "")
	}
	return name
}

// minSecret is the length from which a value of a Secret is looked for in messages. Shorter ones are in every other word.
const minSecret = 4

// hide takes the values of Secrets that an entity came from out of what the translator says of it. The translator names no values; this
// holds even if it did.
func hide(found []finding, set *object.Set) {
	for _, f := range found {
		for _, ref := range f.objects {
			secret, ok := object.Get[*core.Secret](set, ref.Kind, ref.Namespace, ref.Name)
			if !ok {
				continue
			}
			for _, value := range secret.Data {
				if text := strings.TrimSpace(string(value)); len(text) >= minSecret {
					f.problem.Message = strings.ReplaceAll(f.problem.GetMessage(), text, "(hidden)")
				}
			}
		}
	}
}

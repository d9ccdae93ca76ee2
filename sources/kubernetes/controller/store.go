package controller

import (
	"maps"
	"slices"
	"sync"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// store holds the objects that informers told of, by what they mean for a translation. It shares them with the informers' caches.
type store struct {
	mu        sync.Mutex
	objects   map[object.Ref]object.Object
	undecoded map[object.Ref]string // why they could not be read
	bell      chan struct{}         // capacity 1: something changed
}

func newStore() *store {
	return &store{objects: map[object.Ref]object.Object{}, undecoded: map[object.Ref]string{}, bell: make(chan struct{}, 1)}
}

// Changed has a value when something changed since the last read.
func (s *store) Changed() <-chan struct{} { return s.bell }

// Read is what there is now.
func (s *store) Read() cluster {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := cluster{set: &object.Set{}}
	for _, obj := range s.objects {
		c.set.Add(obj)
	}
	for _, ref := range slices.SortedFunc(maps.Keys(s.undecoded), object.Compare) {
		c.undecoded = append(c.undecoded, object.Problem{Objects: []object.Ref{ref}, Reason: object.ReasonInvalid, Message: s.undecoded[ref]})
	}
	return c
}

// handler takes the events of an informer.
func (s *store) handler() toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { s.put(nil, obj) },
		UpdateFunc: func(old, obj any) { s.put(old, obj) },
		DeleteFunc: func(obj any) {
			if gone, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
				obj = gone.Obj
			}
			s.remove(obj)
		},
	}
}

func (s *store) put(old, obj any) {
	s.mu.Lock()
	switch obj := obj.(type) {
	case *undecoded:
		ref := object.RefOf(obj)
		delete(s.objects, ref)
		s.undecoded[ref] = obj.why
	case object.Object:
		ref := object.RefOf(obj)
		delete(s.undecoded, ref)
		s.objects[ref] = obj
	}
	s.mu.Unlock()
	before, was := old.(object.Object)
	now, is := obj.(object.Object)
	if !was || !is || !sameMeaning(before, now) {
		s.ring()
	}
}

func (s *store) remove(obj any) {
	if gone, ok := obj.(object.Object); ok {
		s.mu.Lock()
		delete(s.objects, object.RefOf(gone))
		delete(s.undecoded, object.RefOf(gone))
		s.mu.Unlock()
		s.ring()
	}
}

func (s *store) ring() {
	select {
	case s.bell <- struct{}{}:
	default:
	}
}

// sameMeaning says whether an update changed nothing that is translated: statuses change without a new generation. Kinds whose objects have
// no generation always count as changed.
func sameMeaning(a, b object.Object) bool {
	if a.GetResourceVersion() == b.GetResourceVersion() {
		return true // a resync
	}
	_, namespace := b.(*core.Namespace) // has no generation; its phase says nothing that its deletion does not
	return (b.GetGeneration() > 0 || namespace) && a.GetGeneration() == b.GetGeneration() && a.GetUID() == b.GetUID() &&
		maps.Equal(a.GetLabels(), b.GetLabels()) && maps.Equal(a.GetAnnotations(), b.GetAnnotations()) &&
		(a.GetDeletionTimestamp() == nil) == (b.GetDeletionTimestamp() == nil)
}

// undecoded stands for an object whose fields have other types than its kind has.
type undecoded struct {
	meta.TypeMeta
	meta.ObjectMeta
	why string
}

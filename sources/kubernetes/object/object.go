// Package object holds Kubernetes objects for a translation: by kind, namespace and name, in one order whoever added them.
package object

import (
	"cmp"
	"slices"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Object is any Kubernetes object with its type and its metadata.
type Object interface {
	meta.Object
	GetObjectKind() schema.ObjectKind
}

// Ref names an object of a cluster. Its version is left out: an object is the same in each.
type Ref struct {
	Group     string `json:"group,omitempty"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

// RefOf names obj by the type that it says it has.
func RefOf(obj Object) Ref {
	kind := obj.GetObjectKind().GroupVersionKind()
	return Ref{Group: kind.Group, Kind: kind.Kind, Namespace: obj.GetNamespace(), Name: obj.GetName()}
}

// String is Kind/namespace/name, without the namespace for what has none.
func (r Ref) String() string {
	if r.Namespace == "" {
		return r.Kind + "/" + r.Name
	}
	return r.Kind + "/" + r.Namespace + "/" + r.Name
}

// Compare orders references by kind, namespace, name and group.
func Compare(a, b Ref) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name),
		cmp.Compare(a.Group, b.Group))
}

// Set is a set of objects. Its zero value is empty. It is not safe for concurrent writes.
type Set struct {
	kinds map[string]map[key]Object
}

type key struct{ namespace, name string }

// Add puts obj into the set, in place of one of the same kind, namespace and name.
func (s *Set) Add(obj Object) {
	kind := obj.GetObjectKind().GroupVersionKind().Kind
	if s.kinds == nil {
		s.kinds = map[string]map[key]Object{}
	}
	if s.kinds[kind] == nil {
		s.kinds[kind] = map[key]Object{}
	}
	s.kinds[kind][key{obj.GetNamespace(), obj.GetName()}] = obj
}

// Has says whether the set holds an object of that name.
func (s *Set) Has(r Ref) bool {
	_, ok := s.kinds[r.Kind][key{r.Namespace, r.Name}]
	return ok
}

// Find finds the object of that name.
func (s *Set) Find(r Ref) (Object, bool) {
	obj, ok := s.kinds[r.Kind][key{r.Namespace, r.Name}]
	return obj, ok
}

// Len is the number of objects.
func (s *Set) Len() int {
	n := 0
	for _, objects := range s.kinds {
		n += len(objects)
	}
	return n
}

// All lists every object, by kind, namespace and name.
func (s *Set) All() []Object {
	all := make([]Object, 0, s.Len())
	for _, objects := range s.kinds {
		for _, obj := range objects {
			all = append(all, obj)
		}
	}
	slices.SortFunc(all, func(a, b Object) int { return Compare(RefOf(a), RefOf(b)) })
	return all
}

// Without is a copy of the set that leaves out what leave says.
func (s *Set) Without(leave func(Object) bool) *Set {
	kept := &Set{}
	for _, objects := range s.kinds {
		for _, obj := range objects {
			if !leave(obj) {
				kept.Add(obj)
			}
		}
	}
	return kept
}

// Get finds one object of a kind; T is the kind's Go type, and another type counts as absent.
func Get[T Object](s *Set, kind, namespace, name string) (T, bool) {
	obj, ok := s.kinds[kind][key{namespace, name}].(T)
	return obj, ok
}

// List lists the objects of a kind by namespace and name.
func List[T Object](s *Set, kind string) []T {
	list := make([]T, 0, len(s.kinds[kind]))
	for _, obj := range s.kinds[kind] {
		if typed, ok := obj.(T); ok {
			list = append(list, typed)
		}
	}
	slices.SortFunc(list, func(a, b T) int {
		return cmp.Or(cmp.Compare(a.GetNamespace(), b.GetNamespace()), cmp.Compare(a.GetName(), b.GetName()))
	})
	return list
}

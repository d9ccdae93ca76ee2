package object

import "maps"

// With is a copy of the set that has obj too, in place of one of the same kind, namespace and name. The set itself stays as it is; what did
// not change is shared, so that a copy of a large set costs no more than the objects of one kind.
func (s *Set) With(obj Object) *Set {
	kind := obj.GetObjectKind().GroupVersionKind().Kind
	changed := s.copyKind(kind)
	changed.Add(obj)
	return changed
}

// WithoutRef is a copy of the set that has no object of that name, as With makes one.
func (s *Set) WithoutRef(r Ref) *Set {
	changed := s.copyKind(r.Kind)
	delete(changed.kinds[r.Kind], key{r.Namespace, r.Name})
	return changed
}

// copyKind is a copy of the set in which the objects of one kind can be changed.
func (s *Set) copyKind(kind string) *Set {
	changed := &Set{kinds: maps.Clone(s.kinds)}
	if changed.kinds == nil {
		changed.kinds = map[string]map[key]Object{}
	}
	changed.kinds[kind] = maps.Clone(s.kinds[kind])
	if changed.kinds[kind] == nil {
		changed.kinds[kind] = map[key]Object{}
	}
	return changed
}

// WithoutKind is a copy of the set that has no objects of a kind, as With makes one.
func (s *Set) WithoutKind(kind string) *Set {
	changed := &Set{kinds: maps.Clone(s.kinds)}
	delete(changed.kinds, kind)
	return changed
}

// Same says whether two sets have the same objects in the same states: the very same ones, or such as an API server gave one version.
func (s *Set) Same(other *Set) bool {
	if s.Len() != other.Len() {
		return false
	}
	for kind, objects := range s.kinds {
		for name, a := range objects {
			b, ok := other.kinds[kind][name]
			if !ok || a != b && (a.GetResourceVersion() == "" || a.GetResourceVersion() != b.GetResourceVersion() || a.GetUID() != b.GetUID()) {
				return false
			}
		}
	}
	return true
}

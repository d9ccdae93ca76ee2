package delivery

import (
	"maps"
	"slices"

	"github.com/silverback-gateway/silverback/sources/kubernetes/content"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
)

// Forms are what each object contributes to a content: its form.
type Forms struct {
	// Keys are the entities that have an object among their origins, without targets.
	Keys map[object.Ref][]content.Key
	// Origins are the objects that an entity came from, the one that its tags name first.
	Origins map[content.Key][]object.Ref
	// Now is the content itself.
	Now Remembered
}

// Remembered is what is remembered of a content.
type Remembered struct {
	Sums map[content.Key]content.Sum
	// Owned counts the entities whose first origin is an object. An object that lost an entity has another form, although all that are left
	// are there.
	Owned map[object.Ref]int
}

type named struct{ kind, name string }

// FormsOf says what the objects that a translation names contribute to its content.
func FormsOf(c *content.Content, origins []translate.Origin) Forms {
	byName := map[named][]object.Ref{}
	for _, o := range origins {
		for _, name := range []string{o.ID, o.Name} {
			if name != "" {
				byName[named{o.Kind, name}] = append(byName[named{o.Kind, name}], o.Objects...)
			}
		}
	}
	f := Forms{Keys: map[object.Ref][]content.Key{}, Origins: map[content.Key][]object.Ref{}, Now: Remember(c)}
	byID := map[string]content.Key{}
	var belonging []content.Entity
	for _, e := range c.Entities() {
		byID[e.ID] = e.Key
		refs := byName[named{e.Kind, e.ID}]
		if refs == nil && e.Name != "" {
			refs = byName[named{e.Kind, e.Name}]
		}
		if refs == nil {
			belonging = append(belonging, e)
			continue
		}
		f.add(e.Key, refs)
	}
	for _, e := range belonging { // plugins of routes, names of certificates, credentials
		var refs []object.Ref
		for _, id := range e.Read().Refs {
			refs = append(refs, f.Origins[byID[id]]...)
		}
		f.add(e.Key, refs)
	}
	return f
}

// JoinForms is what objects contribute to a content that was joined of others, in their order.
func JoinForms(parts []Forms) Forms {
	if len(parts) == 1 {
		return parts[0]
	}
	entities, objects := 0, 0
	for _, p := range parts {
		entities, objects = entities+len(p.Now.Sums), objects+len(p.Keys)
	}
	joined := Forms{Keys: make(map[object.Ref][]content.Key, objects), Origins: make(map[content.Key][]object.Ref, entities),
		Now: Remembered{Sums: make(map[content.Key]content.Sum, entities), Owned: make(map[object.Ref]int, objects)}}
	for _, p := range parts {
		maps.Copy(joined.Origins, p.Origins)
		maps.Copy(joined.Now.Sums, p.Now.Sums)
		for ref, keys := range p.Keys {
			if known := joined.Keys[ref]; known != nil {
				keys = slices.Concat(known, keys)
			}
			joined.Keys[ref] = keys
		}
		for ref, n := range p.Now.Owned {
			joined.Now.Owned[ref] += n
		}
	}
	return joined
}

func (f *Forms) add(key content.Key, refs []object.Ref) {
	f.Origins[key] = refs
	if key.Kind == content.Targets || len(refs) == 0 {
		return
	}
	seen := map[object.Ref]bool{}
	for _, ref := range refs {
		if !seen[ref] {
			seen[ref] = true
			f.Keys[ref] = append(f.Keys[ref], key)
		}
	}
}

// owner is an object as tags name it: they leave out some groups.
func owner(ref object.Ref) object.Ref {
	ref.Group = ""
	return ref
}

// Remember is what is remembered of the content of a revision that was read back: its tags say whose entities are.
func Remember(c *content.Content) Remembered {
	h := Remembered{Sums: c.Sums(), Owned: map[object.Ref]int{}}
	parents := map[string]object.Ref{}
	var untagged []content.Entity
	for _, e := range c.Entities() {
		if e.Kind == content.Targets {
			continue
		}
		ref, ok := e.Read().Object()
		if !ok {
			untagged = append(untagged, e)
			continue
		}
		parents[e.ID] = owner(ref)
		h.Owned[owner(ref)]++
	}
	for _, e := range untagged {
		for _, id := range e.Read().Refs {
			if ref, ok := parents[id]; ok {
				h.Owned[ref]++
				break
			}
		}
	}
	return h
}

// In says whether a content holds the present form of an object, whole and with nothing besides.
func (f Forms) In(h Remembered, ref object.Ref) bool {
	keys := f.Keys[ref]
	if len(keys) == 0 || h.Owned[owner(ref)] != f.Now.Owned[owner(ref)] {
		return false
	}
	for _, key := range keys {
		if sum, ok := h.Sums[key]; !ok || sum != f.Now.Sums[key] {
			return false
		}
	}
	return true
}

// Changed lists the objects whose own entities differ in a content, in no order: those that their tags name, not what depends on them.
func (f Forms) Changed(h Remembered) []object.Ref {
	changed := map[object.Ref]bool{}
	for key, refs := range f.Origins {
		if key.Kind != content.Targets && len(refs) > 0 && h.Sums[key] != f.Now.Sums[key] {
			changed[refs[0]] = true
		}
	}
	for ref := range f.Keys {
		if owned := f.Now.Owned[owner(ref)]; owned > 0 && owned != h.Owned[owner(ref)] {
			changed[ref] = true
		}
	}
	return slices.Collect(maps.Keys(changed))
}

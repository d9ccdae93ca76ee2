package object_test

import (
	"testing"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

func made(kind, name, version string) object.Object {
	return &core.ConfigMap{
		TypeMeta: meta.TypeMeta{APIVersion: "v1", Kind: kind}, ObjectMeta: meta.ObjectMeta{Namespace: "a", Name: name, ResourceVersion: version},
	}
}

func set(objects ...object.Object) *object.Set {
	s := &object.Set{}
	for _, obj := range objects {
		s.Add(obj)
	}
	return s
}

func TestACopyThatChangesLeavesTheSetAsItIs(t *testing.T) {
	one, two := made("ConfigMap", "one", "1"), made("Secret", "two", "1")
	s := set(one, two)
	with := s.With(made("ConfigMap", "three", "1"))
	without := s.WithoutRef(object.RefOf(one))
	apart := s.WithoutKind("Secret")
	if s.Len() != 2 || with.Len() != 3 || without.Len() != 1 || apart.Len() != 1 {
		t.Errorf("the set has %d, with one more %d, with one less %d, without a kind %d", s.Len(), with.Len(), without.Len(), apart.Len())
	}
	if _, found := object.Get[object.Object](without, "ConfigMap", "a", "one"); found || apart.Has(object.RefOf(two)) {
		t.Error("what was taken out is found")
	}
	if found, ok := object.Get[object.Object](s, "ConfigMap", "a", "one"); !ok || found != one {
		t.Error("the set has lost an object")
	}
	if (&object.Set{}).With(one).Len() != 1 || (&object.Set{}).WithoutRef(object.RefOf(one)).Len() != 0 {
		t.Error("an empty set cannot be changed")
	}
}

func TestSameSets(t *testing.T) {
	unversioned := made("ConfigMap", "x", "")
	for _, c := range []struct {
		what string
		a, b *object.Set
		same bool
	}{
		{"nothing", set(), set(), true},
		{"the same object without a version", set(unversioned), set(unversioned), true},
		{"another object without a version", set(unversioned), set(made("ConfigMap", "x", "")), false},
		{"another copy of one version", set(made("ConfigMap", "x", "1")), set(made("ConfigMap", "x", "1")), true},
		{"another version", set(made("ConfigMap", "x", "1")), set(made("ConfigMap", "x", "2")), false},
		{"another name", set(made("ConfigMap", "x", "1")), set(made("ConfigMap", "y", "1")), false},
		{"another kind", set(made("ConfigMap", "x", "1")), set(made("Secret", "x", "1")), false},
		{"one more", set(made("ConfigMap", "x", "1")), set(made("ConfigMap", "x", "1"), made("ConfigMap", "z", "1")), false},
	} {
		if c.a.Same(c.b) != c.same || c.b.Same(c.a) != c.same {
			t.Errorf("%s: same is not %v", c.what, c.same)
		}
	}
}

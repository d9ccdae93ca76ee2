package registry_test

import (
	"testing"

	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
	"github.com/silverback-gateway/silverback/testkit/groupfields"
)

// An update that changes one field only must not be taken for a repeated request, whatever the field is.
func TestEveryFieldOfAGroupIsComparedAndStored(t *testing.T) {
	r := start(t, etcdtest.Start(t).Client(t), registry.Config{})
	r.group(t, "g")
	update := func(g *registryv1.Group) {
		t.Helper()
		if _, err := r.UpdateGroup(t.Context(), &registryv1.UpdateGroupRequest{Group: g}); err != nil {
			t.Fatalf("%v: %v", g, err)
		}
	}
	for _, c := range groupfields.Cases("g") {
		update(groupfields.Base("g"))
		update(c.Group)
		answer, err := r.GetGroup(t.Context(), &registryv1.GetGroupRequest{Name: "g"})
		if err != nil {
			t.Fatal(err)
		}
		want := groupfields.Value(c.Group, c.Field)
		if got := groupfields.Value(answer.GetGroup(), c.Field); want == "" || got != want {
			t.Errorf("%s: got %q, want %q", c.Field, got, want)
		}
	}
}

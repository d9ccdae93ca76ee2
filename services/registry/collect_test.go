package registry_test

import (
	"testing"
	"time"

	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// A node that was killed is forgotten, unless an order of an operator's stands; one that comes back enrols again.
func TestAKilledNodeIsForgotten(t *testing.T) {
	c := mortal
	c.ForgetUnreachableAfter = 200 * time.Millisecond
	r := start(t, etcdtest.Client(t), c)
	r.group(t, "g")
	for _, name := range []string{"killed", "drained"} {
		if err := r.enrol(name, "1", serving()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.DrainNode(t.Context(), &registryv1.DrainNodeRequest{Group: "g", Node: "drained", Reason: "repair"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the killed node is forgotten", func() bool { return r.node(t, "killed") == nil })
	r.awaitState(t, "drained", registryv1.Node_STATE_UNREACHABLE)
	if err := r.enrol("killed", "2", serving()); err != nil {
		t.Errorf("it came back: %v", err)
	}
	r.awaitState(t, "killed", registryv1.Node_STATE_READY)
	if r.node(t, "drained").GetDrain() == nil {
		t.Error("the order is gone")
	}
}

package registry_test

import (
	"strings"
	"testing"

	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// An agent that is refused has no node of its own to tell of it: the node whose name it wants shows it, whichever replica refused, and is
// as well as before.
func TestARefusedAgentIsNamedAtItsNode(t *testing.T) {
	etcd := etcdtest.Client(t)
	here, there := start(t, etcd, registry.Config{}), start(t, etcd, registry.Config{})
	here.group(t, "g")
	for node, refuses := range map[string]*replica{"a": here, "b": there} {
		if err := here.enrol(node, "1", serving()); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the other replica knows the node", func() bool { return there.node(t, node) != nil })
		before := there.node(t, node).GetStatus().GetConditions()
		if len(before) != 0 {
			t.Fatalf("conditions before: %v", before)
		}
		_, err := refuses.EnrolNode(t.Context(), &registryv1.EnrolNodeRequest{Group: "g", Node: node, BootId: "twin",
			AgentAddress: "10.0.0.9:7453"})
		if err == nil {
			t.Fatal("a second agent was enrolled")
		}
		for _, r := range []*replica{here, there} {
			eventually(t, "the condition", func() bool {
				c := r.node(t, node).GetStatus().GetConditions()
				return len(c) == 1 && c[0].GetType() == "DuplicateAgent" && c[0].GetSince() != nil &&
					strings.Contains(c[0].GetMessage(), "127.0.0.1") && strings.Contains(c[0].GetMessage(), "10.0.0.9:7453") &&
					strings.Contains(c[0].GetMessage(), "boot id twin")
			})
			if state := r.node(t, node).GetState(); state != registryv1.Node_STATE_READY {
				t.Errorf("node %s is %s", node, state)
			}
		}
	}
	// An attempt every second is not a write every second.
	before, err := etcd.Get(t.Context(), "identity/nodes/g/a")
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if err := here.enrol("a", "twin", nil); err == nil {
			t.Fatal("a second agent was enrolled")
		}
	}
	if err := here.enrol("c", "1", serving()); err != nil { // it is written after them
		t.Fatal(err)
	}
	after, err := etcd.Get(t.Context(), "identity/nodes/g/a")
	if err != nil {
		t.Fatal(err)
	}
	if after.Kvs[0].Version != before.Kvs[0].Version {
		t.Errorf("the record was written %d times more", after.Kvs[0].Version-before.Kvs[0].Version)
	}
}

package registry_test

import (
	"errors"
	"testing"

	"github.com/silverback-gateway/silverback/kit/fault"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

func TestAQuarantineIsKept(t *testing.T) {
	server := etcdtest.Start(t)
	r := start(t, server.Client(t), registry.Config{})
	r.group(t, "g")
	quarantine := func(reason string) (*registryv1.Node, error) {
		a, err := r.QuarantineNode(t.Context(), &registryv1.QuarantineNodeRequest{Group: "g", Node: "a", Reason: reason})
		return a.GetNode(), err
	}
	if _, err := quarantine("disk"); !errors.Is(fault.FromStatus(err), fault.Of(fault.Missing)) {
		t.Errorf("an order for a node that is not there was answered %v", err)
	}
	if err := r.enrol("a", "1", serving()); err != nil {
		t.Fatal(err)
	}
	if _, err := quarantine(""); !errors.Is(fault.FromStatus(err), fault.Of(fault.Invalid)) {
		t.Errorf("an order without a reason was answered %v", err)
	}
	if n, err := quarantine("disk"); err != nil || n.GetQuarantine().GetReason() != "disk" || n.GetQuarantine().GetSince() == nil ||
		n.GetState() != registryv1.Node_STATE_READY {
		t.Errorf("the node is answered as %v, %v", n, err)
	}
	// Neither the agent's next run nor another replica changes anything about it.
	if err := r.enrol("a", "1", serving()); err != nil {
		t.Fatal(err)
	}
	again := start(t, server.Client(t), registry.Config{})
	if a, err := again.GetNode(t.Context(), &registryv1.GetNodeRequest{Group: "g", Node: "a"}); err != nil ||
		a.GetNode().GetQuarantine().GetReason() != "disk" {
		t.Errorf("another replica says %v, %v", a, err)
	}
	a, err := again.ReleaseNode(t.Context(), &registryv1.ReleaseNodeRequest{Group: "g", Node: "a"})
	if err != nil || a.GetNode().GetQuarantine() != nil {
		t.Errorf("released, and still %v, %v", a, err)
	}
}

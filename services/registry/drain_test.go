package registry_test

import (
	"errors"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/silverback-gateway/silverback/kit/fault"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

func (r *replica) drain(t *testing.T, node, reason, request string) *registryv1.Node {
	t.Helper()
	a, err := r.DrainNode(t.Context(), &registryv1.DrainNodeRequest{Group: "g", Node: node, Reason: reason, RequestId: request})
	if err != nil {
		t.Fatal(err)
	}
	return a.GetNode()
}

func (r *replica) undrain(t *testing.T, node, request string) *registryv1.Node {
	t.Helper()
	a, err := r.UndrainNode(t.Context(), &registryv1.UndrainNodeRequest{Group: "g", Node: node, RequestId: request})
	if err != nil {
		t.Fatal(err)
	}
	return a.GetNode()
}

func TestADrainIsToldAndKept(t *testing.T) {
	server := etcdtest.Start(t)
	r := start(t, server.Client(t), registry.Config{})
	r.group(t, "g")
	for _, call := range []func() error{
		func() error {
			_, err := r.DrainNode(t.Context(), &registryv1.DrainNodeRequest{Group: "g", Node: "a"})
			return err
		},
		func() error {
			_, err := r.UndrainNode(t.Context(), &registryv1.UndrainNodeRequest{Group: "g", Node: "a"})
			return err
		},
	} {
		if err := fault.FromStatus(call()); !errors.Is(err, fault.Of(fault.Missing)) {
			t.Errorf("an order for a node that is not there was answered %v", err)
		}
	}
	if err := r.enrol("a", "1", serving()); err != nil {
		t.Fatal(err)
	}
	if n := r.drain(t, "a", "new disk", ""); n.GetDrain().GetReason() != "new disk" || n.GetDrain().GetSince() == nil ||
		n.GetState() != registryv1.Node_STATE_READY {
		t.Errorf("the drained node is answered as %v", n)
	}
	told, err := r.renew("a", "1", nil)
	if err != nil || !told.GetDraining() || told.GetDrain().GetReason() != "new disk" || told.GetDrainOrder() != 1 {
		t.Errorf("the agent is told %v, %v", told, err)
	}
	st := serving()
	st.Draining = true
	if _, err := r.renew("a", "1", st); err != nil {
		t.Fatal(err)
	}
	r.awaitState(t, "a", registryv1.Node_STATE_DRAINING)

	// Neither the end of the registry nor that of the agent undoes it.
	r.stop()
	again := start(t, server.Client(t), registry.Config{})
	if _, err := again.RenewNode(t.Context(), &registryv1.RenewNodeRequest{Group: "g", Node: "a", BootId: "1", Leaving: true}); err != nil {
		t.Fatal(err)
	}
	again.awaitState(t, "a", registryv1.Node_STATE_GONE)
	enrolled, err := again.EnrolNode(t.Context(), &registryv1.EnrolNodeRequest{Group: "g", Node: "a", BootId: "2", Status: serving()})
	if err != nil || !enrolled.GetDraining() || enrolled.GetDrain().GetReason() != "new disk" || enrolled.GetDrainOrder() != 1 {
		t.Errorf("the next boot is told %v, %v", enrolled, err)
	}
	if n := again.undrain(t, "a", ""); n.GetDrain() != nil {
		t.Errorf("undrained, and still %v", n.GetDrain())
	}
	if told, err := again.renew("a", "2", nil); err != nil || told.GetDraining() || told.GetDrain() != nil || told.GetDrainOrder() != 2 {
		t.Errorf("after undrain the agent is told %v, %v", told, err)
	}
}

func TestADeletedNodeIsNotDrained(t *testing.T) {
	r := start(t, etcdtest.Client(t), registry.Config{})
	r.group(t, "g")
	if err := r.enrol("a", "1", serving()); err != nil {
		t.Fatal(err)
	}
	r.drain(t, "a", "", "")
	if _, err := r.DeleteNode(t.Context(), &registryv1.DeleteNodeRequest{Group: "g", Node: "a"}); err != nil {
		t.Fatal(err)
	}
	enrolled, err := r.EnrolNode(t.Context(), &registryv1.EnrolNodeRequest{Group: "g", Node: "a", BootId: "1"})
	if err != nil || enrolled.GetDraining() || enrolled.GetDrainOrder() != 0 {
		t.Errorf("told %v, %v", enrolled, err)
	}
}

func TestARetryOfADrainIsCarriedOutOnce(t *testing.T) {
	r := start(t, etcdtest.Client(t), registry.Config{})
	r.group(t, "g")
	if err := r.enrol("a", "1", serving()); err != nil {
		t.Fatal(err)
	}
	first := r.drain(t, "a", "disk", "one")
	if again := r.drain(t, "a", "disk", "one"); !again.GetDrain().GetSince().AsTime().Equal(first.GetDrain().GetSince().AsTime()) {
		t.Errorf("since moved from %v to %v", first.GetDrain(), again.GetDrain())
	}
	if n := r.drain(t, "a", "disk and fan", "two"); n.GetDrain().GetReason() != "disk and fan" ||
		!n.GetDrain().GetSince().AsTime().Equal(first.GetDrain().GetSince().AsTime()) {
		t.Errorf("a new reason leaves %v", n.GetDrain())
	}
	r.undrain(t, "a", "three")
	if late := r.drain(t, "a", "disk", "one"); late.GetDrain() != nil {
		t.Errorf("a retry that came late drained the node again: %v", late.GetDrain())
	}
}

func TestProbesOfAGroupReachItsAgents(t *testing.T) {
	r := start(t, etcdtest.Client(t), registry.Config{})
	group := &registryv1.Group{Name: "g", Policy: &fleetv1.RolloutPolicy{Gates: &fleetv1.Gates{Probes: []*fleetv1.Probe{
		{Path: "/health", Host: "Shop.Example", Headers: map[string]string{"x-probe": "1"}, Readiness: true},
		{Path: "/slow", Expect: 204, Interval: durationpb.New(2 * time.Second)},
	}}}}
	created, err := r.CreateGroup(t.Context(), &registryv1.CreateGroupRequest{Group: group})
	if err != nil {
		t.Fatal(err)
	}
	want := []*fleetv1.Probe{
		{
			Path: "/health", Expect: 200, Host: "shop.example", Headers: map[string]string{"X-Probe": "1"}, Readiness: true,
			Interval: durationpb.New(5 * time.Second), Timeout: durationpb.New(2 * time.Second),
		},
		{Path: "/slow", Expect: 204, Interval: durationpb.New(2 * time.Second), Timeout: durationpb.New(time.Second)},
	}
	check := func(where string, got []*fleetv1.Probe) {
		t.Helper()
		if len(got) != len(want) || !proto.Equal(got[0], want[0]) || !proto.Equal(got[1], want[1]) {
			t.Errorf("%s: %v", where, got)
		}
	}
	check("created", created.GetGroup().GetPolicy().GetGates().GetProbes())
	if _, err := r.CreateGroup(t.Context(), &registryv1.CreateGroupRequest{Group: group}); err != nil {
		t.Errorf("the same request again: %v", err)
	}
	enrolled, err := r.EnrolNode(t.Context(), &registryv1.EnrolNodeRequest{Group: "g", Node: "a", BootId: "1", Status: serving()})
	if err != nil {
		t.Fatal(err)
	}
	check("enrolled", enrolled.GetProbes())
	group = created.GetGroup()
	group.Policy.Gates.Probes = group.GetPolicy().GetGates().GetProbes()[:1]
	if _, err := r.UpdateGroup(t.Context(), &registryv1.UpdateGroupRequest{Group: group}); err != nil {
		t.Fatal(err)
	}
	if told, err := r.renew("a", "1", nil); err != nil || len(told.GetProbes()) != 1 {
		t.Errorf("after the update the agent is told %v, %v", told, err)
	}
	group.Policy.Gates.Probes[0].Headers = map[string]string{"Authorization": "Basic x"}
	_, err = r.UpdateGroup(t.Context(), &registryv1.UpdateGroupRequest{Group: group})
	if err = fault.FromStatus(err); !errors.Is(err, fault.Of(fault.Invalid)) {
		t.Errorf("a probe with credentials was answered %v", err)
	}
}

package forecast

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/silverback-gateway/silverback/kong/cost"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

func TestRolloutInWords(t *testing.T) {
	size := cost.Size{Routes: 10_000, Entities: 20_000, Bytes: 3_000_000}
	node := func(name string, state registryv1.Node_State) *registryv1.Node {
		return &registryv1.Node{Name: name, State: state, Capabilities: &fleetv1.Capabilities{Workers: 2}}
	}
	ready := registryv1.Node_STATE_READY
	measured := node("slow", ready)
	measured.Status = &fleetv1.NodeStatus{RecentLoads: []*fleetv1.LoadSample{{Routes: 10_000, Entities: 20_000, Bytes: 3_000_000, Workers: 2,
		ServingTime: durationpb.New(8 * time.Second)}}}
	group := &registryv1.Group{Policy: &fleetv1.RolloutPolicy{Waves: []*fleetv1.RolloutPolicy_Wave{
		{Size: &fleetv1.RolloutPolicy_Wave_Nodes{Nodes: 1}, Soak: durationpb.New(time.Minute)},
		{Size: &fleetv1.RolloutPolicy_Wave_Percent{Percent: 100}},
	}}}
	for name, tt := range map[string]struct {
		nodes  []*registryv1.Node
		change Change
		bound  int32
		want   string
	}{
		"several gateways": {nodes: []*registryv1.Node{node("a", ready), measured, node("gone", registryv1.Node_STATE_GONE)},
			want: "about 8s on 2 gateways (slowest: slow; 1 of them measured), and 400 MB more memory for a while; 2 waves, about 1m16s"},
		"one": {nodes: []*registryv1.Node{measured}, want: "about 8s (measured), and 400 MB more memory for a while; 2 waves, about 1m8s"},
		"none": {nodes: []*registryv1.Node{node("gone", registryv1.Node_STATE_GONE)},
			want: "not known: no gateway of the group is online"},
		"few targets": {nodes: []*registryv1.Node{measured}, change: Change{OnlyTargets: true, Moved: 1.25}, bound: 20,
			want: "about 8s (measured), and 400 MB more memory for a while; 1 wave, about 8s, for only targets change, 1.2 % of the group's, " +
				"as soon as the newest revision is complete"},
		"many targets": {nodes: []*registryv1.Node{measured}, change: Change{OnlyTargets: true, Moved: 30}, bound: 20,
			want: "about 8s (measured), and 400 MB more memory for a while; 2 waves, about 1m8s; only targets change, but 30 % of the group's, " +
				"and at most 20 % go at once"},
		"targets, and the policy lets none go": {nodes: []*registryv1.Node{measured}, change: Change{OnlyTargets: true},
			want: "about 8s (measured), and 400 MB more memory for a while; 2 waves, about 1m8s"},
	} {
		tt.change.Size, group.Policy.TargetsAtOncePercent = size, tt.bound
		if got := Rollout(tt.change, tt.nodes, group); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

// A dry run counts the nodes that a label wave names.
func TestALabelWaveHasItsNodes(t *testing.T) {
	size := cost.Size{Routes: 10_000, Entities: 20_000, Bytes: 3_000_000}
	var nodes []*registryv1.Node
	for _, canary := range []string{"true", "", ""} {
		nodes = append(nodes, &registryv1.Node{Name: "n" + canary, State: registryv1.Node_STATE_READY,
			Labels:       map[string]string{"canary": canary},
			Capabilities: &fleetv1.Capabilities{Workers: 2}})
	}
	group := func(label string) *registryv1.Group {
		return &registryv1.Group{Policy: &fleetv1.RolloutPolicy{Waves: []*fleetv1.RolloutPolicy_Wave{
			{Size: &fleetv1.RolloutPolicy_Wave_Label{Label: label}}, {Size: &fleetv1.RolloutPolicy_Wave_Percent{Percent: 100}}}}}
	}
	one, nobody := Rollout(Change{Size: size}, nodes, group("canary=true")), Rollout(Change{Size: size}, nodes, group("canary=other"))
	if one == nobody || !strings.Contains(one, "2 waves") {
		t.Errorf("a wave of one node: %q, of none: %q", one, nobody)
	}
}

package controller

import (
	"testing"

	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
)

func TestWhichConditionsMakeANodeSick(t *testing.T) {
	for _, tt := range []struct {
		name       string
		decision   int64
		conditions []string
		want       string
	}{
		{name: "nothing to complain of", decision: 1},
		{name: "its gateway is away", decision: 1, conditions: []string{"GatewayUnreachable"}, want: "GatewayUnreachable"},
		{name: "its gateway is away, and it was told nothing yet: it may be starting", conditions: []string{"GatewayUnreachable"}},
		{name: "its disk is full from the start", conditions: []string{"StateDirectory"}, want: "StateDirectory"},
		{name: "its gateway lies", decision: 1, conditions: []string{"LoadFailing"}, want: "LoadFailing"},
		{name: "what keeps no gateway from loading does not count", decision: 1,
			conditions: []string{"ProbeFailing", "SnapshotRefused", "Drift", "DriftHealed", "DrainNotRemembered"}},
		{name: "the first that counts is told", decision: 1, conditions: []string{"ProbeFailing", "RestoreFailing", "LoadFailing"},
			want: "RestoreFailing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status := &fleetv1.NodeStatus{Decision: tt.decision}
			for _, c := range tt.conditions {
				status.Conditions = append(status.Conditions, &fleetv1.Condition{Type: c})
			}
			if got := sick(status); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

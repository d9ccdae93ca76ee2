package drift

import (
	"testing"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

func TestCompare(t *testing.T) {
	const zeros = fleet.NoGatewayHash
	tests := []struct {
		name  string
		left  []fleet.GatewayHash
		found fleet.GatewayHash
		want  Finding
		heal  bool // under Heal
		calm  bool // under Report
	}{
		{"what was left", []fleet.GatewayHash{"a"}, "a", Same, false, false},
		{"one of two that may be", []fleet.GatewayHash{"a", "b"}, "b", Same, false, false},
		{"somebody else's", []fleet.GatewayHash{"a"}, "b", Drifted, true, false},
		{"nothing", []fleet.GatewayHash{"a"}, zeros, Lost, true, true},
		{"an empty configuration that was left", []fleet.GatewayHash{zeros}, zeros, Same, false, false},
		{"nothing was left", nil, "b", Unknown, false, false},
	}
	for _, tt := range tests {
		got := Compare(tt.left, tt.found)
		if got != tt.want || Heal.Restores(got) != tt.heal || Report.Restores(got) != tt.calm {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

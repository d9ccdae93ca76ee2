package api_test

import (
	"context"
	"testing"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/distributor/internal/api"
)

// empty is a ledger that was read and holds nothing.
type empty struct{ api.Ledger }

func (empty) Ready(context.Context) error          { return nil }
func (empty) Rollouts(fleet.GroupID) []api.Counted { return nil }

func TestAMissingRolloutIsNamedInTheError(t *testing.T) {
	service := &api.RolloutService{Ledger: empty{}}
	for want, request := range map[string]*distributorv1.GetRolloutRequest{
		`group "edge" has no rollout yet`:               {Group: "edge"},
		`group "edge" has no rollout "00000007"`:        {Group: "edge", Id: "00000007"},
		`group "edge" has no rollout yet to revision 7`: {Group: "edge", Revision: 7},
	} {
		if _, err := service.GetRollout(context.Background(), request); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

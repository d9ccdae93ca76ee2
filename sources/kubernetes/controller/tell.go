package controller

import (
	"github.com/silverback-gateway/silverback/client"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	"github.com/silverback-gateway/silverback/sources/kubernetes/delivery"
)

var rolloutStates = map[distributorv1.Rollout_State]delivery.RolloutState{
	distributorv1.Rollout_STATE_WAITING: delivery.Waiting, distributorv1.Rollout_STATE_PROGRESSING: delivery.Progressing,
	distributorv1.Rollout_STATE_SOAKING: delivery.Soaking, distributorv1.Rollout_STATE_COMPLETED: delivery.Completed,
	distributorv1.Rollout_STATE_HALTED: delivery.Halted, distributorv1.Rollout_STATE_SUPERSEDED: delivery.Superseded,
	distributorv1.Rollout_STATE_PAUSED: delivery.Paused, distributorv1.Rollout_STATE_ROLLED_BACK: delivery.Reverted,
}

func rolloutOf(r *client.Rollout) delivery.Rollout {
	return delivery.Rollout{
		State: rolloutStates[r.GetState()], Stable: r.GetStableRevision(), Candidate: r.GetCandidateRevision(),
		Serving: int(r.GetProgress().GetServing()), Online: int(r.GetProgress().GetOnline()), Reason: r.GetReason(), Next: r.GetNext(),
		Frozen: r.GetFrozen().GetReason(),
	}
}

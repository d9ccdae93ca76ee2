package controller

import (
	"context"

	"github.com/silverback-gateway/silverback/client"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	"github.com/silverback-gateway/silverback/sources/kubernetes/delivery"
)

// tell gives what is known to whoever writes statuses.
func (e *engine) tell(ctx context.Context) {
	if e.plan == nil {
		return
	}
	e.metrics.leftOut(len(e.plan.leftOut))
	e.mu.Lock()
	e.shown = e.waits
	for _, n := range e.notices {
		e.shown = n.Message
	}
	e.mu.Unlock()
	if e.sink == nil {
		return
	}
	e.sink.Apply(ctx, refreshed(e.plan.set, e.objects.Read().set), delivery.Assess(delivery.Input{
		Set: e.plan.set, Forms: e.plan.forms, Problems: e.plan.problems, LeftOut: e.plan.leftOut, Contents: e.contents, Head: e.head,
		Rollout: rolloutOf(e.rollout), Waits: e.waits, Held: e.held, Notices: e.notices,
	}))
}

// warning is why the present objects are not served, as far as it is known. It may be called at any time.
func (e *engine) warning() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.shown
}

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

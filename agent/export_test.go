package agent

import "github.com/silverback-gateway/silverback/agent/internal/apply"

// OnDecision has a function called after each decision of the agent's applier, in order.
func (d *Deps) OnDecision(f func(before apply.State, at apply.Moment, event apply.Event, after apply.State)) {
	d.decided = f
}

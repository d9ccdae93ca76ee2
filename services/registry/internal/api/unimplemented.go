package api

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/silverback-gateway/silverback/kit/fault"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
)

// checkImplemented refuses the options of a policy that rollouts do not act on yet, with a fault of kind Unimplemented. What a stored
// group holds already may stay, or nothing else of that group could be changed; its rollouts halt instead.
func checkImplemented(p *fleetv1.RolloutPolicy, stored roster.Group) error {
	var before fleetv1.RolloutPolicy
	if err := proto.Unmarshal(stored.Policy, &before); err != nil {
		return fmt.Errorf("read policy of group %s: %w", stored.Name, err)
	}
	var bad []fault.Violation
	if x := p.GetOnReject(); x == fleetv1.RolloutPolicy_ON_REJECT_PIN && x != before.GetOnReject() {
		bad = append(bad, fault.Violation{Field: "group.policy.on_reject", Description: "pin is not implemented: a refusal halts the rollout"})
	}
	if x := p.GetOnUnhealthy(); x == fleetv1.RolloutPolicy_ON_UNHEALTHY_ROLLBACK && x != before.GetOnUnhealthy() {
		bad = append(bad, fault.Violation{Field: "group.policy.on_unhealthy",
			Description: "rollback is not implemented: an unhealthy wave halts the rollout"})
	}
	if len(bad) == 0 {
		return nil
	}
	e := fault.New(fault.Unimplemented, "POLICY_NOT_IMPLEMENTED", "%s: %s", bad[0].Field, bad[0].Description)
	e.Violations = bad
	return e
}

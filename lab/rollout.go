package lab

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/silverback-gateway/silverback/client"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
)

// RolloutLine is the state of the newest rollout in one line.
func RolloutLine(ctx context.Context, c *client.Client) string {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	answer, err := c.Rollouts().GetRollout(ctx, &distributorv1.GetRolloutRequest{Group: Group})
	if err != nil {
		return "none yet"
	}
	r := answer.GetRollout()
	state := strings.ToLower(strings.TrimPrefix(r.GetState().String(), "STATE_"))
	line := fmt.Sprintf("revision %d %s, wave %d of %d, %d of %d serving", r.GetCandidateRevision(), state, r.GetWave(), r.GetWaveCount(),
		r.GetProgress().GetServing(), r.GetProgress().GetOnline())
	if r.GetReason() != "" {
		line += ": " + r.GetReason()
	}
	return line
}

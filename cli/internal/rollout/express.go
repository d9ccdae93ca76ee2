package rollout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/client"
	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/fault"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
)

const (
	expressTime  = time.Minute
	expressPause = 200 * time.Millisecond
)

// Express rolls out a revision without waves: it promotes every rollout of its group up to its own fully. The history of each has the
// reason.
func Express(ctx context.Context, a *app.App, revision *client.Revision, reason string) error {
	ctx, cancel := context.WithTimeout(ctx, expressTime)
	defer cancel()
	rollouts := a.Rollouts()
	for {
		answer, err := rollouts.GetRollout(ctx, &distributorv1.GetRolloutRequest{Group: revision.GetGroup()})
		r := answer.GetRollout()
		switch {
		case err != nil && !errors.Is(fault.FromStatus(err), fault.Of(fault.Missing)):
			return err
		case r.GetFrozen() != nil && client.Ended(r):
			return fmt.Errorf("revision %d is committed and not rolled out: %s froze the group: %s; 'silverback unfreeze -g %s' lets it begin",
				revision.GetNumber(), r.GetFrozen().GetAuthor(), r.GetFrozen().GetReason(), revision.GetGroup())
		case client.Ended(r) && r.GetCandidateRevision() >= revision.GetNumber():
			return nil
		case r != nil:
			// When a rollout has ended and the next one waits for a change window or the load interval, a promotion lets it begin.
			_, err := rollouts.PromoteRollout(ctx, &distributorv1.PromoteRolloutRequest{Group: revision.GetGroup(), Rollout: r.GetId(), Full: true,
				Reason: "express: " + reason, RequestId: uuid.NewString()})
			if err == nil && r.GetCandidateRevision() >= revision.GetNumber() {
				return nil
			}
			// WrongState: an older rollout ended meanwhile. The next pass reads its successor.
			if err != nil && !errors.Is(fault.FromStatus(err), fault.Of(fault.WrongState)) {
				return err
			}
		}
		if err := backoff.Sleep(ctx, expressPause); err != nil {
			return fmt.Errorf("revision %d is committed, and its rollout has not begun within %s; 'silverback rollout status -g %s' shows why",
				revision.GetNumber(), expressTime, revision.GetGroup())
		}
	}
}

// Package rollout is the part of the command line that looks at rollouts: it waits for them, shows them and their history.
package rollout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// redial is how long to rest before asking another replica, when the one that was watched went away.
const redial = 300 * time.Millisecond

// lastAsk is how long the replicas have to answer before a wait gives up.
const lastAsk = 3 * time.Second

// Wait watches a group's rollouts until every online gateway serves the revision or a later one. It exits with 2 when
// the rollout is halted or rolled back, or when the time is over; before that it asks every replica, since the one that it watched may be
// behind.
func Wait(parent context.Context, a *app.App, group string, revision *translatorv1.Revision, timeout time.Duration) error {
	return WaitFor(parent, a, group, revision.GetSource(), revision, timeout)
}

// WaitFor is Wait for who submitted one source: it also ends with 2 when somebody replaces that source before every gateway serves it. Who
// has the files moves what gateways refuse of them to the lines of the fields.
func WaitFor(parent context.Context, a *app.App, group, source string, revision *translatorv1.Revision, timeout time.Duration,
	place ...func(*fleetv1.Problem)) error {
	distributor, err := a.RolloutClient()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(parent, timeout)
	defer cancel()
	progress := newProgress(a)
	defer progress.end()
	fate := &fate{app: a, source: source, revision: revision}
	var away error // why no distributor was reached, when none was since the last word of one
	for {
		verdict, heard, err := watchOnce(ctx, distributor, group, revision, progress, fate)
		switch {
		case heard:
			away = nil
		case status.Code(err) == codes.Unavailable:
			away = err
		}
		over := ctx.Err() != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded)
		if verdict == nil && over {
			verdict = askAll(parent, a, distributor, group, revision)
		}
		switch {
		case verdict != nil:
			progress.end()
			if verdict.overwritten != nil {
				return verdict.overwritten
			}
			if verdict.served {
				if err := fate.settled(parent, verdict.rollout.GetCandidateRevision()); err != nil {
					return err
				}
				awaitRegistry(parent, a, group, verdict.rollout.GetCandidateDigest())
			}
			if verdict.rollout.GetCandidateRevision() == revision.GetNumber() {
				for _, refusal := range verdict.rollout.GetRefusals() {
					for _, move := range place {
						move(refusal.GetProblem())
					}
				}
			}
			return verdict.tell(a)
		case over:
			progress.end()
			return &app.Exit{Code: app.ExitDifference, Err: gaveUp(group, revision.GetNumber(), timeout, away, progress.why)}
		case ctx.Err() != nil:
			progress.end()
			return &app.Exit{Code: app.ExitDifference, Err: fmt.Errorf("interrupted: revision %d is committed and its rollout goes on without "+
				"this command; 'silverback rollout status -g %s' shows where it stands", revision.GetNumber(), group)}
		case err != nil && !passing(err):
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(redial):
		}
		if err := a.NextDistributor(); err != nil {
			return err
		}
	}
}

// askAll asks the replicas of the distributor one after another what became of a revision, and returns the first verdict. Who serves it
// outweighs a halt, which a replica that is behind may still tell of.
func askAll(ctx context.Context, a *app.App, client distributorv1.RolloutServiceClient, group string,
	revision *translatorv1.Revision) (last *verdict) {
	ctx, cancel := context.WithTimeout(ctx, lastAsk)
	defer cancel()
	each := lastAsk / time.Duration(len(a.Flags.Distributor))
	for range a.Flags.Distributor {
		if err := a.NextDistributor(); err != nil {
			return last
		}
		call, done := context.WithTimeout(ctx, each)
		answer, err := client.GetRollout(call, &distributorv1.GetRolloutRequest{Group: group})
		done()
		if err != nil {
			continue
		}
		if v := judge(answer.GetRollout(), revision); v != nil {
			if last = v; v.served {
				break
			}
		}
	}
	return last
}

// gaveUp says what is known at the end of the time, also why the rollout waits when it says so. Who heard of no distributor says so: the
// rollout may be over.
func gaveUp(group string, revision int64, after time.Duration, away error, why string) error {
	if away == nil && why != "" {
		return fmt.Errorf("not converged: revision %d is committed, and its rollout waits after %s: %s", revision, after, why)
	}
	if away != nil {
		return fmt.Errorf("not converged: revision %d is committed, and no distributor answers who serves it, after %s: %v", revision, after,
			away) //nolint:errorlint // the outcome is the wait's, not the call's
	}
	return fmt.Errorf("not converged: not every gateway serves revision %d after %s; 'silverback rollout status -g %s' shows where it stands",
		revision, after, group)
}

// watchOnce follows one stream until a verdict or its end, and says whether it heard anything.
func watchOnce(ctx context.Context, client distributorv1.RolloutServiceClient, group string, revision *translatorv1.Revision, p *progress,
	f *fate) (v *verdict, heard bool, err error) {
	stream, err := client.WatchRollouts(ctx, &distributorv1.WatchRolloutsRequest{Group: group})
	if err != nil {
		return nil, false, err
	}
	for {
		answer, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil, true, nil
		}
		if err != nil {
			return nil, heard, err
		}
		heard = true
		r := answer.GetRollout()
		if r == nil {
			continue
		}
		if r.GetCandidateRevision() >= revision.GetNumber() {
			p.show(r)
		}
		// Who can be told now need not wait for the end; who cannot is told then.
		if v := f.early(ctx, r.GetCandidateRevision()); v != nil {
			return v, true, nil
		}
		if v := judge(r, revision); v != nil {
			return v, true, nil
		}
	}
}

// passing errors are those of a replica that went away: another one will answer.
func passing(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.Aborted, codes.Canceled, codes.DeadlineExceeded, codes.NotFound:
		return true
	}
	return false
}

// A verdict ends a wait.
type verdict struct {
	served      bool
	overwritten error                  // somebody replaced the source, and this tells who
	rollout     *distributorv1.Rollout // nil with overwritten
}

// judge says whether a rollout, as it is now, settles the fate of a revision; nil is not yet. A rollout of a later revision
// settles it too, since that revision holds what this one brought unless somebody replaced it.
func judge(r *distributorv1.Rollout, revision *translatorv1.Revision) *verdict {
	if r.GetCandidateRevision() < revision.GetNumber() {
		return nil
	}
	switch r.GetState() {
	case distributorv1.Rollout_STATE_COMPLETED:
		return &verdict{served: true, rollout: r}
	case distributorv1.Rollout_STATE_HALTED, distributorv1.Rollout_STATE_ROLLED_BACK:
		return &verdict{rollout: r}
	}
	return nil
}

func (v *verdict) tell(a *app.App) error {
	r := v.rollout
	if v.served {
		line := fmt.Sprintf("revision %d is served by every online gateway of %s (%d)", r.GetCandidateRevision(), r.GetGroup(),
			r.GetProgress().GetServing())
		if r.GetProgress().GetLeftOut() > 0 {
			line = fmt.Sprintf("revision %d is served by every gateway of %s that could be expected to (%d); %s", r.GetCandidateRevision(),
				r.GetGroup(), r.GetProgress().GetServing(), leftOut(r))
		}
		fmt.Fprintln(a.Err, a.Colour(app.Green, line))
		return nil
	}
	printRefusals(a.Err, r)
	return &app.Exit{Code: app.ExitDifference, Err: fmt.Errorf("rollout of revision %d %s: %s", r.GetCandidateRevision(), stateOf(r),
		fallback(r))}
}

// fallback says what the gateways serve instead.
func fallback(r *distributorv1.Rollout) string {
	if revisions := instead(r); revisions != "" {
		return fmt.Sprintf("%s; the gateways serve %s", r.GetReason(), revisions)
	}
	return r.GetReason() + "; there is no earlier revision to serve"
}

// instead names the revisions that gateways serve after a halt; empty when there are none. A distributor of an older version knows of the
// stable one alone.
func instead(r *distributorv1.Rollout) string {
	revisions := r.GetFallbackRevisions()
	if len(revisions) == 0 && r.GetStableRevision() > 0 {
		revisions = []int64{r.GetStableRevision()}
	}
	var all []string
	for _, revision := range revisions {
		all = append(all, fmt.Sprint(revision))
	}
	switch len(all) {
	case 0:
		return ""
	case 1:
		return "revision " + all[0]
	}
	return "what each of them had before: one of the revisions " + strings.Join(all, ", ")
}

// Package rollout has the commands for rollouts: waiting for them, showing them and their history.
package rollout

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/client"
)

// Wait shows the rollouts of a revision's group until every online gateway serves the revision or a later one. It exits with 2 when the
// rollout is halted or rolled back, when the source is replaced before that, and at the timeout. place moves problems that gateways report
// about the revision to the lines of the submitted files.
func Wait(
	ctx context.Context, a *app.App, source string, revision *client.Revision, timeout time.Duration, place ...func(*client.Problem),
) error {
	progress := newProgress(a)
	timeout = max(timeout, time.Nanosecond) // 0 does not wait; the client takes it for the default
	r, err := a.Client().Wait(ctx, revision, client.WaitOptions{Source: source, Timeout: timeout, Progress: progress.show,
		Held: progress.held})
	progress.end()
	if err != nil {
		return explain(ctx, a, err, revision, place)
	}
	awaitRegistry(ctx, a, revision.GetGroup(), r.GetCandidateDigest())
	line := fmt.Sprintf("revision %d is served by every online gateway of %s (%d)",
		r.GetCandidateRevision(), r.GetGroup(), r.GetProgress().GetServing())
	if r.GetProgress().GetLeftOut() > 0 {
		line = fmt.Sprintf("revision %d is served by every gateway of %s that could be expected to (%d); %s",
			r.GetCandidateRevision(), r.GetGroup(), r.GetProgress().GetServing(), leftOut(r))
	}
	fmt.Fprintln(a.Err, a.Colour(app.Green, line))
	return nil
}

// explain prints the refusals of a halted rollout, and adds to the error of a wait which command shows more. A failed call is returned
// unchanged.
func explain(ctx context.Context, a *app.App, err error, revision *client.Revision, place []func(*client.Problem)) error {
	var (
		halted      *client.HaltedError
		overwritten *client.OverwrittenError
		late        *client.NotConvergedError
		unverified  *client.UnverifiedError
	)
	text, group := err.Error(), revision.GetGroup()
	switch {
	case errors.As(err, &halted):
		r := halted.Rollout
		for _, refusal := range r.GetRefusals() {
			for _, move := range place {
				if r.GetCandidateRevision() == revision.GetNumber() { // another revision has other files
					move(refusal.GetProblem())
				}
			}
		}
		printRefusals(a.Err, r)
		text += fallback(r) + pinned(r)
	case errors.As(err, &overwritten):
		text += fmt.Sprintf("; 'silverback diff -g %s --from-revision %d --to-revision %d' shows what that changed",
			group, overwritten.Revision, overwritten.By.GetNumber())
	case errors.As(err, &late):
		if late.Err == nil && late.Reason == "" {
			text += fmt.Sprintf("; 'silverback rollout status -g %s' shows where it stands", group)
		}
	case errors.As(err, &unverified):
	case ctx.Err() != nil:
		text = fmt.Sprintf("interrupted: revision %d is committed and its rollout goes on without this command; 'silverback rollout "+
			"status -g %s' shows where it stands", revision.GetNumber(), group)
	default:
		return err
	}
	return &app.Exit{Code: app.ExitDifference, Err: errors.New(text)} // a failed call is not the result of the wait
}

// pinned returns which sources are held at their last good content; empty when none are.
func pinned(r *client.Rollout) string {
	switch n := len(r.GetPinnedSources()); n {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("; source %q is pinned at its last good content, until another one is submitted for it", r.GetPinnedSources()[0])
	default:
		return fmt.Sprintf("; the sources %s are pinned at their last good content, until others are submitted for them",
			strings.Join(r.GetPinnedSources(), ", "))
	}
}

// fallback describes which revisions the gateways serve instead.
func fallback(r *client.Rollout) string {
	if revisions := instead(r); revisions != "" {
		return "; the gateways serve " + revisions
	}
	return "; there is no earlier revision to serve"
}

// instead names the revisions that gateways serve after a halt; empty when there are none. A distributor of an older version sends the
// stable one alone.
func instead(r *client.Rollout) string {
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

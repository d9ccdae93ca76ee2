package pins

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/changes"
	"github.com/silverback-gateway/silverback/cli/internal/rollout"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/kit/rpc"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// Rollback returns the command that restores the content of an earlier revision.
func Rollback(a *app.App) *cobra.Command {
	var (
		q           translatorv1.RestoreSourcesRequest
		wait        bool
		waitTimeout time.Duration
	)
	cmd := &cobra.Command{
		Use:   "rollback -g GROUP --to REVISION",
		Short: "Put the sources of a group back to an earlier revision, in a new one",
		Long: `Gives sources of a group the content that they had in an earlier revision,
and commits the merge as a new revision, which is rolled out as any other.
Without -s these are all sources that differ; one that did not exist then is
removed. A source that somebody changed after the revision of --from is
refused with who and when; so is one that is pinned by hand. --force takes
these back too.

The owners' files are still the later ones: tell them, or pin the sources. What
gateways refuse by now of the earlier content is a warning.

Exit codes: 0 done; 1 error; 2 with --wait not served by every online gateway.`,
		Example: `  silverback rollback -g edge --to 41 --reason 'INC-42' --wait
  silverback rollback -g edge --to 41 -s team-a --dry-run`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if q.GetToRevision() < 0 || q.GetFromRevision() < 0 {
				return fmt.Errorf("--to and --from want the number of a revision; --to 0 is an empty group")
			}
			answer, err := restore(cmd.Context(), a, &q)
			if err != nil || !wait || q.GetValidateOnly() || answer.GetRevision() == nil {
				return err
			}
			return rollout.Wait(cmd.Context(), a, "", answer.GetRevision(), waitTimeout)
		},
	}
	cmd.Flags().StringVarP(&q.Group, "group", "g", "", "the group of gateways")
	cmd.Flags().Int64Var(&q.ToRevision, "to", 0, "the revision whose content the sources get; 0 is an empty group")
	cmd.Flags().StringSliceVarP(&q.Sources, "source", "s", nil, "only these sources")
	cmd.Flags().Int64Var(&q.FromRevision, "from", 0, "the revision that is undone; 0 is the newest")
	cmd.Flags().StringVarP(&q.Reason, "reason", "m", "", "why, for the history")
	cmd.Flags().BoolVar(&q.Force, "force", false, "also sources that were changed since, or are pinned by hand")
	cmd.Flags().BoolVar(&q.AllowShrink, "allow-shrink", false, "allow the group to lose more than half of its entities")
	cmd.Flags().BoolVar(&q.ValidateOnly, "dry-run", false, "do everything except the commit")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until every online gateway of the group serves it")
	cmd.Flags().DurationVar(&waitTimeout, "wait-timeout", 10*time.Minute, "how long --wait waits")
	app.MustMark(cmd, "group")
	app.MustMark(cmd, "to")
	return cmd
}

// restore requests the restoration and prints the result.
func restore(ctx context.Context, a *app.App, q *translatorv1.RestoreSourcesRequest) (*translatorv1.RestoreSourcesResponse, error) {
	ctx, cancel := a.Call(ctx)
	defer cancel()
	translator := a.Translator()
	if q.FromRevision == 0 {
		// The user has not seen changes that are committed between this read and the restoration.
		newest, err := translator.GetRevision(ctx, &translatorv1.GetRevisionRequest{Group: q.GetGroup()})
		if err != nil {
			return nil, err
		}
		q.FromRevision = newest.GetRevision().GetNumber()
	}
	q.RequestId, q.Reason = uuid.NewString(), cmp.Or(q.Reason, fmt.Sprintf("back to revision %d", q.GetToRevision()))
	answer, err := translator.RestoreSources(ctx, q)
	if err != nil {
		return nil, err
	}
	warn(a, answer.GetWarnings())
	if a.Flags.Output != show.Table {
		return answer, show.Message(a.Out, a.Flags.Output, answer)
	}
	if !answer.GetUnchanged() && !q.GetValidateOnly() {
		list(ctx, a, translator, answer.GetRevision())
	}
	a.Line(2, "%s", summarize(q, answer))
	return answer, nil
}

// list shows the first changes of a revision. When they cannot be read it only warns, because the commit is done.
func list(ctx context.Context, a *app.App, translator translatorv1.TranslatorServiceClient, r *translatorv1.Revision) {
	difference, err := translator.DiffConfig(ctx, &translatorv1.DiffConfigRequest{Group: r.GetGroup(), MaxChanges: changes.Few,
		ToRevision: r.GetNumber()})
	if err != nil {
		fmt.Fprintf(a.Err, "warning: the changes cannot be shown: %s\n", show.Clean(rpc.Why(err)))
		return
	}
	changes.List(a, difference)
	if int64(len(difference.GetChanges())) < changes.Count(difference.GetSummary()) {
		fmt.Fprintf(a.Out, "  all of them: silverback diff -g %s --to-revision %d\n", r.GetGroup(), r.GetNumber())
	}
}

func summarize(q *translatorv1.RestoreSourcesRequest, answer *translatorv1.RestoreSourcesResponse) string {
	r, summary := answer.GetRevision(), changes.Summary(answer.GetChanges())
	sources := show.Clean(strings.Join(answer.GetRestored(), ", "))
	switch {
	case answer.GetUnchanged():
		return fmt.Sprintf("unchanged: %s stays at revision %d, which has the content of revision %d", q.GetGroup(), r.GetNumber(),
			q.GetToRevision())
	case q.GetValidateOnly():
		return fmt.Sprintf("dry run: %s, by the content of revision %d of %s; nothing was committed", summary, q.GetToRevision(), sources)
	}
	return fmt.Sprintf("%s: revision %d committed (%s) with the content of revision %d of %s: %s", r.GetGroup(), r.GetNumber(),
		show.Digest(r.GetDigest()), q.GetToRevision(), sources, summary)
}

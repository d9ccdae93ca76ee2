package submit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/changes"
	"github.com/silverback-gateway/silverback/cli/internal/forecast"
	"github.com/silverback-gateway/silverback/cli/internal/place"
	"github.com/silverback-gateway/silverback/cli/internal/rollout"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/client"
	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/kit/wire"
	"github.com/silverback-gateway/silverback/kong/cost"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// Apply returns the command that submits a source.
func Apply(a *app.App) *cobra.Command {
	var (
		to          target
		message     string
		expected    int64
		dryRun      bool
		allowShrink bool
		replace     bool
		leave       bool
		wait        bool
		waitTimeout time.Duration
		express     bool
		reason      string
	)
	cmd := &cobra.Command{
		Use:   "apply -g GROUP FILE|FOLDER|-...",
		Short: "Submit a configuration; with --wait, wait until every gateway serves it",
		Long: `Makes the files the whole content of a source and commits the merge of the
group's sources as a new revision. Entities that the source had before and the
files no longer hold are removed. When nothing changes, no revision is made.
People are shown the first 20 entities that change, as silverback diff shows
them.

Exit codes: 0 done; 1 error; 2 an invalid input, or with --wait not served by
every online gateway, or somebody replaced the source before it was.`,
		Example: `  silverback apply -g default kong.yaml
  silverback apply -g edge -s team-a -m "open /orders" --wait team-a/
  kustomize build . | silverback apply -g default -
  kubectl kustomize . | silverback apply -g default -s cluster --from kubernetes -`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if express != (reason != "") {
				return errors.New("--express and --reason: give both or neither; the reason is stored with the rollout")
			}
			ctx, sub, err := prepare(cmd.Context(), a, to.from, args)
			if err != nil {
				return err
			}
			defer sub.end()
			answer, err := sub.translator.SubmitConfig(ctx, &translatorv1.SubmitConfigRequest{
				Group: to.group, Source: to.source, Documents: sub.documents, ExpectedRevision: expected, RequestId: uuid.NewString(),
				Message: message, ValidateOnly: dryRun, AllowShrink: allowShrink,
				ReplaceUnmanaged: replace, LeaveUnmanaged: leave,
			})
			if err != nil {
				return sub.placed(err)
			}
			sub.placeAll(answer.GetWarnings())
			if err := printAnswer(a, answer, dryRun, func() { listApplied(ctx, a, sub, to, answer, dryRun) }); err != nil {
				return err
			}
			if dryRun {
				forecastLoad(ctx, a, to.group, answer)
			}
			if dryRun || answer.GetRevision() == nil {
				return nil
			}
			if express && answer.GetHeldBack() == nil {
				if err := rollout.Express(cmd.Context(), a, answer.GetRevision(), reason); err != nil {
					return err
				}
			}
			if !wait {
				return nil
			}
			if answer.GetHeldBack() != nil {
				err := fmt.Errorf("not served: source %q is pinned, so the new content is held back", to.source)
				return &app.Exit{Code: app.ExitDifference, Err: err}
			}
			return rollout.Wait(cmd.Context(), a, to.source, answer.GetRevision(), waitTimeout, place.Fields(to.source, sub.documents),
				func(p *client.Problem) { sub.placeAll([]*client.Problem{p}) })
		},
	}
	to.addFlags(cmd, true)
	cmd.Flags().StringVarP(&message, "message", "m", "", "why, for the history")
	cmd.Flags().Int64Var(&expected, "expected-revision", 0, "only if the group's newest revision has this number")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "do everything except the commit")
	cmd.Flags().BoolVar(&allowShrink, "allow-shrink", false, "allow the group or the source to lose more than half of its entities")
	cmd.Flags().BoolVar(&replace, "replace-unmanaged", false, "replace what unmanaged gateways serve, even where it is in no revision")
	cmd.Flags().BoolVar(&leave, "leave-unmanaged", false, "leave unmanaged gateways as they are when they would lose "+
		"something that is in no revision")
	cmd.MarkFlagsMutuallyExclusive("replace-unmanaged", "leave-unmanaged")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until every online gateway of the group serves it")
	cmd.Flags().BoolVar(&express, "express", false, "for emergencies: skip waves, soaks, gates and change windows; needs the role "+
		"operator and --reason")
	cmd.Flags().StringVar(&reason, "reason", "", "with --express: the reason, for the history of the rollout")
	cmd.Flags().DurationVar(&waitTimeout, "wait-timeout", 10*time.Minute, "how long --wait waits")
	return cmd
}

// Print prints the result of a submission and its warnings.
func Print(a *app.App, answer *translatorv1.SubmitConfigResponse, dryRun bool) error {
	return printAnswer(a, answer, dryRun, func() {})
}

// printAnswer is Print, preceded by a list of the changes for people.
func printAnswer(a *app.App, answer *translatorv1.SubmitConfigResponse, dryRun bool, list func()) error {
	for _, w := range answer.GetWarnings() {
		fmt.Fprintf(a.Err, "warning: %s\n", show.Problem(w))
	}
	if a.Flags.Output != show.Table {
		return show.Message(a.Out, a.Flags.Output, answer)
	}
	if !answer.GetUnchanged() {
		list()
	}
	a.Line(2, "%s", summarize(answer, dryRun))
	return nil
}

// listApplied lists the first changes of a submission as diff does. When they cannot be read it only warns, because the commit is done.
func listApplied(ctx context.Context, a *app.App, sub *submission, to target, answer *translatorv1.SubmitConfigResponse, dryRun bool) {
	request := &translatorv1.DiffConfigRequest{Group: to.group, MaxChanges: changes.Few, ToRevision: answer.GetRevision().GetNumber()}
	all := fmt.Sprintf("silverback diff -g %s --to-revision %d", to.group, request.GetToRevision())
	if dryRun {
		request = &translatorv1.DiffConfigRequest{Group: to.group, MaxChanges: changes.Few, Source: to.source, Documents: sub.documents}
		all = "silverback diff with the same files"
	}
	difference, err := sub.translator.DiffConfig(ctx, request)
	if err != nil {
		fmt.Fprintf(a.Err, "warning: the changes cannot be shown: %s\n", show.Clean(rpc.Why(err)))
		return
	}
	changes.List(a, difference)
	if int64(len(difference.GetChanges())) < changes.Count(difference.GetSummary()) {
		fmt.Fprintf(a.Out, "  all of them: %s\n", all)
	}
}

// forecastLoad prints the cost of a submission's loads.
func forecastLoad(ctx context.Context, a *app.App, group string, answer *translatorv1.SubmitConfigResponse) {
	size := cost.SizeOf(answer.GetEntities(), answer.GetSizeBytes())
	if a.Flags.Output != show.Table || answer.GetUnchanged() || size.IsZero() {
		return
	}
	change := forecast.Change{Size: size}
	change.Moved, change.OnlyTargets = wire.Streak(answer.GetTargetStreak()).Share(wire.Streak(answer.GetRevision().GetTargetStreak()))
	forecast.Print(ctx, a, group, change)
}

// summarize describes the result of a submission in one line.
func summarize(answer *translatorv1.SubmitConfigResponse, dryRun bool) string {
	summary := changes.Summary(answer.GetChanges())
	revision := answer.GetRevision()
	switch {
	case answer.GetUnchanged() && revision == nil:
		return "unchanged: the group has no revision, and the submission is empty"
	case answer.GetUnchanged():
		return fmt.Sprintf("unchanged: %s stays at revision %d (%s)", revision.GetGroup(), revision.GetNumber(),
			show.Digest(revision.GetDigest()))
	case dryRun:
		return fmt.Sprintf("dry run: %s; nothing was committed", summary)
	}
	return fmt.Sprintf("%s: revision %d committed (%s): %s", revision.GetGroup(), revision.GetNumber(), show.Digest(revision.GetDigest()),
		summary)
}

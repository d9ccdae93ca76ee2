package rollout

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/client"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// A verb is an order about the newest rollout of a group.
type verb struct {
	group, id, reason string
	full              bool
}

// command returns the command of a verb. do sends the order.
func (v *verb) command(a *app.App, name, short, long string,
	do func(context.Context, distributorv1.RolloutServiceClient) (proto.Message, *distributorv1.Rollout, error)) *cobra.Command {
	cmd := &cobra.Command{
		Use:     name + " -g GROUP --reason WHY",
		Short:   short,
		Long:    long,
		Args:    cobra.NoArgs,
		Example: fmt.Sprintf("  silverback rollout %s -g edge --reason 'INC-42'", name),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := a.Call(cmd.Context())
			defer cancel()
			answer, r, err := do(ctx, a.Rollouts())
			if err != nil {
				return err
			}
			if a.Flags.Output != show.Table {
				return show.Message(a.Out, a.Flags.Output, answer)
			}
			line := Line(r)
			if r.GetNext() != "" {
				line += "; " + show.Clean(r.GetNext())
			}
			a.Line(0, "%s", line)
			return nil
		},
	}
	cmd.Flags().StringVarP(&v.group, "group", "g", "", "the group of gateways")
	cmd.Flags().StringVar(&v.reason, "reason", "", "why, for the history")
	cmd.Flags().StringVar(&v.id, "id", "", "only when this is the newest rollout")
	app.MustMark(cmd, "group")
	app.MustMark(cmd, "reason")
	return cmd
}

func pauseCommand(a *app.App) *cobra.Command {
	v := &verb{}
	return v.command(a, "pause", "Stop a rollout where it is", `Stops the newest rollout of a group where it is. No further gateway gets the
revision, and no soak, gate or deadline ends the rollout. A refusal still
halts it. silverback rollout resume lets it go on.`,
		func(ctx context.Context, s distributorv1.RolloutServiceClient) (proto.Message, *distributorv1.Rollout, error) {
			answer, err := s.PauseRollout(ctx, &distributorv1.PauseRolloutRequest{Group: v.group, Rollout: ID(v.id), Reason: v.reason,
				RequestId: uuid.NewString()})
			return answer, answer.GetRollout(), err
		})
}

func resumeCommand(a *app.App) *cobra.Command {
	v := &verb{}
	return v.command(a, "resume", "Resume a paused rollout",
		`Lets a paused rollout go on. The soak and the deadline of its wave begin anew.`,
		func(ctx context.Context, s distributorv1.RolloutServiceClient) (proto.Message, *distributorv1.Rollout, error) {
			answer, err := s.ResumeRollout(ctx, &distributorv1.ResumeRolloutRequest{Group: v.group, Rollout: ID(v.id), Reason: v.reason,
				RequestId: uuid.NewString()})
			return answer, answer.GetRollout(), err
		})
}

func promoteCommand(a *app.App) *cobra.Command {
	v := &verb{}
	cmd := v.command(a, "promote", "End the soak and the gates of the present wave",
		`Ends the soak and the gates of the present wave, so that the next one
begins. A paused rollout goes on. With --full no wave that is left is watched:
the revision goes to the whole group, as fast as --max-loading allows. When the
newest rollout has ended and a newer revision waits for a change window or the
load interval, its rollout begins at once.`,
		func(ctx context.Context, s distributorv1.RolloutServiceClient) (proto.Message, *distributorv1.Rollout, error) {
			answer, err := s.PromoteRollout(ctx, &distributorv1.PromoteRolloutRequest{Group: v.group, Rollout: ID(v.id), Reason: v.reason,
				Full: v.full, RequestId: uuid.NewString()})
			return answer, answer.GetRollout(), err
		})
	cmd.Flags().BoolVar(&v.full, "full", false, "every wave that is left")
	return cmd
}

func abortCommand(a *app.App) *cobra.Command {
	v := &verb{}
	return v.command(a, "abort", "Take a revision back while it is rolled out",
		`Ends the newest rollout of a group: the revision leaves every gateway that
it reached, and the sources that brought it are pinned at their last good
content. Their next submission takes the pin away.`,
		func(ctx context.Context, s distributorv1.RolloutServiceClient) (proto.Message, *distributorv1.Rollout, error) {
			answer, err := s.AbortRollout(ctx, &distributorv1.AbortRolloutRequest{Group: v.group, Rollout: ID(v.id), Reason: v.reason,
				RequestId: uuid.NewString()})
			return answer, answer.GetRollout(), err
		})
}

func retryCommand(a *app.App) *cobra.Command {
	v := &verb{}
	return v.command(a, "retry", "Roll out the newest revision again after a halt",
		`Begins another rollout to the newest revision of a group whose newest
rollout was halted or rolled back. A gateway that refused the content refuses
it again without being asked.`,
		func(ctx context.Context, s distributorv1.RolloutServiceClient) (proto.Message, *distributorv1.Rollout, error) {
			answer, err := s.RetryRollout(ctx, &distributorv1.RetryRolloutRequest{Group: v.group, Rollout: ID(v.id), Reason: v.reason,
				RequestId: uuid.NewString()})
			return answer, answer.GetRollout(), err
		})
}

// undoCommand reverts the change of a rollout: by an abort while the rollout moves, and by a new revision with the previous content once it
// has completed.
func undoCommand(a *app.App) *cobra.Command {
	var group, reason string
	cmd := &cobra.Command{
		Use:   "undo -g GROUP --reason WHY",
		Short: "Revert the change of the newest rollout",
		Long: `Takes back what the newest rollout of a group brought. While it moves, it
is aborted. Once it has completed, a new revision with the content of the
revision before is rolled out, in waves; sources that were submitted since are
left as they are. silverback rollback goes further back.`,
		Args:    cobra.NoArgs,
		Example: "  silverback rollout undo -g edge --reason 'INC-42'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := a.Call(cmd.Context())
			defer cancel()
			newest, err := a.Rollouts().GetRollout(ctx, &distributorv1.GetRolloutRequest{Group: group})
			if err != nil {
				return err
			}
			r := newest.GetRollout()
			if !client.Ended(r) {
				answer, err := a.Rollouts().AbortRollout(ctx, &distributorv1.AbortRolloutRequest{Group: group, Rollout: r.GetId(), Reason: reason,
					RequestId: uuid.NewString()})
				if err != nil {
					return err
				}
				if a.Flags.Output != show.Table {
					return show.Message(a.Out, a.Flags.Output, answer)
				}
				a.Line(0, "%s", Line(answer.GetRollout()))
				return nil
			}
			if r.GetState() != distributorv1.Rollout_STATE_COMPLETED || r.GetStableRevision() == 0 {
				return fmt.Errorf("nothing to undo: the newest rollout of %q is %s; silverback rollback -g %s --to REVISION goes back to any "+
					"revision", group, stateOf(r), group)
			}
			answer, err := a.Translator().RestoreSources(ctx, &translatorv1.RestoreSourcesRequest{
				Group: group, ToRevision: r.GetStableRevision(), FromRevision: r.GetCandidateRevision(), SkipChanged: true, Reason: reason,
				RequestId: uuid.NewString(),
			})
			if err != nil {
				return err
			}
			if a.Flags.Output != show.Table {
				return show.Message(a.Out, a.Flags.Output, answer)
			}
			if answer.GetUnchanged() {
				a.Line(0, "nothing to undo: the sources that revision %d changed have other content now", r.GetCandidateRevision())
				return nil
			}
			a.Line(0, "revision %d has the content of revision %d again; 'silverback rollout status -g %s -w' shows its rollout",
				answer.GetRevision().GetNumber(), r.GetStableRevision(), group)
			return nil
		},
	}
	cmd.Flags().StringVarP(&group, "group", "g", "", "the group of gateways")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the history")
	app.MustMark(cmd, "group")
	app.MustMark(cmd, "reason")
	return cmd
}

// Freeze returns the command that keeps rollouts of a group from beginning.
func Freeze(a *app.App) *cobra.Command {
	const long = `Freezes a group: it takes submissions, and begins no rollout. One that is
open goes on; silverback rollout pause stops it.`
	return groupVerb(a, "freeze", "Keep rollouts of a group from beginning", long, "sale until Monday",
		func(ctx context.Context, group, reason string) (proto.Message, string, error) {
			answer, err := a.Rollouts().FreezeGroup(ctx, &distributorv1.FreezeGroupRequest{Group: group, Reason: reason,
				RequestId: uuid.NewString()})
			o := answer.GetOrder()
			line := fmt.Sprintf("group %q is frozen since %s by %s: %s", group, show.Time(o.GetCreateTime()), show.Clean(o.GetAuthor()),
				show.Clean(o.GetReason()))
			return answer, line, err
		})
}

// Unfreeze returns the command that ends a freeze.
func Unfreeze(a *app.App) *cobra.Command {
	return groupVerb(a, "unfreeze", "End the freeze of a group", "", "the sale is over",
		func(ctx context.Context, group, reason string) (proto.Message, string, error) {
			answer, err := a.Rollouts().UnfreezeGroup(ctx, &distributorv1.UnfreezeGroupRequest{Group: group, Reason: reason,
				RequestId: uuid.NewString()})
			return answer, fmt.Sprintf("group %q is not frozen: its newest revision is rolled out", group), err
		})
}

// groupVerb returns the command of a verb about a group. do sends the order, and returns the line to print.
func groupVerb(a *app.App, name, short, long, why string,
	do func(ctx context.Context, group, reason string) (proto.Message, string, error)) *cobra.Command {
	var group, reason string
	cmd := &cobra.Command{
		Use:     name + " -g GROUP --reason WHY",
		Short:   short,
		Long:    long,
		Args:    cobra.NoArgs,
		Example: fmt.Sprintf("  silverback %s -g edge --reason '%s'", name, why),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := a.Call(cmd.Context())
			defer cancel()
			answer, line, err := do(ctx, group, reason)
			switch {
			case err != nil:
				return err
			case a.Flags.Output != show.Table:
				return show.Message(a.Out, a.Flags.Output, answer)
			}
			a.Line(0, "%s", line)
			return nil
		},
	}
	cmd.Flags().StringVarP(&group, "group", "g", "", "the group of gateways")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the history")
	app.MustMark(cmd, "group")
	app.MustMark(cmd, "reason")
	return cmd
}

// Package pins is the part of the command line that holds sources at a content and puts them back to an earlier one: pin, unpin and
// rollback. It also shows pins, for the commands that show sources.
package pins

import (
	"cmp"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/changes"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// Pin returns the command that pins a source by hand.
func Pin(a *app.App) *cobra.Command {
	var group, reason string
	cmd := &cobra.Command{
		Use:   "pin SOURCE -g GROUP --reason WHY",
		Short: "Hold a source at its present content until it is unpinned",
		Long: `Pins a source by hand: submissions to it and its deletion are refused until
silverback unpin. The other sources of the group go on. A pin that a rollout
put on the source becomes one by hand, and what it holds back stays held back.`,
		Example: "  silverback pin team-a -g edge --reason 'the audit looks at it'",
		Args:    app.Args("the name of one source"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := a.Call(cmd.Context())
			defer cancel()
			answer, err := a.Translator().PinSource(ctx, &translatorv1.PinSourceRequest{Group: group, Source: args[0], Reason: reason,
				RequestId: uuid.NewString()})
			if err != nil {
				return err
			}
			if a.Flags.Output != show.Table {
				return show.Message(a.Out, a.Flags.Output, answer)
			}
			show.Printf(a.Out, "source %q of group %q is pinned by hand to %s\n", args[0], group, heldAt(answer.GetSource().GetPin()))
			return nil
		},
	}
	addFlags(cmd, &group, &reason)
	return cmd
}

// Unpin returns the command that removes the pin of a source.
func Unpin(a *app.App) *cobra.Command {
	var (
		group, reason string
		allowShrink   bool
	)
	cmd := &cobra.Command{
		Use:   "unpin SOURCE -g GROUP --reason WHY",
		Short: "Remove the pin of a source, and commit what it held back",
		Long: `Takes the pin of a source away. Content that the pin held back, or the
deletion of the source, takes effect again in a new revision, and is checked as
a submission of it is. A corrected submission ends the pin of a rollout too. A
source without a pin is left as it is.`,
		Example: "  silverback unpin team-a -g edge --reason 'the plugin is installed now'",
		Args:    app.Args("the name of one source"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := a.Call(cmd.Context())
			defer cancel()
			answer, err := a.Translator().UnpinSource(ctx, &translatorv1.UnpinSourceRequest{Group: group, Source: args[0], Reason: reason,
				RequestId: uuid.NewString(), AllowShrink: allowShrink})
			if err != nil {
				return err
			}
			warn(a, answer.GetWarnings())
			if a.Flags.Output != show.Table {
				return show.Message(a.Out, a.Flags.Output, answer)
			}
			show.Printf(a.Out, "%s\n", unpinned(args[0], group, answer))
			return nil
		},
	}
	addFlags(cmd, &group, &reason)
	cmd.Flags().BoolVar(&allowShrink, "allow-shrink", false, "allow the group or the source to lose more than half of its entities")
	return cmd
}

func addFlags(cmd *cobra.Command, group, reason *string) {
	cmd.Flags().StringVarP(group, "group", "g", "", "the group of the source")
	cmd.Flags().StringVar(reason, "reason", "", "why, for people")
	app.MustMark(cmd, "group")
	app.MustMark(cmd, "reason")
}

func unpinned(source, group string, answer *translatorv1.UnpinSourceResponse) string {
	r := answer.GetRevision()
	switch {
	case answer.GetUnchanged():
		return fmt.Sprintf("source %q of group %q is not pinned; revision %d stays", source, group, r.GetNumber())
	case answer.GetSource() == nil:
		return fmt.Sprintf("source %q of group %q is deleted, as its pin held back: revision %d committed: %s", source, group, r.GetNumber(),
			changes.Summary(r.GetChanges()))
	}
	return fmt.Sprintf("source %q of group %q is not pinned, and has the content that the pin held back: revision %d committed: %s", source,
		group, r.GetNumber(), changes.Summary(r.GetChanges()))
}

func warn(a *app.App, warnings []*fleetv1.Problem) {
	for _, w := range warnings {
		fmt.Fprintf(a.Err, "warning: %s\n", show.Problem(w))
	}
}

// Mark returns what pinned a source, for a table; empty when it is not pinned.
func Mark(p *translatorv1.Pin) string {
	switch {
	case p == nil:
		return ""
	case p.GetRollout() == "":
		return "hand"
	}
	return "rollout"
}

// Line returns the pin of a source as one line.
func Line(now time.Time, s *translatorv1.Source) string {
	p := s.GetPin()
	return show.Clean(fmt.Sprintf("%s: to %s by %s, %s ago: %s", s.GetName(), heldAt(p), by(p), show.Age(now, p.GetCreateTime()),
		show.First(cmp.Or(p.GetReason(), "no reason is given"))))
}

// Describe prints the pin of a source.
func Describe(a *app.App, s *translatorv1.Source) {
	p := s.GetPin()
	if p == nil {
		return
	}
	a.Line(12, "Pinned:     to %s by %s, %s", heldAt(p), by(p), show.Time(p.GetCreateTime()))
	a.Line(12, "Reason:     %s", cmp.Or(p.GetReason(), "none is given"))
	switch {
	case p.GetRefusedRevision() > 0 && p.GetRefusedDigest() == "":
		a.Line(12, "Held back:  the deletion of the source in revision %d", p.GetRefusedRevision())
	case p.GetRefusedRevision() > 0:
		a.Line(12, "Held back:  its content of revision %d (%s)", p.GetRefusedRevision(), show.Digest(p.GetRefusedDigest()))
	}
	for _, problem := range p.GetProblems() {
		a.Line(12, "Refused:    %s", show.Problem(problem))
	}
	ends := ""
	if p.GetRollout() != "" {
		ends = "a corrected submission, or "
	}
	a.Line(12, "Ends with:  %ssilverback unpin %s -g %s --reason WHY", ends, s.GetName(), s.GetGroup())
}

func heldAt(p *translatorv1.Pin) string {
	if p.GetGoodRevision() == 0 {
		return "no content"
	}
	return fmt.Sprintf("its content of revision %d", p.GetGoodRevision())
}

func by(p *translatorv1.Pin) string {
	who := cmp.Or(p.GetAuthor(), "anonymous")
	if p.GetRollout() != "" {
		return fmt.Sprintf("rollout %s (%s)", p.GetRollout(), who)
	}
	return who + ", by hand"
}

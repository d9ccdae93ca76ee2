package submit

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// Diff is the command that says what apply would change.
func Diff(a *app.App) *cobra.Command {
	var (
		to       target
		revision int64
		nonZero  bool
	)
	cmd := &cobra.Command{
		Use:   "diff -g GROUP FILE|FOLDER|-...",
		Short: "Say what apply would change, and change nothing",
		Long: `Compares the merge that apply would commit with a revision of the group. It names entities and fields, never values, because
values may be secrets.

Exit codes: 0 compared; 1 error; 2 an invalid input, or with --non-zero-exit-code a difference.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, ask, err := prepare(cmd.Context(), a, args)
			if err != nil {
				return err
			}
			defer ask.end()
			answer, err := ask.translator.DiffConfig(ctx, &translatorv1.DiffConfigRequest{
				Group: to.group, Source: to.source, Documents: ask.documents, Revision: revision,
			})
			if err != nil {
				return err
			}
			for _, w := range answer.GetWarnings() {
				fmt.Fprintf(a.Err, "warning: %s\n", show.Problem(w))
			}
			if a.Flags.Output != show.Table {
				err = show.Message(a.Out, a.Flags.Output, answer)
			} else {
				printDiff(a, answer)
			}
			s := answer.GetSummary()
			if err == nil && nonZero && s.GetAdded()+s.GetChanged()+s.GetRemoved() > 0 {
				return &app.Exit{Code: app.ExitDifference}
			}
			return err
		},
	}
	to.addFlags(cmd, true)
	cmd.Flags().Int64Var(&revision, "revision", 0, "compare with this revision instead of the newest")
	cmd.Flags().BoolVar(&nonZero, "non-zero-exit-code", false, "exit with 2 when there is a difference")
	return cmd
}

func printDiff(a *app.App, answer *translatorv1.DiffConfigResponse) {
	for _, c := range answer.GetChanges() {
		line := fmt.Sprintf("%s %s", sign(c.GetOperation()), show.Object(c.GetKind(), c.GetName(), c.GetId()))
		if len(c.GetFields()) > 0 {
			line += ": " + strings.Join(c.GetFields(), ", ")
		}
		fmt.Fprintln(a.Out, a.Colour(colourOf(c.GetOperation()), show.Clean(line)))
	}
	s := answer.GetSummary()
	all := s.GetAdded() + s.GetChanged() + s.GetRemoved()
	if hidden := all - int64(len(answer.GetChanges())); hidden > 0 {
		fmt.Fprintf(a.Out, "… and %d more\n", hidden)
	}
	against := "an empty group"
	if answer.GetRevision() > 0 {
		against = fmt.Sprintf("revision %d", answer.GetRevision())
	}
	if all == 0 {
		fmt.Fprintf(a.Out, "no difference from %s\n", against)
		return
	}
	fmt.Fprintf(a.Out, "%s, against %s\n", Summary(s), against)
}

func sign(op translatorv1.Change_Operation) string {
	switch op {
	case translatorv1.Change_OPERATION_ADDED:
		return "+"
	case translatorv1.Change_OPERATION_REMOVED:
		return "-"
	default:
		return "~"
	}
}

func colourOf(op translatorv1.Change_Operation) app.Colour {
	switch op {
	case translatorv1.Change_OPERATION_ADDED:
		return app.Green
	case translatorv1.Change_OPERATION_REMOVED:
		return app.Red
	default:
		return app.Yellow
	}
}

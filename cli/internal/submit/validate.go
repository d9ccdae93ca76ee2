package submit

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// Validate returns the command that checks files.
func Validate(a *app.App) *cobra.Command {
	var to target
	cmd := &cobra.Command{
		Use:   "validate [-g GROUP] FILE|FOLDER|-...",
		Short: "Check files as apply would, and change nothing",
		Long: `Checks the files alone, or with -g merged with the group's other sources.

Exit codes: 0 valid; 1 error; 2 invalid.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, sub, err := prepare(cmd.Context(), a, to.from, args)
			if err != nil {
				return err
			}
			defer sub.end()
			answer, err := sub.translator.ValidateConfig(ctx, &translatorv1.ValidateConfigRequest{Group: to.group, Source: to.source,
				Documents: sub.documents})
			if err != nil {
				return sub.placed(err)
			}
			sub.placeAll(answer.GetWarnings())
			sub.placeAll(answer.GetProblems())
			if a.Flags.Output != show.Table {
				if err := show.Message(a.Out, a.Flags.Output, answer); err != nil {
					return err
				}
			}
			return printValidation(a, answer)
		},
	}
	to.addFlags(cmd, false)
	return cmd
}

// printValidation prints the problems and returns the exit code.
func printValidation(a *app.App, answer *translatorv1.ValidateConfigResponse) error {
	for _, w := range answer.GetWarnings() {
		fmt.Fprintf(a.Err, "warning: %s\n", show.Problem(w))
	}
	if len(answer.GetProblems()) == 0 {
		if a.Flags.Output == show.Table {
			var all int64
			for _, n := range answer.GetEntities() {
				all += n
			}
			fmt.Fprintf(a.Out, "valid: %s\n", show.Count(all, "entity", "entities"))
		}
		return nil
	}
	for _, p := range answer.GetProblems() {
		fmt.Fprintln(a.Err, show.Problem(p))
	}
	count := max(answer.GetProblemCount(), int64(len(answer.GetProblems())))
	fmt.Fprintf(a.Err, "invalid: %s\n", show.Count(count, "problem", "problems"))
	return &app.Exit{Code: app.ExitDifference}
}

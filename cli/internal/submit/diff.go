package submit

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/changes"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// Diff returns the command that shows what apply would change, or what changed between two revisions.
func Diff(a *app.App) *cobra.Command {
	var (
		to                       target
		revision, fromRev, toRev int64
		nonZero                  bool
	)
	cmd := &cobra.Command{
		Use:   "diff -g GROUP FILE|FOLDER|-... | --to-revision N",
		Short: "Show what apply would change, or what changed between two revisions",
		Long: `Compares the merge that apply would commit with a revision of the group, or
two revisions with each other, and changes nothing. Each entity is named by
what it belongs to, each field with its old and its new value. Values that may
be secret are hidden by the translator and never sent: those that a schema of
the group's gateways marks as encrypted or referenceable, those that no schema
describes, and those that look like a secret.

With -o json it is one document with all changes; docs/api.md has its shape.

Exit codes: 0 compared; 1 error; 2 an invalid input, or with
--non-zero-exit-code a difference.`,
		Example: `  silverback diff -g default kong.yaml
  silverback diff -g edge -s team-a --non-zero-exit-code team-a/
  silverback diff -g edge --from-revision 41 --to-revision 44`,
		RunE: func(cmd *cobra.Command, args []string) error {
			request := &translatorv1.DiffConfigRequest{Group: to.group, Revision: max(revision, fromRev), MaxChanges: changes.Most}
			if toRev > 0 {
				if len(args) > 0 || cmd.Flags().Changed("source") {
					return errors.New("--to-revision compares revisions: give it without files and --source")
				}
				request.ToRevision = toRev
			} else {
				request.Source = to.source
			}
			var (
				answer *translatorv1.DiffConfigResponse
				err    error
			)
			if toRev > 0 {
				answer, err = between(cmd.Context(), a, request)
			} else {
				answer, err = ofFiles(cmd.Context(), a, request, to.from, args)
			}
			if err != nil {
				return err
			}
			for _, w := range answer.GetWarnings() {
				fmt.Fprintf(a.Err, "warning: %s\n", show.Problem(w))
			}
			if err := changes.Print(a, answer); err != nil {
				return err
			}
			s := answer.GetSummary()
			if a.Flags.Output == show.Table {
				fmt.Fprintln(a.Out, against(answer))
			}
			if nonZero && changes.Count(s) > 0 {
				return &app.Exit{Code: app.ExitDifference}
			}
			return nil
		},
	}
	to.addFlags(cmd, true)
	cmd.Flags().Int64Var(&fromRev, "from-revision", 0, "compare with this revision (default: the newest, or the one before "+
		"--to-revision)")
	cmd.Flags().Int64Var(&toRev, "to-revision", 0, "compare this revision instead of files")
	cmd.Flags().Int64Var(&revision, "revision", 0, "the old name of --from-revision")
	cmd.Flags().BoolVar(&nonZero, "non-zero-exit-code", false, "exit with 2 when there is a difference")
	if err := cmd.Flags().MarkHidden("revision"); err != nil {
		panic(err) // a programming error that every start shows
	}
	cmd.MarkFlagsMutuallyExclusive("revision", "from-revision")
	return cmd
}

// ofFiles requests what the files would change.
func ofFiles(ctx context.Context, a *app.App, request *translatorv1.DiffConfigRequest, from origin, args []string) (
	*translatorv1.DiffConfigResponse, error) {
	ctx, sub, err := prepare(ctx, a, from, args)
	if err != nil {
		return nil, err
	}
	defer sub.end()
	request.Documents = sub.documents
	answer, err := sub.translator.DiffConfig(ctx, request)
	sub.placeAll(answer.GetWarnings())
	return answer, sub.placed(err)
}

// between requests the differences between revisions.
func between(ctx context.Context, a *app.App, request *translatorv1.DiffConfigRequest) (*translatorv1.DiffConfigResponse, error) {
	ctx, cancel := a.Call(ctx)
	defer cancel()
	return a.Translator().DiffConfig(ctx, request)
}

// against summarizes the number of changes, and the compared revision.
func against(answer *translatorv1.DiffConfigResponse) string {
	from, to := "an empty group", ""
	if answer.GetRevision() > 0 {
		from = fmt.Sprintf("revision %d", answer.GetRevision())
	}
	if answer.GetToRevision() > 0 {
		to = fmt.Sprintf("revision %d: ", answer.GetToRevision())
	}
	if changes.Count(answer.GetSummary()) == 0 {
		return fmt.Sprintf("%sno difference from %s", to, from)
	}
	return fmt.Sprintf("%s%s, against %s", to, changes.Summary(answer.GetSummary()), from)
}

package submit

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/changes"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// DeleteSource returns the command that deletes a source.
func DeleteSource(a *app.App) *cobra.Command {
	var (
		group, message string
		allowShrink    bool
		confirm        app.Confirmation
	)
	cmd := &cobra.Command{
		Use:   "source NAME -g GROUP",
		Short: "Remove a source and its entities from its group, in a new revision",
		Args:  app.Args("the name of one source"),
		RunE: func(cmd *cobra.Command, args []string) error {
			translator := a.Translator()
			if on, err := confirmSource(cmd.Context(), a, translator, &confirm, group, args[0]); err != nil || !on {
				return err
			}
			ctx, cancel := a.Call(cmd.Context())
			defer cancel()
			answer, err := translator.DeleteSource(ctx, &translatorv1.DeleteSourceRequest{
				Group: group, Source: args[0], RequestId: uuid.NewString(), Message: message, AllowShrink: allowShrink,
			})
			if err != nil {
				return err
			}
			if a.Flags.Output != show.Table {
				return show.Message(a.Out, a.Flags.Output, answer)
			}
			if answer.GetUnchanged() {
				fmt.Fprintf(a.Out, "source %q deleted; it held no entities, revision %d stays\n", args[0], answer.GetRevision().GetNumber())
				return nil
			}
			fmt.Fprintf(a.Out, "source %q deleted: revision %d committed: %s\n", args[0], answer.GetRevision().GetNumber(),
				changes.Summary(answer.GetRevision().GetChanges()))
			return nil
		},
	}
	cmd.Flags().StringVarP(&group, "group", "g", "", "the group of the source")
	cmd.Flags().StringVarP(&message, "message", "m", "", "why, for the history")
	cmd.Flags().BoolVar(&allowShrink, "allow-shrink", false, "allow the group to lose more than half of its entities")
	confirm.AddFlags(cmd)
	app.MustMark(cmd, "group")
	return cmd
}

// confirmSource asks for confirmation. It reads the source's entities only when they are shown.
func confirmSource(
	ctx context.Context, a *app.App, translator translatorv1.TranslatorServiceClient, confirm *app.Confirmation, group, name string,
) (bool, error) {
	if !confirm.Shows(a) {
		return true, nil
	}
	ctx, cancel := a.Call(ctx)
	defer cancel()
	answer, err := translator.GetSource(ctx, &translatorv1.GetSourceRequest{Group: group, Source: name})
	if err != nil {
		return false, err
	}
	return confirm.Ask(a, fmt.Sprintf("delete source %q of group %q, and its %s from every gateway of the group", name, group,
		show.Count(answer.GetSource().GetEntityCount(), "entity", "entities")))
}

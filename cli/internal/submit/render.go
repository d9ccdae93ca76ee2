package submit

import (
	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// Render returns the command that prints the translation of files.
func Render(a *app.App) *cobra.Command {
	var form formFlag
	var from origin
	cmd := &cobra.Command{
		Use:   "render FILE|FOLDER|-...",
		Short: "Print the translation of files, for Kong or for decK",
		Long: `Prints the files as the translator reads them, with shorthands and defaults written out, and changes nothing.
` + formHelp,
		Example: `  silverback render team-a/
  silverback render --format deck kong.yaml > deck.yaml
  silverback render --from kubernetes manifests/`,
		RunE: func(cmd *cobra.Command, args []string) error {
			format, err := form.form(a.Flags.Output)
			if err != nil {
				return err
			}
			ctx, sub, err := prepare(cmd.Context(), a, from, args)
			if err != nil {
				return err
			}
			defer sub.end()
			answer, err := sub.translator.RenderConfig(ctx, &translatorv1.RenderConfigRequest{Documents: sub.documents, Format: format})
			if err != nil {
				return sub.placed(err)
			}
			_, err = a.Out.Write(answer.GetContent())
			return err
		},
	}
	form.add(cmd)
	from.add(cmd)
	return cmd
}

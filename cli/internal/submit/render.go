package submit

import (
	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// Render is the command that prints what the translator makes of files.
func Render(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "render FILE|FOLDER|-...",
		Short: "Print what the translator makes of files: Kong declarative YAML, or with -o json the canonical bytes",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, ask, err := prepare(cmd.Context(), a, args)
			if err != nil {
				return err
			}
			defer ask.end()
			answer, err := ask.translator.RenderConfig(ctx, &translatorv1.RenderConfigRequest{Documents: ask.documents, Format: formatOf(a.Flags.Output)})
			if err != nil {
				return err
			}
			_, err = a.Out.Write(answer.GetContent())
			return err
		},
	}
	return cmd
}

// formatOf maps -o to the form of a configuration: people get YAML, programs the canonical bytes.
func formatOf(f show.Format) translatorv1.RenderConfigRequest_Format {
	if f == show.JSON {
		return translatorv1.RenderConfigRequest_FORMAT_CANONICAL
	}
	return translatorv1.RenderConfigRequest_FORMAT_YAML
}

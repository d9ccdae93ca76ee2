package submit

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// Dump returns the command that prints a group's configuration.
func Dump(a *app.App) *cobra.Command {
	var (
		group, source string
		revision      int64
		form          formFlag
	)
	cmd := &cobra.Command{
		Use:   "dump -g GROUP [-s SOURCE] [--revision N]",
		Short: "Print a group's configuration, or one source of it, for Kong or for decK",
		Long: `Prints the merge of the group's sources, as it is or as it was in a revision. Applied again as the group's only source, it
changes nothing. With -s it prints what one source held; applied again as that source, it changes nothing. A source is
printed as the translator read it: without comments, file order and shorthands such as _info.defaults.
` + formHelp + `

The output holds whatever the configuration holds, secrets included.`,
		Example: `  silverback dump -g default > kong.yaml
  silverback dump -g default --format deck > deck.yaml
  silverback dump -g edge -s team-a --revision 41 > team-a.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			format, err := form.form(a.Flags.Output)
			if err != nil {
				return err
			}
			ctx, cancel := a.Call(cmd.Context())
			defer cancel()
			stream, err := a.Translator().GetSnapshot(ctx, &translatorv1.GetSnapshotRequest{
				Group: group, Source: source, Revision: revision, Format: format,
			})
			if err != nil {
				return err
			}
			for {
				piece, err := stream.Recv()
				if errors.Is(err, io.EOF) {
					return nil
				}
				if err != nil {
					return err
				}
				if _, err := a.Out.Write(piece.GetContent()); err != nil {
					return fmt.Errorf("write configuration: %w", err)
				}
			}
		},
	}
	cmd.Flags().StringVarP(&group, "group", "g", "", "the group of gateways")
	cmd.Flags().StringVarP(&source, "source", "s", "", "only the content of this source")
	cmd.Flags().Int64Var(&revision, "revision", 0, "the revision (default: the newest)")
	form.add(cmd)
	app.MustMark(cmd, "group")
	return cmd
}

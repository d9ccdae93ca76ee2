package submit

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// Dump is the command that prints a group's configuration.
func Dump(a *app.App) *cobra.Command {
	var (
		group    string
		revision int64
	)
	cmd := &cobra.Command{
		Use:   "dump -g GROUP [--revision N]",
		Short: "Print a group's configuration as Kong declarative YAML, or with -o json as canonical bytes",
		Long: `Prints the merge of the group's sources. Applied again as the group's only source it changes nothing.
The output holds whatever the configuration holds, secrets included.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			translator, err := a.TranslatorClient()
			if err != nil {
				return err
			}
			ctx, cancel := a.Call(cmd.Context())
			defer cancel()
			stream, err := translator.GetSnapshot(ctx, &translatorv1.GetSnapshotRequest{Group: group, Revision: revision, Format: formatOf(a.Flags.Output)})
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
	cmd.Flags().Int64Var(&revision, "revision", 0, "this revision instead of the newest")
	app.MustMark(cmd, "group")
	return cmd
}

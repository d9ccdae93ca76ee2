package imports

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/input"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// File returns the command that imports files.
func File(a *app.App) *cobra.Command {
	var t importer
	cmd := &cobra.Command{
		Use:   "file FILE|FOLDER|-... -g GROUP [-s SOURCE]",
		Short: "Create a source from a kong.yml or a decK file",
		Long: `Submits files that Kong or decK reads as a new source of the group: a
kong.yml, the output of "kong config db_export" or "deck gateway dump", or
several files that make up one configuration. Names and ids are kept. Anything
that cannot be imported is reported by file, line and object, with the remedy,
and then nothing is changed.

Unlike apply it replaces no existing source, and it leaves unmanaged gateways
as they are that would lose an entity by it. From then on change the source
with apply.

Exit codes: 0 done; 1 error; 2 an invalid input, or with --wait not served by
every online gateway.`,
		Example: `  silverback import file kong.yml -g edge --dry-run
  silverback import file deck/ -g edge -s team-a --wait`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.run(cmd.Context(), a, strings.Join(args, ", "), func(context.Context) ([]*translatorv1.Document, error) {
				return input.Reader{Stdin: a.In, LookupEnv: a.LookupEnv}.Read(args)
			})
		},
	}
	t.addFlags(cmd)
	return cmd
}

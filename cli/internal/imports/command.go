// Package imports creates sources from configurations that gateways serve already: from a node of the fleet, and from Kongs and files
// outside of it.
package imports

import (
	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/app"
)

// Command returns the parent of the import commands.
func Command(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import",
		Short: "Create a source from a running Kong or a file, or compare a migration with it",
		RunE:  app.RequireSubcommand,
	}
	cmd.AddCommand(Node(a), Kong(a), File(a), KIC(a))
	return cmd
}

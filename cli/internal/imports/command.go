// Package imports makes sources of configurations that gateways serve already: of a node of the fleet, and of Kongs and files outside of
// it.
package imports

import (
	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/app"
)

// Command is the parent of the commands that import.
func Command(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import",
		Short: "Make a source of what a Kong serves already, or a file says; or compare a move with it",
		RunE:  app.RequireSubcommand,
	}
	cmd.AddCommand(Node(a), Kong(a), File(a), KIC(a))
	return cmd
}

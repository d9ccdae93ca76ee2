package command

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
)

// versionCommand prints the version, as the flag --version does, also as JSON.
func versionCommand(a *app.App, version string) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of the command line",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if a.Flags.Output == show.Table {
				_, err := fmt.Fprintf(a.Out, "silverback %s\n", version)
				return err
			}
			return show.Value(a.Out, a.Flags.Output, struct {
				Version   string `json:"version"`
				GoVersion string `json:"go_version"`
			}{version, runtime.Version()})
		},
	}
}

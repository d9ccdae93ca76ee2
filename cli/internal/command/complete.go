package command

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/resource"
)

// completeWait is how long a shell waits for the registry before it goes without names.
const completeWait = 2 * time.Second

// completeNames has every --group below a command completed with the groups that there are.
func completeNames(a *app.App, cmd *cobra.Command) {
	if cmd.Flags().Lookup("group") != nil {
		must(cmd.RegisterFlagCompletionFunc("group", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			if err := a.FlagsFromEnv(cmd); err != nil {
				return nil, cobra.ShellCompDirectiveError
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), completeWait)
			defer cancel()
			names, err := resource.GroupNames(ctx, a)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		}))
	}
	for _, below := range cmd.Commands() {
		completeNames(a, below)
	}
}

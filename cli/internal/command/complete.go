package command

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/resource"
)

// completeWait is how long a shell waits for the services before it goes without names.
const completeWait = 2 * time.Second

// completedFlags are flags whose values are names that the services know.
var completedFlags = map[string]string{
	"group": "groups", "source": "sources", "revision": "revisions", "from-revision": "revisions", "to-revision": "revisions",
	"to": "revisions", "from": "revisions",
}

// completedArgs are the commands whose arguments are, by their paths.
var completedArgs = map[string]struct {
	kind string
	many bool
}{
	"silverback drain":         {"nodes", true},
	"silverback undrain":       {"nodes", true},
	"silverback quarantine":    {"nodes", true},
	"silverback release":       {"nodes", true},
	"silverback delete node":   {"nodes", false},
	"silverback revoke node":   {"nodes", false},
	"silverback unrevoke node": {"nodes", false},
	"silverback import node":   {"nodes", false},
	"silverback delete source": {"sources", false},
	"silverback pin":           {"sources", false},
	"silverback unpin":         {"sources", false},
	"silverback delete group":  {"groups", false},
	"silverback update group":  {"groups", false},
}

// completeNames has every flag and argument below a command completed with the names that there are.
func completeNames(a *app.App, cmd *cobra.Command) {
	for flag, kind := range completedFlags {
		_, has := cmd.GetFlagCompletionFunc(flag) // --from of apply is no revision
		if cmd.LocalNonPersistentFlags().Lookup(flag) != nil && !has {
			must(cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
				return namesOf(a, cmd, kind)
			}))
		}
	}
	if of, ok := completedArgs[cmd.CommandPath()]; ok {
		cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 && !of.many {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			names, directive := namesOf(a, cmd, of.kind)
			return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(args, name) }), directive
		}
	}
	if kinds := cmd.ValidArgs; len(kinds) > 0 && (cmd.Name() == "get" || cmd.Name() == "describe") {
		cmd.ValidArgs = nil // cobra asks either these or the function
		cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			switch len(args) {
			case 0:
				return kinds, cobra.ShellCompDirectiveNoFileComp
			case 1:
				return namesOf(a, cmd, args[0])
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
	}
	for _, below := range cmd.Commands() {
		completeNames(a, below)
	}
}

// namesOf asks for the names of a kind, of the group that is on the command line. A service that does not answer has no names.
func namesOf(a *app.App, cmd *cobra.Command, kind string) ([]string, cobra.ShellCompDirective) {
	if err := a.FlagsFromEnv(cmd); err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	group := ""
	if flag := cmd.Flags().Lookup("group"); flag != nil {
		group = flag.Value.String()
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completeWait)
	defer cancel()
	names, err := resource.Names(ctx, a, kind, group)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return names, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

package app

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// Args checks the number of arguments, and describes the arguments in its error. counts are the valid numbers; without any it is one.
func Args(want string, counts ...int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(counts) == 0 && len(args) == 1 {
			return nil
		}
		for _, n := range counts {
			if len(args) == n {
				return nil
			}
		}
		return fmt.Errorf("%s needs %s; see %s --help", cmd.CommandPath(), want, cmd.CommandPath())
	}
}

// RequireSubcommand runs a command that only has subcommands: it prints its help, or suggests a subcommand for an unknown one.
func RequireSubcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	meant := ""
	if cmd.SuggestionsMinimumDistance <= 0 {
		cmd.SuggestionsMinimumDistance = 2 // cobra's default, which only its own message sets
	}
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		meant = "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return fmt.Errorf("unknown command %q%s; see %s --help", cmd.CommandPath()+" "+args[0], meant, cmd.CommandPath())
}

package app

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// MustMark marks a flag of a command as required. It panics when the command has no such flag, which is a programming error that every
// start shows.
func MustMark(cmd *cobra.Command, flag string) {
	if err := cmd.MarkFlagRequired(flag); err != nil {
		panic(err)
	}
}

// CheckRequired returns which required flags a command lacks, and their meaning. Call it after FlagsFromEnv.
func CheckRequired(cmd *cobra.Command) error {
	var problems []error
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		if marks := flag.Annotations[cobra.BashCompOneRequiredFlag]; flag.Changed || len(marks) == 0 || marks[0] != "true" {
			return
		}
		name := "--" + flag.Name
		if flag.Shorthand != "" {
			name = "-" + flag.Shorthand + " or " + name
		}
		problems = append(problems, fmt.Errorf("%s needs %s, %s; or %s", cmd.CommandPath(), name, flag.Usage, envName(flag.Name)))
	})
	return errors.Join(problems...)
}

// FlagError returns the error of a flag that cannot be parsed. When the command does not exist either, that is the error.
func FlagError(cmd *cobra.Command, err error) error {
	if args := cmd.Flags().Args(); cmd.HasSubCommands() && len(args) > 0 {
		return RequireSubcommand(cmd, args)
	}
	return fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())
}

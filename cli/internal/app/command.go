package app

import "github.com/spf13/cobra"

// MustMark marks a flag of a command as required. It panics when the command has no such flag, which is a mistake of the
// program and shows at its start.
func MustMark(cmd *cobra.Command, flag string) {
	if err := cmd.MarkFlagRequired(flag); err != nil {
		panic(err)
	}
}

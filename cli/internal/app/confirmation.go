package app

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/show"
)

// Confirmation is how a command that deletes something asks for confirmation.
type Confirmation struct {
	yes    bool
	dryRun bool
}

// AddFlags adds its flags to a command.
func (s *Confirmation) AddFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&s.yes, "yes", false, "do not ask for confirmation; required without a terminal")
	cmd.Flags().BoolVar(&s.dryRun, "dry-run", false, "print what would happen, and change nothing")
}

// DryRun reports whether the command must not change anything.
func (s *Confirmation) DryRun() bool { return s.dryRun }

// Shows reports whether Ask prints anything. Otherwise the caller need not gather the text.
func (s *Confirmation) Shows(a *App) bool { return s.dryRun || a.Asks && !s.yes }

// Ask reports whether to continue. what describes the change: "delete source ...". A dry run prints it and ends; at a terminal Ask asks for
// confirmation.
func (s *Confirmation) Ask(a *App, does ...string) (bool, error) {
	switch {
	case s.dryRun && a.Flags.Output != show.Table:
		return false, show.Value(a.Out, a.Flags.Output, struct {
			DryRun bool     `json:"dry_run"`
			Would  []string `json:"would"`
		}{true, does})
	case s.dryRun:
		for _, line := range does {
			show.Printf(a.Out, "would %s\n", line)
		}
		return false, nil
	case s.yes || !a.Asks:
		return true, nil
	}
	for _, line := range does {
		show.Printf(a.Err, "This will %s.\n", line)
	}
	return true, a.Confirm("Go on?")
}

// Confirm asks a yes-or-no question. No answer means no.
func (a *App) Confirm(question string) error {
	if !a.Asks {
		return errors.New("there is no terminal to ask for confirmation; --yes continues without it")
	}
	fmt.Fprintf(a.Err, "%s [y/N] ", question)
	line, err := bufio.NewReader(a.In).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return nil
	}
	return errors.New("nothing was done")
}

package app_test

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/app"
)

func TestBelowSaysWhatWasMeant(t *testing.T) {
	root := &cobra.Command{Use: "silverback", RunE: app.RequireSubcommand}
	root.AddCommand(&cobra.Command{Use: "apply", Run: func(*cobra.Command, []string) {}})
	for argument, want := range map[string]string{
		"aplly": `unknown command "silverback aplly"; did you mean apply?; see silverback --help`,
		"zebra": `unknown command "silverback zebra"; see silverback --help`,
	} {
		if err := app.RequireSubcommand(root, []string{argument}); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestArgs(t *testing.T) {
	cmd := &cobra.Command{Use: "get"}
	check := app.Args("a kind, and a name", 1, 2)
	for n := range 4 {
		err := check(cmd, make([]string, n))
		if fine := n == 1 || n == 2; fine != (err == nil) {
			t.Errorf("%d arguments: %v", n, err)
		} else if !fine && !strings.Contains(err.Error(), "a kind, and a name; see get --help") {
			t.Errorf("%d arguments: %v", n, err)
		}
	}
	if one := app.Args("a name"); one(cmd, []string{"x"}) != nil || one(cmd, nil) == nil {
		t.Error("without counts exactly one argument is fine")
	}
}

// Package command puts the commands of the command line together.
package command

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/advise"
	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/backup"
	"github.com/silverback-gateway/silverback/cli/internal/certs"
	"github.com/silverback-gateway/silverback/cli/internal/export"
	"github.com/silverback-gateway/silverback/cli/internal/imports"
	"github.com/silverback-gateway/silverback/cli/internal/pins"
	"github.com/silverback-gateway/silverback/cli/internal/resource"
	"github.com/silverback-gateway/silverback/cli/internal/rollout"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/cli/internal/submit"
	"github.com/silverback-gateway/silverback/kit/telemetry"
)

// Run runs the command line and returns its exit code.
func Run(ctx context.Context, a *app.App, version string, args []string) int {
	defer a.Close()
	out := &counted{Writer: a.Out}
	a.Out = out
	root := Root(a, version)
	root.SetArgs(args)
	name := root.Name()
	if found, _, err := root.Find(args); err == nil {
		name = found.CommandPath()
	}
	ctx, span := telemetry.StartTrace(ctx, name)
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil {
		err = a.Explain(ctx, cmd, err)
		a.Report(a.Err, err)
		if out.bytes == 0 { // else it would follow the answer of the same command
			if failed := a.PrintRefusal(a.Out, err); failed != nil {
				a.Report(a.Err, failed)
			}
		}
	}
	span.End(time.Now(), failureOf(err))
	return app.Code(err)
}

// counted counts the bytes that were written.
type counted struct {
	io.Writer
	bytes int
}

// Write implements io.Writer.
func (c *counted) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.bytes += n
	return n, err
}

// failureOf returns the part of an error that a trace may hold: the full text may quote a file.
func failureOf(err error) string {
	if err == nil {
		return ""
	}
	return fmt.Sprintf("exit code %d", app.Code(err))
}

// Root returns the whole command line.
func Root(a *app.App, version string) *cobra.Command {
	root := &cobra.Command{
		Use:   "silverback",
		Short: "Submit configurations to fleets of Kong gateways, and see them served",
		Long: `Silverback delivers configuration to fleets of Kong gateways in waves, and
proves what every gateway serves.

Every flag has an environment variable: --registry has SILVERBACK_REGISTRY.
Exit codes: 0 done; 1 error; 2 a difference, an invalid input, or not converged.`,
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE:          app.RequireSubcommand,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.FlagsFromEnv(cmd); err != nil {
				return err
			}
			return app.CheckRequired(cmd)
		},
	}
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.SetFlagErrorFunc(app.FlagError)
	root.SetVersionTemplate("silverback {{.Version}}\n")
	a.AddFlags(root.PersistentFlags())
	root.PersistentFlags().VarP(a.Flags.OutputValue(), "output", "o", "how to print: table, wide (a table with all columns), json or yaml")
	must(root.RegisterFlagCompletionFunc("output", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return show.Formats, cobra.ShellCompDirectiveNoFileComp
	}))
	root.AddGroup(
		&cobra.Group{ID: "submit", Title: "Configurations:"},
		&cobra.Group{ID: "look", Title: "The fleet:"},
		&cobra.Group{ID: "change", Title: "Groups and nodes:"},
	)
	addTo(root, "submit", submit.Apply(a), submit.Diff(a), submit.Validate(a), submit.Render(a), submit.Dump(a), imports.Command(a),
		pins.Rollback(a), pins.Pin(a), pins.Unpin(a))
	addTo(root, "look", resource.Status(a), resource.Get(a), resource.Describe(a), resource.Events(a), rollout.Command(a),
		rollout.StatusAlias(a),
		export.Command(a), advise.Command(a))
	addTo(root, "change",
		certs.Command(a), resource.DrainNode(a), resource.UndrainNode(a), resource.QuarantineNode(a), resource.ReleaseNode(a), rollout.Freeze(a),
		rollout.Unfreeze(a),
		backup.Command(a, version), backup.Restore(a, version), resource.Recover(a),
		parent("target", "Take targets of upstreams out of the gateways of a group", resource.DrainTarget(a), resource.UndrainTarget(a),
			resource.ListTargets(a)),
		parent("revoke", "Revoke the certificates of a node or a user", resource.RevokeNode(a), resource.RevokeUser(a)),
		parent("unrevoke", "End the revocation of a node or a user", resource.UnrevokeNode(a), resource.UnrevokeUser(a)),
		parent("create", "Create a group", resource.CreateGroup(a)),
		parent("update", "Change the policy of a group", resource.UpdateGroup(a)),
		parent("delete", "Delete a source, a node or a group", submit.DeleteSource(a), resource.DeleteNode(a), resource.DeleteGroup(a)))
	root.AddCommand(versionCommand(a, version))
	completeNames(a, root)
	suggest(root)
	return root
}

// synonyms are other tools' names of commands.
var synonyms = map[string][]string{
	"apply":    {"submit", "sync", "push", "deploy"},
	"rollback": {"undo", "revert"},
	"diff":     {"plan", "compare"},
	"validate": {"lint", "check"},
	"advise":   {"upgrade", "cve", "audit"},
	"get":      {"list", "ls"},
	"describe": {"show", "inspect"},
	"events":   {"log", "logs", "history"},
	"delete":   {"remove", "rm"},
	"drain":    {"cordon"},
	"undrain":  {"uncordon"},
	"status":   {"ps", "health", "top"},
}

func suggest(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		cmd.SuggestFor = append(cmd.SuggestFor, synonyms[cmd.Name()]...)
	}
}

func addTo(root *cobra.Command, group string, commands ...*cobra.Command) {
	for _, c := range commands {
		c.GroupID = group
		root.AddCommand(c)
	}
}

// parent returns a command that only has subcommands.
func parent(name, short string, below ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: name, Short: short, RunE: app.RequireSubcommand}
	cmd.AddCommand(below...)
	return cmd
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

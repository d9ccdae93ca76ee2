package resource

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// namedSources is how many sources an error names.
const namedSources = 5

// DeleteGroup returns the command that deletes a group.
func DeleteGroup(a *app.App) *cobra.Command {
	var purge bool
	var confirm app.Confirmation
	cmd := &cobra.Command{
		Use:   "group NAME [--purge]",
		Short: "Delete a group that has no nodes and no sources",
		Long: `Deletes a group that has no nodes and no sources. With --purge its sources are
deleted first. A later group of that name would serve the sources that are
left, secrets included. Earlier revisions stay in the history, and a later
group of that name has them. At a terminal the command prints what it will
delete and asks for confirmation.`,
		Example: `  silverback delete group edge --dry-run --purge
  silverback delete group edge --purge --yes`,
		Args: app.Args("the name of one group"),
		RunE: func(cmd *cobra.Command, args []string) error {
			sources, err := deletable(cmd.Context(), a, args[0], purge)
			if err != nil {
				return err
			}
			if on, err := confirm.Ask(a, deletions(args[0], sources)...); err != nil || !on {
				return err
			}
			for _, s := range sources {
				if err := endSource(cmd.Context(), a, s); err != nil {
					return err
				}
			}
			return endGroup(cmd.Context(), a, args[0])
		},
	}
	cmd.Flags().BoolVar(&purge, "purge", false, "delete the sources of the group first")
	confirm.AddFlags(cmd)
	return cmd
}

// deletable returns the sources that are deleted with a group. A group with nodes is refused, so that sources are not taken from serving
// gateways. So is one with sources, unless they are to be purged.
func deletable(ctx context.Context, a *app.App, group string, purge bool) ([]*translatorv1.Source, error) {
	ctx, cancel := a.Call(ctx)
	defer cancel()
	// The service accepts the deletion of a group that does not exist. For a person that is a misspelt name.
	if _, err := a.Registry().GetGroup(ctx, &registryv1.GetGroupRequest{Name: group}); err != nil {
		return nil, err
	}
	nodes, err := allNodes(ctx, a, group)
	if err != nil {
		return nil, err
	}
	if len(nodes) > 0 {
		return nil, fmt.Errorf("group %q has %s; delete them first: silverback delete node NAME -g %s", group,
			show.Count(int64(len(nodes)), "node", "nodes"), group)
	}
	sources, err := allSources(ctx, a, group)
	if err == nil && len(sources) > 0 && !purge {
		err = fmt.Errorf("group %q has %s, which the next group of that name would get with their secrets: %s; delete each with silverback "+
			"delete source NAME -g %s, or all with --purge",
			group, show.Count(int64(len(sources)), "source", "sources"), sourceNames(sources), group)
	}
	return sources, err
}

func sourceNames(sources []*translatorv1.Source) string {
	var names []string
	for _, s := range sources[:min(len(sources), namedSources)] {
		names = append(names, s.GetName())
	}
	text := strings.Join(names, ", ")
	if more := len(sources) - namedSources; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// deletions describes what is deleted with a group.
func deletions(group string, sources []*translatorv1.Source) []string {
	var does []string
	for _, s := range sources {
		does = append(does, fmt.Sprintf("delete source %q of group %q with its %s", s.GetName(), group,
			show.Count(s.GetEntityCount(), "entity", "entities")))
	}
	return append(does, fmt.Sprintf("delete group %q", group))
}

func endSource(ctx context.Context, a *app.App, s *translatorv1.Source) error {
	ctx, cancel := a.Call(ctx)
	defer cancel()
	if _, err := a.Translator().DeleteSource(ctx, &translatorv1.DeleteSourceRequest{
		Group: s.GetGroup(), Source: s.GetName(), RequestId: uuid.NewString(), Message: "the group is deleted", AllowShrink: true,
	}); err != nil {
		return err
	}
	show.Printf(a.Err, "source %q of group %q deleted\n", s.GetName(), s.GetGroup())
	return nil
}

// endGroup deletes a group. Its error reports a source that was submitted meanwhile.
func endGroup(ctx context.Context, a *app.App, name string) error {
	ctx, cancel := a.Call(ctx)
	defer cancel()
	answer, err := a.Registry().DeleteGroup(ctx, &registryv1.DeleteGroupRequest{Name: name, RequestId: uuid.NewString()})
	if err != nil {
		return err
	}
	late, err := allSources(ctx, a, name)
	if err != nil {
		return fmt.Errorf("group %q is deleted, and whether a source was submitted meanwhile is not known: %w", name, err)
	}
	if len(late) > 0 {
		return fmt.Errorf("group %q is deleted, but meanwhile somebody submitted %s: %s; the next group of that name would get what they hold: "+
			"create it again, and delete it with --purge",
			name, show.Count(int64(len(late)), "source", "sources"), sourceNames(late))
	}
	if a.Flags.Output != show.Table {
		return show.Message(a.Out, a.Flags.Output, answer)
	}
	show.Printf(a.Out, "group %q deleted\n", name)
	return nil
}

// Package resource has the commands that show groups, nodes, sources, revisions and rollouts, and that create, change and delete them.
package resource

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/app"
)

// query is what get was asked for.
type query struct {
	group    string
	name     string // empty is all
	watch    bool
	selector selector
}

// kind is one kind of object that get can show.
type kind struct {
	plural     string
	aliases    []string
	needsGroup bool
	list       func(ctx context.Context, a *app.App, q query) error
	watch      func(ctx context.Context, a *app.App, q query) error
}

func kinds() []kind {
	return []kind{
		{plural: "groups", aliases: []string{"group"}, list: listGroups, watch: watchGroups},
		{plural: "nodes", aliases: []string{"node"}, list: listNodes, watch: watchNodes},
		{plural: "sources", aliases: []string{"source"}, list: listSources},
		{plural: "revisions", aliases: []string{"revision", "rev"}, needsGroup: true, list: listRevisions, watch: watchRevisions},
		{plural: "rollouts", aliases: []string{"rollout"}, list: listRollouts, watch: watchRollouts},
		{plural: "revocations", aliases: []string{"revocation"}, list: listRevocations},
	}
}

func kindNamed(name string) (kind, bool) {
	for _, k := range kinds() {
		if name == k.plural {
			return k, true
		}
		for _, alias := range k.aliases {
			if name == alias {
				return k, true
			}
		}
	}
	return kind{}, false
}

func plurals() []string {
	var names []string
	for _, k := range kinds() {
		names = append(names, k.plural)
	}
	return names
}

// Get returns the command that lists objects.
func Get(a *app.App) *cobra.Command {
	var q query
	cmd := &cobra.Command{
		Use:   "get " + strings.Join(plurals(), "|") + " [NAME]",
		Short: "List groups, nodes, sources, revisions, rollouts or revocations",
		Example: `  silverback get nodes -g default
  silverback get revisions -g default -o json
  silverback get nodes -l zone=a --state degraded,unreachable
  silverback get nodes --watch`,
		Args:      app.Args("a kind ("+strings.Join(plurals(), ", ")+"), and a name if only one is wanted", 1, 2),
		ValidArgs: plurals(),
		RunE: func(cmd *cobra.Command, args []string) error {
			k, ok := kindNamed(args[0])
			if !ok {
				return fmt.Errorf("unknown kind %q: choose one of %s", args[0], strings.Join(plurals(), ", "))
			}
			if len(args) == 2 {
				q.name = args[1]
			}
			if q.selector.given() && k.plural != "nodes" {
				return fmt.Errorf("-l and --state choose nodes, not %s", k.plural)
			}
			if err := q.selector.check(); err != nil {
				return err
			}
			if k.needsGroup && q.group == "" {
				return fmt.Errorf("get %s needs -g GROUP", k.plural)
			}
			if !q.watch {
				ctx, cancel := a.Call(cmd.Context())
				defer cancel()
				return k.list(ctx, a, q)
			}
			if k.watch == nil {
				return fmt.Errorf("get %s cannot watch; groups, nodes, revisions and rollouts can be watched", k.plural)
			}
			if err := a.CheckGroup(cmd.Context(), q.group); err != nil {
				return err
			}
			return k.watch(cmd.Context(), a, q)
		},
	}
	cmd.Flags().StringVarP(&q.group, "group", "g", "", "only this group")
	q.selector.addLabels(cmd)
	q.selector.addStates(cmd)
	cmd.Flags().BoolVarP(&q.watch, "watch", "w", false, "print every change until interrupted")
	return cmd
}

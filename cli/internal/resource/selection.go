package resource

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// selection is the nodes of a command, by name or by labels, and the confirmation that several nodes need.
type selection struct {
	group    string
	selector selector
	confirm  app.Confirmation
}

// selectionUse describes the arguments.
const selectionUse = "NODE...|-l SELECTOR [-g GROUP]"

func (c *selection) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&c.group, "group", "g", "", "the group of the nodes; not needed for names that are unique")
	c.selector.addLabels(cmd)
	c.confirm.AddFlags(cmd)
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 0 && len(c.selector.labels) == 0:
			return fmt.Errorf("%s needs the names of nodes, or their labels with -l; see %s --help", cmd.CommandPath(), cmd.CommandPath())
		case len(args) > 0 && len(c.selector.labels) > 0:
			return fmt.Errorf("%s takes names or labels, not both; see %s --help", cmd.CommandPath(), cmd.CommandPath())
		}
		return c.selector.check()
	}
}

// many reports whether the arguments may select several nodes.
func (c *selection) many(names []string) bool { return len(names) != 1 }

// nodes finds the selected nodes, those with labels in their natural order. Each name must exist.
func (c *selection) nodes(ctx context.Context, a *app.App, names []string) ([]*registryv1.Node, error) {
	ctx, cancel := a.Call(ctx)
	defer cancel()
	var found []*registryv1.Node
	if len(names) == 0 {
		all, err := allNodes(ctx, a, c.group)
		if err != nil {
			return nil, err
		}
		for _, n := range all {
			if c.selector.matches(n) {
				found = append(found, n)
			}
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("no node has the labels %s; silverback describe node shows those of a node",
				strings.Join(c.selector.labels, ", "))
		}
		return found, nil
	}
	seen := map[string]bool{}
	for _, name := range names {
		if seen[name] {
			continue
		}
		seen[name] = true
		answer, err := a.Registry().GetNode(ctx, &registryv1.GetNodeRequest{Group: c.group, Node: name})
		if err != nil {
			return nil, err
		}
		found = append(found, answer.GetNode())
	}
	return found, nil
}

// maxNamed is how many nodes a question lists.
const maxNamed = 10

// confirmed asks for confirmation before a change of several nodes. One named node needs none.
func (c *selection) confirmed(a *app.App, names []string, does string, nodes []*registryv1.Node) (bool, error) {
	if !c.many(names) && !c.confirm.DryRun() {
		return true, nil
	}
	lines := make([]string, 0, maxNamed+1)
	for i, n := range nodes {
		if i == maxNamed && !c.confirm.DryRun() {
			lines = append(lines, fmt.Sprintf("%s %d more", does, len(nodes)-maxNamed))
			break
		}
		lines = append(lines, fmt.Sprintf("%s node %q of group %q", does, n.GetName(), n.GetGroup()))
	}
	return c.confirm.Ask(a, lines...)
}

// print shows the nodes to a program: one as the answer of its call, several as a list.
func (c *selection) print(a *app.App, names []string, one proto.Message, nodes []*registryv1.Node) error {
	if !c.many(names) {
		return show.Message(a.Out, a.Flags.Output, one)
	}
	return show.Message(a.Out, a.Flags.Output, &registryv1.ListNodesResponse{Nodes: nodes})
}

// eachNode calls do for each node in turn, and continues after an error. It returns the changed nodes.
func eachNode(ctx context.Context, a *app.App, nodes []*registryv1.Node,
	do func(context.Context, *registryv1.Node) (*registryv1.Node, error)) ([]*registryv1.Node, error) {
	var done []*registryv1.Node
	var failed []error
	for _, n := range nodes {
		callCtx, cancel := a.Call(ctx)
		now, err := do(callCtx, n)
		cancel()
		switch {
		case err == nil:
			done = append(done, now)
		case len(nodes) == 1 || ctx.Err() != nil:
			return done, errors.Join(append(failed, err)...)
		default:
			failed = append(failed, fmt.Errorf("node %q of group %q: %w", n.GetName(), n.GetGroup(), err))
		}
	}
	return done, errors.Join(failed...)
}

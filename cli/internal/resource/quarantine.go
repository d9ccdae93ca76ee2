package resource

import (
	"context"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// QuarantineNode returns the command that excludes nodes from rollouts.
func QuarantineNode(a *app.App) *cobra.Command {
	var c selection
	var reason string
	cmd := &cobra.Command{
		Use:   "quarantine " + selectionUse + " --reason WHY",
		Short: "Exclude a node from rollouts; it keeps serving its present configuration",
		Long: `Puts nodes into quarantine: no rollout waits for them, whatever they report,
and they get no new revision until silverback release. Their gateways keep
serving what they have, and load balancers keep sending them traffic;
silverback drain stops that. The registry stores the order, and it survives a
restart of the agent. Name several nodes or select them by labels; then the
command asks for confirmation at a terminal.`,
		Example: `  silverback quarantine gw-3 -g edge --reason 'refuses everything since the upgrade'
  silverback quarantine -l zone=a --reason 'the zone is being moved' --dry-run`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return changeNodes(cmd.Context(), a, &c, args, "quarantine", "in quarantine",
				func(ctx context.Context, registry registryv1.RegistryServiceClient, n *registryv1.Node) (*registryv1.Node, proto.Message, error) {
					answer, err := registry.QuarantineNode(ctx, &registryv1.QuarantineNodeRequest{Group: n.GetGroup(), Node: n.GetName(), Reason: reason,
						RequestId: uuid.NewString()})
					return answer.GetNode(), answer, err
				})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for people")
	app.MustMark(cmd, "reason")
	c.add(cmd)
	return cmd
}

// ReleaseNode returns the command that ends a quarantine.
func ReleaseNode(a *app.App) *cobra.Command {
	var c selection
	cmd := &cobra.Command{
		Use:   "release " + selectionUse,
		Short: "End the quarantine of a node: it gets its group's revision, and rollouts wait for it",
		Example: `  silverback release gw-3 -g edge
  silverback release -l zone=a`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return changeNodes(cmd.Context(), a, &c, args, "release", "not in quarantine",
				func(ctx context.Context, registry registryv1.RegistryServiceClient, n *registryv1.Node) (*registryv1.Node, proto.Message, error) {
					answer, err := registry.ReleaseNode(ctx, &registryv1.ReleaseNodeRequest{Group: n.GetGroup(), Node: n.GetName(),
						RequestId: uuid.NewString()})
					return answer.GetNode(), answer, err
				})
		},
	}
	c.add(cmd)
	return cmd
}

// changeNodes makes a call for each selected node and prints the result.
func changeNodes(ctx context.Context, a *app.App, c *selection, names []string, does, now string,
	call func(context.Context, registryv1.RegistryServiceClient, *registryv1.Node) (*registryv1.Node, proto.Message, error),
) error {
	registry := a.Registry()
	nodes, err := c.nodes(ctx, a, names)
	if err != nil {
		return err
	}
	if on, err := c.confirmed(a, names, does, nodes); err != nil || !on {
		return err
	}
	var answer proto.Message
	done, failed := eachNode(ctx, a, nodes, func(ctx context.Context, n *registryv1.Node) (*registryv1.Node, error) {
		changed, said, err := call(ctx, registry, n)
		answer = said
		return changed, err
	})
	if len(done) == 0 {
		return failed
	}
	if a.Flags.Output != show.Table {
		if err := c.print(a, names, answer, done); err != nil {
			return err
		}
		return failed
	}
	for _, n := range done {
		show.Printf(a.Out, "node %q of group %q is %s\n", n.GetName(), n.GetGroup(), now)
	}
	return failed
}

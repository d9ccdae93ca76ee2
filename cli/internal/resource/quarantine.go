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

// QuarantineNode is the command that has rollouts go on without a node.
func QuarantineNode(a *app.App) *cobra.Command {
	var group, reason string
	cmd := &cobra.Command{
		Use:   "quarantine NODE --reason WHY [-g GROUP]",
		Short: "Have rollouts go on without a node; it serves on, and is told nothing new",
		Long: `Puts a node into quarantine: no rollout waits for it, whatever it says, and it is told nothing new until silverback release. Its gateway serves on
with what it has, and load balancers send it traffic as before; silverback drain ends that. The order is kept by the registry, and outlives a restart of the agent.`,
		Example: "  silverback quarantine gw-3 -g edge --reason 'refuses everything since the upgrade'",
		Args:    app.Args("the name of one node"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return changeNode(cmd.Context(), a, group, args[0], "in quarantine", func(ctx context.Context, registry registryv1.RegistryServiceClient, group string) (proto.Message, error) {
				return registry.QuarantineNode(ctx, &registryv1.QuarantineNodeRequest{Group: group, Node: args[0], Reason: reason, RequestId: uuid.NewString()})
			})
		},
	}
	cmd.Flags().StringVarP(&group, "group", "g", "", "the group of the node; not needed when its name is unique")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for people")
	app.MustMark(cmd, "reason")
	return cmd
}

// ReleaseNode is the command that ends a quarantine.
func ReleaseNode(a *app.App) *cobra.Command {
	var group string
	cmd := &cobra.Command{
		Use:     "release NODE [-g GROUP]",
		Short:   "End the quarantine of a node: it is given what its group runs, and rollouts wait for it",
		Example: "  silverback release gw-3 -g edge",
		Args:    app.Args("the name of one node"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return changeNode(cmd.Context(), a, group, args[0], "not in quarantine", func(ctx context.Context, registry registryv1.RegistryServiceClient, group string) (proto.Message, error) {
				return registry.ReleaseNode(ctx, &registryv1.ReleaseNodeRequest{Group: group, Node: args[0], RequestId: uuid.NewString()})
			})
		},
	}
	cmd.Flags().StringVarP(&group, "group", "g", "", "the group of the node; not needed when its name is unique")
	return cmd
}

// changeNode makes a call about a node, and says what is so.
func changeNode(ctx context.Context, a *app.App, group, name, now string, call func(context.Context, registryv1.RegistryServiceClient, string) (proto.Message, error)) error {
	registry, err := a.RegistryClient()
	if err != nil {
		return err
	}
	ctx, cancel := a.Call(ctx)
	defer cancel()
	if group == "" {
		known, err := registry.GetNode(ctx, &registryv1.GetNodeRequest{Node: name})
		if err != nil {
			return err
		}
		group = known.GetNode().GetGroup()
	}
	answer, err := call(ctx, registry, group)
	if err != nil {
		return err
	}
	if a.Flags.Output != show.Table {
		return show.Message(a.Out, a.Flags.Output, answer)
	}
	show.Printf(a.Out, "node %q of group %q is %s\n", name, group, now)
	return nil
}

package resource

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// DrainNode is the command that takes a node out of load balancing.
func DrainNode(a *app.App) *cobra.Command {
	var group, reason string
	cmd := &cobra.Command{
		Use:   "drain NODE -g GROUP [--reason WHY]",
		Short: "Take a node out of load balancing; its gateway serves on, and gets configurations",
		Args:  app.Args("the name of one node"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return changeNode(cmd, a, "is being drained", func(ctx context.Context, registry registryv1.RegistryServiceClient) (nodeAnswer, error) {
				return registry.DrainNode(ctx, &registryv1.DrainNodeRequest{Group: group, Node: args[0], Reason: reason, RequestId: uuid.NewString()})
			})
		},
	}
	cmd.Flags().StringVarP(&group, "group", "g", "", "the group of the node")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for people")
	app.MustMark(cmd, "group")
	return cmd
}

// UndrainNode is the command that gives a node back to load balancing.
func UndrainNode(a *app.App) *cobra.Command {
	var group string
	cmd := &cobra.Command{
		Use:   "undrain NODE -g GROUP",
		Short: "Give a drained node back to load balancing",
		Args:  app.Args("the name of one node"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return changeNode(cmd, a, "takes requests again", func(ctx context.Context, registry registryv1.RegistryServiceClient) (nodeAnswer, error) {
				return registry.UndrainNode(ctx, &registryv1.UndrainNodeRequest{Group: group, Node: args[0], RequestId: uuid.NewString()})
			})
		},
	}
	cmd.Flags().StringVarP(&group, "group", "g", "", "the group of the node")
	app.MustMark(cmd, "group")
	return cmd
}

// nodeAnswer is an answer with a node in it.
type nodeAnswer interface {
	proto.Message
	GetNode() *registryv1.Node
}

// changeNode calls the registry and says what is so now, or will be once the agent renews.
func changeNode(cmd *cobra.Command, a *app.App, done string, call func(context.Context, registryv1.RegistryServiceClient) (nodeAnswer, error)) error {
	registry, err := a.RegistryClient()
	if err != nil {
		return err
	}
	ctx, cancel := a.Call(cmd.Context())
	defer cancel()
	answer, err := call(ctx, registry)
	if err != nil {
		return err
	}
	if a.Flags.Output != show.Table {
		return show.Message(a.Out, a.Flags.Output, answer)
	}
	n := answer.GetNode()
	fmt.Fprintf(a.Out, "node %q of group %q %s\n", n.GetName(), n.GetGroup(), done)
	return nil
}

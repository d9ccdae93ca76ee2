package resource

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// DrainNode is the command that takes a node out of load balancing.
func DrainNode(a *app.App) *cobra.Command {
	var o order
	var reason string
	cmd := &cobra.Command{
		Use:   "drain NODE [-g GROUP] [--reason WHY]",
		Short: "Take a node out of load balancing; its gateway serves on, and follows its group",
		Long: `Takes a node out of load balancing: its agent answers /readyz with 503, until silverback undrain. The gateway serves on, and gets every configuration.
The order is kept by the registry and by the agent, and outlives the restart of either. An agent hears of it when it renews, about every 5 seconds;
the command waits until it says that it obeys. How soon load balancers then stop sending is theirs.
Exit codes: 0 the agent says that it drains; 1 error; 2 the order is given, and the agent has not said so in time.`,
		Example: "  silverback drain gw-3 -g edge --reason 'new disk'",
		Args:    app.Args("the name of one node"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.give(cmd.Context(), a, args[0], drainWords, func(ctx context.Context, registry registryv1.RegistryServiceClient, group string) (*registryv1.Node, error) {
				answer, err := registry.DrainNode(ctx, &registryv1.DrainNodeRequest{Group: group, Node: args[0], Reason: reason, RequestId: uuid.NewString()})
				return answer.GetNode(), err
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for people")
	o.add(cmd)
	return cmd
}

// UndrainNode is the command that gives a node back to load balancing.
func UndrainNode(a *app.App) *cobra.Command {
	var o order
	cmd := &cobra.Command{
		Use:     "undrain NODE [-g GROUP]",
		Short:   "Give a drained node back to load balancing",
		Example: "  silverback undrain gw-3 -g edge",
		Args:    app.Args("the name of one node"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.give(cmd.Context(), a, args[0], undrainWords, func(ctx context.Context, registry registryv1.RegistryServiceClient, group string) (*registryv1.Node, error) {
				answer, err := registry.UndrainNode(ctx, &registryv1.UndrainNodeRequest{Group: group, Node: args[0], RequestId: uuid.NewString()})
				return answer.GetNode(), err
			})
		},
	}
	o.add(cmd)
	return cmd
}

// askAgain is how often the registry is asked whether the agent obeys.
const askAgain = 200 * time.Millisecond

// order is what both commands take, and how they wait.
type order struct {
	group  string
	noWait bool
	wait   time.Duration
}

// words are how an order is spoken of.
type words struct {
	draining bool
	given    string // the node is …
	obeyed   string // … as its agent says
	answer   func(*registryv1.Node) proto.Message
}

var (
	drainWords = words{true, "to be drained", "draining", func(n *registryv1.Node) proto.Message {
		return &registryv1.DrainNodeResponse{Node: n}
	}}
	undrainWords = words{false, "to be given back", "back in load balancing", func(n *registryv1.Node) proto.Message {
		return &registryv1.UndrainNodeResponse{Node: n}
	}}
)

func (o *order) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&o.group, "group", "g", "", "the group of the node; not needed when its name is unique")
	cmd.Flags().BoolVar(&o.noWait, "no-wait", false, "give the order, and do not wait for the agent")
	cmd.Flags().DurationVar(&o.wait, "wait-timeout", time.Minute, "how long to wait for the agent")
}

// give gives an order, waits for the agent, and says what is so.
func (o *order) give(ctx context.Context, a *app.App, name string, w words,
	call func(context.Context, registryv1.RegistryServiceClient, string) (*registryv1.Node, error),
) error {
	registry, err := a.RegistryClient()
	if err != nil {
		return err
	}
	callCtx, cancel := a.Call(ctx)
	defer cancel()
	group := o.group
	if group == "" {
		known, err := registry.GetNode(callCtx, &registryv1.GetNodeRequest{Node: name})
		if err != nil {
			return err
		}
		group = known.GetNode().GetGroup()
	}
	n, err := call(callCtx, registry, group)
	if err != nil {
		return err
	}
	said := w.given
	var unheard error
	if !o.noWait {
		if !obeys(n, w.draining) {
			show.Printf(a.Err, "node %q of group %q is %s; waiting for its agent, which hears of it when it renews\n", name, group, w.given)
		}
		if n, unheard = o.await(ctx, registry, n, w.draining); unheard == nil {
			said = w.obeyed
		}
	}
	if a.Flags.Output != show.Table {
		if err := show.Message(a.Out, a.Flags.Output, w.answer(n)); err != nil {
			return err
		}
	} else if unheard == nil {
		show.Printf(a.Out, "node %q of group %q is %s\n", name, group, said)
	}
	if unheard != nil {
		return &app.Exit{Code: app.ExitDifference, Err: fmt.Errorf("node %q of group %q is %s, and the order stands, but %w", name, group, w.given, unheard)}
	}
	return nil
}

// obeys says whether the agent reports what was ordered.
func obeys(n *registryv1.Node, draining bool) bool {
	return (n.GetDrain() != nil) == draining && n.GetStatus().GetDraining() == draining && online(n)
}

// await asks until the agent reports what was ordered. It returns the node as it was last, and why it was not waited for longer.
func (o *order) await(ctx context.Context, registry registryv1.RegistryServiceClient, n *registryv1.Node, draining bool) (*registryv1.Node, error) {
	ctx, cancel := context.WithTimeout(ctx, o.wait)
	defer cancel()
	for {
		switch {
		case obeys(n, draining):
			return n, nil
		case (n.GetDrain() != nil) != draining:
			return n, errors.New("somebody else has ordered the contrary since")
		case n.GetState() == registryv1.Node_STATE_GONE || n.GetState() == registryv1.Node_STATE_UNREACHABLE:
			return n, fmt.Errorf("its agent is %s: it will obey when it is back", show.Enum(n.GetState(), "STATE_"))
		}
		select {
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
				return n, fmt.Errorf("its agent has not said in %s that it obeys; silverback describe node shows where it stands", o.wait)
			}
			return n, errors.New("the wait was interrupted")
		case <-time.After(askAgain):
		}
		answer, err := registry.GetNode(ctx, &registryv1.GetNodeRequest{Group: n.GetGroup(), Node: n.GetName()})
		switch {
		case err == nil:
			n = answer.GetNode()
		case status.Code(err) == codes.NotFound:
			return n, errors.New("the node was deleted since, and the order with it")
		}
		// A registry that does not answer is asked again, for as long as there is time.
	}
}

package resource

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/kit/backoff"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// DrainNode returns the command that takes nodes out of load balancing.
func DrainNode(a *app.App) *cobra.Command {
	var o order
	var reason string
	cmd := &cobra.Command{
		Use:   "drain " + selectionUse + " [--reason WHY]",
		Short: "Take a node out of load balancing; its gateway keeps serving and follows its group",
		Long: `Takes nodes out of load balancing: their agents answer /readyz with 503 until
silverback undrain. The gateways keep serving and keep getting new revisions.
The registry and the agent store the order, and it survives a restart of
either. An agent gets the order with its next renewal, about every 5 seconds,
and the command waits until the agent confirms it. When load balancers stop
sending traffic is up to them. Name several nodes or select them by labels;
then the command asks for confirmation at a terminal.

Exit codes: 0 the agents confirmed the drain; 1 error; 2 the order is stored,
and an agent did not confirm it in time.`,
		Example: `  silverback drain gw-3 -g edge --reason 'new disk'
  silverback drain gw-3 gw-4
  silverback drain -l zone=a --reason 'the zone is being moved' --dry-run`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.give(cmd.Context(), a, args, drainWords, func(ctx context.Context, registry registryv1.RegistryServiceClient,
				n *registryv1.Node) (*registryv1.Node, error) {
				answer, err := registry.DrainNode(ctx, &registryv1.DrainNodeRequest{Group: n.GetGroup(), Node: n.GetName(), Reason: reason,
					RequestId: uuid.NewString()})
				return answer.GetNode(), err
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for people")
	o.add(cmd)
	return cmd
}

// UndrainNode returns the command that puts nodes back into load balancing.
func UndrainNode(a *app.App) *cobra.Command {
	var o order
	cmd := &cobra.Command{
		Use:   "undrain " + selectionUse,
		Short: "Put a drained node back into load balancing",
		Example: `  silverback undrain gw-3 -g edge
  silverback undrain -l zone=a`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.give(cmd.Context(), a, args, undrainWords, func(ctx context.Context, registry registryv1.RegistryServiceClient,
				n *registryv1.Node) (*registryv1.Node, error) {
				answer, err := registry.UndrainNode(ctx, &registryv1.UndrainNodeRequest{Group: n.GetGroup(), Node: n.GetName(),
					RequestId: uuid.NewString()})
				return answer.GetNode(), err
			})
		},
	}
	o.add(cmd)
	return cmd
}

const (
	// askAgain is how often the registry is asked whether an agent obeys.
	askAgain = 200 * time.Millisecond
	// waitingFor is how many agents are waited for at the same time.
	waitingFor = 16
)

// order is the options of both commands, and how they wait.
type order struct {
	selection
	noWait bool
	wait   time.Duration
}

// words are the texts of drain or undrain.
type words struct {
	draining bool
	does     string
	given    string // the node is …
	obeyed   string // … as its agent reports
	answer   func(*registryv1.Node) proto.Message
}

var (
	drainWords = words{true, "drain", "to be drained", "draining", func(n *registryv1.Node) proto.Message {
		return &registryv1.DrainNodeResponse{Node: n}
	}}
	undrainWords = words{false, "undrain", "to be given back", "back in load balancing", func(n *registryv1.Node) proto.Message {
		return &registryv1.UndrainNodeResponse{Node: n}
	}}
)

func (o *order) add(cmd *cobra.Command) {
	o.selection.add(cmd)
	cmd.Flags().BoolVar(&o.noWait, "no-wait", false, "give the order, and do not wait for the agent")
	cmd.Flags().DurationVar(&o.wait, "wait-timeout", time.Minute, "how long to wait for the agent")
}

// give drains or undrains each selected node, waits for the agents and prints the result.
func (o *order) give(ctx context.Context, a *app.App, names []string, w words,
	call func(context.Context, registryv1.RegistryServiceClient, *registryv1.Node) (*registryv1.Node, error),
) error {
	registry := a.Registry()
	nodes, err := o.nodes(ctx, a, names)
	if err != nil {
		return err
	}
	if on, err := o.confirmed(a, names, w.does, nodes); err != nil || !on {
		return err
	}
	nodes, failed := eachNode(ctx, a, nodes, func(ctx context.Context, n *registryv1.Node) (*registryv1.Node, error) {
		return call(ctx, registry, n)
	})
	if len(nodes) == 0 {
		return failed
	}
	unheard := make([]error, len(nodes))
	if !o.noWait {
		if slow := slices.IndexFunc(nodes, func(n *registryv1.Node) bool { return !obeys(n, w.draining) }); slow >= 0 {
			who := fmt.Sprintf("node %q of group %q is %s; waiting for its agent, which receives it when it renews", nodes[slow].GetName(),
				nodes[slow].GetGroup(), w.given)
			if len(nodes) > 1 {
				who = fmt.Sprintf("%d nodes are %s; waiting for their agents, which receive it when they renew", len(nodes), w.given)
			}
			show.Printf(a.Err, "%s\n", who)
		}
		o.awaitAll(ctx, registry, nodes, unheard, w.draining)
	}
	if a.Flags.Output != show.Table {
		if err := o.print(a, names, w.answer(nodes[0]), nodes); err != nil {
			return err
		}
	}
	late := false
	for i, n := range nodes {
		said := w.obeyed
		if o.noWait {
			said = w.given
		}
		switch {
		case unheard[i] != nil:
			late = true
			unheard[i] = fmt.Errorf("node %q of group %q is %s, and the order stands, but %w", n.GetName(), n.GetGroup(), w.given, unheard[i])
		case a.Flags.Output == show.Table:
			show.Printf(a.Out, "node %q of group %q is %s\n", n.GetName(), n.GetGroup(), said)
		}
	}
	switch {
	case failed != nil:
		return errors.Join(failed, errors.Join(unheard...))
	case late:
		return &app.Exit{Code: app.ExitDifference, Err: errors.Join(unheard...)}
	}
	return nil
}

// awaitAll waits for the agents of all nodes, a few at a time. Results have the order of the nodes.
func (o *order) awaitAll(ctx context.Context, registry registryv1.RegistryServiceClient, nodes []*registryv1.Node, unheard []error,
	draining bool) {
	ctx, cancel := context.WithTimeout(ctx, o.wait)
	defer cancel()
	var all sync.WaitGroup
	places := make(chan struct{}, waitingFor)
	for i := range nodes {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			nodes[i], unheard[i] = o.await(ctx, registry, nodes[i], draining)
		})
	}
	all.Wait()
}

// obeys reports whether the agent has carried out the order.
func obeys(n *registryv1.Node, draining bool) bool {
	return (n.GetDrain() != nil) == draining && n.GetStatus().GetDraining() == draining && online(n)
}

// await waits until the agent reports that it carried out the order. It returns the last state of the node, and why the wait ended early.
func (o *order) await(ctx context.Context, registry registryv1.RegistryServiceClient, n *registryv1.Node, draining bool) (*registryv1.Node,
	error) {
	ctx, cancel := context.WithTimeout(ctx, o.wait)
	defer cancel()
	for {
		switch {
		case obeys(n, draining):
			return n, nil
		case (n.GetDrain() != nil) != draining:
			return n, errors.New("another operator has ordered the opposite since")
		case n.GetState() == registryv1.Node_STATE_GONE || n.GetState() == registryv1.Node_STATE_UNREACHABLE:
			return n, fmt.Errorf("its agent is %s: it will obey when it is back", show.Enum(n.GetState(), "STATE_"))
		}
		switch err := backoff.Sleep(ctx, askAgain); {
		case errors.Is(err, context.DeadlineExceeded):
			return n, fmt.Errorf("its agent did not confirm it within %s; silverback describe node shows its state", o.wait)
		case err != nil:
			return n, errors.New("the wait was interrupted")
		}
		answer, err := registry.GetNode(ctx, &registryv1.GetNodeRequest{Group: n.GetGroup(), Node: n.GetName()})
		switch {
		case err == nil:
			n = answer.GetNode()
		case status.Code(err) == codes.NotFound:
			return n, errors.New("the node was deleted since, and the order with it")
		}
		// A registry that does not answer is asked again while there is time.
	}
}

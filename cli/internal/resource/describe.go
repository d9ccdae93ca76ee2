package resource

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/export"
	"github.com/silverback-gateway/silverback/cli/internal/rollout"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// Describe is the command that shows everything about one thing.
func Describe(a *app.App) *cobra.Command {
	var group string
	describers := map[string]func(ctx context.Context, a *app.App, group, name string) error{
		"group": describeGroup, "node": describeNode, "source": describeSource, "rollout": describeRollout, "revision": describeRevision,
	}
	names := slices.Sorted(maps.Keys(describers))
	cmd := &cobra.Command{
		Use:       "describe group|node|source|rollout|revision NAME [-g GROUP]",
		Short:     "Show everything about a group, a node, a source, a rollout or a revision",
		Args:      app.Args("a kind ("+strings.Join(names, ", ")+") and a name", 2),
		ValidArgs: names,
		RunE: func(cmd *cobra.Command, args []string) error {
			describe, ok := describers[strings.TrimSuffix(args[0], "s")]
			if !ok {
				return fmt.Errorf("unknown kind %q: choose one of %s", args[0], strings.Join(names, ", "))
			}
			ctx, cancel := a.Call(cmd.Context())
			defer cancel()
			return describe(ctx, a, group, args[1])
		},
	}
	cmd.Flags().StringVarP(&group, "group", "g", "", "the group; a node may be named without it when its name is unique")
	return cmd
}

func describeNode(ctx context.Context, a *app.App, group, name string) error {
	answer, err := a.Registry().GetNode(ctx, &registryv1.GetNodeRequest{Group: group, Node: name})
	if err != nil {
		return err
	}
	if a.Flags.Output != show.Table {
		return show.Message(a.Out, a.Flags.Output, answer)
	}
	printNode(a.Out, a, answer.GetNode())
	return nil
}

func printNode(w io.Writer, a *app.App, n *registryv1.Node) {
	s, c := n.GetStatus(), n.GetCapabilities()
	show.Printf(w, "Node:        %s of group %s\n", n.GetName(), n.GetGroup())
	show.Printf(w, "State:       %s for %s\n", show.Enum(n.GetState(), "STATE_"), show.Age(a.Now(), n.GetStateTime()))
	printDrain(w, a, n)
	if s.GetDigest() == "" {
		show.Printf(w, "Serves:      nothing that was proven\n")
	} else {
		show.Printf(w, "Serves:      revision %d (%s), proof by %s\n", s.GetRevision(), show.Digest(s.GetDigest()),
			show.Enum(s.GetProof(), "PROOF_"))
		load := show.Span(s.GetLoadTime()) + " to load"
		if s.GetLoads() == 0 {
			load = "none, the gateway served it already"
		}
		show.Printf(w, "Last load:   %s, %s to prove\n", load, show.Span(s.GetProofTime()))
	}
	if s.GetDecision() > 0 {
		show.Printf(w, "Follows:     %s\n", stamp(s.GetEpoch(), s.GetDecision()))
	}
	show.Printf(w, "Counted:     %s, %s, since the agent started\n", show.Count(s.GetLoads(), "load", "loads"),
		show.Count(s.GetDrifts(), "drift", "drifts"))
	show.Printf(w, "Gateway:     Kong %s %s, %s, router %s, %s\n", c.GetKongVersion(), c.GetEdition(),
		show.Count(int64(c.GetWorkers()), "worker", "workers"), c.GetRouterFlavor(), show.Count(int64(len(c.GetPlugins())), "plugin", "plugins"))
	if c.GetSchemaDigest() != "" {
		show.Printf(w, "Schemas:     %s\n", show.Digest(c.GetSchemaDigest()))
	}
	printHealth(w, s.GetHealth())
	show.Printf(w, "Proxy:       %s\n", n.GetProxyAddress())
	show.Printf(w, "Agent:       %s, version %s\n", export.AgentAddress(n), n.GetAgentVersion())
	for _, label := range slices.Sorted(maps.Keys(n.GetLabels())) {
		show.Printf(w, "Label:       %s=%s\n", label, n.GetLabels()[label])
	}
	show.Printf(w, "Enrolled:    %s\n", show.Time(n.GetCreateTime()))
	for _, condition := range s.GetConditions() {
		show.Printf(w, "Condition:   %s for %s: %s\n", condition.GetType(), show.Age(a.Now(), condition.GetSince()), condition.GetMessage())
	}
}

func describeRollout(ctx context.Context, a *app.App, group, name string) error {
	if group == "" {
		return fmt.Errorf("describe rollout needs -g GROUP")
	}
	answer, err := a.Rollouts().GetRollout(ctx, &distributorv1.GetRolloutRequest{Group: group, Id: rollout.ID(name)})
	if err != nil {
		return err
	}
	if a.Flags.Output != show.Table {
		return show.Message(a.Out, a.Flags.Output, answer)
	}
	rollout.Describe(a, answer.GetRollout())
	return nil
}

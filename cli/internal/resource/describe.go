package resource

import (
	"context"
	"fmt"
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

// Describe returns the command that shows all about one object.
func Describe(a *app.App) *cobra.Command {
	var group string
	describers := map[string]func(ctx context.Context, a *app.App, group, name string) error{
		"group": describeGroup, "node": describeNode, "source": describeSource, "rollout": describeRollout, "revision": describeRevision,
	}
	names := slices.Sorted(maps.Keys(describers))
	cmd := &cobra.Command{
		Use:       "describe group|node|source|rollout|revision NAME [-g GROUP]",
		Short:     "Show all about a group, a node, a source, a rollout or a revision",
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
	printNode(a, answer.GetNode())
	return nil
}

func printNode(a *app.App, n *registryv1.Node) {
	s, c := n.GetStatus(), n.GetCapabilities()
	a.Line(13, "Node:        %s of group %s", n.GetName(), n.GetGroup())
	a.Line(13, "State:       %s for %s", show.Enum(n.GetState(), "STATE_"), show.Age(a.Now(), n.GetStateTime()))
	printDrain(a, n)
	if s.GetDigest() == "" {
		a.Line(13, "Serves:      nothing proven")
	} else {
		a.Line(13, "Serves:      revision %d (%s), proof by %s", s.GetRevision(), show.Digest(s.GetDigest()),
			show.Enum(s.GetProof(), "PROOF_"))
		load := show.Span(s.GetLoadTime()) + " to load"
		if s.GetLoads() == 0 {
			load = "none, the gateway served it already"
		}
		a.Line(13, "Last load:   %s, %s to prove", load, show.Span(s.GetProofTime()))
	}
	printLoads(a, n)
	if s.GetDecision() > 0 {
		a.Line(13, "Follows:     %s", stamp(s.GetEpoch(), s.GetDecision()))
	}
	a.Line(13, "Counted:     %s, %s, since the agent started", show.Count(s.GetLoads(), "load", "loads"),
		show.Count(s.GetDrifts(), "drift", "drifts"))
	a.Line(13, "Gateway:     Kong %s %s, %s, router %s, %s", c.GetKongVersion(), c.GetEdition(),
		show.Count(int64(c.GetWorkers()), "worker", "workers"), c.GetRouterFlavor(), show.Count(int64(len(c.GetPlugins())), "plugin", "plugins"))
	if c.GetSchemaDigest() != "" {
		a.Line(13, "Schemas:     %s", show.Digest(c.GetSchemaDigest()))
	}
	printHealth(a, s.GetHealth())
	printDrainedTargets(a, s.GetDrainedTargets())
	a.Line(13, "Proxy:       %s", n.GetProxyAddress())
	a.Line(13, "Agent:       %s, version %s", export.AgentAddress(n), n.GetAgentVersion())
	for _, label := range slices.Sorted(maps.Keys(n.GetLabels())) {
		a.Line(13, "Label:       %s=%s", label, n.GetLabels()[label])
	}
	a.Line(13, "Enrolled:    %s", show.Time(n.GetCreateTime()))
	for _, condition := range s.GetConditions() {
		a.Line(13, "Condition:   %s for %s: %s", condition.GetType(), show.Age(a.Now(), condition.GetSince()), condition.GetMessage())
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

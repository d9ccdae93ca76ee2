// Package forecast describes the cost of a load on the gateways of a group.
package forecast

import (
	"context"
	"fmt"
	"time"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/kit/wire"
	"github.com/silverback-gateway/silverback/kong/cost"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// Online reports whether a node is connected.
func Online(n *registryv1.Node) bool {
	switch n.GetState() {
	case registryv1.Node_STATE_JOINING, registryv1.Node_STATE_READY, registryv1.Node_STATE_DEGRADED, registryv1.Node_STATE_DRAINING,
		registryv1.Node_STATE_UNMANAGED:
		return true
	}
	return false
}

// Load describes the cost of a load of that size on the connected nodes. It is empty when unknown.
func Load(size cost.Size, nodes []*registryv1.Node) string {
	sum := summary(size, nodes)
	if size.IsZero() || sum.Gateways == 0 {
		return ""
	}
	return sum.String()
}

// Notable is Load, but also empty for a cheap load.
func Notable(size cost.Size, nodes []*registryv1.Node) string {
	if sum := summary(size, nodes); sum.Serving < notableTime && sum.Memory < notableMemory {
		return ""
	}
	return Load(size, nodes)
}

// Loads below both bounds are not worth a line of the status.
const (
	notableTime   = time.Second
	notableMemory = 64 << 20
)

func summary(size cost.Size, nodes []*registryv1.Node) cost.Summary {
	var gateways []cost.Named
	for _, n := range nodes {
		if Online(n) {
			gateways = append(gateways, cost.Named{Name: n.GetName(), Gateway: wire.Gateway(n.GetCapabilities(), n.GetStatus())})
		}
	}
	return cost.Summarize(size, gateways)
}

// A Change is what is submitted.
type Change struct {
	Size cost.Size // of the group with it
	// OnlyTargets reports that nothing but targets changes against the newest revision; Moved is by which share of the group's, in percent.
	OnlyTargets bool
	Moved       float64
}

// Rollout is Load with the number of waves by the group's policy, and how long they take.
func Rollout(change Change, nodes []*registryv1.Node, group *registryv1.Group) string {
	size := change.Size
	text := Load(size, nodes)
	if text == "" {
		return "not known: no gateway of the group is online"
	}
	sum := summary(size, nodes)
	policy, why := wire.Policy(group.GetPolicy()), ""
	switch {
	case !change.OnlyTargets:
	case policy.TargetsAtOnce > 0 && change.Moved <= float64(policy.TargetsAtOnce):
		policy.Waves = []fleet.Wave{{Percent: 100}}
		why = fmt.Sprintf(", for only targets change, %.2g %% of the group's, as soon as the newest revision is complete", change.Moved)
	case policy.TargetsAtOnce > 0:
		why = fmt.Sprintf("; only targets change, but %.2g %% of the group's, and at most %d %% go at once", change.Moved, policy.TargetsAtOnce)
	}
	waves, atOnce := cost.Waves(policy, labels(nodes))
	return fmt.Sprintf("%s; %s, about %s%s", text, show.Count(int64(len(waves)), "wave", "waves"),
		cost.Rough(cost.Rollout(waves, atOnce, 0, sum.Serving)), why)
}

// labels are those of the nodes in contact.
func labels(nodes []*registryv1.Node) (all []map[string]string) {
	for _, n := range nodes {
		if Online(n) {
			all = append(all, n.GetLabels())
		}
	}
	return all
}

const pageSize = 1000

// Print prints the cost of the rollout of a change. When the registry does not answer it only warns, since nothing else needs it.
func Print(ctx context.Context, a *app.App, group string, change Change) {
	text, err := ask(ctx, a, group, change)
	if err != nil {
		fmt.Fprintf(a.Err, "warning: no forecast of the cost of a load: %s\n", show.Clean(rpc.Why(err)))
		return
	}
	a.Line(2, "a load takes %s", show.Clean(text))
}

func ask(ctx context.Context, a *app.App, group string, change Change) (string, error) {
	ctx, cancel := a.Call(ctx)
	defer cancel()
	known, err := a.Registry().GetGroup(ctx, &registryv1.GetGroupRequest{Name: group})
	if err != nil {
		return "", err
	}
	var nodes []*registryv1.Node
	for token := ""; ; {
		page, err := a.Registry().ListNodes(ctx, &registryv1.ListNodesRequest{Group: group, PageSize: pageSize, PageToken: token})
		if err != nil {
			return "", err
		}
		nodes = append(nodes, page.GetNodes()...)
		if token = page.GetNextPageToken(); token == "" {
			return Rollout(change, nodes, known.GetGroup()), nil
		}
	}
}

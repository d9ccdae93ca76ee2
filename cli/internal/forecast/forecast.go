// Package forecast describes the cost of a load on the gateways of a group.
package forecast

import (
	"context"
	"fmt"
	"time"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
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

// Rollout is Load with the number of waves by the group's policy, and how long they take.
func Rollout(size cost.Size, nodes []*registryv1.Node, group *registryv1.Group) string {
	text := Load(size, nodes)
	if text == "" {
		return "not known: no gateway of the group is online"
	}
	sum := summary(size, nodes)
	var labels []map[string]string
	for _, n := range nodes {
		if Online(n) {
			labels = append(labels, n.GetLabels())
		}
	}
	waves, atOnce := cost.Waves(wire.Policy(group.GetPolicy()), labels)
	return fmt.Sprintf("%s; %s, about %s", text, show.Count(int64(len(waves)), "wave", "waves"),
		cost.Rough(cost.Rollout(waves, atOnce, 0, sum.Serving)))
}

const pageSize = 1000

// Print prints the cost of a rollout of that size in a group. When the registry does not answer it only warns, since nothing else needs it.
func Print(ctx context.Context, a *app.App, group string, size cost.Size) {
	text, err := ask(ctx, a, group, size)
	if err != nil {
		fmt.Fprintf(a.Err, "warning: no forecast of the cost of a load: %s\n", show.Clean(rpc.Why(err)))
		return
	}
	a.Line(2, "a load takes %s", show.Clean(text))
}

func ask(ctx context.Context, a *app.App, group string, size cost.Size) (string, error) {
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
			return Rollout(size, nodes, known.GetGroup()), nil
		}
	}
}

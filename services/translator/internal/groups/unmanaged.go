package groups

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/inventory"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// Unmanaged is a configuration that gateways of a group serve and no revision contains.
type Unmanaged struct {
	Served    string               // names it, see silverback.fleet.v1.Unmanaged
	Nodes     []string             // that serve it, sorted
	Inventory *inventory.Inventory // nil when unknown
}

// maxUnmanaged bounds the inventories that are fetched, since each is unpacked for a submission.
const maxUnmanaged = 64

// Unmanaged returns what gateways of a group serve outside of its revisions, as the registry knows it. Nodes in quarantine do not count,
// since they get no directives.
func (g *Groups) Unmanaged(ctx context.Context, group fleet.GroupID) ([]Unmanaged, error) {
	ctx, cancel := context.WithTimeout(ctx, servedTimeout)
	defer cancel()
	// Most groups have none: skip listing their nodes.
	answer, err := g.client.GetGroup(ctx, &registryv1.GetGroupRequest{Name: string(group)})
	if err != nil {
		return nil, fmt.Errorf("ask the registry: %w", err)
	}
	if answer.GetUnmanagedNodes() == 0 {
		return nil, nil
	}
	nodes := map[string][]string{}
	err = g.eachNode(ctx, group, func(n *registryv1.Node) {
		if u := n.GetStatus().GetUnmanaged(); u != nil && n.GetQuarantine() == nil && n.GetState() != registryv1.Node_STATE_GONE {
			nodes[u.GetServed()] = append(nodes[u.GetServed()], n.GetName())
		}
	})
	if err != nil {
		return nil, err
	}
	var all []Unmanaged
	for served, names := range nodes {
		slices.Sort(names)
		u := Unmanaged{Served: served, Nodes: names}
		if len(all) < maxUnmanaged && !strings.HasPrefix(served, "md5:") {
			if u.Inventory, err = g.inventory(ctx, served); err != nil {
				return nil, err
			}
		}
		all = append(all, u)
	}
	slices.SortFunc(all, func(a, b Unmanaged) int { return strings.Compare(a.Nodes[0], b.Nodes[0]) })
	return all, nil
}

// inventory returns nil for an inventory that is missing or unreadable.
func (g *Groups) inventory(ctx context.Context, served string) (*inventory.Inventory, error) {
	answer, err := g.client.GetInventory(ctx, &registryv1.GetInventoryRequest{Digest: served})
	if err != nil && status.Code(err) != codes.NotFound {
		return nil, fmt.Errorf("ask the registry for an inventory: %w", err)
	}
	if i, none := inventory.Unpack(answer.GetZstd(), fleet.Digest(served)); none == nil {
		return &i, nil
	}
	return nil, nil
}

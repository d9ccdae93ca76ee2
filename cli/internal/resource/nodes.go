package resource

import (
	"context"
	"fmt"
	"slices"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// nodeHeader names the columns of nodes, of which only -o wide shows the last nodeMore.
var nodeHeader = []string{"GROUP", "NODE", "STATE", "REVISION", "SINCE", "CONDITIONS", "PROOF", "DIGEST", "KONG", "WORKERS", "LOAD",
	"PROVEN AFTER"}

const nodeMore = 6

func listNodes(ctx context.Context, a *app.App, q query) error {
	nodes, err := allNodes(ctx, a, q.group)
	if err != nil {
		return err
	}
	if nodes, err = named("node", q.name, nodes, (*registryv1.Node).GetName); err != nil {
		return err
	}
	nodes = slices.DeleteFunc(nodes, func(n *registryv1.Node) bool { return !q.selector.matches(n) })
	grid := &show.Grid{Header: nodeHeader, More: nodeMore}
	for _, n := range nodes {
		grid.Add(nodeRow(a, n)...)
	}
	return printList(ctx, a, q, &registryv1.ListNodesResponse{Nodes: nodes}, grid)
}

func nodeRow(a *app.App, n *registryv1.Node) []string {
	s, c := n.GetStatus(), n.GetCapabilities()
	conditions := ""
	for i, condition := range s.GetConditions() {
		if i > 0 {
			conditions += ","
		}
		conditions += show.Clean(condition.GetType())
	}
	load, proof := show.Span(s.GetLoadTime()), show.Span(s.GetProofTime())
	if s.GetLoads() == 0 { // its gateway served it already, or it was not asked to load yet
		load = ""
	}
	if s.GetProof() == fleetv1.Proof_PROOF_UNSPECIFIED {
		proof = ""
	}
	return []string{
		n.GetGroup(), n.GetName(), nodeState(n), positive(s.GetRevision()), show.Age(a.Now(), n.GetStateTime()), conditions,
		show.Enum(s.GetProof(), "PROOF_"), show.Digest(s.GetDigest()), c.GetKongVersion(), positive(int64(c.GetWorkers())), load, proof,
	}
}

// nodeState returns the state of a node, with an unconfirmed drain, and its quarantine.
func nodeState(n *registryv1.Node) string {
	state := show.Enum(n.GetState(), "STATE_")
	if n.GetDrain() != nil && n.GetState() != registryv1.Node_STATE_DRAINING {
		state += " (to drain)"
	}
	if n.GetQuarantine() != nil {
		state += " (quarantine)"
	}
	return state
}

func positive(n int64) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func allNodes(ctx context.Context, a *app.App, group string) ([]*registryv1.Node, error) {
	nodes, err := pages(ctx, func(ctx context.Context, token string) ([]*registryv1.Node, string, error) {
		page, err := a.Registry().ListNodes(ctx, &registryv1.ListNodesRequest{Group: group, PageSize: pageSize, PageToken: token})
		return page.GetNodes(), page.GetNextPageToken(), err
	})
	inOrder(nodes)
	return nodes, err
}

package groups

import (
	"context"
	"fmt"
	"time"

	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kit/fleet"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// Limits is what a node in contact says about the size of configurations that its gateway takes.
type Limits struct {
	Node        string
	Body        int64         // bytes of a request to its Admin API; 0 is no limit
	LoadTimeout time.Duration // that its agent gives a load; 0 is not said
	// What it serves, and how long it took to load: zero when it was not measured.
	Revision fleet.Revision
	Digest   fleet.Digest
	LoadTime time.Duration
}

// Limits asks the registry what nodes of a group say about sizes. In a large group it is a part of them, the first page: a limit that all
// of those have is the group's for all that anybody needs to know before a submission.
func (g *Groups) Limits(ctx context.Context, group fleet.GroupID) ([]Limits, error) {
	ctx, cancel := context.WithTimeout(ctx, servedTimeout)
	defer cancel()
	page, err := g.client.ListNodes(ctx, &registryv1.ListNodesRequest{Group: string(group), PageSize: servedPage})
	if err != nil {
		return nil, fmt.Errorf("ask the registry for nodes: %w", err)
	}
	var all []Limits
	for _, n := range page.GetNodes() {
		if !inContact(n) || n.GetCapabilities() == nil {
			continue
		}
		s := n.GetStatus()
		all = append(all, Limits{
			Node: clean.Line(n.GetName(), clean.MaxWord), Body: max(n.GetCapabilities().GetBodyLimitBytes(), 0),
			LoadTimeout: max(n.GetCapabilities().GetLoadTimeout().AsDuration(), 0),
			Revision:    fleet.Revision(s.GetRevision()), Digest: fleet.Digest(s.GetDigest()), LoadTime: max(s.GetLoadTime().AsDuration(), 0),
		})
	}
	return all, nil
}

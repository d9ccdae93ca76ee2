package groups

import (
	"context"
	"fmt"
	"time"

	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/wire"
	"github.com/silverback-gateway/silverback/kong/cost"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// Limits is what a node in contact reports about sizes.
type Limits struct {
	Node    string
	Body    int64 // bytes of a request to its Admin API; 0 means no limit
	Gateway cost.Gateway
	// What it serves, and how long that took to load; zero when not measured. Agents of before report no more than this.
	Revision fleet.Revision
	Digest   fleet.Digest
	LoadTime time.Duration
}

// Limits returns what nodes of a group report about sizes. Of a large group it is the first page: that sample is enough before a
// submission.
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
			Gateway:  wire.Gateway(n.GetCapabilities(), s),
			Revision: fleet.Revision(s.GetRevision()), Digest: fleet.Digest(s.GetDigest()), LoadTime: max(s.GetLoadTime().AsDuration(), 0),
		})
	}
	return all, nil
}

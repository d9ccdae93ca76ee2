// Package groups knows which groups the registry has, and which schemas their gateways. It keeps a warm copy, so that a registry that
// is away does not stop submissions to groups that are known.
package groups

import (
	"context"
	"fmt"
	"log/slog"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/follow"
	"github.com/silverback-gateway/silverback/kit/rpc"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// Groups is a warm copy of the registry's groups. Run keeps it up to date.
type Groups struct {
	client registryv1.RegistryServiceClient
	table  *follow.Table[fleet.GroupID, []fleet.Digest]
}

// New returns an empty copy.
func New(client registryv1.RegistryServiceClient, log *slog.Logger) *Groups {
	g := &Groups{client: client}
	g.table = follow.NewTable(g.open, func(err error) {
		log.Warn("watch of the registry's groups broke; the known groups stand", "error", rpc.Why(err))
	})
	return g
}

// Run keeps the copy up to date until ctx ends.
func (g *Groups) Run(ctx context.Context) error { return g.table.Run(ctx) }

// Exists reports whether the registry has a group. It asks the registry about a group that it does not know, since the watch may
// be behind.
func (g *Groups) Exists(ctx context.Context, group fleet.GroupID) (bool, error) {
	if _, ok := g.table.Get(group); ok {
		return true, nil
	}
	_, err := g.client.GetGroup(ctx, &registryv1.GetGroupRequest{Name: string(group)})
	if status.Code(err) == codes.NotFound {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("ask the registry: %w", err)
	}
	return true, nil
}

// Schemas returns the digests of the bundles of schemas that a group's gateways have. It asks the registry about a group that it does
// not know; of a group that it cannot learn about there are none.
func (g *Groups) Schemas(ctx context.Context, group fleet.GroupID) []fleet.Digest {
	if known, ok := g.table.Get(group); ok {
		return known
	}
	answer, err := g.client.GetGroup(ctx, &registryv1.GetGroupRequest{Name: string(group)})
	if err != nil {
		return nil
	}
	return digests(answer.GetGroup())
}

// AllSchemas returns the digests of the bundles that any known group's gateways have, and a channel that is closed when that may have changed.
func (g *Groups) AllSchemas() (map[fleet.Digest]bool, <-chan struct{}) {
	changed := g.table.Changes()
	all := map[fleet.Digest]bool{}
	g.table.Each(func(_ fleet.GroupID, known []fleet.Digest) {
		for _, d := range known {
			all[d] = true
		}
	})
	return all, changed
}

func digests(g *registryv1.Group) []fleet.Digest {
	var all []fleet.Digest
	for _, d := range g.GetSchemaDigests() {
		all = append(all, fleet.Digest(d))
	}
	return all
}

func (g *Groups) open(ctx context.Context, resume string) (func() (follow.Event[fleet.GroupID, []fleet.Digest], error), error) {
	stream, err := g.client.WatchGroups(ctx, &registryv1.WatchGroupsRequest{ResumeToken: resume})
	if err != nil {
		return nil, fmt.Errorf("watch groups: %w", err)
	}
	return func() (e follow.Event[fleet.GroupID, []fleet.Digest], err error) {
		m, err := stream.Recv()
		if err != nil {
			return e, fmt.Errorf("watch groups: %w", err)
		}
		switch event := m.GetEvent().(type) {
		case *registryv1.WatchGroupsResponse_Listing_:
			e.Listing = true
		case *registryv1.WatchGroupsResponse_Upserted:
			e.Put = &follow.Pair[fleet.GroupID, []fleet.Digest]{Key: fleet.GroupID(event.Upserted.GetName()), Value: digests(event.Upserted)}
		case *registryv1.WatchGroupsResponse_Deleted:
			id := fleet.GroupID(event.Deleted)
			e.Deleted = &id
		case *registryv1.WatchGroupsResponse_Synced_:
			token := event.Synced.GetResumeToken()
			e.Synced = &token
		}
		return e, nil
	}, nil
}

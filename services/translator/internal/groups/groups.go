// Package groups knows which groups the registry has. It keeps a warm copy, so that a registry that is away does not stop
// submissions to groups that are known.
package groups

import (
	"context"
	"fmt"
	"log/slog"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/follow"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// Groups is a warm copy of the registry's groups. Run keeps it up to date.
type Groups struct {
	client registryv1.RegistryServiceClient
	table  *follow.Table[fleet.GroupID, struct{}]
}

// New returns an empty copy.
func New(client registryv1.RegistryServiceClient, log *slog.Logger) *Groups {
	g := &Groups{client: client}
	g.table = follow.NewTable(g.open, func(err error) {
		log.Warn("watch of the registry's groups broke; the known groups stand", "error", err)
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

func (g *Groups) open(ctx context.Context, resume string) (func() (follow.Event[fleet.GroupID, struct{}], error), error) {
	stream, err := g.client.WatchGroups(ctx, &registryv1.WatchGroupsRequest{ResumeToken: resume})
	if err != nil {
		return nil, fmt.Errorf("watch groups: %w", err)
	}
	return func() (e follow.Event[fleet.GroupID, struct{}], err error) {
		m, err := stream.Recv()
		if err != nil {
			return e, fmt.Errorf("watch groups: %w", err)
		}
		switch event := m.GetEvent().(type) {
		case *registryv1.WatchGroupsResponse_Listing_:
			e.Listing = true
		case *registryv1.WatchGroupsResponse_Upserted:
			e.Put = &follow.Pair[fleet.GroupID, struct{}]{Key: fleet.GroupID(event.Upserted.GetName())}
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

// Package groups knows the registry's groups and the schemas of their gateways. It keeps a copy, so that submissions to known groups work
// while the registry is away.
package groups

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/kit/watchcache"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// Schemas is a bundle of schemas in a group, with the nodes that report it.
type Schemas struct {
	Digest fleet.Digest
	Counts bool     // its refusals are enforced; else they are warnings
	Nodes  int      // that report it; 0 means unknown
	Names  []string // of some of them
}

// Groups is a copy of the registry's groups. Run keeps it up to date.
type Groups struct {
	client registryv1.RegistryServiceClient
	cache  *watchcache.Cache[fleet.GroupID, []Schemas]
}

// New returns an empty copy.
func New(client registryv1.RegistryServiceClient, log *slog.Logger) *Groups {
	return &Groups{client: client, cache: watchcache.New(source(client), func(err error) {
		log.Warn("watch of the registry's groups broke; using the known groups", "error", rpc.Why(err))
	})}
}

// Run keeps the copy up to date until ctx ends.
func (g *Groups) Run(ctx context.Context) error { return g.cache.Run(ctx) }

// Exists reports whether the registry has a group. It asks the registry about an unknown group, since the watch may lag.
func (g *Groups) Exists(ctx context.Context, group fleet.GroupID) (bool, error) {
	if _, ok := g.cache.Get(group); ok {
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

// Schemas returns the bundles of a group. It asks the registry about an unknown group; a failure gives none.
func (g *Groups) Schemas(ctx context.Context, group fleet.GroupID) []Schemas {
	if known, ok := g.cache.Get(group); ok {
		return known
	}
	answer, err := g.client.GetGroup(ctx, &registryv1.GetGroupRequest{Name: string(group)})
	if err != nil {
		return nil
	}
	return schemasOf(answer.GetGroup())
}

// AllSchemas returns the digests of all groups' bundles, and a channel that is closed when they may have changed.
func (g *Groups) AllSchemas() (map[fleet.Digest]bool, <-chan struct{}) {
	changed := g.cache.Changes()
	all := map[fleet.Digest]bool{}
	g.cache.Each(func(_ fleet.GroupID, known []Schemas) {
		for _, b := range known {
			all[b.Digest] = true
		}
	})
	return all, changed
}

func schemasOf(g *registryv1.Group) []Schemas {
	var all []Schemas
	if len(g.GetSchemaBacking()) == 0 { // an older registry does not name the nodes of a bundle
		for _, d := range g.GetSchemaDigests() {
			all = append(all, Schemas{Digest: fleet.Digest(d), Counts: true})
		}
	}
	for _, b := range g.GetSchemaBacking() {
		all = append(all, Schemas{Digest: fleet.Digest(b.GetDigest()), Counts: b.GetCounts(), Nodes: int(b.GetNodes()), Names: b.GetNodeNames()})
	}
	return all
}

func source(client registryv1.RegistryServiceClient) watchcache.Source[fleet.GroupID, []Schemas] {
	type event = watchcache.Event[fleet.GroupID, []Schemas]
	type item = watchcache.Item[fleet.GroupID, []Schemas]
	type message = *registryv1.WatchGroupsResponse
	return watchcache.FromStream(func(ctx context.Context, token string) (watchcache.Stream[message], error) {
		return client.WatchGroups(ctx, &registryv1.WatchGroupsRequest{ResumeToken: token})
	}, func(m message) event {
		switch e := m.GetEvent().(type) {
		case *registryv1.WatchGroupsResponse_Listing_:
			return event{Listing: true}
		case *registryv1.WatchGroupsResponse_Upserted:
			return event{Put: []item{{Key: fleet.GroupID(e.Upserted.GetName()), Value: schemasOf(e.Upserted)}}}
		case *registryv1.WatchGroupsResponse_Deleted:
			return event{Deleted: []item{{Key: fleet.GroupID(e.Deleted)}}}
		case *registryv1.WatchGroupsResponse_Synced_:
			return event{Synced: true, Token: e.Synced.GetResumeToken()}
		}
		return event{}
	})
}

// Served is a revision that gateways of a group were proven to serve.
type Served struct {
	Revision fleet.Revision
	Digest   fleet.Digest
	Nodes    int
}

// Nodes are listed in pages and within a bounded time, since a submission waits for them.
const (
	servedPage    = 1000
	servedTimeout = 3 * time.Second
)

// Served returns what the gateways in contact were proven to serve, as the registry knows it.
func (g *Groups) Served(ctx context.Context, group fleet.GroupID) ([]Served, error) {
	ctx, cancel := context.WithTimeout(ctx, servedTimeout)
	defer cancel()
	counts := map[Served]int{}
	err := g.eachNode(ctx, group, func(n *registryv1.Node) {
		if s := n.GetStatus(); inContact(n) && s.GetDigest() != "" {
			counts[Served{Revision: fleet.Revision(s.GetRevision()), Digest: fleet.Digest(s.GetDigest())}]++
		}
	})
	if err != nil {
		return nil, err
	}
	var all []Served
	for s, n := range counts {
		s.Nodes = n
		all = append(all, s)
	}
	return all, nil
}

func inContact(n *registryv1.Node) bool {
	return n.GetState() != registryv1.Node_STATE_UNREACHABLE && n.GetState() != registryv1.Node_STATE_GONE
}

// eachNode passes the nodes of a group to f.
func (g *Groups) eachNode(ctx context.Context, group fleet.GroupID, f func(*registryv1.Node)) error {
	for token := ""; ; {
		page, err := g.client.ListNodes(ctx, &registryv1.ListNodesRequest{Group: string(group), PageSize: servedPage, PageToken: token})
		if err != nil {
			return fmt.Errorf("ask the registry for nodes: %w", err)
		}
		for _, n := range page.GetNodes() {
			f(n)
		}
		if token = page.GetNextPageToken(); token == "" {
			return nil
		}
	}
}

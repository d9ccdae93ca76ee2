package translator_test

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/rpcserver"
	"github.com/silverback-gateway/silverback/kong/schema"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// registry is a small registry: it knows groups, and lists them again to its watchers whenever one is added or removed.
type registry struct {
	registryv1.UnimplementedRegistryServiceServer
	address string
	stop    func()
	done    chan struct{}

	mu      sync.Mutex
	groups  map[string]bool
	named   map[string][]string // digests of the schemas of a group
	backing map[string][]*registryv1.SchemaBacking
	bundles map[string][]byte // as they travel
	fetched int               // calls of GetSchemas
	asked   int               // calls of GetGroup
	changed chan struct{}
	nodes   []*registryv1.Node
}

// serves says that so many gateways of a group serve a revision.
func (r *registry) serves(group string, nodes int, revision *translatorv1.Revision) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for range nodes {
		r.nodes = append(r.nodes, &registryv1.Node{
			Group: group, Name: fmt.Sprint(len(r.nodes)), State: registryv1.Node_STATE_READY,
			Status: &fleetv1.NodeStatus{Revision: revision.GetNumber(), Digest: revision.GetDigest()},
		})
	}
}

// ListNodes answers as the real one does, in pages of two.
func (r *registry) ListNodes(_ context.Context, q *registryv1.ListNodesRequest) (*registryv1.ListNodesResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	after, _ := strconv.Atoi(q.GetPageToken())
	answer := &registryv1.ListNodesResponse{}
	for i := after; i < len(r.nodes); i++ {
		if len(answer.Nodes) == 2 {
			answer.NextPageToken = strconv.Itoa(i)
			break
		}
		if r.nodes[i].GetGroup() == q.GetGroup() {
			answer.Nodes = append(answer.Nodes, r.nodes[i])
		}
	}
	return answer, nil
}

func startRegistry(tb testing.TB, groups ...string) *registry {
	tb.Helper()
	r := &registry{groups: map[string]bool{}, changed: make(chan struct{}), done: make(chan struct{})}
	for _, g := range groups {
		r.groups[g] = true
	}
	server, err := rpcserver.New(rpcserver.Config{Listen: "127.0.0.1:0"},
		rpcserver.Deps{Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()})
	if err != nil {
		tb.Fatal(err)
	}
	registryv1.RegisterRegistryServiceServer(server, r)
	server.OnDrain(func() { close(r.done) })
	r.address = server.Address()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(ctx) }()
	r.stop = sync.OnceFunc(func() { cancel(); <-ended })
	tb.Cleanup(r.stop)
	return r
}

func (r *registry) set(group string, there bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.groups, group)
	if there {
		r.groups[group] = true
	}
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *registry) timesAsked() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

// GetGroup answers as the real one does.
func (r *registry) GetGroup(_ context.Context, q *registryv1.GetGroupRequest) (*registryv1.GetGroupResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	if !r.groups[q.GetName()] {
		return nil, fault.New(fault.Missing, "NO_SUCH_GROUP", "there is no group %q", q.GetName())
	}
	return &registryv1.GetGroupResponse{Group: r.group(q.GetName())}, nil
}

// name says that a group's gateways have these bundles, of which some may not be stored.
func (r *registry) name(group string, digests ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.named == nil {
		r.named = map[string][]string{}
	}
	r.named[group] = digests
	close(r.changed)
	r.changed = make(chan struct{})
}

// back says who stands behind the bundles of a group.
func (r *registry) back(group string, all ...*registryv1.SchemaBacking) {
	r.mu.Lock()
	if r.backing == nil {
		r.backing = map[string][]*registryv1.SchemaBacking{}
	}
	r.backing[group] = all
	r.mu.Unlock()
	var digests []string
	for _, b := range all {
		digests = append(digests, b.GetDigest())
	}
	r.name(group, digests...)
}

// group is a group as it is told. r.mu is held.
func (r *registry) group(name string) *registryv1.Group {
	return &registryv1.Group{Name: name, SchemaDigests: r.named[name], SchemaBacking: r.backing[name]}
}

// store stores a bundle and returns its digest.
func (r *registry) store(b *schema.Bundle) string { return r.storeAs(b.Digest(), b) }

// storeAs stores a bundle under the name that nodes have for it.
func (r *registry) storeAs(digest fleet.Digest, b *schema.Bundle) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bundles == nil {
		r.bundles = map[string][]byte{}
	}
	r.bundles[string(digest)] = schema.Pack(b)
	return string(digest)
}

// GetSchemas answers as the real one does.
func (r *registry) GetSchemas(_ context.Context, q *registryv1.GetSchemasRequest) (*registryv1.GetSchemasResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fetched++
	zstd, ok := r.bundles[q.GetDigest()]
	if !ok {
		return nil, fault.New(fault.Missing, "SCHEMAS_NOT_FOUND", "no schemas with the digest %q are stored", q.GetDigest())
	}
	return &registryv1.GetSchemasResponse{Zstd: zstd}, nil
}

func (r *registry) timesFetched() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fetched
}

// WatchGroups lists everything at each change, which the protocol allows.
func (r *registry) WatchGroups(_ *registryv1.WatchGroupsRequest, stream registryv1.RegistryService_WatchGroupsServer) error {
	for {
		r.mu.Lock()
		events := []*registryv1.WatchGroupsResponse{{Event: &registryv1.WatchGroupsResponse_Listing_{
			Listing: &registryv1.WatchGroupsResponse_Listing{}}}}
		for g := range r.groups {
			events = append(events, &registryv1.WatchGroupsResponse{Event: &registryv1.WatchGroupsResponse_Upserted{Upserted: r.group(g)}})
		}
		changed := r.changed
		r.mu.Unlock()
		events = append(events, &registryv1.WatchGroupsResponse{Event: &registryv1.WatchGroupsResponse_Synced_{
			Synced: &registryv1.WatchGroupsResponse_Synced{ResumeToken: "1"}}})
		for _, e := range events {
			if err := stream.Send(e); err != nil {
				return err
			}
		}
		select {
		case <-changed:
		case <-stream.Context().Done():
			return stream.Context().Err()
		case <-r.done:
			return fault.New(fault.Down, "DRAINING", "stopping")
		}
	}
}

// Package upstreamtest fakes the registry and the translator in tests of the distributor. It serves their contract and keeps its state in
// memory. Tests set that state. A watch with a resume token gets a new list.
package upstreamtest

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/kit/rpcserver"
)

// Upstream is a registry and a translator in one server.
type Upstream struct {
	registryv1.UnimplementedRegistryServiceServer
	translatorv1.UnimplementedTranslatorServiceServer
	Origins []*translatorv1.LocateEntitiesResponse_Origin // the answer of LocateEntities; set before Start's caller uses it

	conn *grpc.ClientConn
	stop chan struct{}

	mu        sync.Mutex
	bell      chan struct{}
	groups    map[string]*registryv1.Group
	nodes     map[string]*registryv1.Node
	revisions map[string]*translatorv1.Revision
	digests   map[string]string // of every revision, by group and number
	restores  map[string]*translatorv1.RestoreSourcesResponse
	restored  []*translatorv1.RestoreSourcesRequest
	pins      map[string][]*translatorv1.WatchRevisionsResponse_PinnedSource // by group
	away      error                                                          // the answer of RestoreSources; nil: it works
}

// Start serves an upstream until the test ends.
func Start(tb testing.TB) *Upstream {
	tb.Helper()
	u := &Upstream{stop: make(chan struct{}), bell: make(chan struct{}), groups: map[string]*registryv1.Group{},
		nodes: map[string]*registryv1.Node{}, revisions: map[string]*translatorv1.Revision{},
		digests: map[string]string{}, restores: map[string]*translatorv1.RestoreSourcesResponse{},
		pins: map[string][]*translatorv1.WatchRevisionsResponse_PinnedSource{}}
	server, err := rpcserver.New(rpcserver.Config{Listen: "127.0.0.1:0"},
		rpcserver.Deps{Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()})
	if err != nil {
		tb.Fatal(err)
	}
	registryv1.RegisterRegistryServiceServer(server, u)
	translatorv1.RegisterTranslatorServiceServer(server, u)
	server.OnDrain(func() { close(u.stop) })
	if u.conn, err = rpc.Dial(rpc.ClientConfig{Addresses: []string{server.Address()}}); err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(ctx) }()
	tb.Cleanup(func() { cancel(); _ = u.conn.Close(); <-done })
	return u
}

// Registry returns a client.
func (u *Upstream) Registry() registryv1.RegistryServiceClient {
	return registryv1.NewRegistryServiceClient(u.conn)
}

// Translator returns a client.
func (u *Upstream) Translator() translatorv1.TranslatorServiceClient {
	return translatorv1.NewTranslatorServiceClient(u.conn)
}

func (u *Upstream) change(edit func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	edit()
	close(u.bell)
	u.bell = make(chan struct{})
}

// Group adds or replaces a group.
func (u *Upstream) Group(name string, policy *fleetv1.RolloutPolicy) {
	u.change(func() { u.groups[name] = &registryv1.Group{Name: name, Policy: policy} })
}

// Node adds or replaces a node.
func (u *Upstream) Node(group, name string, state registryv1.Node_State) {
	u.change(func() { u.nodes[group+"/"+name] = &registryv1.Node{Group: group, Name: name, State: state} })
}

// Enrol adds or replaces a node in contact, with the boot id of its agent.
func (u *Upstream) Enrol(group, name, boot string) {
	u.change(func() {
		u.nodes[group+"/"+name] = &registryv1.Node{Group: group, Name: name, State: registryv1.Node_STATE_READY, BootId: boot}
	})
}

// Follows sets the decision that a node follows.
func (u *Upstream) Follows(group, name string, followed fleet.Stamp) {
	u.change(func() {
		if n := u.nodes[group+"/"+name]; n != nil {
			n = proto.CloneOf(n)
			n.Status = &fleetv1.NodeStatus{Epoch: int64(followed.Epoch), Decision: int64(followed.Decision), Term: int64(followed.Term),
				TermId: int64(followed.TermID)}
			u.nodes[group+"/"+name] = n
		}
	})
}

// Sick adds or replaces a node with conditions. It follows no decision, or it would be ahead of an empty ledger.
func (u *Upstream) Sick(group, name string, conditions ...string) {
	status := &fleetv1.NodeStatus{}
	for _, c := range conditions {
		status.Conditions = append(status.Conditions, &fleetv1.Condition{Type: c})
	}
	u.change(func() {
		boot := u.nodes[group+"/"+name].GetBootId()
		u.nodes[group+"/"+name] = &registryv1.Node{Group: group, Name: name, State: registryv1.Node_STATE_DEGRADED, Status: status, BootId: boot}
	})
}

// Quarantine puts a node in quarantine, or releases it.
func (u *Upstream) Quarantine(group, name string, in bool) {
	u.change(func() {
		n := proto.CloneOf(u.nodes[group+"/"+name])
		n.Quarantine = nil
		if in {
			n.Quarantine = &registryv1.Quarantine{Reason: "for the test"}
		}
		u.nodes[group+"/"+name] = n
	})
}

// Revise adds the next revision of a group.
func (u *Upstream) Revise(group string, digest fleet.Digest) (number int64) {
	u.change(func() {
		if r := u.revisions[group]; r != nil {
			number = r.GetNumber()
		}
		number++
		u.put(group, number, string(digest))
	})
	return number
}

// Newest returns the number of the newest revision of a group.
func (u *Upstream) Newest(group string) int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.revisions[group].GetNumber()
}

func (u *Upstream) put(group string, number int64, digest string) {
	u.revisions[group] = &translatorv1.Revision{Group: group, Number: number, Digest: digest, CreateTime: timestamppb.Now()}
	u.digests[fmt.Sprint(group, "/", number)] = digest
}

// RestoreFails sets the error of RestoreSources; nil means that it works.
func (u *Upstream) RestoreFails(err error) { u.change(func() { u.away = err }) }

// Unpin ends the pins of a group.
func (u *Upstream) Unpin(group string) { u.change(func() { delete(u.pins, group) }) }

// Restored returns the distinct requests to RestoreSources, the oldest first.
func (u *Upstream) Restored() []*translatorv1.RestoreSourcesRequest {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.restored)
}

// RestoreSources implements the translator. Every revision has one source, team-a.
func (u *Upstream) RestoreSources(_ context.Context, r *translatorv1.RestoreSourcesRequest) (answer *translatorv1.RestoreSourcesResponse,
	err error) {
	u.change(func() {
		if answer, err = u.restores[r.GetRequestId()], u.away; answer != nil || err != nil {
			return
		}
		group := r.GetGroup()
		u.put(group, u.revisions[group].GetNumber()+1, u.digests[fmt.Sprint(group, "/", r.GetToRevision())])
		answer = &translatorv1.RestoreSourcesResponse{Revision: u.revisions[group], Restored: []string{"team-a"}}
		if pin := r.GetPin(); pin != nil {
			pin = proto.CloneOf(pin)
			pin.Reason, pin.CreateTime = r.GetReason(), timestamppb.Now()
			u.pins[group] = []*translatorv1.WatchRevisionsResponse_PinnedSource{{Source: "team-a", Pin: pin}}
		}
		u.restores[r.GetRequestId()] = answer
		u.restored = append(u.restored, r)
	})
	return answer, err
}

// ListSources implements the translator: it has none.
func (u *Upstream) ListSources(context.Context, *translatorv1.ListSourcesRequest) (*translatorv1.ListSourcesResponse, error) {
	return &translatorv1.ListSourcesResponse{}, nil
}

// Back sets the newest revision of a group, as after a restore.
func (u *Upstream) Back(group string, number int64, digest fleet.Digest) {
	u.change(func() {
		u.revisions[group] = &translatorv1.Revision{Group: group, Number: number, Digest: string(digest), CreateTime: timestamppb.Now()}
	})
}

// LocateEntities implements the translator.
func (u *Upstream) LocateEntities(context.Context, *translatorv1.LocateEntitiesRequest) (*translatorv1.LocateEntitiesResponse, error) {
	return &translatorv1.LocateEntitiesResponse{Origins: u.Origins}, nil
}

// watch sends a full list, then the changes, until the stream or the server ends.
func watch[V proto.Message](ctx context.Context, u *Upstream, items func() map[string]V, listing, synced func() error,
	put func(V) error) error {
	sent := map[string]V{}
	if err := listing(); err != nil {
		return err
	}
	for {
		u.mu.Lock()
		bell := u.bell
		var changed []V
		for k, v := range items() {
			if old, ok := sent[k]; !ok || !proto.Equal(old, v) {
				sent[k] = v
				changed = append(changed, v)
			}
		}
		u.mu.Unlock()
		for _, v := range changed {
			if err := put(v); err != nil {
				return err
			}
		}
		if err := synced(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-u.stop:
			return nil
		case <-bell:
		}
	}
}

// WatchGroups implements the registry.
func (u *Upstream) WatchGroups(_ *registryv1.WatchGroupsRequest, s grpc.ServerStreamingServer[registryv1.WatchGroupsResponse]) error {
	return watch(s.Context(), u, func() map[string]*registryv1.Group { return u.groups },
		func() error {
			return s.Send(&registryv1.WatchGroupsResponse{Event: &registryv1.WatchGroupsResponse_Listing_{
				Listing: &registryv1.WatchGroupsResponse_Listing{}}})
		},
		func() error {
			return s.Send(&registryv1.WatchGroupsResponse{Event: &registryv1.WatchGroupsResponse_Synced_{
				Synced: &registryv1.WatchGroupsResponse_Synced{}}})
		},
		func(g *registryv1.Group) error {
			return s.Send(&registryv1.WatchGroupsResponse{Event: &registryv1.WatchGroupsResponse_Upserted{Upserted: g}})
		})
}

// WatchNodes implements the registry.
func (u *Upstream) WatchNodes(_ *registryv1.WatchNodesRequest, s grpc.ServerStreamingServer[registryv1.WatchNodesResponse]) error {
	return watch(s.Context(), u, func() map[string]*registryv1.Node { return u.nodes },
		func() error {
			return s.Send(&registryv1.WatchNodesResponse{Event: &registryv1.WatchNodesResponse_Listing_{
				Listing: &registryv1.WatchNodesResponse_Listing{}}})
		},
		func() error {
			return s.Send(&registryv1.WatchNodesResponse{Event: &registryv1.WatchNodesResponse_Synced_{
				Synced: &registryv1.WatchNodesResponse_Synced{}}})
		},
		func(n *registryv1.Node) error {
			return s.Send(&registryv1.WatchNodesResponse{Event: &registryv1.WatchNodesResponse_Upserted{Upserted: n}})
		})
}

// WatchRevisions implements the translator.
func (u *Upstream) WatchRevisions(_ *translatorv1.WatchRevisionsRequest,
	s grpc.ServerStreamingServer[translatorv1.WatchRevisionsResponse]) error {
	return watch(s.Context(), u, u.heads,
		func() error {
			return s.Send(&translatorv1.WatchRevisionsResponse{Event: &translatorv1.WatchRevisionsResponse_Listing_{
				Listing: &translatorv1.WatchRevisionsResponse_Listing{}}})
		},
		func() error {
			return s.Send(&translatorv1.WatchRevisionsResponse{Event: &translatorv1.WatchRevisionsResponse_Synced_{
				Synced: &translatorv1.WatchRevisionsResponse_Synced{}}})
		},
		func(m *translatorv1.WatchRevisionsResponse) error { return s.Send(m) })
}

// heads returns the newest revision of each group with the pins of the group. The caller holds the lock.
func (u *Upstream) heads() map[string]*translatorv1.WatchRevisionsResponse {
	all := map[string]*translatorv1.WatchRevisionsResponse{}
	for group, r := range u.revisions {
		all[group] = &translatorv1.WatchRevisionsResponse{Event: &translatorv1.WatchRevisionsResponse_Revision{Revision: r},
			Pinned: &translatorv1.WatchRevisionsResponse_PinnedSources{Sources: u.pins[group]}}
	}
	return all
}

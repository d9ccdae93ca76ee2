// Package worldtest stands for the registry and the translator in tests of the distributor: servers of their contract that
// behave, keep state in memory, and can be told what to know. Resume tokens are honoured by listing anew.
package worldtest

import (
	"context"
	"log/slog"
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

// World is a registry and a translator in one server.
type World struct {
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
}

// Start serves a world until the test ends.
func Start(tb testing.TB) *World {
	tb.Helper()
	w := &World{stop: make(chan struct{}), bell: make(chan struct{}), groups: map[string]*registryv1.Group{},
		nodes: map[string]*registryv1.Node{}, revisions: map[string]*translatorv1.Revision{}}
	server, err := rpcserver.New(rpcserver.Config{Listen: "127.0.0.1:0"},
		rpcserver.Deps{Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()})
	if err != nil {
		tb.Fatal(err)
	}
	registryv1.RegisterRegistryServiceServer(server, w)
	translatorv1.RegisterTranslatorServiceServer(server, w)
	server.OnDrain(func() { close(w.stop) })
	if w.conn, err = rpc.Dial(rpc.ClientConfig{Addresses: []string{server.Address()}}); err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(ctx) }()
	tb.Cleanup(func() { cancel(); _ = w.conn.Close(); <-done })
	return w
}

// Registry returns a client.
func (w *World) Registry() registryv1.RegistryServiceClient {
	return registryv1.NewRegistryServiceClient(w.conn)
}

// Translator returns a client.
func (w *World) Translator() translatorv1.TranslatorServiceClient {
	return translatorv1.NewTranslatorServiceClient(w.conn)
}

func (w *World) change(edit func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	edit()
	close(w.bell)
	w.bell = make(chan struct{})
}

// Group makes a group known.
func (w *World) Group(name string, policy *fleetv1.RolloutPolicy) {
	w.change(func() { w.groups[name] = &registryv1.Group{Name: name, Policy: policy} })
}

// Node makes a node known in a state.
func (w *World) Node(group, name string, state registryv1.Node_State) {
	w.change(func() { w.nodes[group+"/"+name] = &registryv1.Node{Group: group, Name: name, State: state} })
}

// Enrol makes a node known as in contact, with the boot id of its agent.
func (w *World) Enrol(group, name, boot string) {
	w.change(func() {
		w.nodes[group+"/"+name] = &registryv1.Node{Group: group, Name: name, State: registryv1.Node_STATE_READY, BootId: boot}
	})
}

// Follows has a known node say which decision it follows.
func (w *World) Follows(group, name string, followed fleet.Stamp) {
	w.change(func() {
		if n := w.nodes[group+"/"+name]; n != nil {
			n = proto.CloneOf(n)
			n.Status = &fleetv1.NodeStatus{Epoch: int64(followed.Epoch), Decision: int64(followed.Decision)}
			w.nodes[group+"/"+name] = n
		}
	})
}

// Sick makes a node known that complains of conditions. It was told nothing yet: another one would be ahead of an empty ledger.
func (w *World) Sick(group, name string, conditions ...string) {
	status := &fleetv1.NodeStatus{}
	for _, c := range conditions {
		status.Conditions = append(status.Conditions, &fleetv1.Condition{Type: c})
	}
	w.change(func() {
		boot := w.nodes[group+"/"+name].GetBootId()
		w.nodes[group+"/"+name] = &registryv1.Node{Group: group, Name: name, State: registryv1.Node_STATE_DEGRADED, Status: status, BootId: boot}
	})
}

// Quarantine makes a known node one that is in quarantine, or in none.
func (w *World) Quarantine(group, name string, in bool) {
	w.change(func() {
		n := proto.CloneOf(w.nodes[group+"/"+name])
		n.Quarantine = nil
		if in {
			n.Quarantine = &registryv1.Quarantine{Reason: "for the test"}
		}
		w.nodes[group+"/"+name] = n
	})
}

// Revise makes the next revision of a group.
func (w *World) Revise(group string, digest fleet.Digest) (number int64) {
	w.change(func() {
		if r := w.revisions[group]; r != nil {
			number = r.GetNumber()
		}
		number++
		w.revisions[group] = &translatorv1.Revision{Group: group, Number: number, Digest: string(digest), CreateTime: timestamppb.Now()}
	})
	return number
}

// Back has the newest revision of a group be another one, as after a restore.
func (w *World) Back(group string, number int64, digest fleet.Digest) {
	w.change(func() {
		w.revisions[group] = &translatorv1.Revision{Group: group, Number: number, Digest: string(digest), CreateTime: timestamppb.Now()}
	})
}

// LocateEntities implements the translator.
func (w *World) LocateEntities(context.Context, *translatorv1.LocateEntitiesRequest) (*translatorv1.LocateEntitiesResponse, error) {
	return &translatorv1.LocateEntitiesResponse{Origins: w.Origins}, nil
}

// watch sends a full list, then what differs, until the stream or the world ends.
func watch[V proto.Message](ctx context.Context, w *World, items func() map[string]V, listing, synced func() error,
	put func(V) error) error {
	sent := map[string]V{}
	if err := listing(); err != nil {
		return err
	}
	for {
		w.mu.Lock()
		bell := w.bell
		var changed []V
		for k, v := range items() {
			if old, ok := sent[k]; !ok || !proto.Equal(old, v) {
				sent[k] = v
				changed = append(changed, v)
			}
		}
		w.mu.Unlock()
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
		case <-w.stop:
			return nil
		case <-bell:
		}
	}
}

// WatchGroups implements the registry.
func (w *World) WatchGroups(_ *registryv1.WatchGroupsRequest, s grpc.ServerStreamingServer[registryv1.WatchGroupsResponse]) error {
	return watch(s.Context(), w, func() map[string]*registryv1.Group { return w.groups },
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
func (w *World) WatchNodes(_ *registryv1.WatchNodesRequest, s grpc.ServerStreamingServer[registryv1.WatchNodesResponse]) error {
	return watch(s.Context(), w, func() map[string]*registryv1.Node { return w.nodes },
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
func (w *World) WatchRevisions(_ *translatorv1.WatchRevisionsRequest,
	s grpc.ServerStreamingServer[translatorv1.WatchRevisionsResponse]) error {
	return watch(s.Context(), w, func() map[string]*translatorv1.Revision { return w.revisions },
		func() error {
			return s.Send(&translatorv1.WatchRevisionsResponse{Event: &translatorv1.WatchRevisionsResponse_Listing_{
				Listing: &translatorv1.WatchRevisionsResponse_Listing{}}})
		},
		func() error {
			return s.Send(&translatorv1.WatchRevisionsResponse{Event: &translatorv1.WatchRevisionsResponse_Synced_{
				Synced: &translatorv1.WatchRevisionsResponse_Synced{}}})
		},
		func(r *translatorv1.Revision) error {
			return s.Send(&translatorv1.WatchRevisionsResponse{Event: &translatorv1.WatchRevisionsResponse_Revision{Revision: r}})
		})
}

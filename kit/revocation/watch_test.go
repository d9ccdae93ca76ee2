package revocation_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/identity"
	"github.com/silverback-gateway/silverback/kit/revocation"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// registry answers each watch with what the test puts into it, and ends it with an error for a nil.
type registry struct {
	registryv1.RegistryServiceClient
	events chan *registryv1.WatchRevocationsResponse
	end    error
}

type stream struct {
	grpc.ServerStreamingClient[registryv1.WatchRevocationsResponse]
	ctx context.Context
	r   *registry
}

// WatchRevocations implements the client.
func (r *registry) WatchRevocations(ctx context.Context, _ *registryv1.WatchRevocationsRequest,
	_ ...grpc.CallOption) (grpc.ServerStreamingClient[registryv1.WatchRevocationsResponse], error) {
	return &stream{ctx: ctx, r: r}, nil
}

// Recv implements the stream.
func (s *stream) Recv() (*registryv1.WatchRevocationsResponse, error) {
	select {
	case <-s.ctx.Done():
		return nil, s.ctx.Err()
	case m := <-s.r.events:
		if m == nil {
			return nil, s.r.end
		}
		return m, nil
	}
}

func follow(t *testing.T, end error) (*registry, *revocation.List) {
	t.Helper()
	r := &registry{events: make(chan *registryv1.WatchRevocationsResponse), end: end}
	list := revocation.NewList(prometheus.NewRegistry())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = revocation.NewWatcher(list, r, slog.New(slog.DiscardHandler)).Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return r, list
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(time.Minute); !is(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func TestWhatIsKnownStaysInForceWithoutARegistry(t *testing.T) {
	r, list := follow(t, status.Error(codes.Unavailable, "away"))
	now := time.Now()
	node, ann := identity.Identity{Kind: identity.Node, Group: "g", Name: "n"},
		identity.Identity{Kind: identity.User, Name: "ann", Role: identity.Admin}
	entry := func(kind registryv1.Revocation_Kind, group, name string) *registryv1.Revocation {
		return &registryv1.Revocation{Kind: kind, Group: group, Name: name, IssuedUntil: timestamppb.New(now)}
	}
	put := func(e *registryv1.Revocation) *registryv1.WatchRevocationsResponse {
		return &registryv1.WatchRevocationsResponse{Event: &registryv1.WatchRevocationsResponse_Upserted{Upserted: e}}
	}
	r.events <- &registryv1.WatchRevocationsResponse{Event: &registryv1.WatchRevocationsResponse_Listing_{
		Listing: &registryv1.WatchRevocationsResponse_Listing{}}}
	r.events <- put(entry(registryv1.Revocation_KIND_NODE, "g", "n"))
	if list.Known() || list.Holds(node, now) {
		t.Error("half a list is taken for a whole one")
	}
	r.events <- &registryv1.WatchRevocationsResponse{Event: &registryv1.WatchRevocationsResponse_Synced_{
		Synced: &registryv1.WatchRevocationsResponse_Synced{ResumeToken: "1"}}}
	until(t, "the node is held", func() bool { return list.Known() && list.Holds(node, now) })
	r.events <- put(entry(registryv1.Revocation_KIND_USER, "", "ann"))
	until(t, "the user is held", func() bool { return list.Holds(ann, now) })
	if list.Holds(node, now.Add(time.Second)) || list.Holds(identity.Identity{Kind: identity.Node, Group: "h", Name: "n"}, now) ||
		list.Holds(identity.Identity{Kind: identity.User, Name: "n"}, now) {
		t.Error("others are held")
	}
	r.events <- nil // the stream breaks
	r.events <- nil // and the next one
	if !list.Holds(node, now) || !list.Holds(ann, now) || !list.Known() {
		t.Error("a registry that is away lets revoked certificates in")
	}
	r.events <- &registryv1.WatchRevocationsResponse{Event: &registryv1.WatchRevocationsResponse_Deleted{
		Deleted: entry(registryv1.Revocation_KIND_NODE, "g", "n")}}
	until(t, "the node is let in", func() bool { return !list.Holds(node, now) })
	if !list.Holds(ann, now) {
		t.Error("the undo of one let another in")
	}
}

func TestAnOlderRegistryKnowsOfNoRevocations(t *testing.T) {
	r, list := follow(t, status.Error(codes.Unimplemented, "unknown method WatchRevocations"))
	r.events <- nil
	until(t, "the list is known", list.Known)
}

func TestTheRefusalSaysWhatHelps(t *testing.T) {
	list := revocation.NewList(prometheus.NewRegistry())
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	node := identity.Identity{Kind: identity.Node, Group: "g", Name: "n"}
	list.Put(revocation.Of(node), at)
	err := list.Refuse(node, at.Add(-time.Hour))
	want := "the certificate of node g/n was issued at 2026-01-02T02:04:05Z (its NotBefore) and is revoked: " +
		"give it one that is issued after 2026-01-02T03:04:05Z, or undo with silverback unrevoke node n -g g"
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != fault.Denied || f.Reason != "CERTIFICATE_REVOKED" || f.Message != want {
		t.Errorf("got %v", err)
	}
	if err := list.Refuse(node, at.Add(time.Second)); err != nil {
		t.Errorf("a certificate of a second later got %v", err)
	}
}

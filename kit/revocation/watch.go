package revocation

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/kit/identity"
	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/kit/watchcache"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

type (
	item  = watchcache.Item[Subject, time.Time]
	event = watchcache.Event[Subject, time.Time]
)

// A Watcher keeps a list equal to the registry's. While the registry is unreachable the known revocations stay in force.
type Watcher struct {
	list   *List
	client registryv1.RegistryServiceClient
	log    *slog.Logger
}

// NewWatcher returns a watcher that updates a list while it runs.
func NewWatcher(list *List, client registryv1.RegistryServiceClient, log *slog.Logger) *Watcher {
	return &Watcher{list: list, client: client, log: log}
}

// Run keeps the list up to date until ctx ends.
func (w *Watcher) Run(ctx context.Context) error {
	return watchcache.Run(ctx, w.open, w.list.apply, func(err error) {
		w.log.Warn("watch of the registry's revocations broke; known revocations stay in force", "error", rpc.Why(err))
	})
}

func (w *Watcher) open(ctx context.Context, token string) (func() (event, error), error) {
	stream, err := w.client.WatchRevocations(ctx, &registryv1.WatchRevocationsRequest{ResumeToken: token})
	if err != nil {
		return nil, fmt.Errorf("watch revocations: %w", err)
	}
	return func() (event, error) {
		m, err := stream.Recv()
		if status.Code(err) == codes.Unimplemented && token == "" {
			// A registry of an older version has no revocations. The watcher asks again in case it is upgraded.
			w.list.Complete()
		}
		if err != nil {
			return event{}, fmt.Errorf("watch revocations: %w", err)
		}
		switch e := m.GetEvent().(type) {
		case *registryv1.WatchRevocationsResponse_Listing_:
			return event{Listing: true}, nil
		case *registryv1.WatchRevocationsResponse_Upserted:
			return event{Put: []item{{Key: subjectOf(e.Upserted), Value: e.Upserted.GetIssuedUntil().AsTime()}}}, nil
		case *registryv1.WatchRevocationsResponse_Deleted:
			return event{Deleted: []item{{Key: subjectOf(e.Deleted)}}}, nil
		case *registryv1.WatchRevocationsResponse_Synced_:
			return event{Synced: true, Token: e.Synced.GetResumeToken()}, nil
		}
		return event{}, nil
	}, nil
}

func subjectOf(r *registryv1.Revocation) Subject {
	s := Subject{Group: r.GetGroup(), Name: r.GetName()}
	switch r.GetKind() {
	case registryv1.Revocation_KIND_NODE:
		s.Kind = identity.Node
	case registryv1.Revocation_KIND_USER:
		s.Kind = identity.User
	}
	return s
}

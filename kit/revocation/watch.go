package revocation

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/kit/follow"
	"github.com/silverback-gateway/silverback/kit/identity"
	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/kit/run"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// A Watcher keeps a list as the registry has it. While the registry is away what is known stays in force.
type Watcher struct {
	list   *List
	client registryv1.RegistryServiceClient
	table  *follow.Table[Subject, time.Time]
}

// NewWatcher returns a watcher that fills a list when it runs.
func NewWatcher(list *List, client registryv1.RegistryServiceClient, log *slog.Logger) *Watcher {
	f := &Watcher{list: list, client: client}
	f.table = follow.NewTable(f.open, func(err error) {
		log.Warn("watch of the registry's revocations broke; those that are known stay in force", "error", rpc.Why(err))
	})
	return f
}

// Run keeps the list up to date until ctx ends.
func (f *Watcher) Run(ctx context.Context) error { return run.All(ctx, f.table.Run, f.fill) }

func (f *Watcher) fill(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-f.table.Synced():
	}
	for {
		changes := f.table.Changes()
		f.list.Replace(f.table.All())
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changes:
		}
	}
}

type event = follow.Event[Subject, time.Time]

func (f *Watcher) open(ctx context.Context, resume string) (func() (event, error), error) {
	stream, err := f.client.WatchRevocations(ctx, &registryv1.WatchRevocationsRequest{ResumeToken: resume})
	if err != nil {
		return nil, fmt.Errorf("watch revocations: %w", err)
	}
	return func() (event, error) {
		m, err := stream.Recv()
		if status.Code(err) == codes.Unimplemented && resume == "" {
			// A registry of before this knows of no revocations. A newer one is asked again.
			f.list.Complete()
		}
		if err != nil {
			return event{}, fmt.Errorf("watch revocations: %w", err)
		}
		switch e := m.GetEvent().(type) {
		case *registryv1.WatchRevocationsResponse_Listing_:
			return event{Listing: true}, nil
		case *registryv1.WatchRevocationsResponse_Upserted:
			return event{Put: &follow.Pair[Subject, time.Time]{Key: subjectOf(e.Upserted), Value: e.Upserted.GetIssuedUntil().AsTime()}}, nil
		case *registryv1.WatchRevocationsResponse_Deleted:
			return event{Deleted: new(subjectOf(e.Deleted))}, nil
		case *registryv1.WatchRevocationsResponse_Synced_:
			return event{Synced: &e.Synced.ResumeToken}, nil
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

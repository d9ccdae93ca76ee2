package api

import (
	"context"
	"errors"

	"google.golang.org/grpc"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry/internal/view"
)

// WatchNodes implements RegistryService.
func (s *Server) WatchNodes(r *registryv1.WatchNodesRequest, stream grpc.ServerStreamingServer[registryv1.WatchNodesResponse]) error {
	return s.watch(stream.Context(), view.Filter{Group: fleet.GroupID(r.GetGroup())}, r.GetResumeToken(), func(b view.Batch) error {
		var events []*registryv1.WatchNodesResponse
		if b.Full {
			events = append(events, &registryv1.WatchNodesResponse{Event: &registryv1.WatchNodesResponse_Listing_{
				Listing: &registryv1.WatchNodesResponse_Listing{}}})
		}
		for _, m := range b.Members {
			out, err := nodeTo(m)
			if err != nil {
				return err
			}
			events = append(events, &registryv1.WatchNodesResponse{Event: &registryv1.WatchNodesResponse_Upserted{Upserted: out}})
		}
		for _, key := range b.Deleted {
			gone := &registryv1.WatchNodesResponse_Deleted{Group: string(key.Group), Node: string(key.Node)}
			events = append(events, &registryv1.WatchNodesResponse{Event: &registryv1.WatchNodesResponse_Deleted_{Deleted: gone}})
		}
		return sendAll(stream, append(events, &registryv1.WatchNodesResponse{Event: &registryv1.WatchNodesResponse_Synced_{
			Synced: &registryv1.WatchNodesResponse_Synced{ResumeToken: b.Token}}}))
	})
}

func sendAll[M any](stream grpc.ServerStreamingServer[M], events []*M) error {
	for _, e := range events {
		if err := stream.Send(e); err != nil {
			return err
		}
	}
	return nil
}

var errDraining = errors.New("draining")

// watch runs a watch until the caller leaves or this replica stops.
func (s *Server) watch(ctx context.Context, filter view.Filter, token string, send func(view.Batch) error) error {
	if err := s.ready(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-s.Draining:
			cancel(errDraining)
		case <-stop:
		}
	}()
	err := s.View.Watch(ctx, filter, token, send)
	if errors.Is(err, errDraining) {
		return fault.New(fault.Down, "STOPPING", "this replica stops; watch another")
	}
	return err
}

package api

import (
	"google.golang.org/grpc"

	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry/internal/view"
)

// WatchRevocations implements RegistryService.
func (s *Server) WatchRevocations(r *registryv1.WatchRevocationsRequest,
	stream grpc.ServerStreamingServer[registryv1.WatchRevocationsResponse]) error {
	return s.watch(stream.Context(), view.Filter{Revocations: true}, r.GetResumeToken(), func(b view.Batch) error {
		var events []*registryv1.WatchRevocationsResponse
		if b.Full {
			events = append(events, &registryv1.WatchRevocationsResponse{
				Event: &registryv1.WatchRevocationsResponse_Listing_{Listing: &registryv1.WatchRevocationsResponse_Listing{}},
			})
		}
		for _, r := range b.Revocations {
			events = append(events, &registryv1.WatchRevocationsResponse{Event: &registryv1.WatchRevocationsResponse_Upserted{
				Upserted: revocationTo(r)}})
		}
		for _, key := range b.Deleted {
			gone := revocationTo(view.Revocation{Key: key})
			gone.CreateTime, gone.IssuedUntil = nil, nil
			events = append(events, &registryv1.WatchRevocationsResponse{Event: &registryv1.WatchRevocationsResponse_Deleted{Deleted: gone}})
		}
		return sendAll(stream, append(events, &registryv1.WatchRevocationsResponse{Event: &registryv1.WatchRevocationsResponse_Synced_{
			Synced: &registryv1.WatchRevocationsResponse_Synced{ResumeToken: b.Token}}}))
	})
}

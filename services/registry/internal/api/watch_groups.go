package api

import (
	"google.golang.org/grpc"

	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry/internal/view"
)

// WatchGroups implements RegistryService.
func (s *Server) WatchGroups(r *registryv1.WatchGroupsRequest, stream grpc.ServerStreamingServer[registryv1.WatchGroupsResponse]) error {
	return s.watch(stream.Context(), view.Filter{Groups: true}, r.GetResumeToken(), func(b view.Batch) error {
		var events []*registryv1.WatchGroupsResponse
		if b.Full {
			events = append(events, &registryv1.WatchGroupsResponse{Event: &registryv1.WatchGroupsResponse_Listing_{
				Listing: &registryv1.WatchGroupsResponse_Listing{}}})
		}
		for _, g := range b.Groups {
			out, err := groupTo(g)
			if err != nil {
				return err
			}
			events = append(events, &registryv1.WatchGroupsResponse{Event: &registryv1.WatchGroupsResponse_Upserted{Upserted: out}})
		}
		for _, key := range b.Deleted {
			events = append(events, &registryv1.WatchGroupsResponse{Event: &registryv1.WatchGroupsResponse_Deleted{Deleted: string(key.Group)}})
		}
		return sendAll(stream, append(events, &registryv1.WatchGroupsResponse{Event: &registryv1.WatchGroupsResponse_Synced_{
			Synced: &registryv1.WatchGroupsResponse_Synced{ResumeToken: b.Token}}}))
	})
}

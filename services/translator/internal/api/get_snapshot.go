package api

import (
	"context"

	"github.com/silverback-gateway/silverback/kit/fleet"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/services/translator/internal/desired"
)

const snapshotPiece = 1 << 20

// GetSnapshot implements the rpc of that name.
func (s *Server) GetSnapshot(r *translatorv1.GetSnapshotRequest, stream translatorv1.TranslatorService_GetSnapshotServer) error {
	found, err := s.Service.Revision(stream.Context(), fleet.GroupID(r.GetGroup()), fleet.Revision(r.GetRevision()))
	if err != nil {
		return err
	}
	content, err := s.contentOf(stream.Context(), found, fleet.SourceID(r.GetSource()), r.GetFormat())
	if err != nil {
		return err
	}
	piece := &translatorv1.GetSnapshotResponse{Revision: revision(found)}
	for {
		size := min(len(content), snapshotPiece)
		piece.Content = content[:size]
		if err := stream.Send(piece); err != nil {
			return err
		}
		if content = content[size:]; len(content) == 0 {
			return nil
		}
		piece = &translatorv1.GetSnapshotResponse{}
	}
}

func (s *Server) contentOf(ctx context.Context, r *desired.Revision, source fleet.SourceID,
	format translatorv1.RenderConfigRequest_Format) ([]byte, error) {
	if source != "" {
		part, err := s.Service.Part(ctx, r, source)
		if err != nil {
			return nil, err
		}
		return s.inFormat(part, format)
	}
	canonical, err := s.Service.Canonical(ctx, r)
	if err != nil {
		return nil, err
	}
	return s.inFormat(desired.Part{Canonical: canonical}, format)
}

package api

import (
	"context"

	"github.com/silverback-gateway/silverback/kong/compile"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/services/translator/internal/desired"
)

// RenderConfig implements the rpc of that name.
func (s *Server) RenderConfig(ctx context.Context, r *translatorv1.RenderConfigRequest) (*translatorv1.RenderConfigResponse, error) {
	sealed, _, err := s.Service.Validate(ctx, "", sourceOf(""), documents(r.GetDocuments()))
	if err != nil {
		return nil, err
	}
	content, err := s.inFormat(desired.Part{Canonical: sealed.Canonical()}, r.GetFormat())
	if err != nil {
		return nil, err
	}
	return &translatorv1.RenderConfigResponse{Content: content, Digest: string(sealed.Digest())}, nil
}

func (s *Server) inFormat(part desired.Part, format translatorv1.RenderConfigRequest_Format) ([]byte, error) {
	switch format {
	case translatorv1.RenderConfigRequest_FORMAT_CANONICAL:
		return part.Seal()
	case translatorv1.RenderConfigRequest_FORMAT_DECK:
		return s.Service.Render(part, compile.FormDeck)
	}
	return s.Service.Render(part, compile.FormKong)
}

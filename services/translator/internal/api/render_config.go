package api

import (
	"context"

	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// RenderConfig implements the rpc of that name.
func (s *Server) RenderConfig(ctx context.Context, r *translatorv1.RenderConfigRequest) (*translatorv1.RenderConfigResponse, error) {
	sealed, _, err := s.Desk.Validate(ctx, "", sourceOf(""), documents(r.GetDocuments()))
	if err != nil {
		return nil, err
	}
	content, err := s.inFormat(sealed.Canonical(), r.GetFormat())
	if err != nil {
		return nil, err
	}
	return &translatorv1.RenderConfigResponse{Content: content, Digest: string(sealed.Digest())}, nil
}

func (s *Server) inFormat(canonical []byte, format translatorv1.RenderConfigRequest_Format) ([]byte, error) {
	if format == translatorv1.RenderConfigRequest_FORMAT_CANONICAL {
		return canonical, nil
	}
	return s.Desk.Render(canonical)
}

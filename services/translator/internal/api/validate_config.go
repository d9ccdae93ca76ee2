package api

import (
	"context"
	"errors"
	"strconv"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/wire"
	"github.com/silverback-gateway/silverback/kong/snapshot"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// ValidateConfig implements the rpc of that name: what SubmitConfig would refuse is an answer here.
func (s *Server) ValidateConfig(ctx context.Context, r *translatorv1.ValidateConfigRequest) (*translatorv1.ValidateConfigResponse, error) {
	sealed, warnings, err := s.Service.Validate(ctx, fleet.GroupID(r.GetGroup()), sourceOf(r.GetSource()), documents(r.GetDocuments()))
	var refused *fault.Error
	if errors.As(err, &refused) && len(refused.Problems) > 0 {
		count, parseErr := strconv.ParseInt(refused.Metadata["problem_count"], 10, 64)
		if parseErr != nil {
			count = int64(len(refused.Problems))
		}
		return &translatorv1.ValidateConfigResponse{Problems: refused.Problems, ProblemCount: count}, nil
	}
	if err != nil {
		return nil, err
	}
	return &translatorv1.ValidateConfigResponse{Entities: entities(sealed), Warnings: wire.ProblemMessages(warnings)}, nil
}

func entities(s *snapshot.Snapshot) map[string]int64 {
	counts := map[string]int64{}
	for _, k := range s.Counts() {
		counts[k.Kind] = int64(k.Count)
	}
	return counts
}

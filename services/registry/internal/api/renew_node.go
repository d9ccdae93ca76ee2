package api

import (
	"context"

	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// RenewNode implements RegistryService.
func (s *Server) RenewNode(ctx context.Context, r *registryv1.RenewNodeRequest) (*registryv1.RenewNodeResponse, error) {
	if err := s.ready(); err != nil {
		return nil, err
	}
	report, bad, err := reportFrom(r.GetStatus())
	if err != nil {
		return nil, err
	}
	key, err := keyOf(r.GetGroup(), r.GetNode(), bad...)
	if err != nil {
		return nil, err
	}
	answer := &registryv1.RenewNodeResponse{RenewInterval: s.interval(), Drift: s.drift(key.Group)}
	if r.GetLeaving() {
		return answer, s.Sessions.Leave(ctx, key, r.GetBootId(), report)
	}
	if answer.WantStatus, err = s.Sessions.Renew(ctx, key, r.GetBootId(), report); err == nil {
		answer.WantConfiguration = s.wanted(ctx, key)
		answer.WantSchemas, answer.Probes = s.wantSchemas(key, ""), s.probes(key.Group)
		if n := s.View.Current(key).Node; n != nil {
			answer.Draining, answer.Drain, answer.DrainOrder = n.Drain != nil, drainTo(n), n.DrainOrder
		}
	}
	return answer, err
}

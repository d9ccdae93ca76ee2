package api

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
)

// EnrolNode implements RegistryService.
func (s *Server) EnrolNode(ctx context.Context, r *registryv1.EnrolNodeRequest) (*registryv1.EnrolNodeResponse, error) {
	if err := s.ready(); err != nil {
		return nil, err
	}
	report, bad, err := reportFrom(r.GetStatus())
	if err != nil {
		return nil, err
	}
	bad = append(bad, enrolmentViolations(r)...)
	key, err := keyOf(r.GetGroup(), r.GetNode(), bad...)
	if err != nil {
		return nil, err
	}
	clean.Message(r, clean.MaxWord)
	capabilities, err := marshal(r.GetCapabilities())
	if err != nil {
		return nil, err
	}
	node := roster.Node{
		BootID: r.GetBootId(), Succeeds: r.GetSucceedsBootId(), Labels: r.GetLabels(), Capabilities: capabilities,
		AgentVersion: r.GetAgentVersion(),
		ProxyAddress: r.GetProxyAddress(), AgentAddress: r.GetAgentAddress(),
		KongVersion: r.GetCapabilities().GetKongVersion(), Schemas: r.GetCapabilities().GetSchemaDigest(),
	}
	written, err := s.Sessions.Enrol(ctx, key, node, report)
	if err != nil {
		if fault.KindOf(err) == fault.Exists {
			now := time.Now()
			s.Sessions.Refused(key, roster.DuplicateAgent{
				BootID: node.BootID, From: callerHost(ctx), Agent: node.AgentAddress, Since: now, Last: now,
			})
		}
		return nil, err
	}
	return &registryv1.EnrolNodeResponse{RenewInterval: s.interval(), SessionTtl: durationpb.New(s.TTL), Drift: s.drift(key.Group),
		WantSchemas: s.wantSchemas(key, node.Schemas), Probes: s.probes(key.Group),
		Draining: written.Drain != nil, Drain: drainTo(written), DrainOrder: written.DrainOrder}, nil
}

// enrolmentViolations returns what is wrong with a request besides its names and its status.
func enrolmentViolations(r *registryv1.EnrolNodeRequest) []fault.Violation {
	bad := roster.LabelViolations(r.GetLabels())
	bad = tooLong(bad, "agent_version", len(r.GetAgentVersion()), roster.MaxAddress)
	bad = tooLong(bad, "boot_id", len(r.GetBootId()), roster.MaxAddress)
	bad = tooLong(bad, "succeeds_boot_id", len(r.GetSucceedsBootId()), roster.MaxAddress)
	bad = tooLong(bad, "capabilities", proto.Size(r.GetCapabilities()), roster.MaxCapabilities)
	bad = address(address(bad, "proxy_address", r.GetProxyAddress()), "agent_address", r.GetAgentAddress())
	// The boot id is compared with every renewal, so it is not cleaned.
	if boot := r.GetBootId(); strings.ContainsFunc(boot, clean.Unsafe) || !utf8.ValidString(boot) {
		bad = append(bad, fault.Violation{Field: "boot_id", Description: "has a control character"})
	}
	if digest := r.GetCapabilities().GetSchemaDigest(); digest != "" {
		if _, err := fleet.ParseDigest(digest); err != nil {
			bad = append(bad, fault.Violation{Field: "capabilities.schema_digest", Description: err.Error()})
		}
	}
	return bad
}

// address appends what is wrong with an address; empty is allowed.
func address(bad []fault.Violation, field, value string) []fault.Violation {
	if value == "" || len(value) > roster.MaxAddress {
		return tooLong(bad, field, len(value), roster.MaxAddress)
	}
	if _, err := fleet.ParseAddress(value); err != nil {
		bad = append(bad, fault.Violation{Field: field, Description: fmt.Sprintf("%.64q: %s", value, err)})
	}
	return bad
}

// callerHost returns the host of the caller, as this replica sees it; empty when unknown.
func callerHost(ctx context.Context) string {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return ""
	}
	host, _, err := net.SplitHostPort(p.Addr.String())
	if err != nil {
		return ""
	}
	return host
}

// wantSchemas reports whether a node should upload its bundle of schemas: the one it reports now, or else the known one.
func (s *Server) wantSchemas(key roster.Key, named string) bool {
	if n := s.View.Current(key).Node; named == "" && n != nil {
		named = n.Schemas
	}
	return s.Schemas.Want(named, time.Now())
}

// drift returns the group's policy about drift; never the unspecified value.
func (s *Server) drift(group fleet.GroupID) fleetv1.DriftPolicy {
	if g, ok := s.View.Group(group); ok && g.Drift != 0 {
		return fleetv1.DriftPolicy(g.Drift)
	}
	return fleetv1.DriftPolicy_DRIFT_POLICY_HEAL
}

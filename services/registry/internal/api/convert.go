package api

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/wire"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
	"github.com/silverback-gateway/silverback/services/registry/internal/view"
)

// marshal is deterministic: equal content has equal bytes.
func marshal(m proto.Message) ([]byte, error) {
	text, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return text, nil
}

func groupFrom(g *registryv1.Group) (roster.Group, error) {
	bad := name(nil, "group.name", "group", g.GetName())
	bad = tooLong(bad, "group.description", len(g.GetDescription()), roster.MaxDescription)
	if _, ok := fleetv1.DriftPolicy_name[int32(g.GetDrift())]; !ok {
		bad = append(bad, fault.Violation{Field: "group.drift", Description: "is not a known value"})
	}
	if p := g.GetPolicy(); p != nil {
		bad = append(bad, roster.PolicyViolations("group.policy", wire.Policy(p))...)
	}
	trusted := slices.Compact(slices.Sorted(slices.Values(g.GetTrustedSchemas())))
	if len(trusted) > roster.MaxTrusted {
		bad = append(bad, fault.Violation{Field: "group.trusted_schemas", Description: fmt.Sprintf("has %d digests; at most %d are allowed",
			len(trusted), roster.MaxTrusted)})
	}
	for _, digest := range trusted {
		if _, err := fleet.ParseDigest(digest); err != nil {
			bad = append(bad, fault.Violation{Field: "group.trusted_schemas", Description: clean.Line(err.Error(), clean.MaxWord)})
			break
		}
	}
	if err := invalid(bad); err != nil {
		return roster.Group{}, err
	}
	policy, err := marshal(normalPolicy(g.GetPolicy()))
	return roster.Group{Name: fleet.GroupID(g.GetName()), Description: g.GetDescription(), Policy: policy, Drift: int32(g.GetDrift()),
		Trusted: trusted}, err
}

// normalPolicy returns a policy with the defaults of its probes filled in, so that equal policies have equal bytes. It does not change p.
func normalPolicy(p *fleetv1.RolloutPolicy) *fleetv1.RolloutPolicy {
	if len(p.GetGates().GetProbes()) == 0 {
		return p
	}
	p = proto.CloneOf(p)
	for i, probe := range p.GetGates().GetProbes() {
		normal := wire.ProbeMessage(wire.Probe(probe).Normal())
		normal.ProtoReflect().SetUnknown(probe.ProtoReflect().GetUnknown()) // a newer client may know more fields
		p.Gates.Probes[i] = normal
	}
	return p
}

func groupTo(g view.Group) (*registryv1.Group, error) {
	out := &registryv1.Group{
		Name: string(g.Name), Description: g.Description, Drift: fleetv1.DriftPolicy(g.Drift),
		CreateTime: timestamppb.New(g.Created), UpdateTime: timestamppb.New(g.Updated), Etag: etag(g.Revision),
		TrustedSchemas: g.Trusted,
	}
	for _, b := range g.Schemas {
		backing := &registryv1.SchemaBacking{Digest: b.Digest, Counts: b.Counts, Nodes: int32(b.Nodes)}
		for _, name := range b.Names {
			backing.NodeNames = append(backing.NodeNames, string(name))
		}
		out.SchemaDigests, out.SchemaBacking = append(out.SchemaDigests, b.Digest), append(out.SchemaBacking, backing)
	}
	if len(g.Policy) > 0 {
		out.Policy = &fleetv1.RolloutPolicy{}
		if err := proto.Unmarshal(g.Policy, out.Policy); err != nil {
			return nil, fmt.Errorf("read policy of group %s: %w", g.Name, err)
		}
	}
	return out, nil
}

func etag(revision int64) string { return strconv.FormatInt(revision, 16) }

func nodeTo(m view.Member) (*registryv1.Node, error) {
	n := m.Current.Node
	out := &registryv1.Node{
		Group: string(m.Key.Group), Name: string(m.Key.Node), State: registryv1.Node_State(m.State()), Labels: n.Labels,
		AgentVersion: n.AgentVersion, ProxyAddress: n.ProxyAddress, AgentAddress: n.AgentAddress,
		CreateTime: timestamppb.New(n.Created), StateTime: timestamppb.New(m.StateTime()), Drain: drainTo(n), Quarantine: quarantineTo(n),
		BootId: n.BootID,
	}
	if len(n.Capabilities) > 0 {
		out.Capabilities = &fleetv1.Capabilities{}
		if err := proto.Unmarshal(n.Capabilities, out.Capabilities); err != nil {
			return nil, fmt.Errorf("read capabilities of node %s: %w", m.Key.Node, err)
		}
	}
	if report := m.Report(); len(report.Full) > 0 {
		out.Status = &fleetv1.NodeStatus{}
		if err := proto.Unmarshal(report.Full, out.Status); err != nil {
			return nil, fmt.Errorf("read status of node %s: %w", m.Key.Node, err)
		}
	}
	if t := n.ActiveDuplicate(time.Now()); t != nil {
		if out.Status == nil {
			out.Status = &fleetv1.NodeStatus{}
		}
		// It comes first, since it casts doubt on the node's own report.
		out.Status.Conditions = slices.Insert(out.Status.Conditions, 0, duplicate(t))
	}
	return out, nil
}

// duplicate is the condition of a node whose name another agent uses too. The enrolled agent cannot know, so the registry reports it.
func duplicate(t *roster.DuplicateAgent) *fleetv1.Condition {
	from := "an unknown host"
	if t.From != "" {
		from = t.From
	}
	if t.Agent != "" {
		from += ", which listens at " + t.Agent
	}
	return &fleetv1.Condition{
		Type: "DuplicateAgent", Since: timestamppb.New(t.Since),
		Message: clean.Line(fmt.Sprintf("a second agent under this name is refused: it calls from %s, with boot id %s; give each agent of a "+
			"group its own --node", from, t.BootID), clean.MaxMessage),
	}
}

// reportFrom converts a status; nil is the zero Report. An empty status is a report.
func reportFrom(st *fleetv1.NodeStatus) (roster.Report, []fault.Violation, error) {
	if st == nil {
		return roster.Report{}, nil, nil
	}
	if bad := tooLong(nil, "status", proto.Size(st), roster.MaxStatus); bad != nil {
		return roster.Report{}, bad, nil
	}
	clean.Message(st, clean.MaxMessage) // nodes write it, and people read it
	full, err := marshal(st)
	return roster.Report{
		Received: true, Proven: st.GetDigest() != "", Ready: st.GetGatewayReady(), Draining: st.GetDraining(),
		Conditions: len(st.GetConditions()),
		Full:       full,
		Unmanaged:  st.GetUnmanaged() != nil,
	}, nil, err
}

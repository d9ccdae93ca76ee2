package resource

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/pins"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

func describeGroup(ctx context.Context, a *app.App, _, name string) error {
	answer, err := a.Registry().GetGroup(ctx, &registryv1.GetGroupRequest{Name: name})
	if err != nil {
		return err
	}
	if a.Flags.Output != show.Table {
		return show.Message(a.Out, a.Flags.Output, answer)
	}
	nodes, err := allNodes(ctx, a, name)
	if err != nil {
		return err
	}
	printGroup(a, answer.GetGroup(), nodes)
	if count, at := drainedTargets(ctx, a, name); count > 0 {
		a.Line(15, "Drained:       %s", drainedLine(count, obedienceOf(nodes, at), name))
	}
	return nil
}

func printGroup(a *app.App, g *registryv1.Group, nodes []*registryv1.Node) {
	p := g.GetPolicy()
	a.Line(15, "Group:         %s", g.GetName())
	if g.GetDescription() != "" {
		a.Line(15, "Description:   %s", g.GetDescription())
	}
	states := map[string]int{}
	for _, n := range nodes {
		states[show.Enum(n.GetState(), "STATE_")]++
	}
	text := show.Count(int64(len(nodes)), "node", "nodes")
	for i, state := range slices.Sorted(maps.Keys(states)) {
		text += map[bool]string{true: ": ", false: ", "}[i == 0] + fmt.Sprintf("%d %s", states[state], state)
	}
	a.Line(15, "Nodes:         %s", text)
	a.Line(15, "Waves:         %s", waves(p))
	loading := "100% below 20 nodes, else 25%"
	if p.GetMaxLoadingPercent() > 0 {
		loading = fmt.Sprintf("%d%%", p.GetMaxLoadingPercent())
	}
	a.Line(15, "Max loading:   %s", loading)
	a.Line(15, "Load interval: %s", loadInterval(p.GetLoadInterval()))
	a.Line(15, "Targets:       %s", targetsAtOnce(p.GetTargetsAtOncePercent()))
	printSpread(a, p)
	deadline := "10m"
	if p.GetDeadline() != nil {
		deadline = show.Span(p.GetDeadline())
	}
	a.Line(15, "Deadline:      %s a wave", deadline)
	a.Line(15, "Max failed:    %d%% of a wave", p.GetGates().GetMaxFailedPercent())
	a.Line(15, "Gates:         %s", cmp.Or(strings.Join(gateTexts(p), ", "), "none"))
	a.Line(15, "On reject:     %s", cmp.Or(show.Enum(p.GetOnReject(), "ON_REJECT_"), "halt"))
	a.Line(15, "On unhealthy:  %s", cmp.Or(show.Enum(p.GetOnUnhealthy(), "ON_UNHEALTHY_"), "rollback"))
	a.Line(15, "Inconclusive:  %s", cmp.Or(show.Enum(p.GetOnInconclusive(), "ON_INCONCLUSIVE_"), "continue"))
	printRetention(a, p)
	a.Line(15, "Drift:         %s", cmp.Or(show.Enum(g.GetDrift(), "DRIFT_POLICY_"), "heal"))
	for _, probe := range p.GetGates().GetProbes() {
		a.Line(15, "Probe:         %s", formatProbe(probe))
	}
	for _, digest := range g.GetSchemaDigests() {
		a.Line(15, "Schemas:       %s%s", show.Digest(digest), backing(g, digest))
	}
	a.Line(15, "Created:       %s", show.Time(g.GetCreateTime()))
	a.Line(15, "Changed:       %s", show.Time(g.GetUpdateTime()))
}

// backing names the nodes that uploaded a bundle of schemas; empty when the registry does not report them.
func backing(g *registryv1.Group, digest string) string {
	for _, b := range g.GetSchemaBacking() {
		if b.GetDigest() != digest {
			continue
		}
		text := ", of " + show.Count(int64(b.GetNodes()), "node", "nodes")
		switch trusted := slices.Contains(g.GetTrustedSchemas(), digest); {
		case trusted:
			return text + ", trusted"
		case b.GetCounts():
			return text
		}
		return text + " (" + strings.Join(b.GetNodeNames(), ", ") + "): too few to refuse anything"
	}
	return ""
}

func describeSource(ctx context.Context, a *app.App, group, name string) error {
	if group == "" {
		return errors.New("describe source needs -g GROUP")
	}
	answer, err := a.Translator().GetSource(ctx, &translatorv1.GetSourceRequest{Group: group, Source: name})
	if err != nil {
		return err
	}
	if a.Flags.Output != show.Table {
		return show.Message(a.Out, a.Flags.Output, answer)
	}
	s := answer.GetSource()
	a.Line(12, "Source:     %s of group %s", s.GetName(), s.GetGroup())
	a.Line(12, "Digest:     %s", s.GetDigest())
	a.Line(12, "Holds:      %s since revision %d", show.Count(s.GetEntityCount(), "entity", "entities"), s.GetRevision())
	a.Line(12, "Submitted:  %s by %s", show.Time(s.GetUpdateTime()), s.GetAuthor())
	for _, document := range s.GetDocuments() {
		a.Line(12, "Document:   %s", document)
	}
	pins.Describe(a, s)
	return nil
}

// printDrain prints whether and why a node is out of load balancing.
func printDrain(a *app.App, n *registryv1.Node) {
	switch d, says := n.GetDrain(), n.GetStatus().GetDraining(); {
	case d != nil:
		reason, obeyed := "no reason given", ""
		if d.GetReason() != "" {
			reason = show.Clean(d.GetReason())
		}
		if !says {
			obeyed = ", not confirmed by its agent yet"
		}
		a.Line(13, "Drained:     for %s: %s%s", show.Age(a.Now(), d.GetSince()), reason, obeyed)
	case says && online(n):
		a.Line(13, "Drained:     by its agent, which stops, or has not received the end of the drain yet")
	}
	if q := n.GetQuarantine(); q != nil {
		a.Line(13, "Quarantine:  for %s: %s", show.Age(a.Now(), q.GetSince()), show.Clean(q.GetReason()))
	}
}

// printHealth prints the health of a gateway. It leaves out unknown figures.
func printHealth(a *app.App, h *fleetv1.Health) {
	if h == nil {
		return
	}
	if h.Requests != nil {
		a.Line(13, "Traffic:     %d requests in %s, %s%s", h.GetRequests(), show.Span(h.GetWindow()), errorShare(h), latency(h))
	}
	text := show.Bytes(h.GetMemoryBytes()) + " of Lua memory"
	if h.Connections != nil {
		text += ", " + show.Count(h.GetConnections(), "connection", "connections")
	}
	a.Line(13, "Processes:   %s, workers restarted %s", text, show.Count(h.GetWorkerRestarts(), "time", "times"))
	for _, p := range h.GetProbes() {
		name := p.GetPath()
		if p.GetHost() != "" {
			name += " of " + p.GetHost()
		}
		result := fmt.Sprintf("%d of %d failed", p.GetFailed(), p.GetSent())
		if p.GetFailed() > 0 {
			result += ", last: " + p.GetReason()
		}
		a.Line(13, "Probe:       %s: %s", name, result)
	}
}

// errorShare is the share of failed requests.
func errorShare(h *fleetv1.Health) string {
	if h.GetRequests() == 0 || h.GetServerErrors() == 0 {
		return "no server errors"
	}
	return fmt.Sprintf("%.2g%% server errors", 100*float64(h.GetServerErrors())/float64(h.GetRequests()))
}

func latency(h *fleetv1.Health) string {
	if h.GetLatencyP50() == nil || h.GetLatencyP99() == nil {
		return ""
	}
	return fmt.Sprintf(", half within %s, 99%% within %s", show.Span(h.GetLatencyP50()), show.Span(h.GetLatencyP99()))
}

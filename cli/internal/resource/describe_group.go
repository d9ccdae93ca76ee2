package resource

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
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
	printGroup(a.Out, answer.GetGroup(), nodes)
	return nil
}

func printGroup(w io.Writer, g *registryv1.Group, nodes []*registryv1.Node) {
	p := g.GetPolicy()
	show.Printf(w, "Group:         %s\n", g.GetName())
	if g.GetDescription() != "" {
		show.Printf(w, "Description:   %s\n", g.GetDescription())
	}
	states := map[string]int{}
	for _, n := range nodes {
		states[show.Enum(n.GetState(), "STATE_")]++
	}
	text := show.Count(int64(len(nodes)), "node", "nodes")
	for i, state := range slices.Sorted(maps.Keys(states)) {
		text += map[bool]string{true: ": ", false: ", "}[i == 0] + fmt.Sprintf("%d %s", states[state], state)
	}
	show.Printf(w, "Nodes:         %s\n", text)
	show.Printf(w, "Waves:         %s\n", waves(p))
	loading := "100% below 20 nodes, else 25%"
	if p.GetMaxLoadingPercent() > 0 {
		loading = fmt.Sprintf("%d%%", p.GetMaxLoadingPercent())
	}
	show.Printf(w, "Max loading:   %s\n", loading)
	deadline := "10m"
	if p.GetDeadline() != nil {
		deadline = show.Span(p.GetDeadline())
	}
	show.Printf(w, "Deadline:      %s a wave\n", deadline)
	show.Printf(w, "Max failed:    %d%% of a wave\n", p.GetGates().GetMaxFailedPercent())
	show.Printf(w, "Gates:         %s\n", cmp.Or(strings.Join(gateTexts(p), ", "), "none"))
	show.Printf(w, "On reject:     %s\n", cmp.Or(show.Enum(p.GetOnReject(), "ON_REJECT_"), "halt"))
	show.Printf(w, "On unhealthy:  %s\n", cmp.Or(show.Enum(p.GetOnUnhealthy(), "ON_UNHEALTHY_"), "rollback"))
	show.Printf(w, "Inconclusive:  %s\n", cmp.Or(show.Enum(p.GetOnInconclusive(), "ON_INCONCLUSIVE_"), "continue"))
	show.Printf(w, "Drift:         %s\n", cmp.Or(show.Enum(g.GetDrift(), "DRIFT_POLICY_"), "heal"))
	for _, probe := range p.GetGates().GetProbes() {
		show.Printf(w, "Probe:         %s\n", probeText(probe))
	}
	for _, digest := range g.GetSchemaDigests() {
		show.Printf(w, "Schemas:       %s%s\n", show.Digest(digest), backing(g, digest))
	}
	show.Printf(w, "Created:       %s\n", show.Time(g.GetCreateTime()))
	show.Printf(w, "Changed:       %s\n", show.Time(g.GetUpdateTime()))
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
	s, w := answer.GetSource(), a.Out
	show.Printf(w, "Source:     %s of group %s\n", s.GetName(), s.GetGroup())
	show.Printf(w, "Digest:     %s\n", s.GetDigest())
	show.Printf(w, "Holds:      %s since revision %d\n", show.Count(s.GetEntityCount(), "entity", "entities"), s.GetRevision())
	show.Printf(w, "Submitted:  %s by %s\n", show.Time(s.GetUpdateTime()), s.GetAuthor())
	for _, document := range s.GetDocuments() {
		show.Printf(w, "Document:   %s\n", document)
	}
	pins.Describe(w, s)
	return nil
}

// printDrain prints whether and why a node is out of load balancing.
func printDrain(w io.Writer, a *app.App, n *registryv1.Node) {
	switch d, says := n.GetDrain(), n.GetStatus().GetDraining(); {
	case d != nil:
		reason, obeyed := "no reason given", ""
		if d.GetReason() != "" {
			reason = show.Clean(d.GetReason())
		}
		if !says {
			obeyed = ", and its agent has not said yet that it obeys"
		}
		show.Printf(w, "Drained:     for %s: %s%s\n", show.Age(a.Now(), d.GetSince()), reason, obeyed)
	case says && online(n):
		show.Printf(w, "Drained:     by its agent, which stops or has not heard yet that the node is given back\n")
	}
	if q := n.GetQuarantine(); q != nil {
		show.Printf(w, "Quarantine:  for %s: %s\n", show.Age(a.Now(), q.GetSince()), show.Clean(q.GetReason()))
	}
}

// printHealth prints how a gateway fares. Figures that are not known are left out.
func printHealth(w io.Writer, h *fleetv1.Health) {
	if h == nil {
		return
	}
	if h.Requests != nil {
		show.Printf(w, "Traffic:     %d requests in %s, %s%s\n", h.GetRequests(), show.Span(h.GetWindow()), errorShare(h), latency(h))
	}
	text := show.Bytes(h.GetMemoryBytes()) + " of Lua memory"
	if h.Connections != nil {
		text += ", " + show.Count(h.GetConnections(), "connection", "connections")
	}
	show.Printf(w, "Processes:   %s, workers restarted %s\n", text, show.Count(h.GetWorkerRestarts(), "time", "times"))
	for _, p := range h.GetProbes() {
		name := p.GetPath()
		if p.GetHost() != "" {
			name += " of " + p.GetHost()
		}
		result := fmt.Sprintf("%d of %d failed", p.GetFailed(), p.GetSent())
		if p.GetFailed() > 0 {
			result += ", last: " + p.GetReason()
		}
		show.Printf(w, "Probe:       %s: %s\n", name, result)
	}
}

// errorShare is which share of the requests failed.
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

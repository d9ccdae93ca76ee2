package resource

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/kit/fleet"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// none removes all values that a flag has set before.
const none = "none"

// addSpread defines the flags of where and when a rollout may load.
func (f *groupFlags) addSpread(flags *pflag.FlagSet) {
	field(f, flags.String, "spread", "spread loads over the values of a label, as in zone or zone,max-loading=50%,at-once=1: max-loading is "+
		"the share of the nodes with one value that may load at once, at-once is how many values may have nodes that load; none ends it",
		func(g *registryv1.Group, text string) (err error) {
			g.Policy.Spread, err = parseSpread(text)
			return err
		})
	field(f, flags.StringArray, "window", "a time in which rollouts may begin, as in '0 22 * * 1-5 for 4h in Europe/Berlin': five fields of "+
		"cron, how long, and a time zone if it is not UTC; several times, in place of all that were there; none ends them",
		func(g *registryv1.Group, texts []string) (err error) {
			g.Policy.Windows, err = parseWindows(texts)
			return err
		})
}

// parseSpread parses zone,max-loading=50%,at-once=1.
func parseSpread(text string) (*fleetv1.RolloutPolicy_Spread, error) {
	if text == none {
		return nil, nil
	}
	label, rest, more := strings.Cut(text, ",")
	s := &fleetv1.RolloutPolicy_Spread{Label: label}
	if label == "" || strings.Contains(label, "=") {
		return nil, fmt.Errorf("--spread %q: want the key of a label, such as zone, with limits if wanted: zone,max-loading=50%%,at-once=1", text)
	}
	for more {
		var option string
		option, rest, more = strings.Cut(rest, ",")
		name, value, _ := strings.Cut(option, "=")
		n, err := strconv.ParseInt(strings.TrimSuffix(value, "%"), 10, 32)
		switch {
		case err != nil, name == "at-once" && n < 1:
			return nil, fmt.Errorf("--spread %q: %q is not max-loading=50%% or at-once=1", text, option)
		case name == "max-loading":
			s.MaxLoadingPercent = int32(n)
		case name == "at-once":
			s.MaxValuesLoading = int32(n)
		default:
			return nil, fmt.Errorf("--spread %q: there is no %q; choose max-loading or at-once", text, name)
		}
	}
	return s, nil
}

// formatSpread returns a spread in the form of --spread.
func formatSpread(s *fleetv1.RolloutPolicy_Spread) string {
	text := s.GetLabel()
	if n := s.GetMaxLoadingPercent(); n > 0 {
		text += fmt.Sprintf(",max-loading=%d%%", n)
	}
	if n := s.GetMaxValuesLoading(); n > 0 {
		text += fmt.Sprintf(",at-once=%d", n)
	}
	return text
}

// parseWindows parses 0 22 * * 1-5 for 4h in Europe/Berlin.
func parseWindows(texts []string) (all []*fleetv1.RolloutPolicy_Window, err error) {
	for _, text := range texts {
		if text == none {
			continue
		}
		schedule, rest, ok := strings.Cut(text, " for ")
		span, zone, _ := strings.Cut(rest, " in ")
		d, err := time.ParseDuration(strings.TrimSpace(span))
		if !ok || err != nil {
			return nil, fmt.Errorf("--window %q: want a schedule and how long it is open, as in '0 22 * * 1-5 for 4h in Europe/Berlin'", text)
		}
		all = append(all, &fleetv1.RolloutPolicy_Window{
			Schedule: strings.TrimSpace(schedule), Duration: durationpb.New(d), TimeZone: strings.TrimSpace(zone),
		})
	}
	return all, nil
}

// formatWindow returns a window in the form of --window.
func formatWindow(w *fleetv1.RolloutPolicy_Window) string {
	span := w.GetDuration().AsDuration().String()
	if short, whole := strings.CutSuffix(span, "m0s"); whole {
		span = strings.TrimSuffix(short+"m", "h0m") + map[bool]string{true: "h"}[strings.HasSuffix(short, "h0")]
	}
	text := fmt.Sprintf("%s for %s", w.GetSchedule(), span)
	if w.GetTimeZone() != "" {
		text += " in " + w.GetTimeZone()
	}
	return text
}

// printSpread prints where and when a rollout may load.
func printSpread(a *app.App, p *fleetv1.RolloutPolicy) {
	if s := p.GetSpread(); s != nil {
		a.Line(15, "Spread:        %s", formatSpread(s))
	}
	for _, w := range p.GetWindows() {
		a.Line(15, "Window:        %s", formatWindow(w))
	}
}

// noteLabels prints which labels of waves no node has. A rollout waits for the first of them. When the registry does not answer it prints
// nothing: the rollout reports it too.
func noteLabels(ctx context.Context, a *app.App, g *registryv1.Group) {
	var wanted []string
	for _, w := range g.GetPolicy().GetWaves() {
		if w.GetLabel() != "" {
			wanted = append(wanted, w.GetLabel())
		}
	}
	if len(wanted) == 0 {
		return
	}
	nodes, err := allNodes(ctx, a, g.GetName())
	if err != nil {
		return
	}
	for _, label := range wanted {
		if !slices.ContainsFunc(nodes, func(n *registryv1.Node) bool { return fleet.HasLabel(n.GetLabels(), label) }) {
			show.Printf(a.Err, "note: no node of %s has the label %s yet\n", g.GetName(), label)
		}
	}
}

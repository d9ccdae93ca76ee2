package resource

import (
	"context"
	"errors"
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
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// addGates defines the flags for the gates of waves. They come after those of waves and probes, on which they depend.
func (f *groupFlags) addGates(flags *pflag.FlagSet) {
	field(f, flags.Duration, "bake", "how long the last wave is watched before a rollout completes: its soak",
		func(g *registryv1.Group, d time.Duration) error {
			p := g.GetPolicy()
			if len(p.GetWaves()) == 0 {
				p.Waves, _ = parseWaves([]string{"1", "100%"})
			}
			p.GetWaves()[len(p.GetWaves())-1].Soak = durationpb.New(d)
			return nil
		})
	field(f, flags.StringArray, "gate", "what a wave is judged by, beside the nodes that are not in it: probes, error-ratio=1% or "+
		"error-ratio=1%,min-requests=200, latency=p99+50%; several times, in place of all that were there; "+
		"probes are a gate by themselves; none removes the others",
		func(g *registryv1.Group, texts []string) error { return putGates(gates(g), texts) })
	field(f, flags.String, "on-unhealthy", "what an unhealthy wave leads to: rollback or halt",
		func(g *registryv1.Group, word string) (err error) {
			g.Policy.OnUnhealthy, err = enum[fleetv1.RolloutPolicy_OnUnhealthy]("on-unhealthy", word, "ON_UNHEALTHY_",
				fleetv1.RolloutPolicy_OnUnhealthy_value)
			return err
		})
	field(f, flags.String, "on-reject", "what a refusal by a gateway leads to: pin or halt",
		func(g *registryv1.Group, word string) (err error) {
			g.Policy.OnReject, err = enum[fleetv1.RolloutPolicy_OnReject]("on-reject", word, "ON_REJECT_", fleetv1.RolloutPolicy_OnReject_value)
			return err
		})
	field(f, flags.String, "on-inconclusive", "what too little traffic to judge a wave leads to: wait, continue or halt",
		func(g *registryv1.Group, word string) (err error) {
			g.Policy.OnInconclusive, err = enum[fleetv1.RolloutPolicy_OnInconclusive]("on-inconclusive", word, "ON_INCONCLUSIVE_",
				fleetv1.RolloutPolicy_OnInconclusive_value)
			return err
		})
}

// enum parses the value of a flag as a value of an enum whose names begin with a prefix.
func enum[E ~int32](flag, word, prefix string, values map[string]int32) (E, error) {
	value, known := values[prefix+strings.ToUpper(word)]
	if !known || value == 0 {
		var words []string
		for name, number := range values {
			if number != 0 {
				words = append(words, strings.ToLower(strings.TrimPrefix(name, prefix)))
			}
		}
		return 0, fmt.Errorf("--%s %q: choose %s", flag, word, strings.Join(slices.Sorted(slices.Values(words)), ", "))
	}
	return E(value), nil
}

// putGates replaces the gates of a policy by those in texts. Probes are unchanged: they have a flag of their own.
func putGates(g *fleetv1.Gates, texts []string) error {
	g.ErrorRatio, g.Latency = nil, nil
	for _, text := range texts {
		name, value, _ := strings.Cut(text, "=")
		var err error
		switch name {
		case "none":
		case "probes":
			if len(g.GetProbes()) == 0 {
				err = errors.New("the group has no probe; give one with --probe")
			}
		case "error-ratio":
			g.ErrorRatio, err = parseErrorRatio(value)
		case "latency":
			g.Latency, err = parseLatency(value)
		default:
			err = errors.New("want probes, error-ratio=1%, latency=p99+50% or none")
		}
		if err != nil {
			return fmt.Errorf("--gate %q: %w", text, err)
		}
	}
	return nil
}

// parseErrorRatio reads 1% or 1%,min-requests=200.
func parseErrorRatio(text string) (*fleetv1.ErrorRatioGate, error) {
	limit, rest, more := strings.Cut(text, ",")
	percent, err := parsePercent(limit)
	if err != nil {
		return nil, fmt.Errorf("%w, as in error-ratio=1%%", err)
	}
	g := &fleetv1.ErrorRatioGate{MaxIncreasePercent: percent}
	if more {
		number, ok := strings.CutPrefix(rest, "min-requests=")
		if g.MinRequests, err = strconv.ParseInt(number, 10, 64); !ok || err != nil {
			return nil, fmt.Errorf("%q is not min-requests and a number, as in error-ratio=1%%,min-requests=200", rest)
		}
	}
	return g, nil
}

// parseLatency reads p99+50%.
func parseLatency(text string) (*fleetv1.LatencyGate, error) {
	quantile, limit, ok := strings.Cut(text, "+")
	number, isQuantile := strings.CutPrefix(quantile, "p")
	q, err := strconv.ParseFloat(number, 64)
	if !ok || !isQuantile || err != nil {
		return nil, errors.New("want a quantile and by how much it may be higher, as in latency=p99+50%")
	}
	percent, err := parsePercent(limit)
	if err != nil {
		return nil, fmt.Errorf("%w, as in latency=p99+50%%", err)
	}
	return &fleetv1.LatencyGate{QuantilePercent: q, MaxIncreasePercent: percent}, nil
}

func parsePercent(text string) (float64, error) {
	number, ok := strings.CutSuffix(text, "%")
	value, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil {
		return 0, fmt.Errorf("%q is not a number of percent", text)
	}
	return value, nil
}

// gateTexts returns the gates of a policy in the form of --gate.
func gateTexts(p *fleetv1.RolloutPolicy) (all []string) {
	if n := len(p.GetGates().GetProbes()); n > 0 {
		all = append(all, "probes")
	}
	if g := p.GetGates().GetErrorRatio(); g != nil {
		text := fmt.Sprintf("error-ratio=%g%%", g.GetMaxIncreasePercent())
		if g.GetMinRequests() > 0 {
			text += fmt.Sprintf(",min-requests=%d", g.GetMinRequests())
		}
		all = append(all, text)
	}
	if g := p.GetGates().GetLatency(); g != nil {
		quantile := g.GetQuantilePercent()
		if quantile == 0 {
			quantile = fleet.DefaultQuantilePercent
		}
		all = append(all, fmt.Sprintf("latency=p%g+%g%%", quantile, g.GetMaxIncreasePercent()))
	}
	return all
}

// noteSignals prints which gates of a group have no signal, because the group's configuration does not make its gateways measure it. When
// the translator does not answer it prints nothing: the rollout reports it too.
func noteSignals(ctx context.Context, a *app.App, g *registryv1.Group) {
	var lacking []string
	if g.GetPolicy().GetGates().GetErrorRatio() != nil {
		lacking = append(lacking, "error-ratio needs it with status_code_metrics")
	}
	if g.GetPolicy().GetGates().GetLatency() != nil {
		lacking = append(lacking, "latency needs it with latency_metrics")
	}
	if len(lacking) == 0 {
		return
	}
	newest, err := a.Translator().ListRevisions(ctx, &translatorv1.ListRevisionsRequest{Group: g.GetName(), PageSize: 1})
	if err != nil {
		return
	}
	for _, r := range newest.GetRevisions() {
		found, err := a.Translator().LocateEntities(ctx, &translatorv1.LocateEntitiesRequest{Group: g.GetName(), Revision: r.GetNumber(),
			Entities: []*translatorv1.EntityRef{{Kind: "plugin", Name: "prometheus"}}})
		if err != nil || len(found.GetOrigins()) > 0 {
			return
		}
	}
	show.Printf(a.Err, "note: the configuration of %s has no plugin prometheus: gate %s\n", g.GetName(), strings.Join(lacking, ", gate "))
}

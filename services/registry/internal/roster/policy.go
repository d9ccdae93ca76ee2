package roster

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/window"
)

// Bounds of requests. They keep a batch of session writes well under etcd's limit.
const (
	MaxDescription  = 1024
	MaxWaves        = 20
	MaxWindows      = 16
	MaxSoak         = 7 * 24 * time.Hour
	MaxDeadline     = 7 * 24 * time.Hour
	MaxLoadInterval = time.Hour
	MaxLabelKey     = 63
	MaxLabelValue   = 255
	MaxAddress      = 255
	MaxBootID       = 128
	MaxCapabilities = 64 << 10
	MaxStatus       = 16 << 10
	MaxReason       = 512 // of an operator
	MaxMinRequests  = 1_000_000
	// MaxLatencyIncrease is in percent.
	MaxLatencyIncrease = 10_000
)

// PolicyViolations returns everything wrong with a policy; path is where it stands in the request.
func PolicyViolations(path string, p fleet.Policy) (bad []fault.Violation) {
	add := func(field, format string, args ...any) {
		bad = append(bad, fault.Violation{Field: path + "." + field, Description: fmt.Sprintf(format, args...)})
	}
	checkWaves(p, add)
	if p.MaxLoading < 0 || p.MaxLoading > 100 {
		add("max_loading_percent", "is %d; want 1 to 100, or 0 for the default", p.MaxLoading)
	}
	if p.TargetsAtOnce < 0 || p.TargetsAtOnce > 100 {
		add("targets_at_once_percent", "is %d; want 1 to 100, or 0 for waves always", p.TargetsAtOnce)
	}
	if p.MaxFailedPercent < 0 || p.MaxFailedPercent > 100 {
		add("gates.max_failed_percent", "is %d; want 0 to 100", p.MaxFailedPercent)
	}
	if p.Deadline != nil && (*p.Deadline <= 0 || *p.Deadline > MaxDeadline) {
		add("deadline", "is %s; want more than 0 and at most %s", *p.Deadline, MaxDeadline)
	}
	if p.LoadInterval != nil && (*p.LoadInterval < 0 || *p.LoadInterval > MaxLoadInterval) {
		add("load_interval", "is %s; want 0 to %s", *p.LoadInterval, MaxLoadInterval)
	}
	if !p.OnReject.Known() {
		add("on_reject", "is not a known value")
	}
	if !p.OnUnhealthy.Known() {
		add("on_unhealthy", "is not a known value")
	}
	if !p.OnInconclusive.Known() {
		add("on_inconclusive", "is not a known value")
	}
	checkGates(p, add)
	checkRetention(p, add)
	checkSpread(p, add)
	checkWindows(p, add)
	return append(bad, probeViolations(path+".gates.probes", p.Probes)...)
}

func checkWaves(p fleet.Policy, add func(field, format string, args ...any)) {
	if len(p.Waves) > MaxWaves {
		add("waves", "has %d waves; at most %d are allowed", len(p.Waves), MaxWaves)
	}
	var nodes, percent int
	labels := map[string]bool{}
	for i, w := range p.Waves {
		at := fmt.Sprintf("waves[%d]", i)
		switch key, value, _ := strings.Cut(w.Label, "="); {
		case w.Label != "" && (!labelKey(key) || value == "" || len(value) > MaxLabelValue || !utf8.ValidString(value)):
			add(at+".label", "is %.70q; want key=value, as nodes have it: zone=eu-1", w.Label)
		case labels[w.Label]:
			add(at+".label", "is %.70q, which a wave before has too", w.Label)
		case w.Label != "":
			labels[w.Label] = true
		case w.Nodes == 0 && w.Percent == 0:
			add(at, "give nodes or percent, at least 1, or a label")
		case w.Nodes == 0 && (w.Percent < 1 || w.Percent > 100):
			add(at+".percent", "is %d; want 1 to 100", w.Percent)
		case w.Nodes == 0 && w.Percent <= percent:
			add(at+".percent", "is %d; waves are cumulative, so it must be more than the %d before", w.Percent, percent)
		case w.Nodes == 0:
			percent = w.Percent
		case w.Nodes < 1:
			add(at+".nodes", "is %d; want at least 1", w.Nodes)
		case w.Nodes <= nodes:
			add(at+".nodes", "is %d; waves are cumulative, so it must be more than the %d before", w.Nodes, nodes)
		default:
			nodes = w.Nodes
		}
		if w.Soak < 0 || w.Soak > MaxSoak {
			add(at+".soak", "is %s; want 0 to %s", w.Soak, MaxSoak)
		}
	}
	if n := len(p.Waves); n > 0 && p.Waves[n-1].Percent != 100 {
		add(fmt.Sprintf("waves[%d]", n-1), "the last wave must be the whole group: percent 100")
	}
}

func checkSpread(p fleet.Policy, add func(field, format string, args ...any)) {
	s := p.Spread
	if s == nil {
		return
	}
	if !labelKey(s.Label) {
		add("spread.label", "is %.70q; want the key of a label of nodes, such as zone", s.Label)
	}
	if s.MaxLoading < 0 || s.MaxLoading > 100 {
		add("spread.max_loading_percent", "is %d; want 1 to 100, or 0 for no limit", s.MaxLoading)
	}
	if s.MaxValuesLoading < 0 {
		add("spread.max_values_loading", "is %d; want at least 1, or 0 for no limit", s.MaxValuesLoading)
	}
}

func checkWindows(p fleet.Policy, add func(field, format string, args ...any)) {
	if len(p.Windows) > MaxWindows {
		add("windows", "has %d windows; at most %d are allowed", len(p.Windows), MaxWindows)
		return
	}
	for i, w := range p.Windows {
		if field, err := window.Check(w); err != nil {
			add(fmt.Sprintf("windows[%d].%s", i, field), "%s", err)
		}
	}
}

func labelKey(key string) bool { return key != "" && len(key) <= MaxLabelKey && utf8.ValidString(key) }

func checkGates(p fleet.Policy, add func(field, format string, args ...any)) {
	if g := p.ErrorRatio; g != nil {
		// Written so that NaN is refused too.
		if !(g.MaxIncreasePercent > 0 && g.MaxIncreasePercent <= 100) {
			add("gates.error_ratio.max_increase_percent", "is %g; want more than 0 and at most 100", g.MaxIncreasePercent)
		}
		if g.MinRequests < 0 || g.MinRequests > MaxMinRequests {
			add("gates.error_ratio.min_requests", "is %d; want 1 to %d, or 0 for %d", g.MinRequests, MaxMinRequests, fleet.DefaultMinRequests)
		}
	}
	if g := p.Latency; g != nil {
		if !(g.QuantilePercent == 0 || g.QuantilePercent >= 50 && g.QuantilePercent <= 99.9) {
			add("gates.latency.quantile_percent", "is %g; want 50 to 99.9, or 0 for %d", g.QuantilePercent, fleet.DefaultQuantilePercent)
		}
		if !(g.MaxIncreasePercent > 0 && g.MaxIncreasePercent <= MaxLatencyIncrease) {
			add("gates.latency.max_increase_percent", "is %g; want more than 0 and at most %d", g.MaxIncreasePercent, MaxLatencyIncrease)
		}
	}
}

func checkRetention(p fleet.Policy, add func(field, format string, args ...any)) {
	if n := p.KeepRevisions; n != nil && (*n < fleet.MinKeepRevisions || *n > fleet.MaxKeepRevisions) {
		add("keep_revisions", "is %d; want %d to %d: a rollback needs the newest revision and one to go back to", *n, fleet.MinKeepRevisions,
			fleet.MaxKeepRevisions)
	}
	if d := p.KeepAge; d != nil && (*d < fleet.MinKeepAge || *d > fleet.MaxKeepAge) {
		add("keep_age", "is %s; want %s to %s", *d, fleet.MinKeepAge, fleet.MaxKeepAge)
	}
}

// LabelViolations returns everything wrong with free labels.
func LabelViolations(labels map[string]string) (bad []fault.Violation) {
	if len(labels) > 64 {
		bad = append(bad, fault.Violation{Field: "labels", Description: fmt.Sprintf("has %d labels; at most 64 are allowed", len(labels))})
	}
	for k, v := range labels {
		if !labelKey(k) || len(v) > MaxLabelValue || !utf8.ValidString(v) {
			bad = append(bad, fault.Violation{Field: "labels", Description: fmt.Sprintf("label %.63q: a key has 1 to %d bytes, a value at most %d",
				k, MaxLabelKey, MaxLabelValue)})
		}
	}
	return bad
}

// Package wire converts messages of silverback.fleet.v1 to the types of kit/fleet and back. It is the only place that does. It holds no
// rules: values are neither checked nor completed.
package wire

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/silverback-gateway/silverback/kit/fleet"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
)

// Policy converts a policy; nil is the zero Policy.
func Policy(m *fleetv1.RolloutPolicy) fleet.Policy {
	p := fleet.Policy{
		MaxLoading: int(m.GetMaxLoadingPercent()), OnReject: fleet.OnReject(m.GetOnReject()), OnUnhealthy: fleet.OnUnhealthy(m.GetOnUnhealthy()),
		Deadline: duration(m.GetDeadline()), MaxFailedPercent: int(m.GetGates().GetMaxFailedPercent()), Probes: Probes(m.GetGates().GetProbes()),
		OnInconclusive: fleet.OnInconclusive(m.GetOnInconclusive()), KeepAge: duration(m.GetKeepAge()),
		LoadInterval: duration(m.GetLoadInterval()), TargetsAtOnce: int(m.GetTargetsAtOncePercent()),
	}
	if m != nil && m.KeepRevisions != nil {
		p.KeepRevisions = new(int(m.GetKeepRevisions()))
	}
	if g := m.GetGates().GetErrorRatio(); g != nil {
		p.ErrorRatio = &fleet.ErrorRatioGate{MaxIncreasePercent: g.GetMaxIncreasePercent(), MinRequests: g.GetMinRequests()}
	}
	if g := m.GetGates().GetLatency(); g != nil {
		p.Latency = &fleet.LatencyGate{QuantilePercent: g.GetQuantilePercent(), MaxIncreasePercent: g.GetMaxIncreasePercent()}
	}
	for _, w := range m.GetWaves() {
		p.Waves = append(p.Waves, fleet.Wave{
			Nodes: int(w.GetNodes()), Percent: int(w.GetPercent()), Label: w.GetLabel(), Soak: w.GetSoak().AsDuration(),
		})
	}
	if s := m.GetSpread(); s != nil {
		p.Spread = &fleet.Spread{Label: s.GetLabel(), MaxLoading: int(s.GetMaxLoadingPercent()), MaxValuesLoading: int(s.GetMaxValuesLoading())}
	}
	for _, w := range m.GetWindows() {
		p.Windows = append(p.Windows, fleet.Window{Schedule: w.GetSchedule(), Duration: w.GetDuration().AsDuration(), TimeZone: w.GetTimeZone()})
	}
	return p
}

// PolicyMessage is the inverse of Policy.
func PolicyMessage(p fleet.Policy) *fleetv1.RolloutPolicy {
	m := &fleetv1.RolloutPolicy{
		MaxLoadingPercent: int32(p.MaxLoading), OnReject: fleetv1.RolloutPolicy_OnReject(p.OnReject),
		OnUnhealthy: fleetv1.RolloutPolicy_OnUnhealthy(p.OnUnhealthy), Deadline: durationMessage(p.Deadline),
		Gates:          &fleetv1.Gates{MaxFailedPercent: int32(p.MaxFailedPercent)},
		OnInconclusive: fleetv1.RolloutPolicy_OnInconclusive(p.OnInconclusive), KeepAge: durationMessage(p.KeepAge),
		LoadInterval: durationMessage(p.LoadInterval), TargetsAtOncePercent: int32(p.TargetsAtOnce),
	}
	if p.KeepRevisions != nil {
		m.KeepRevisions = new(int32(*p.KeepRevisions))
	}
	if g := p.ErrorRatio; g != nil {
		m.Gates.ErrorRatio = &fleetv1.ErrorRatioGate{MaxIncreasePercent: g.MaxIncreasePercent, MinRequests: g.MinRequests}
	}
	if g := p.Latency; g != nil {
		m.Gates.Latency = &fleetv1.LatencyGate{QuantilePercent: g.QuantilePercent, MaxIncreasePercent: g.MaxIncreasePercent}
	}
	for _, w := range p.Waves {
		wave := &fleetv1.RolloutPolicy_Wave{Size: &fleetv1.RolloutPolicy_Wave_Percent{Percent: int32(w.Percent)}}
		switch {
		case w.Nodes > 0:
			wave.Size = &fleetv1.RolloutPolicy_Wave_Nodes{Nodes: int32(w.Nodes)}
		case w.Label != "":
			wave.Size = &fleetv1.RolloutPolicy_Wave_Label{Label: w.Label}
		}
		if w.Soak > 0 {
			wave.Soak = durationpb.New(w.Soak)
		}
		m.Waves = append(m.Waves, wave)
	}
	for _, probe := range p.Probes {
		m.Gates.Probes = append(m.Gates.Probes, ProbeMessage(probe))
	}
	if s := p.Spread; s != nil {
		m.Spread = &fleetv1.RolloutPolicy_Spread{
			Label: s.Label, MaxLoadingPercent: int32(s.MaxLoading), MaxValuesLoading: int32(s.MaxValuesLoading),
		}
	}
	for _, w := range p.Windows {
		m.Windows = append(m.Windows, &fleetv1.RolloutPolicy_Window{
			Schedule: w.Schedule, Duration: durationpb.New(w.Duration), TimeZone: w.TimeZone,
		})
	}
	return m
}

// Probe converts a probe.
func Probe(m *fleetv1.Probe) fleet.Probe {
	return fleet.Probe{
		Path: m.GetPath(), Expect: int(m.GetExpect()), Host: m.GetHost(), Headers: m.GetHeaders(),
		Interval: duration(m.GetInterval()), Timeout: duration(m.GetTimeout()), Readiness: m.GetReadiness(),
	}
}

// Probes converts probes.
func Probes(ms []*fleetv1.Probe) (all []fleet.Probe) {
	for _, m := range ms {
		all = append(all, Probe(m))
	}
	return all
}

// ProbeMessage is the inverse of Probe.
func ProbeMessage(p fleet.Probe) *fleetv1.Probe {
	return &fleetv1.Probe{
		Path: p.Path, Expect: int32(p.Expect), Host: p.Host, Headers: p.Headers,
		Interval: durationMessage(p.Interval), Timeout: durationMessage(p.Timeout), Readiness: p.Readiness,
	}
}

// duration returns nil for a duration that was left out, which differs from 0.
func duration(m *durationpb.Duration) *time.Duration {
	if m == nil {
		return nil
	}
	return new(m.AsDuration())
}

func durationMessage(d *time.Duration) *durationpb.Duration {
	if d == nil {
		return nil
	}
	return durationpb.New(*d)
}

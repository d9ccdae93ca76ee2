package fleet

import (
	"net/textproto"
	"strings"
	"time"
)

// A Policy is how a group moves from its stable revision to a candidate, and how long old revisions are kept. The zero Policy is the
// default. Its JSON form is stored with rollouts, so names are never removed.
type Policy struct {
	Waves            []Wave         `json:"waves,omitempty"`               // cumulative; the last is the whole group
	MaxLoading       int            `json:"max_loading_percent,omitempty"` // 0: the default
	OnReject         OnReject       `json:"on_reject,omitempty"`
	OnUnhealthy      OnUnhealthy    `json:"on_unhealthy,omitempty"`
	Deadline         *time.Duration `json:"deadline,omitempty"` // of a wave; nil: the default
	MaxFailedPercent int            `json:"max_failed_percent,omitempty"`
	Probes           []Probe        `json:"probes,omitempty"`

	ErrorRatio     *ErrorRatioGate `json:"error_ratio,omitempty"`
	Latency        *LatencyGate    `json:"latency,omitempty"`
	OnInconclusive OnInconclusive  `json:"on_inconclusive,omitempty"`

	KeepRevisions *int           `json:"keep_revisions,omitempty"` // nil: the distributor's default
	KeepAge       *time.Duration `json:"keep_age,omitempty"`       // nil: the distributor's default

	LoadInterval *time.Duration `json:"load_interval,omitempty"` // between the loads of two rollouts; nil: by the forecast
	Spread       *Spread        `json:"spread,omitempty"`
	Windows      []Window       `json:"windows,omitempty"` // in which rollouts may begin; empty: always
	// TargetsAtOnce is up to which share of the group's targets, in percent, may move without waves; 0: none.
	TargetsAtOnce int `json:"targets_at_once_percent,omitempty"`
}

// A Spread spreads the loads of a group over the values of a label.
type Spread struct {
	Label            string `json:"label"`                         // the key
	MaxLoading       int    `json:"max_loading_percent,omitempty"` // of the nodes with the same value; 0: no limit
	MaxValuesLoading int    `json:"max_values_loading,omitempty"`  // 0: no limit
}

// A Window is a time in which rollouts may begin. Package kit/window reads the schedule.
type Window struct {
	Schedule string        `json:"schedule"` // five fields of cron
	Duration time.Duration `json:"duration"`
	TimeZone string        `json:"time_zone,omitempty"` // empty: UTC
}

// Bounds of how long old revisions of a group are kept. A rollback needs the newest revision and an earlier one. No revision is deleted in
// the first hour after the next one replaced it.
const (
	MinKeepRevisions = 2
	MaxKeepRevisions = 100_000
	MinKeepAge       = time.Hour
	MaxKeepAge       = 10 * 365 * 24 * time.Hour
)

// MostKept times the number of revisions to keep is how many a group keeps at most, besides those in use. It bounds a group that changes
// often.
const MostKept = 10

// An ErrorRatioGate limits by how much the share of failed requests may be higher in a wave than outside of it.
type ErrorRatioGate struct {
	MaxIncreasePercent float64 `json:"max_increase_percent"` // percentage points
	MinRequests        int64   `json:"min_requests,omitempty"`
}

// A LatencyGate limits by how much a quantile of latency may be higher in a wave than outside of it.
type LatencyGate struct {
	QuantilePercent    float64 `json:"quantile_percent,omitempty"` // 0: the default
	MaxIncreasePercent float64 `json:"max_increase_percent"`       // of the quantile outside of the wave
}

// Defaults of gates.
const (
	DefaultMinRequests     = 50
	DefaultQuantilePercent = 99
)

// HasGates reports whether traffic or probes judge the waves of a rollout.
func (p Policy) HasGates() bool { return p.ErrorRatio != nil || p.Latency != nil || len(p.Probes) > 0 }

// A Wave is a part of the group that moves together, the waves before it included. Exactly one of Nodes, Percent and Label is set.
type Wave struct {
	Nodes   int           `json:"nodes,omitempty"`
	Percent int           `json:"percent,omitempty"`
	Label   string        `json:"label,omitempty"` // key=value
	Soak    time.Duration `json:"soak,omitempty"`  // of the last wave: the bake time
}

// OnReject is what happens when a gateway refuses the candidate. Its numbers are those of the contract.
type OnReject int32

// OnUnhealthy is what happens when a gate finds a wave unhealthy. Its numbers are those of the contract.
type OnUnhealthy int32

// OnInconclusive is what happens when a gate has too little traffic to judge a wave. Its numbers are those of the contract.
type OnInconclusive int32

// The values. The zero values halt at a refusal, roll back an unhealthy wave and continue without evidence.
const (
	RejectHalts OnReject = 1
	RejectPins  OnReject = 2

	UnhealthyHalts     OnUnhealthy = 1
	UnhealthyRollsBack OnUnhealthy = 2

	InconclusiveWaits     OnInconclusive = 1
	InconclusiveContinues OnInconclusive = 2
	InconclusiveHalts     OnInconclusive = 3
)

// Known reports whether this version knows the value.
func (v OnReject) Known() bool { return v >= 0 && v <= RejectPins }

// Known reports whether this version knows the value.
func (v OnUnhealthy) Known() bool { return v >= 0 && v <= UnhealthyRollsBack }

// Known reports whether this version knows the value.
func (v OnInconclusive) Known() bool { return v >= 0 && v <= InconclusiveHalts }

// A Probe is a request that every agent of a group sends through its gateway. Nil durations and a status of 0 mean the default.
type Probe struct {
	Path      string            `json:"path"`
	Expect    int               `json:"expect,omitempty"`
	Host      string            `json:"host,omitempty"`
	Headers   map[string]string `json:"headers,omitempty"`
	Interval  *time.Duration    `json:"interval,omitempty"`
	Timeout   *time.Duration    `json:"timeout,omitempty"`
	Readiness bool              `json:"readiness,omitempty"` // a failing probe takes the node out of load balancing
}

// Defaults of probes.
const (
	DefaultProbeStatus   = 200
	DefaultProbeInterval = 5 * time.Second
	defaultProbeTimeout  = 2 * time.Second
)

// Normal returns the probe with its defaults filled in, the host in lower case and canonical header names.
func (p Probe) Normal() Probe {
	if p.Expect == 0 {
		p.Expect = DefaultProbeStatus
	}
	p.Host = strings.ToLower(p.Host)
	var headers map[string]string
	for name, value := range p.Headers {
		if headers == nil {
			headers = make(map[string]string, len(p.Headers))
		}
		headers[textproto.CanonicalMIMEHeaderKey(name)] = value
	}
	p.Headers = headers
	if p.Interval == nil {
		p.Interval = new(DefaultProbeInterval)
	}
	if p.Timeout == nil {
		p.Timeout = new(min(defaultProbeTimeout, *p.Interval/2))
	}
	return p
}

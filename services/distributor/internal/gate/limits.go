package gate

import "time"

// Promise is the share of healthy rollouts that gates of traffic may stop.
const Promise = 0.001

// Limits are what a group's policy sets. A nil pointer is no such gate.
type Limits struct {
	Probes           bool   // a probe that fails is a failure
	ProbeFailures    uint64 // how many failures of one probe on one node count; 0 is 1
	ErrorRatio       *Share
	UpstreamFailures *Share
	Latency          *Latency
	Workers          bool // Kong's own errors count
}

// A Share limits by how much a share of the requests may be higher in the wave.
type Share struct {
	MaxIncrease float64 // of all requests: 0.01 is one percentage point
	MinRequests uint64  // that the wave needs to pass; 0 is DefaultMinRequests
}

// A Latency limits by how much a quantile may be higher in the wave.
type Latency struct {
	Quantile    float64 // 0.99 is p99; 0 is DefaultQuantile
	MaxIncrease float64 // of the control's: 0.5 is half as long again
	MinRequests uint64  // that the wave needs to pass; 0 is DefaultMinRequests
}

// Defaults of limits.
const (
	DefaultMinRequests = 50
	DefaultQuantile    = 0.99
)

// A Look is one evaluation of a wave.
type Look struct {
	Window time.Duration // since the wave's first node serves the candidate
	Before time.Duration // how long Node.Before covers; for rates of workers' errors
	Waves  int           // of the rollout, over which Promise is divided; 0 is 1
	Frozen []Node        // the control of the wave before, for a wave that has none
}

// An Outcome is what a gate says.
type Outcome int

// The outcomes. Overall, a gate that is not measured counts as inconclusive.
const (
	Inconclusive Outcome = iota // too little evidence
	Pass                        // not worse
	Fail                        // worse
	NotMeasured                 // the gateways lack the signal
)

func (o Outcome) String() string {
	return [...]string{"inconclusive", "pass", "fail", "not measured"}[o]
}

// Names of gates.
const (
	GateProbes     = "probes"
	GateErrorRatio = "error-ratio"
	GateUpstream   = "upstream-failures"
	GateLatency    = "latency"
	GateWorkers    = "workers"
)

// A Reference says what a wave was compared with.
type Reference int

// The references, the strongest first.
const (
	Control Reference = iota // nodes that are not in the wave, over the same time
	Frozen                   // the control of the wave before
	Before                   // the same nodes before the rollout
	Nothing                  // nothing to compare with
)

// A Verdict is what the gates say together.
type Verdict struct {
	Outcome Outcome // Fail when one gate fails, else Inconclusive when one is not sure; Pass without gates
	Gates   []Result
}

// A Result is what one gate says, with its evidence.
type Result struct {
	Gate      string
	Outcome   Outcome
	Reference Reference
	Treated   Figure
	Compared  Figure
	Limit     float64 // as in Limits
	Allowed   float64 // the share, or the milliseconds, that the wave's bound was tested against; 0 when no test was needed
	Quantile  float64 // of latency
	Window    time.Duration
	Nodes     []string // of the wave, the worst by this gate first; at most 5
	Detail    string   // what a figure does not say: the probe and its reason, the signal that is missing
}

// A Figure is one side of a comparison.
type Figure struct {
	Nodes int
	Count float64 // failed requests, restarts, or probes
	Of    uint64  // requests, or probes sent
	Value float64 // the share; for latency the quantile in milliseconds
}

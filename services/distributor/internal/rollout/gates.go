package rollout

import (
	"strings"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// The names of gates in records and messages.
const (
	ProbesGate     = "probes"
	ErrorRatioGate = "error-ratio"
	LatencyGate    = "latency"
)

// A GateOutcome is the verdict of one gate on a wave.
type GateOutcome string

// The outcomes.
const (
	GatePassed       GateOutcome = "passed"
	GateFailed       GateOutcome = "failed"
	GateInconclusive GateOutcome = "inconclusive" // too little traffic to judge
	GateNotMeasured  GateOutcome = "not_measured" // the gateways do not export what the gate needs
)

// Words returns the outcome for people.
func (o GateOutcome) Words() string { return strings.ReplaceAll(string(o), "_", " ") }

// A GateResult is the verdict of one gate on a wave, with its evidence in words.
type GateResult struct {
	Gate     string         `json:"gate"`
	Outcome  GateOutcome    `json:"outcome"`
	Evidence string         `json:"evidence"`
	Nodes    []fleet.NodeID `json:"nodes,omitempty"` // the worst nodes of the wave, at most 5
}

// failedGate returns the first result that is a failure, or nil.
func failedGate(results []GateResult) *GateResult {
	for i := range results {
		if results[i].Outcome == GateFailed {
			return &results[i]
		}
	}
	return nil
}

// undecided returns the first result that neither passed nor failed, or nil.
func undecided(results []GateResult) *GateResult {
	for i := range results {
		if o := results[i].Outcome; o == GateInconclusive || o == GateNotMeasured {
			return &results[i]
		}
	}
	return nil
}

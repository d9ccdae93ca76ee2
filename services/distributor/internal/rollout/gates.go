package rollout

import (
	"fmt"
	"strings"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// The gates, by the names that people and records use.
const (
	ProbesGate     = "probes"
	ErrorRatioGate = "error-ratio"
	LatencyGate    = "latency"
)

// A GateOutcome is what one gate says of a wave.
type GateOutcome string

// The outcomes.
const (
	GatePassed       GateOutcome = "passed"
	GateFailed       GateOutcome = "failed"
	GateInconclusive GateOutcome = "inconclusive" // too little traffic passed to tell
	GateNotMeasured  GateOutcome = "not_measured" // the gateways do not measure what it needs
)

// Words is the outcome as people write it.
func (o GateOutcome) Words() string { return strings.ReplaceAll(string(o), "_", " ") }

// A GateResult is what one gate says of a wave, with its evidence in words.
type GateResult struct {
	Gate     string         `json:"gate"`
	Outcome  GateOutcome    `json:"outcome"`
	Evidence string         `json:"evidence"`
	Nodes    []fleet.NodeID `json:"nodes,omitempty"` // the worst of the wave, at most 5
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

// gateFailed ends a rollout whose wave a gate found unhealthy: as the policy has it, the candidate is taken back, or the rollout halts where
// it is. Without a stable revision there is nothing to go back to.
func gateFailed(now time.Time, r Rollout, a Assignment, c counts, failed GateResult) Decision {
	reason := fmt.Sprintf("gate %s failed in wave %d of %d: %s", failed.Gate, r.Wave, r.Policy.WaveCount(), failed.Evidence)
	if r.Policy.OnUnhealthy == fleet.UnhealthyHalts || r.Stable.IsZero() {
		return halt(ended(now, r, a, Halted, c, false), a, false, fmt.Sprintf("%s; the %d that serve it keep it", reason, c.Serving))
	}
	return rollBack(now, r, a, c, reason)
}

// inconclusive decides about a wave that has soaked without enough evidence, for over so long; false when the rollout goes on.
func inconclusive(now time.Time, before, r Rollout, a Assignment, c counts, gates []GateResult, over time.Duration) (Decision, bool) {
	open := undecided(gates)
	if open == nil {
		return Decision{}, false
	}
	reason := fmt.Sprintf("gate %s is inconclusive in wave %d of %d: %s", open.Gate, r.Wave, r.Policy.WaveCount(), open.Evidence)
	kept := fmt.Sprintf("; the %d that serve it keep it", c.Serving)
	switch r.Policy.OnInconclusive {
	case fleet.InconclusiveHalts:
		return halt(ended(now, r, a, Halted, c, false), a, false, reason+kept), true
	case fleet.InconclusiveWaits:
		if left := r.Policy.deadline() - over; left > 0 {
			return changed(before, r, nil, left), true
		}
		return halt(ended(now, r, a, Halted, c, false), a, false, fmt.Sprintf("%s, after another %s%s", reason, r.Policy.deadline(), kept)), true
	}
	return Decision{}, false
}

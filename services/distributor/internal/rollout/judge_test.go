package rollout

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// seen is a cell of a node that counts requests and measures latency: all within the first bucket, but for those that are slow.
func cellOf(node string, requests, failed, slow uint64) Cell {
	return Cell{Node: fleet.NodeID(node), Window: 10 * time.Second, Counts: true, Requests: requests, Failed: failed,
		Latency: []uint64{requests - slow, 0, slow}}
}

func probed(c Cell, sent, failed uint64) Cell {
	c.Probes = []ProbeCell{{Name: "/health", Sent: sent, Failed: failed, Reason: "status 503"}}
	return c
}

func TestWhatTheGatesSay(t *testing.T) {
	all := fleet.Policy{
		Probes: []fleet.Probe{{Path: "/health"}}, ErrorRatio: &fleet.ErrorRatioGate{MaxIncreasePercent: 1},
		Latency: &fleet.LatencyGate{MaxIncreasePercent: 50},
	}
	quiet := []Cell{probed(cellOf("b", 5000, 9, 0), 4, 0), probed(cellOf("c", 5000, 3, 0), 4, 0), probed(cellOf("d", 5000, 3, 0), 4, 0)}
	for _, tt := range []struct {
		name     string
		evidence Evidence
		want     string // outcome of probes, error-ratio, latency and of workers when there is one
		says     string // part of the evidence
		nodes    string // of the failure
	}{
		{"a healthy wave", Evidence{In: []Cell{probed(cellOf("a", 500, 1, 0), 4, 0)}, Out: quiet},
			"passed passed passed", "0 of 4 probes failed in the wave", ""},
		{"nothing seen yet", Evidence{}, "inconclusive inconclusive inconclusive", "no node of the wave was seen yet", ""},
		{"too little traffic", Evidence{In: []Cell{probed(cellOf("a", 10, 0, 0), 4, 0)}, Out: quiet}, "passed inconclusive inconclusive", "", ""},
		{"too little outside", Evidence{In: []Cell{probed(cellOf("a", 500, 0, 0), 4, 0)}, Out: []Cell{cellOf("b", 3, 0, 0)}},
			"passed inconclusive inconclusive", "", ""},
		{"every request fails", Evidence{In: []Cell{probed(cellOf("a", 20, 20, 0), 4, 0)}, Out: quiet},
			"passed failed inconclusive", "100 % of 20 requests failed in the wave, 0.1 % of 15000 requests outside; the limit is +1 %", "[a]"},
		{"requests are slow", Evidence{In: []Cell{probed(cellOf("a", 500, 0, 500), 4, 0)}, Out: quiet}, "passed passed failed",
			"p99 is over 100 ms of 500 requests in the wave", "[a]"},
		{"a probe fails where it did not", Evidence{In: []Cell{probed(cellOf("a", 500, 0, 0), 4, 3)}, Out: quiet},
			"failed passed passed", "probe /health failed 3 of 4 times on a (status 503), and did not fail there before", "[a]"},
		{"a probe failed there before", Evidence{In: []Cell{probed(cellOf("a", 500, 0, 0), 4, 4)}, Out: quiet,
			Before: []Cell{probed(cellOf("a", 500, 0, 0), 9, 9)}}, "passed passed passed", "", ""},
		{"a probe fails everywhere", Evidence{In: []Cell{probed(cellOf("a", 500, 0, 0), 4, 4)},
			Out: []Cell{probed(cellOf("b", 500, 0, 0), 4, 4), probed(cellOf("c", 500, 0, 0), 4, 4)}}, "passed passed passed", "", ""},
		{"a probe fails once", Evidence{In: []Cell{probed(cellOf("a", 500, 0, 0), 1, 1)}, Out: quiet}, "passed passed passed", "", ""},
		{"no node outside: as before it", Evidence{In: []Cell{probed(cellOf("a", 100, 100, 0), 4, 0)},
			Before: []Cell{probed(cellOf("a", 900, 1, 0), 9, 0)}}, "passed failed passed", "before it", "[a]"},
		{"nothing to compare with", Evidence{In: []Cell{probed(cellOf("a", 100, 100, 0), 4, 0)}},
			"passed inconclusive inconclusive", "there is nothing to compare with", ""},
		{"no metrics in the wave", Evidence{In: []Cell{probed(Cell{Node: "a", Window: time.Second, Requests: 1}, 4, 0)}, Out: quiet},
			"passed not_measured not_measured", "the gateways of the wave measure no requests by status", ""},
		{"no metrics outside", Evidence{In: []Cell{probed(cellOf("a", 100, 0, 0), 4, 0)}, Out: []Cell{{Node: "b", Requests: 5}}},
			"passed not_measured not_measured", "the gateways to compare with", ""},
		{"workers die", Evidence{In: []Cell{probed(Cell{Node: "a", Counts: true, Restarts: 2}, 4, 0)}, Out: quiet},
			"passed inconclusive inconclusive failed", "worker processes were replaced 2 times on a", "[a]"},
		{"workers die everywhere", Evidence{In: []Cell{probed(Cell{Node: "a", Counts: true, Restarts: 2}, 4, 0)},
			Out: []Cell{{Node: "b", Counts: true, Restarts: 3}}}, "passed inconclusive inconclusive", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.evidence.Wave, tt.evidence.Bounds = 1, []float64{10, 100}
			in := Input{Evidence: []Evidence{tt.evidence, {Wave: 2, In: []Cell{cellOf("z", 900, 900, 0)}}}}
			var outcomes, evidence []string
			for _, r := range in.judge(Rollout{Policy: Policy(all), Wave: 1}) {
				outcomes, evidence = append(outcomes, string(r.Outcome)), append(evidence, r.Evidence)
				if r.Outcome == GateFailed && fmt.Sprint(r.Nodes) != tt.nodes {
					t.Errorf("%s names %v, want %s", r.Gate, r.Nodes, tt.nodes)
				}
			}
			if got := strings.Join(outcomes, " "); got != tt.want {
				t.Errorf("got %q, want %q: %q", got, tt.want, evidence)
			}
			if !strings.Contains(strings.Join(evidence, "\n"), tt.says) {
				t.Errorf("%q does not say %q", evidence, tt.says)
			}
		})
	}
	if r := (Input{}).judge(Rollout{Wave: 1}); r != nil {
		t.Errorf("a policy without gates says %v", r)
	}
}

// harm has each node of the wave fail its requests, and the others not.
func (d *drive) harm(requests uint64) {
	e := Evidence{Wave: d.in.Rollout.Wave}
	for i, n := range d.in.Nodes {
		c := Cell{Node: n.Name, Window: time.Second, Counts: true, Requests: requests}
		if a := d.in.Assignment; a.Includes(n.Position) {
			c.Failed = requests
			e.In = append(e.In, c)
		} else if i >= 0 {
			e.Out = append(e.Out, c)
		}
	}
	d.in.Evidence = []Evidence{e}
}

func gatedPolicy() Policy {
	return Policy{ErrorRatio: &fleet.ErrorRatioGate{MaxIncreasePercent: 1}, Waves: []Wave{{Nodes: 1}, {Percent: 100}}}
}

func TestAFailedGateTakesTheCandidateBack(t *testing.T) {
	d := driven(t, 5, gatedPolicy())
	d.revise()
	d.run(time.Second)
	d.want(2, 1, 1, 1, 1)
	d.harm(500)
	d.run(time.Second)
	d.state(RolledBack)
	d.want(1, 1, 1, 1, 1)
	if r := d.in.Rollout; !r.Pinning.Due() || len(r.Gates) != 1 || !strings.Contains(r.Reason, "gate error-ratio failed in wave 1 of 2") {
		t.Errorf("the record is %+v", r)
	}
	d.run(time.Hour)
	d.want(1, 1, 1, 1, 1)
}

func TestAFailedGateHaltsWhenThePolicySaysSo(t *testing.T) {
	p := gatedPolicy()
	p.OnUnhealthy = fleet.UnhealthyHalts
	d := driven(t, 5, p)
	d.revise()
	d.run(time.Second)
	d.harm(500)
	d.run(time.Hour)
	d.state(Halted)
	d.want(2, 1, 1, 1, 1)
	if d.in.Rollout.Pinning != nil {
		t.Error("a halt pins")
	}
}

func TestAPromotedWaveIsNotJudged(t *testing.T) {
	d := driven(t, 5, gatedPolicy())
	d.revise()
	d.run(time.Second)
	d.order(Promote)
	d.harm(500)
	d.run(time.Second)
	if d.in.Rollout.Wave != 2 {
		t.Errorf("the rollout is in wave %d, %s", d.in.Rollout.Wave, d.in.Rollout.Reason)
	}
}

func TestAGateWithoutEvidenceIsPassedAfterTheDefaultWatch(t *testing.T) {
	d := driven(t, 3, gatedPolicy())
	d.revise()
	d.run(9 * time.Second)
	d.want(2, 1, 1)
	d.run(2 * time.Second)
	d.want(2, 2, 2)
	d.state(Soaking)
	d.run(10 * time.Second)
	d.state(Completed)
}

func TestWhatTheGroupRunsAlreadyIsNotJudged(t *testing.T) {
	d := driven(t, 3, gatedPolicy())
	d.in.Newest = Target{Revision: 2, Digest: d.in.Newest.Digest}
	d.run(time.Second)
	d.state(Completed)
}

func TestAWaveWithoutEvidenceEndsAsThePolicySays(t *testing.T) {
	for _, tt := range []struct {
		policy fleet.OnInconclusive
		after  time.Duration
		want   State
	}{
		{fleet.InconclusiveHalts, DefaultWatch - time.Second, Soaking},
		{fleet.InconclusiveHalts, DefaultWatch + time.Second, Halted},
		{fleet.InconclusiveWaits, DefaultWatch + DefaultDeadline - time.Second, Soaking},
		{fleet.InconclusiveWaits, DefaultWatch + DefaultDeadline + time.Second, Halted},
	} {
		p := waved()
		p.Waves[0].Soak, p.ErrorRatio = 0, &fleet.ErrorRatioGate{MaxIncreasePercent: 1}
		d := driven(t, 4, p)
		d.in.Policy.OnInconclusive = tt.policy
		d.revise()
		d.run(tt.after)
		d.state(tt.want)
		d.want(2, 1, 1, 1)
	}
}

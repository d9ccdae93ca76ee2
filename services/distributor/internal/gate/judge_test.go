package gate

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

var kongBounds = []float64{25, 50, 80, 100, 250, 400, 700, 1000, 2000, 5000, 10000, 30000, 60000}

// counted returns a sample of requests of which some failed, all of them at the latencies of buckets.
func counted(requests, failed uint64, latency ...uint64) Sample {
	s := Sample{CountsRequests: true, Requests: requests, Failed: failed}
	if len(latency) > 0 {
		s.MeasuresLatency = true
		s.Latency = Histogram{Bounds: kongBounds, Counts: make([]uint64, len(kongBounds)+1)}
		copy(s.Latency.Counts, latency)
	}
	return s
}

// many returns n nodes with the same sample.
func many(name string, n int, s Sample) (all []Node) {
	for i := range n {
		all = append(all, Node{ID: fmt.Sprintf("%s-%d", name, i), Now: s})
	}
	return all
}

func with(nodes []Node, before Sample) []Node {
	for i := range nodes {
		nodes[i].Before = &before
	}
	return nodes
}

func TestJudge(t *testing.T) {
	errors := Limits{ErrorRatio: &Share{MaxIncrease: 0.01}}
	latency := Limits{Latency: &Latency{MaxIncrease: 0.5}}
	median := Limits{Latency: &Latency{Quantile: 0.5, MaxIncrease: 0.5}}
	probes := Limits{Probes: true}
	twelve := Look{Window: 12 * time.Second, Waves: 2}
	probed := func(sent, failed uint64) Sample {
		return Sample{Probes: []Probe{{Name: "/health", Sent: sent, Failed: failed, Reason: "503"}}}
	}
	workers := func(n uint64) Sample { return Sample{CountsWorkers: true, WorkerErrors: n} }
	for _, tt := range []struct {
		name               string
		limits             Limits
		treatment, control []Node
		look               Look
		want               Outcome
		text               string
	}{
		{
			name: "as many errors as the control pass", limits: errors, look: twelve,
			treatment: many("new", 1, counted(1000, 1)), control: many("old", 11, counted(1000, 1)), want: Pass,
			text: "failed requests 0.1 % of 1,000 on 1 node, 0.1 % of 11,000 on 11 others over 12s; limit +1 %",
		},
		{
			name: "a total failure is seen in 20 requests", limits: errors, look: Look{Window: time.Second, Waves: 2},
			treatment: many("new", 1, counted(20, 20)), control: many("old", 11, counted(20, 0)), want: Fail,
			text: "failed requests 100 % of 20 on 1 node, 0 % of 220 on 11 others over 1s; limit +1 %",
		},
		{
			name: "a total failure is seen beside one other node", limits: errors, look: Look{Window: 3 * time.Second, Waves: 2},
			treatment: many("new", 1, counted(60, 60)), control: many("old", 1, counted(60, 0)), want: Fail,
			text: "failed requests 100 % of 60 on 1 node, 0 % of 60 on 1 other over 3s; limit +1 %",
		},
		{
			name: "an outage of all nodes is not the candidate's", limits: errors, look: twelve,
			treatment: many("new", 1, counted(1000, 1000)), control: many("old", 11, counted(1000, 990)), want: Pass,
			text: "failed requests 100 % of 1,000 on 1 node, 99 % of 11,000 on 11 others over 12s; limit +1 %",
		},
		{
			name: "little traffic is inconclusive", limits: errors, look: twelve,
			treatment: many("new", 1, counted(10, 0)), control: many("old", 11, counted(1000, 1)), want: Inconclusive,
			text: "failed requests 0 % of 10 on 1 node, 0.1 % of 11,000 on 11 others over 12s; limit +1 %",
		},
		{
			name: "one error of ten is no evidence", limits: errors, look: twelve,
			treatment: many("new", 1, counted(10, 1)), control: many("old", 11, counted(1000, 1)), want: Inconclusive,
			text: "failed requests 10 % of 10 on 1 node, 0.1 % of 11,000 on 11 others over 12s; limit +1 %, " +
				"not yet beyond chance and the differences between nodes (1.4 %)",
		},
		{
			name: "a node that failed as often before is not blamed", limits: errors, look: twelve,
			treatment: with(many("new", 1, counted(2000, 200)), counted(6000, 600)), control: many("old", 11, counted(2000, 2)), want: Pass,
			text: "failed requests 10 % of 2,000 on 1 node, 0.1 % of 22,000 on 11 others over 12s; limit +1 %, " +
				"not yet beyond chance and the differences between nodes (11.1 %)",
		},
		{
			name: "the last wave is compared with the control of the wave before", limits: errors,
			look:      Look{Window: 10 * time.Second, Waves: 2, Frozen: many("old", 11, counted(1000, 1))},
			treatment: many("new", 12, counted(200, 200)), want: Fail,
			text: "failed requests 100 % of 2,400 on 12 nodes, 0.1 % of 11,000 " +
				"on 11 nodes at the end of the wave before (weaker) over 10s; limit +1 %",
		},
		{
			name: "a group of one is compared with itself", limits: errors, look: Look{Window: 3 * time.Second},
			treatment: with(many("new", 1, counted(60, 60)), counted(6000, 6)), want: Fail,
			text: "failed requests 100 % of 60 on 1 node, 0.1 % of 6,000 on the same 1 node before the rollout (weaker) over 3s; limit +1 %",
		},
		{
			name: "with nothing to compare most must fail", limits: errors, look: twelve,
			treatment: many("new", 1, counted(400, 200)), want: Inconclusive,
			text: "failed requests 50 % of 400 on 1 node over 12s; nothing to compare with, limit 50 %",
		},
		{
			name: "with nothing to compare a total failure is seen", limits: errors, look: twelve,
			treatment: many("new", 1, counted(240, 240)), want: Fail,
			text: "failed requests 100 % of 240 on 1 node over 12s; nothing to compare with, limit 50 %",
		},
		{
			name: "without the plugin errors are not measured", limits: errors, look: twelve,
			treatment: many("new", 1, Sample{}), control: many("old", 11, counted(1000, 1)), want: Inconclusive,
			text: "failed requests not measured on the wave: needs the Prometheus plugin with status_code_metrics",
		},
		{
			name: "equal latency passes", limits: latency, look: twelve,
			treatment: many("new", 1, counted(1000, 0, 900, 80, 15, 5)), control: many("old", 11, counted(1000, 0, 900, 80, 15, 5)), want: Pass,
			text: "p99 70 ms of 1,000 requests on 1 node, 70 ms of 11,000 on 11 others over 12s; limit +50 %",
		},
		{
			name: "five times the latency fails", limits: latency, look: twelve,
			treatment: many("new", 1, counted(1000, 0, 0, 10, 40, 150, 720, 65, 10, 5)),
			control:   many("old", 11, counted(1000, 0, 900, 80, 15, 5)), want: Fail,
			text: "p99 550 ms of 1,000 requests on 1 node, 70 ms of 11,000 on 11 others over 12s; limit +50 %",
		},
		{
			name: "the median has its own limit", limits: median, look: twelve,
			treatment: many("new", 1, counted(300, 0, 0, 0, 0, 0, 300)), control: many("old", 11, counted(300, 0, 300)), want: Fail,
			text: "p50 175 ms of 300 requests on 1 node, 12.5 ms of 3,300 on 11 others over 12s; limit +50 %",
		},
		{
			name: "without latency_metrics latency is not measured", limits: latency, look: twelve,
			treatment: many("new", 1, counted(1000, 0)), control: many("old", 11, counted(1000, 0)), want: Inconclusive,
			text: "p99 not measured on the wave: needs the Prometheus plugin with latency_metrics",
		},
		{
			name: "a probe that was good and fails is a failure", limits: probes, look: twelve,
			treatment: with(many("new", 1, probed(6, 1)), probed(60, 0)), control: many("old", 3, probed(6, 0)), want: Fail,
			text: "1 of 6 probes failed on 1 node, 0 of 18 on 3 others over 12s; /health: 503",
		},
		{
			name: "a probe that failed before is no failure", limits: probes, look: twelve,
			treatment: with(many("new", 1, probed(6, 3)), probed(60, 30)), control: many("old", 3, probed(6, 0)), want: Pass,
			text: "3 of 6 probes failed on 1 node, 0 of 18 on 3 others over 12s",
		},
		{
			name: "a probe that fails everywhere is no failure", limits: probes, look: twelve,
			treatment: with(many("new", 1, probed(6, 6)), probed(60, 0)), control: many("old", 3, probed(6, 5)), want: Inconclusive,
			text: "6 of 6 probes failed on 1 node, 15 of 18 on 3 others over 12s; /health fails on nodes outside of the wave as well",
		},
		{
			name: "a probe that was never sent is inconclusive", limits: probes, look: twelve,
			treatment: many("new", 1, probed(0, 0)), want: Inconclusive, text: "0 of 0 probes failed on 1 node over 12s",
		},
		{
			name: "workers that die again and again are a failure", limits: Limits{Workers: true}, look: twelve,
			treatment: many("new", 1, workers(24)), control: many("old", 11, workers(0)), want: Fail,
			text: "24 worker errors on 1 node, 0 on 11 others over 12s",
		},
		{
			name: "a gateway that restarts once is not", limits: Limits{Workers: true}, look: twelve,
			treatment: many("new", 1, workers(4)), control: many("old", 11, workers(0)), want: Pass,
			text: "4 worker errors on 1 node, 0 on 11 others over 12s",
		},
		{
			name: "no node of the wave has evidence", limits: errors, look: twelve, control: many("old", 11, counted(1000, 1)), want: Inconclusive,
			text: "failed requests unknown: no node of the wave has evidence",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Judge(tt.limits, tt.treatment, tt.control, tt.look)
			if got.Outcome != tt.want || got.Gates[0].Text() != tt.text {
				t.Errorf("got %s: %s\nwant %s: %s", got.Outcome, got.Gates[0].Text(), tt.want, tt.text)
			}
			if failed := got.Outcome == Fail; failed != (len(got.Gates[0].Nodes) > 0) {
				t.Errorf("%s names the nodes %q", got.Outcome, got.Gates[0].Nodes)
			}
		})
	}
}

func TestAWaveNamesItsWorstNodes(t *testing.T) {
	wave := many("new", 8, counted(100, 0))
	wave[3].Now.Failed, wave[6].Now.Failed = 60, 100
	got := Judge(Limits{ErrorRatio: &Share{MaxIncrease: 0.01}}, wave, many("old", 8, counted(100, 0)), Look{Window: time.Second})
	if want := []string{"new-6", "new-3"}; got.Outcome != Fail || !slices.Equal(got.Gates[0].Nodes, want) {
		t.Errorf("got %s by %q, want a failure by %q", got.Outcome, got.Gates[0].Nodes, want)
	}
}

func TestNoGatesPass(t *testing.T) {
	if got := Judge(Limits{}, many("new", 1, counted(100, 100)), nil, Look{}); got.Outcome != Pass || len(got.Gates) > 0 {
		t.Errorf("got %+v", got)
	}
}

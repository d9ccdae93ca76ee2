package stream

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
)

func evidence(age time.Duration, requests, failed uint64) *distributorv1.Evidence {
	return &distributorv1.Evidence{Age: durationpb.New(age), CountsRequests: true, MeasuresLatency: true, Requests: requests,
		FailedRequests: failed, LatencyBoundsMs: []float64{10, 100}, LatencyCounts: []uint64{requests, 0, 0}}
}

func TestEvidenceIsBounded(t *testing.T) {
	good := evidence(time.Second, 10, 1)
	if err := checkEvidence(good); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(*distributorv1.Evidence){
		"more failed than there are": func(e *distributorv1.Evidence) { e.FailedRequests = 11 },
		"an age below 0":             func(e *distributorv1.Evidence) { e.Age = durationpb.New(-1) },
		"no age":                     func(e *distributorv1.Evidence) { e.Age = nil },
		"bounds out of order":        func(e *distributorv1.Evidence) { e.LatencyBoundsMs = []float64{100, 10} },
		"a bound of 0":               func(e *distributorv1.Evidence) { e.LatencyBoundsMs = []float64{0, 10} },
		"too few counts":             func(e *distributorv1.Evidence) { e.LatencyCounts = []uint64{1, 2} },
		"too many bounds": func(e *distributorv1.Evidence) {
			e.LatencyBoundsMs, e.LatencyCounts = nil, nil
			for i := range maxBounds + 1 {
				e.LatencyBoundsMs = append(e.LatencyBoundsMs, float64(i+1))
			}
		},
		"too many probes": func(e *distributorv1.Evidence) { e.Probes = make([]*distributorv1.Evidence_Probe, maxProbes+1) },
		"a probe that failed more than it was sent": func(e *distributorv1.Evidence) {
			e.Probes = []*distributorv1.Evidence_Probe{{Path: "/", Sent: 1, Failed: 2}}
		},
	} {
		e := proto.CloneOf(good)
		edit(e)
		if checkEvidence(e) == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	shown := proto.CloneOf(good)
	shown.Probes = []*distributorv1.Evidence_Probe{{Path: "/\x1b[2J", Reason: "a\nb"}}
	if err := checkEvidence(shown); err != nil || shown.GetProbes()[0].GetPath() == "/\x1b[2J" || shown.GetProbes()[0].GetReason() != "a b" {
		t.Errorf("what is shown is %q, %v", shown.GetProbes(), err)
	}
}

func TestAnAgentThatCountsAnewBeginsAnew(t *testing.T) {
	s := &session{}
	for _, e := range []*distributorv1.Evidence{evidence(time.Minute, 100, 5), evidence(2*time.Minute, 200, 5)} {
		if err := s.observed(e); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.observation.history) != 2 {
		t.Errorf("history %v", s.observation.history)
	}
	if err := s.observed(evidence(time.Second, 3, 0)); err != nil || len(s.observation.history) != 1 {
		t.Errorf("after a start history is %v, %v", s.observation.history, err)
	}
	for i := range 100 {
		if err := s.observed(evidence(time.Duration(i+1)*10*time.Second, uint64(i+3), 0)); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(s.observation.history); n > int(baselineTime/baselineInterval)+1 {
		t.Errorf("history has %d entries", n)
	}
}

func TestWhatHappenedBetween(t *testing.T) {
	from, to := evidence(time.Minute, 100, 5), evidence(70*time.Second, 150, 8)
	from.Probes = []*distributorv1.Evidence_Probe{{Path: "/a", Sent: 10, Failed: 1, Reason: "timeout"}}
	to.Probes = []*distributorv1.Evidence_Probe{{Path: "/a", Sent: 14, Failed: 1, Reason: "timeout"}, {Path: "/b", Host: "h", Sent: 3,
		Failed: 3,
		Reason: "status 503"}}
	c := between("n", from, to)
	if c.Window != 10*time.Second || c.Requests != 50 || c.Failed != 3 || fmt.Sprint(c.Latency) != "[50 0 0]" {
		t.Errorf("got %+v", c)
	}
	want := []rollout.ProbeCell{{Name: "/a", Sent: 4}, {Name: "h/b", Sent: 3, Failed: 3, Reason: "status 503"}}
	if !slices.Equal(c.Probes, want) {
		t.Errorf("probes %+v, want %+v", c.Probes, want)
	}
}

func TestManyCellsBecomeOne(t *testing.T) {
	var cells []rollout.Cell
	for i := range 3 * rollout.MaxCells {
		c := rollout.Cell{Node: "n", Requests: 10, Counts: true, Window: time.Second, Latency: []uint64{10, 0}}
		if i == 2*rollout.MaxCells {
			c.Node, c.Failed = "bad", 10
		}
		cells = append(cells, c)
	}
	got := bounded(cells)
	rest := got[len(got)-1]
	if len(got) != rollout.MaxCells+1 || got[0].Node != "bad" || rest.Nodes != 2*rollout.MaxCells || rest.Requests != 20*rollout.MaxCells ||
		rest.Node != "" || rest.Latency[0] != 20*rollout.MaxCells {
		t.Errorf("%d cells, the first of %s, the last %+v", len(got), got[0].Node, rest)
	}
	if few := bounded(cells[:3]); len(few) != 3 {
		t.Errorf("few cells became %d", len(few))
	}
}

package distributor_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/testkit/agenttest"
)

// traffic is the traffic of gateways: a rate of requests, which fail on gateways that serve a given digest.
type traffic struct {
	mu    sync.Mutex
	began time.Time
	rate  float64 // a second and gateway
	fails map[fleet.Digest]bool
	nodes map[*agenttest.Agent]*distributorv1.Evidence
}

func newTraffic(rate float64) *traffic {
	return &traffic{began: time.Now(), rate: rate, fails: map[fleet.Digest]bool{}, nodes: map[*agenttest.Agent]*distributorv1.Evidence{}}
}

func (x *traffic) breaks(d fleet.Digest) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.fails[d] = true
}

// of returns the evidence of one gateway. Requests since the last call count by what it serves now.
func (x *traffic) of(a *agenttest.Agent) *distributorv1.Evidence {
	x.mu.Lock()
	defer x.mu.Unlock()
	age := time.Since(x.began)
	e := &distributorv1.Evidence{Age: durationpb.New(age), CountsRequests: true}
	if was := x.nodes[a]; was != nil {
		more := uint64((age - was.GetAge().AsDuration()).Seconds() * x.rate)
		e.Requests, e.FailedRequests = was.GetRequests()+more, was.GetFailedRequests()
		if x.fails[a.Serving().Digest] {
			e.FailedRequests += more
		}
	}
	x.nodes[a] = e
	return e
}

func (p *controlPlane) watchedAgents(n int, at *replica, x *traffic) (all []*agenttest.Agent) {
	for i := range n {
		all = append(all, p.agent(agenttest.Config{Node: fmt.Sprintf("n%d", i), Evidence: x.of,
			Hello: func(h *distributorv1.Hello) { h.ReportsEvidence = true }}, at))
	}
	return all
}

func gated(edit func(*fleetv1.RolloutPolicy)) *fleetv1.RolloutPolicy {
	p := &fleetv1.RolloutPolicy{
		Gates: &fleetv1.Gates{ErrorRatio: &fleetv1.ErrorRatioGate{MaxIncreasePercent: 1}},
		Waves: []*fleetv1.RolloutPolicy_Wave{
			{Size: &fleetv1.RolloutPolicy_Wave_Nodes{Nodes: 1}, Soak: durationpb.New(4 * time.Second)},
			{Size: &fleetv1.RolloutPolicy_Wave_Percent{Percent: 100}, Soak: durationpb.New(4 * time.Second)},
		},
	}
	if edit != nil {
		edit(p)
	}
	return p
}

func TestAWaveWhoseRequestsFailIsRolledBack(t *testing.T) {
	p := newControlPlane(t)
	p.upstream.Group("g", gated(nil))
	one, two := p.replica("one"), p.replica("two")
	x := newTraffic(100)
	agents := append(p.watchedAgents(2, one, x), p.agent(agenttest.Config{Node: "n2", Evidence: x.of,
		Hello: func(h *distributorv1.Hello) { h.ReportsEvidence = true }}, two))
	good := p.revise("")
	one.reaches(t, 1, completed)
	bad := p.snapshot(20, "-bad")
	x.breaks(bad)
	p.upstream.Revise("g", bad)
	r := two.reaches(t, 2, rolledBack)
	if !strings.Contains(r.GetReason(), "gate error-ratio failed in wave 1 of 2") || !strings.Contains(r.GetReason(), "100 % of") {
		t.Errorf("the reason is %q", r.GetReason())
	}
	if g := r.GetGates(); len(g) != 1 || g[0].GetOutcome() != distributorv1.GateResult_OUTCOME_FAILED ||
		fmt.Sprint(g[0].GetNodes()) != "["+first("g", 3)+"]" {
		t.Errorf("the gates are %v", g)
	}
	eventually(t, "every agent serves the stable revision", func() bool {
		for _, a := range agents {
			if a.Serving().Digest != good {
				return false
			}
		}
		return true
	})
	for i, a := range agents {
		if told := len(a.History()); fmt.Sprint("n", i) != first("g", 3) && told > 1 && a.History()[1].Digest == bad {
			t.Errorf("n%d was told of the candidate: %+v", i, a.History())
		}
	}
	eventually(t, "the source is pinned", func() bool { return fmt.Sprint(two.rollout(2).GetPinnedSources()) == "[team-a]" })
}

func TestAHealthyWavePassesItsGates(t *testing.T) {
	p := newControlPlane(t)
	p.upstream.Group("g", gated(nil))
	r := p.replica("one")
	x := newTraffic(100)
	p.watchedAgents(3, r, x)
	p.revise("")
	r.reaches(t, 1, completed)
	p.revise("-two")
	if done := r.reaches(t, 2, completed); len(done.GetGates()) != 1 ||
		done.GetGates()[0].GetOutcome() != distributorv1.GateResult_OUTCOME_PASSED ||
		!strings.Contains(done.GetGates()[0].GetEvidence(), "before it") {
		t.Errorf("the gates of the last wave say %v", done.GetGates())
	}
}

func TestAnInconclusiveGateFollowsThePolicy(t *testing.T) {
	for on, want := range map[fleetv1.RolloutPolicy_OnInconclusive]distributorv1.Rollout_State{
		fleetv1.RolloutPolicy_ON_INCONCLUSIVE_CONTINUE: completed,
		fleetv1.RolloutPolicy_ON_INCONCLUSIVE_HALT:     halted,
		fleetv1.RolloutPolicy_ON_INCONCLUSIVE_WAIT:     halted, // at the deadline
	} {
		t.Run(on.String(), func(t *testing.T) {
			t.Parallel()
			p := newControlPlane(t)
			r := p.replica("one")
			p.watchedAgents(2, r, newTraffic(1))
			p.revise("")
			r.reaches(t, 1, completed)
			p.upstream.Group("g", gated(func(p *fleetv1.RolloutPolicy) { p.OnInconclusive, p.Deadline = on, durationpb.New(2*time.Second) }))
			eventually(t, "the policy is known", func() bool {
				p.revise(fmt.Sprint("-", time.Now().UnixNano()))
				return len(r.reachesEnd(t, p.upstream.Newest("g")).GetPolicy().GetGates().GetErrorRatio().String()) > 0
			})
			done := r.reaches(t, p.upstream.Newest("g"), want)
			if want == halted && !strings.Contains(done.GetReason(), "inconclusive") {
				t.Errorf("the reason is %q", done.GetReason())
			}
		})
	}
}

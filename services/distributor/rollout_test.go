package distributor_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/protobuf/types/known/durationpb"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"

	"github.com/silverback-gateway/silverback/kit/content"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/testkit/agenttest"
)

const (
	waiting     = distributorv1.Rollout_STATE_WAITING
	soaking     = distributorv1.Rollout_STATE_SOAKING
	progressing = distributorv1.Rollout_STATE_PROGRESSING
	completed   = distributorv1.Rollout_STATE_COMPLETED
	halted      = distributorv1.Rollout_STATE_HALTED
	superseded  = distributorv1.Rollout_STATE_SUPERSEDED
)

func TestWavesFill(t *testing.T) {
	p := newControlPlane(t)
	one, two := p.replica("one"), p.replica("two")
	agents := append(p.agents(3, one), p.agent(agenttest.Config{Node: "n3"}, two), p.agent(agenttest.Config{Node: "n4"}, two))
	digest := p.revise("")
	r := two.reaches(t, 1, completed)
	if r.GetProgress().GetServing() != 5 || r.GetWave() != 2 || r.GetTerm() == 0 || r.GetEndTime() == nil {
		t.Errorf("rollout is %v", r)
	}
	firstAt, others := first("g", 5), 0
	for i, a := range agents {
		if a.Serving().Digest != digest {
			t.Errorf("agent %d serves %q", i, a.Serving().Digest)
		}
		if h := a.History(); len(h) != 1 {
			t.Errorf("agent %d was told %d times: %+v", i, len(h), h)
		}
		if agents[nodeNumber(firstAt)].Serving().At.Before(a.Serving().At) {
			others++
		}
	}
	if others != 4 {
		t.Errorf("%d agents came after the first wave, want 4", others)
	}
	// The other replica watches etcd by itself and may see the end later.
	eventually(t, "the other replica has revision 1 as stable and no candidate", func() bool {
		answer, err := one.GetAssignment(t.Context(), &distributorv1.GetAssignmentRequest{Group: "g"})
		return err == nil && answer.GetAssignment().GetStableRevision() == 1 && answer.GetAssignment().GetCandidateRevision() == 0
	})
}

func nodeNumber(name string) int { return int(name[1] - '0') }

func TestFirstRefusalHaltsAndStableStays(t *testing.T) {
	p := newControlPlane(t)
	r := p.replica("one")
	var bad atomic.Value
	bad.Store("")
	judge := func(_ []byte, d *distributorv1.Directive) agenttest.Verdict {
		if d.GetDigest() == bad.Load() {
			return agenttest.Nack
		}
		return agenttest.Ack
	}
	p.upstream.Origins = []*translatorv1.LocateEntitiesResponse_Origin{{
		Entity: &translatorv1.EntityRef{Kind: "route", Name: "route-000000"}, Source: "team-a", Document: "team-a.yaml", Line: 14,
	}}
	var agents []*agenttest.Agent
	for _, node := range []string{"n0", "n1", "n2"} {
		agents = append(agents, p.agent(agenttest.Config{Node: node, Answer: judge, Problems: refusedRoute}, r))
	}
	good := p.revise("")
	r.reaches(t, 1, completed)
	worse := p.snapshot(20, "-bad")
	bad.Store(string(worse))
	p.upstream.Revise("g", worse)
	ended := r.reaches(t, 2, halted)
	if len(ended.GetRefusals()) != 1 || ended.GetRefusals()[0].GetNode() != first("g", 3) {
		t.Fatalf("refusals are %v", ended.GetRefusals())
	}
	problem := ended.GetRefusals()[0].GetProblem()
	if problem.GetSource() != "team-a" || problem.GetDocument() != "team-a.yaml" || problem.GetLine() != 14 ||
		problem.GetClass() != fleetv1.Problem_CLASS_REFUSED_BY_GATEWAY {
		t.Errorf("problem is %v", problem)
	}
	tried := agents[nodeNumber(first("g", 3))]
	eventually(t, "the node of wave one is back at stable", func() bool {
		h := tried.History()
		return h[len(h)-1].Digest == good &&
			len(h) == 3
	})
	for i, a := range agents {
		if a.Serving().Digest != good {
			t.Errorf("agent %d serves %q", i, a.Serving().Digest)
		}
		if a != tried && len(a.History()) != 1 {
			t.Errorf("agent %d was told of the candidate: %+v", i, a.History())
		}
	}
	// A node that joins later gets the stable revision.
	late := p.agent(agenttest.Config{Node: "late", Answer: judge}, r)
	eventually(t, "the late node serves stable", func() bool { return late.Serving().Digest == good })
	if h := late.History(); len(h) != 1 {
		t.Errorf("the late node was told %+v", h)
	}
	// The next revision is rolled out.
	p.revise("-fixed")
	r.reaches(t, 3, completed)
	if late.Serving().Revision != 3 {
		t.Errorf("the late node serves %+v", late.Serving())
	}
}

func TestNewerRevisionTakesOverAtTheGate(t *testing.T) {
	p := newControlPlane(t)
	p.upstream.Group("g", &fleetv1.RolloutPolicy{Waves: []*fleetv1.RolloutPolicy_Wave{
		{Size: &fleetv1.RolloutPolicy_Wave_Nodes{Nodes: 1}, Soak: durationpb.New(500 * time.Millisecond)},
		{Size: &fleetv1.RolloutPolicy_Wave_Percent{Percent: 100}},
	}})
	r := p.replica("one")
	agents := p.agents(2, r)
	p.revise("")
	r.reaches(t, 1, completed)
	p.revise("-two")
	r.reaches(t, 2, soaking)
	p.revise("-three")
	last := r.reaches(t, 3, completed)
	if was := r.rollout(2); was.GetState() != superseded || last.GetStableRevision() != 1 || last.GetId() <= was.GetId() {
		t.Errorf("rollouts are %v, then %v", was, last)
	}
	// No agent was sent back in between.
	for i, a := range agents {
		for _, h := range a.History()[1:] {
			if h.Revision == 1 {
				t.Errorf("agent %d was sent back: %+v", i, a.History())
			}
		}
	}
}

// bakes is a policy with a soak of the last wave.
func bakes(long time.Duration) *fleetv1.RolloutPolicy {
	return &fleetv1.RolloutPolicy{Waves: []*fleetv1.RolloutPolicy_Wave{
		{Size: &fleetv1.RolloutPolicy_Wave_Nodes{Nodes: 1}},
		{Size: &fleetv1.RolloutPolicy_Wave_Percent{Percent: 100}, Soak: durationpb.New(long)},
	}}
}

func TestARolloutCompletesAfterItsBake(t *testing.T) {
	p := newControlPlane(t)
	p.upstream.Group("g", bakes(time.Second))
	r := p.replica("one")
	p.agents(2, r)
	p.revise("")
	eventually(t, "the last wave bakes, and nothing is stable yet", func() bool {
		now := r.rollout(1)
		answer, err := r.GetAssignment(t.Context(), &distributorv1.GetAssignmentRequest{Group: "g"})
		return now.GetState() == soaking && now.GetWave() == 2 && now.GetProgress().GetServing() == 2 && err == nil &&
			answer.GetAssignment().GetStableRevision() == 0
	})
	r.reaches(t, 1, completed)
	answer, err := r.GetAssignment(t.Context(), &distributorv1.GetAssignmentRequest{Group: "g"})
	if err != nil || answer.GetAssignment().GetStableRevision() != 1 {
		t.Errorf("after the bake the assignment is %v, %v", answer, err)
	}
}

func TestARefusalDuringTheBakeHalts(t *testing.T) {
	p := newControlPlane(t)
	p.upstream.Group("g", bakes(time.Hour))
	r := p.replica("one")
	p.agents(2, r)
	p.revise("")
	eventually(t, "the last wave bakes", func() bool { now := r.rollout(1); return now.GetState() == soaking && now.GetWave() == 2 })
	p.agent(agenttest.Config{Node: "late", Problems: refusedRoute, Answer: func([]byte, *distributorv1.Directive) agenttest.Verdict {
		return agenttest.Nack
	}}, r)
	ended := r.reaches(t, 1, halted)
	if len(ended.GetRefusals()) != 1 || ended.GetRefusals()[0].GetNode() != "late" {
		t.Errorf("refusals are %v", ended.GetRefusals())
	}
	answer, err := r.GetAssignment(t.Context(), &distributorv1.GetAssignmentRequest{Group: "g"})
	if err != nil || answer.GetAssignment().GetStableRevision() != 0 || answer.GetAssignment().GetCandidateRevision() != 0 {
		t.Errorf("after the halt the assignment is %v, %v", answer, err)
	}
}

func TestSameContentMovesNoBytes(t *testing.T) {
	p := newControlPlane(t)
	r := p.replica("one")
	agents := p.agents(2, r)
	digest := p.revise("")
	r.reaches(t, 1, completed)
	p.upstream.Revise("g", digest)
	r.reaches(t, 2, completed)
	for _, a := range agents {
		eventually(t, "the agent knows the new number", func() bool { return a.Serving().Revision == 2 })
		if h := a.History(); h[1].Delta {
			t.Errorf("bytes were sent: %+v", h[1])
		}
	}
}

// A gateway hangs while its node gets a second content and then the first one again. That it served the first one before proves nothing.
func TestAnOldProofDoesNotCount(t *testing.T) {
	p := newControlPlane(t)
	r := p.replica("one")
	var hangs atomic.Bool
	hanging := first("g", 2) // the first wave
	agents := map[string]*agenttest.Agent{}
	for _, node := range []string{"n0", "n1"} {
		agents[node] = p.agent(agenttest.Config{Node: node, Answer: func([]byte, *distributorv1.Directive) agenttest.Verdict {
			if node == hanging && hangs.Load() {
				return agenttest.Silent
			}
			return agenttest.Ack
		}}, r)
	}
	p.revise("")
	r.reaches(t, 1, completed)
	hangs.Store(true)
	p.revise("-other")
	r.reaches(t, 2, progressing)
	eventually(t, "the gateway hangs", func() bool { return r.rollout(2).GetProgress().GetLoading() == 1 })
	p.revise("")
	eventually(t, "the hanging gateway is told of the third", func() bool { return len(agents[hanging].History()) == 3 })
	id := r.rollout(3).GetId()
	var text string
	eventually(t, "the third is counted", func() bool {
		var key string
		key, text = p.tally("one")
		return strings.Contains(key, "/"+id+"/")
	})
	// Content that the group runs already goes to all nodes at once, so that the other one may have answered.
	if !strings.Contains(text, `"loading":1`) || strings.Contains(text, `"serving":2`) {
		t.Errorf("the tally is %s", text)
	}
}

func TestOfflineNodesDoNotHoldUpARollout(t *testing.T) {
	p := newControlPlane(t)
	r := p.replica("one")
	p.upstream.Node("g", "gone", registryv1.Node_STATE_UNREACHABLE)
	p.revise("")
	r.reaches(t, 1, waiting)
	p.agents(2, r)
	done := r.reaches(t, 1, completed)
	if done.GetProgress().GetOffline() != 1 {
		t.Errorf("progress is %v", done.GetProgress())
	}
}

// An agent without a distributor sends heartbeats and reports the condition to the registry.
func TestANodeWithoutAStreamDoesNotHoldUpARollout(t *testing.T) {
	p := newControlPlane(t)
	r := p.replica("one")
	p.agents(2, r)
	p.upstream.Node("g", "cut", registryv1.Node_STATE_READY)
	p.revise("")
	eventually(t, "the node is waited for", func() bool {
		now := r.rollout(1)
		return now.GetProgress().GetServing() == 2 || now.GetWave() == 1 && now.GetProgress().GetLoading() == 1
	})
	p.upstream.Sick("g", "cut", "DistributorUnreachable")
	if done := r.reaches(t, 1, completed); done.GetProgress().GetOffline() != 1 {
		t.Errorf("progress is %v", done.GetProgress())
	}
}

func TestNoMoreLoadThanAllowed(t *testing.T) {
	p := newControlPlane(t)
	p.upstream.Group("g", &fleetv1.RolloutPolicy{MaxLoadingPercent: 25})
	r := p.replica("one")
	var told, most atomic.Int64
	release := make(chan struct{})
	for i := range 8 {
		p.agent(agenttest.Config{Node: "n" + string(rune('0'+i)), Answer: func([]byte, *distributorv1.Directive) agenttest.Verdict {
			now := told.Add(1)
			for {
				if was := most.Load(); now <= was || most.CompareAndSwap(was, now) {
					break
				}
			}
			<-release
			told.Add(-1)
			return agenttest.Ack
		}}, r)
	}
	p.revise("")
	for range 8 {
		release <- struct{}{}
	}
	r.reaches(t, 1, completed)
	if most.Load() > 2 {
		t.Errorf("%d nodes loaded at once, 2 may", most.Load())
	}
}

func TestOneGroupDoesNotStallAnother(t *testing.T) {
	p := newControlPlane(t)
	r := p.replica("one")
	p.upstream.Group("h", nil)
	p.agent(agenttest.Config{Node: "stuck", Group: "h", Answer: func([]byte,
		*distributorv1.Directive) agenttest.Verdict {
		return agenttest.Silent
	}}, r)
	p.agents(1, r)
	// missing content
	p.upstream.Revise("h", fleet.Digest("sha256:"+"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"))
	p.revise("")
	r.reaches(t, 1, completed)
}

func TestListAndWatch(t *testing.T) {
	p := newControlPlane(t)
	r := p.replica("one")
	p.agents(1, r)
	for _, other := range []string{"-a", "-b", "-c"} {
		p.revise(other)
		eventually(t, other, func() bool {
			l, err := r.ListRollouts(t.Context(), &distributorv1.ListRolloutsRequest{Group: "g"})
			return err == nil && len(l.GetRollouts()) > 0 && l.GetRollouts()[0].GetState() == completed &&
				l.GetRollouts()[0].GetCandidateDigest() != "" &&
				l.GetRollouts()[0].GetCandidateRevision() == int64(other[1]-'a'+1)
		})
	}
	var seen []int64
	token := ""
	for {
		l, err := r.ListRollouts(t.Context(), &distributorv1.ListRolloutsRequest{PageSize: 2, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range l.GetRollouts() {
			seen = append(seen, x.GetCandidateRevision())
		}
		if token = l.GetNextPageToken(); token == "" {
			break
		}
	}
	if len(seen) != 3 || seen[0] != 3 || seen[2] != 1 {
		t.Errorf("listed %v", seen)
	}
	stream, err := r.WatchRollouts(t.Context(), &distributorv1.WatchRolloutsRequest{Group: "g"})
	if err != nil {
		t.Fatal(err)
	}
	m, err := stream.Recv()
	if err != nil || m.GetRollout().GetCandidateRevision() != 3 {
		t.Fatalf("first is %v, %v", m, err)
	}
	if m, err = stream.Recv(); err != nil || m.GetSynced() == nil {
		t.Fatalf("second is %v, %v", m, err)
	}
	p.revise("-d")
	for m.GetRollout().GetState() != completed || m.GetRollout().GetCandidateRevision() != 4 {
		if m, err = stream.Recv(); err != nil {
			t.Fatal(err)
		}
	}
}

// A rollout reports missing content. Once the content is back, the nodes get it.
func TestARolloutReportsMissingContent(t *testing.T) {
	p := newControlPlane(t)
	r := p.replica("one")
	p.upstream.Group("g", &fleetv1.RolloutPolicy{Deadline: durationpb.New(3 * time.Second)})
	agents := p.agents(2, r)
	p.revise("")
	r.reaches(t, 1, completed)
	digest := p.snapshot(20, "x")
	if _, err := p.etcd.Delete(t.Context(), "content/chunks/", clientv3.WithPrefix()); err != nil {
		t.Fatal(err)
	}
	p.upstream.Revise("g", digest)
	said := r.reaches(t, 2, halted).GetReason()
	if !strings.Contains(said, "CONTENT_MISSING") || !strings.Contains(said, "revision 2") || !strings.Contains(said, "chunk ") {
		t.Errorf("the rollout halted: %s", said)
	}
	p.content = content.New(p.etcd, 0)
	p.snapshot(20, "x")
	p.upstream.Revise("g", digest)
	r.reaches(t, 3, completed)
	for i, a := range agents {
		if a.Serving().Digest != digest {
			t.Errorf("agent %d serves %q", i, a.Serving().Digest)
		}
	}
}

// A node in quarantine gets no directives, and no rollout waits for it. After its release it gets what its group runs.
func TestQuarantine(t *testing.T) {
	p := newControlPlane(t)
	one, two := p.replica("one"), p.replica("two")
	agents := append(p.agents(2, one), p.agent(agenttest.Config{Node: "n2"}, two))
	p.revise("")
	one.reaches(t, 1, completed)
	for _, a := range agents {
		eventually(t, "all serve", func() bool { return a.Serving().Revision == 1 })
	}
	p.upstream.Quarantine("g", "n2", true)
	for _, r := range []*replica{one, two} {
		eventually(t, "replicas have heard of it", func() bool { return r.counter(t, "silverback_distributor_quarantined_nodes") == 1 })
	}
	p.revise("-two")
	if done := one.reaches(t, 2, completed); done.GetProgress().GetServing() != 2 {
		t.Errorf("progress is %v", done.GetProgress())
	}
	p.revise("-three")
	one.reaches(t, 3, completed)
	if h := agents[2].History(); len(h) != 1 {
		t.Errorf("the node in quarantine was told %+v", h)
	}
	p.upstream.Quarantine("g", "n2", false)
	eventually(t, "it serves what its group runs", func() bool { return agents[2].Serving().Revision == 3 })
	p.revise("-four")
	if done := one.reaches(t, 4, completed); done.GetProgress().GetServing() != 3 {
		t.Errorf("progress is %v", done.GetProgress())
	}
}

package distributor_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/snapshot"
	"github.com/silverback-gateway/silverback/testkit/agenttest"
)

// pool stores a configuration with an upstream of n targets, 10.0.0.1:80 and so on, one without health checks, and one that revives.
func (p *controlPlane) pool(n int) fleet.Digest {
	p.t.Helper()
	var lines []string
	for i := range n {
		lines = append(lines, fmt.Sprintf(`{"id":"00000000-0000-5000-8000-%012d","target":"10.0.0.%d:80","upstream":{"id":"u1"}}`, i, i+1))
	}
	lines = append(lines, `{"id":"t2","target":"10.0.0.1:80","upstream":{"id":"u2"}}`,
		`{"id":"t3","target":"10.0.0.1:80","upstream":{"id":"u3"}}`,
		`{"id":"t4","target":"10.0.0.2:80","upstream":{"id":"u3"}}`)
	s, err := snapshot.Open([]byte("{\"_format_version\":\"3.0\",\n\"targets\":[\n" + strings.Join(lines, ",\n") + "\n],\n\"upstreams\":[\n" +
		`{"healthchecks":{"passive":{"unhealthy":{"tcp_failures":3}}},"id":"u1","name":"pool"},` + "\n" +
		`{"healthchecks":{"active":{"healthy":{"successes":2},"unhealthy":{"interval":5}}},"id":"u3","name":"revives"},` + "\n" +
		`{"id":"u2","name":"unchecked"}` + "\n]}\n"))
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.content.Put(context.Background(), s); err != nil {
		p.t.Fatal(err)
	}
	p.upstream.Revise("g", s.Digest())
	return s.Digest()
}

func named(pairs ...string) (all []*distributorv1.Target) {
	for _, pair := range pairs {
		upstream, target, _ := strings.Cut(pair, " ")
		all = append(all, &distributorv1.Target{Upstream: upstream, Target: target})
	}
	return all
}

func (r *replica) drain(t testing.TB, request *distributorv1.UpdateDrainedTargetsRequest) (*distributorv1.UpdateDrainedTargetsResponse,
	error) {
	t.Helper()
	request.Group = "g"
	if request.Reason == "" {
		request.Reason = "a test"
	}
	return distributorv1.NewTargetServiceClient(r.conn).UpdateDrainedTargets(t.Context(), request)
}

func (r *replica) drained(t testing.TB) (all []string) {
	t.Helper()
	for token, first := "", true; first || token != ""; first = false {
		answer, err := distributorv1.NewTargetServiceClient(r.conn).ListDrainedTargets(t.Context(),
			&distributorv1.ListDrainedTargetsRequest{Group: "g", PageSize: 2, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		token = answer.GetNextPageToken()
		for _, d := range answer.GetTargets() {
			line := fmt.Sprintf("%s %s of %s: %s", d.GetUpstream(), d.GetTarget(), d.GetOwner(), d.GetReason())
			if d.GetState() == distributorv1.DrainedTarget_STATE_STALE {
				line += " (stale)"
			}
			all = append(all, line)
		}
	}
	return all
}

// keeps waits until the last set that an agent was sent has these targets.
func keeps(t *testing.T, a *agenttest.Agent, want ...string) {
	t.Helper()
	var got string
	defer func() {
		if t.Failed() {
			t.Logf("the agent keeps out %q", got)
		}
	}()
	eventually(t, fmt.Sprintf("the agent is to keep out %q", want), func() bool {
		sets := a.TargetSets()
		if len(sets) == 0 {
			return false
		}
		var all []string
		for _, u := range sets[len(sets)-1].GetUpstreams() {
			for _, target := range u.GetTargets() {
				all = append(all, u.GetName()+" "+target)
			}
		}
		got = strings.Join(all, ",")
		return got == strings.Join(want, ",")
	})
}

func wantReason(t *testing.T, what string, err error, reason string, words ...string) {
	t.Helper()
	var e *fault.Error
	if !errors.As(fault.FromStatus(err), &e) || e.Reason != reason {
		t.Errorf("%s: %v, want %s", what, err, reason)
		return
	}
	for _, w := range words {
		if !strings.Contains(e.Error(), w) {
			t.Errorf("%s: %v does not say %q", what, e, w)
		}
	}
}

func TestDrainedTargetsReachEveryAgentOfTheGroup(t *testing.T) {
	p := newControlPlane(t)
	one, two := p.replica("one"), p.replica("two")
	p.pool(4)
	a, b := p.agent(agenttest.Config{Node: "a"}, one), p.agent(agenttest.Config{Node: "b"}, two)
	one.reaches(t, 1, completed)
	two.reaches(t, 1, completed)
	p.upstream.Group("h", nil)
	other := p.agent(agenttest.Config{Group: "h", Node: "h"}, two)

	answer, err := one.drain(t, &distributorv1.UpdateDrainedTargetsRequest{
		Add: named("pool 10.0.0.2:80", "pool 10.0.0.1:80", "pool 10.0.0.2:80")})
	if err != nil || answer.GetAddedCount() != 2 || answer.GetVersion() == 0 || len(answer.GetWarnings()) != 0 {
		t.Fatalf("%v, %v", answer, err)
	}
	keeps(t, a, "pool 10.0.0.1:80", "pool 10.0.0.2:80")
	keeps(t, b, "pool 10.0.0.1:80", "pool 10.0.0.2:80")
	late := p.agent(agenttest.Config{Node: "late"}, two)
	keeps(t, late, "pool 10.0.0.1:80", "pool 10.0.0.2:80")
	eventually(t, "both replicas count two", func() bool {
		const metric = "silverback_distributor_drained_targets"
		return one.counter(t, metric) == 2 && two.counter(t, metric) == 2
	})
	// The same again changes nothing, not even the reason.
	again, err := two.drain(t, &distributorv1.UpdateDrainedTargetsRequest{Add: named("pool 10.0.0.1:80"), Reason: "another"})
	if err != nil || again.GetAddedCount() != 0 || again.GetVersion() != answer.GetVersion() {
		t.Errorf("again: %v, %v", again, err)
	}
	if got := one.drained(t); len(got) != 2 || got[0] != "pool 10.0.0.1:80 of operator: a test" {
		t.Errorf("the list is %q", got)
	}
	if got := told(one.listed(t, &distributorv1.ListEventsRequest{}), func(e *distributorv1.Event) bool {
		return e.GetReason() == "TargetsDrained" && e.GetGroup() == "g" && e.GetSubject() == "target 10.0.0.1:80 of upstream pool"
	}); got != "TargetsDrained" {
		t.Errorf("the drain was told so: %q", got)
	}
	// An agent that reconnects is not sent what it has.
	two.stop()
	back := p.replica("two")
	sent := len(b.TargetSets())
	b2 := p.agent(agenttest.Config{Node: "b2", Hello: func(h *distributorv1.Hello) { h.TargetSetVersion = answer.GetVersion() }}, back)
	gone, err := back.drain(t, &distributorv1.UpdateDrainedTargetsRequest{Remove: named("pool 10.0.0.1:80", "pool 10.0.0.9:80")})
	if err != nil || gone.GetRemovedCount() != 1 {
		t.Errorf("undrain: %v, %v", gone, err)
	}
	keeps(t, a, "pool 10.0.0.2:80")
	keeps(t, b2, "pool 10.0.0.2:80")
	if got := b2.TargetSets(); len(got) != 1 {
		t.Errorf("an agent that had the set was sent %v", got)
	}
	if len(b.TargetSets()) != sent || len(other.TargetSets()) != 0 {
		t.Errorf("%d sets went to an agent that is gone, %v to another group", len(b.TargetSets()), other.TargetSets())
	}
}

func TestOwnersDoNotUndoEachOther(t *testing.T) {
	p := newControlPlane(t)
	r := p.replica("one")
	p.pool(4)
	a := p.agents(1, r)[0]
	r.reaches(t, 1, completed)
	drain := func(request *distributorv1.UpdateDrainedTargetsRequest) *distributorv1.UpdateDrainedTargetsResponse {
		t.Helper()
		answer, err := r.drain(t, request)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	drain(&distributorv1.UpdateDrainedTargetsRequest{Add: named("pool 10.0.0.1:80"), Reason: "a person"})
	drain(&distributorv1.UpdateDrainedTargetsRequest{Add: named("pool 10.0.0.1:80", "pool 10.0.0.2:80"), Owner: "k8s", Reason: "not ready"})
	answer := drain(&distributorv1.UpdateDrainedTargetsRequest{Remove: named("pool 10.0.0.1:80")})
	if still := answer.GetStillDrained(); answer.GetRemovedCount() != 1 || len(still) != 1 || still[0].GetOwner() != "k8s" {
		t.Errorf("%v", answer)
	}
	keeps(t, a, "pool 10.0.0.1:80", "pool 10.0.0.2:80")
	// The controller says what is the whole of its set.
	drain(&distributorv1.UpdateDrainedTargetsRequest{Add: named("pool 10.0.0.3:80"), Replace: true, Owner: "k8s"})
	keeps(t, a, "pool 10.0.0.3:80")
	drain(&distributorv1.UpdateDrainedTargetsRequest{Add: named("pool 10.0.0.1:80")})
	drain(&distributorv1.UpdateDrainedTargetsRequest{Replace: true, Owner: "k8s"})
	keeps(t, a, "pool 10.0.0.1:80")
	// A request that is repeated after others changed the set does nothing.
	first := drain(&distributorv1.UpdateDrainedTargetsRequest{Add: named("pool 10.0.0.2:80"), RequestId: "r1"})
	drain(&distributorv1.UpdateDrainedTargetsRequest{Remove: named("pool 10.0.0.2:80"), RequestId: "r2"})
	again := drain(&distributorv1.UpdateDrainedTargetsRequest{Add: named("pool 10.0.0.2:80"), RequestId: "r1"})
	if again.GetAddedCount() != 0 || again.GetVersion() <= first.GetVersion() {
		t.Errorf("repeated: %v", again)
	}
	keeps(t, a, "pool 10.0.0.1:80")
}

func TestWhatCannotBeKeptOutIsRefused(t *testing.T) {
	p := newControlPlane(t)
	r := p.replica("one")
	a := p.agents(1, r)[0]
	// Nothing is known of what the group runs.
	answer, err := r.drain(t, &distributorv1.UpdateDrainedTargetsRequest{Add: named("unknown 10.0.0.1:80")})
	if err != nil || len(answer.GetWarnings()) != 1 {
		t.Fatalf("%v, %v", answer, err)
	}
	keeps(t, a, "unknown 10.0.0.1:80")
	p.pool(3)
	r.reaches(t, 1, completed)
	eventually(t, "it is shown as stale", func() bool { got := r.drained(t); return len(got) == 1 && strings.HasSuffix(got[0], "(stale)") })
	for _, c := range []struct {
		add    []string
		reason string
		words  []string
	}{
		{[]string{"none 10.0.0.1:80"}, "NO_SUCH_UPSTREAM", []string{"upstream none", "not as the service"}},
		{[]string{"pool 10.0.0.1:80", "pool 10.0.0.77:80"}, "NO_SUCH_TARGET", []string{"10.0.0.77:80"}},
		{[]string{"unchecked 10.0.0.1:80"}, "NO_HEALTH_CHECKS", []string{"upstream unchecked", "tcp_failures"}},
		{[]string{"pool 10.0.0.1:80", "pool 10.0.0.2:80", "pool 10.0.0.3:80"}, "LAST_TARGET", []string{"upstream pool", "--force"}},
	} {
		_, err := r.drain(t, &distributorv1.UpdateDrainedTargetsRequest{Add: named(c.add...)})
		wantReason(t, fmt.Sprint(c.add), err, c.reason, c.words...)
	}
	for name, request := range map[string]*distributorv1.UpdateDrainedTargetsRequest{
		"nothing":       {},
		"a bad target":  {Add: named("pool a:b")},
		"a bad name":    {Add: named("po/ol a:1")},
		"a bad owner":   {Add: named("pool 10.0.0.1:80"), Owner: "K8s!"},
		"a blank cause": {Add: named("pool 10.0.0.1:80"), Reason: " \t"},
	} {
		if _, err := r.drain(t, request); !errors.Is(fault.FromStatus(err), fault.Of(fault.Invalid)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := r.drained(t); len(got) != 1 {
		t.Errorf("a refusal changed something: %q", got)
	}
	if _, err := distributorv1.NewTargetServiceClient(r.conn).UpdateDrainedTargets(t.Context(), &distributorv1.UpdateDrainedTargetsRequest{
		Group: "none", Add: named("pool 10.0.0.1:80"), Reason: "x"}); !errors.Is(fault.FromStatus(err), fault.Of(fault.Missing)) {
		t.Errorf("another group: %v", err)
	}
	// What is warned of, and what is forced.
	answer, err = r.drain(t, &distributorv1.UpdateDrainedTargetsRequest{Add: named("revives 10.0.0.1:80")})
	if err != nil || len(answer.GetWarnings()) != 1 || !strings.Contains(answer.GetWarnings()[0], "after 10s") {
		t.Errorf("%v, %v", answer, err)
	}
	if _, err := r.drain(t, &distributorv1.UpdateDrainedTargetsRequest{Force: true,
		Add: named("pool 10.0.0.1:80", "pool 10.0.0.2:80", "pool 10.0.0.3:80")}); err != nil {
		t.Error(err)
	}
	keeps(t, a, "pool 10.0.0.1:80", "pool 10.0.0.2:80", "pool 10.0.0.3:80", "revives 10.0.0.1:80", "unknown 10.0.0.1:80")
}

func TestDrainedTargetsAreBounded(t *testing.T) {
	p := newControlPlane(t)
	r := p.replica("one")
	a := p.agent(agenttest.Config{Node: "n0", Conn: func() grpc.ClientConnInterface { return r.conn }}, r)
	var many []*distributorv1.Target
	for i := range 2000 {
		many = append(many, &distributorv1.Target{Upstream: fmt.Sprintf("upstream-%04d.example.com", i/10),
			Target: fmt.Sprintf("10.1.%d.%d:8080", i/250, i%250)})
	}
	if _, err := r.drain(t, &distributorv1.UpdateDrainedTargetsRequest{Add: many, Owner: "k8s"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the agent is to keep out all", func() bool {
		n := 0
		for _, set := range a.TargetSets() {
			n = 0
			for _, u := range set.GetUpstreams() {
				n += len(u.GetTargets())
			}
		}
		return n == len(many)
	})
	_, err := r.drain(t, &distributorv1.UpdateDrainedTargetsRequest{Add: named("pool 10.0.0.1:80")})
	wantReason(t, "one more", err, "TOO_MANY_DRAINED_TARGETS", "2001 targets", "at most 2000")
	// What no revision names makes room once it is known to be stale.
	p.pool(3)
	r.reaches(t, 1, completed)
	if _, err := r.drain(t, &distributorv1.UpdateDrainedTargetsRequest{Add: named("pool 10.0.0.1:80")}); err != nil {
		t.Fatal(err)
	}
	keeps(t, a, "pool 10.0.0.1:80")
}

// After a ledger was recovered its set replaces what an agent has of the ledger before, although that has the larger version.
func TestTheSetOfANewEpochReplacesThatBefore(t *testing.T) {
	p := newControlPlane(t)
	r := p.replica("one")
	p.pool(3)
	a := p.agent(agenttest.Config{Node: "n0", Hello: func(h *distributorv1.Hello) {
		if h.GetTargetSetEpoch() == 0 {
			h.TargetSetVersion = 1 << 40
		}
	}}, r)
	r.reaches(t, 1, completed)
	answer, err := r.drain(t, &distributorv1.UpdateDrainedTargetsRequest{Add: named("pool 10.0.0.1:80")})
	if err != nil {
		t.Fatal(err)
	}
	p.revise("-later") // the agent is connected and sees it, with no set
	r.reaches(t, 2, completed)
	if got := a.TargetSets(); len(got) != 0 {
		t.Errorf("an agent that is ahead was sent %v", got)
	}
	if _, err := r.RecoverLedger(t.Context(), &distributorv1.RecoverLedgerRequest{Reason: "a test", Force: true}); err != nil {
		t.Fatal(err)
	}
	keeps(t, a, "pool 10.0.0.1:80")
	if set := a.TargetSets()[0]; set.GetEpoch() == 0 || set.GetVersion() != answer.GetVersion() {
		t.Errorf("%v", set)
	}
}

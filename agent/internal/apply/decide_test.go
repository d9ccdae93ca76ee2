package apply

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/silverback-gateway/silverback/agent/internal/drift"
	"github.com/silverback-gateway/silverback/agent/internal/gateway"
	"github.com/silverback-gateway/silverback/agent/internal/lastgood"
	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/proof"
)

var (
	noon   = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	moment = Moment{Now: noon, Chance: 0.5}

	snapA   = lastgood.Snapshot{Digest: "a", Revision: 1, Decision: 10, Term: 5}
	snapB   = lastgood.Snapshot{Digest: "b", Revision: 2, Decision: 20, Term: 5}
	loadedA = []Expectation{{snapA, "hash-a"}}
	ticket  = ReplyTo{1, 7}
	workers = proof.Worker
	refused = []verdict.Problem{{Kind: "route", Message: "no"}}
)

// serving is an agent whose gateway serves A.
func serving() State {
	return State{
		Memory: lastgood.Memory{Decision: 10, Term: 5, Serving: snapA}, Good: snapA, Wanted: Wanted{Snapshot: snapA},
		Serving: Serving{Snapshot: snapA, Proven: true, Ack: verdict.Ack{Proof: workers}},
		Gateway: Gateway{Observed: true, EverReachable: true, Reachable: true, Ready: true, Workers: "1 "},
		Drift:   Drift{Expected: loadedA, Found: "hash-a"},
	}
}

func with(s State, change func(*State)) State {
	change(&s)
	return s
}

// inTerm has the state follow its decision, which is number 10, in a term.
func inTerm(s State) State {
	s.Memory.Term, s.Memory.TermID = 5, 5
	return s
}

func received(s lastgood.Snapshot) DirectiveReceived {
	return DirectiveReceived{Directive{ReplyTo: ticket, Snapshot: s, Arrived: noon}}
}

func observation(hash fleet.GatewayHash, policy drift.Policy) Observed {
	return Observed{Observation: gateway.Observation{Hash: hash, Workers: "1 ", Ready: true}, Policy: policy}
}

func TestDecideActions(t *testing.T) {
	loading := with(serving(), func(s *State) { s.Wanted.Snapshot, s.Wanted.ReplyTo, s.Memory.Decision = snapB, ticket, 20 })
	retrying := with(loading, func(s *State) {
		s.Wanted.RetryAt, s.Wanted.Attempts, s.Wanted.Failure = noon.Add(time.Second), 1, verdict.Failure{Reason: verdict.Unreachable}
	})
	refusedB := with(serving(), func(s *State) { s.Memory.Refused = []lastgood.Refused{{Digest: "b", Problems: refused}} })
	older := lastgood.Snapshot{Digest: "b", Revision: 9, Decision: 9}
	newerA := lastgood.Snapshot{Digest: "a", Revision: 3, Decision: 30, Term: 5}
	suspect := &verdict.Failure{Reason: verdict.GatewayError, Suspect: true}
	fresh := Start(lastgood.Memory{}, snapA, Expectation{})
	damage := &verdict.Failure{Reason: verdict.BadDelta}
	unmanaged := State{
		Gateway:   Gateway{EverReachable: true, Observed: true, Reachable: true, Ready: true, Workers: "1 "},
		Unmanaged: Unmanaged{Hash: "foreign"},
	}
	tests := []struct {
		name  string
		state State
		event Event
		want  []string
	}{
		{"a new digest is loaded", serving(), received(snapB), []string{"remember", "load b"}},
		{"an older decision is refused and the gateway is left alone", serving(), received(older), []string{"failure stale_decision"}},
		{"an older decision is stale even when its bytes are damaged", serving(), DirectiveReceived{Directive{Snapshot: older, Damage: damage}},
			[]string{"failure stale_decision"}},
		{"an older epoch is refused whatever its decision", with(serving(), func(s *State) { s.Memory.Epoch = 2 }),
			received(lastgood.Snapshot{Digest: "b", Revision: 9, Epoch: 1, Decision: 99}), []string{"failure stale_decision"}},
		{"a newer epoch is followed whatever its decision", with(serving(), func(s *State) { s.Memory.Epoch = 2 }),
			received(lastgood.Snapshot{Digest: "b", Revision: 1, Epoch: 3, Decision: 1}), []string{"remember", "load b"}},
		{"a newer decision of a ledger that lost the followed one is refused", inTerm(serving()), DirectiveReceived{Directive{
			Snapshot: lastgood.Snapshot{Digest: "b", Revision: 2, Decision: 20, Term: 15, TermID: 6},
			Ends:     []fleet.End{{Term: 5, ID: 5, Decision: 9}}}}, []string{"failure stale_decision"}},
		{"one of a ledger that has it is followed", inTerm(serving()), DirectiveReceived{Directive{
			Snapshot: lastgood.Snapshot{Digest: "b", Revision: 2, Decision: 20, Term: 15, TermID: 6},
			Ends:     []fleet.End{{Term: 5, ID: 5, Decision: 10}}}}, []string{"remember", "load b"}},
		{"one whose earlier terms are not kept is followed", inTerm(serving()), DirectiveReceived{Directive{
			Snapshot: lastgood.Snapshot{Digest: "b", Revision: 2, Decision: 20, Term: 15, TermID: 6}, Since: 15}},
			[]string{"remember", "load b"}},
		{"what is served is acked anew in a newer epoch", serving(), received(
			lastgood.Snapshot{Digest: "a", Revision: 1, Epoch: 1, Decision: 3}), []string{"remember", "remember", "ack"}},
		{"damaged bytes are a failure", serving(), DirectiveReceived{Directive{ReplyTo: ticket, Snapshot: snapB, Damage: damage}},
			[]string{"failure bad_delta"}},
		{"what is served is acked without touching the gateway", serving(), received(newerA), []string{"remember", "remember", "ack"}},
		{"the same decision again is acked again", serving(), received(snapA), []string{"remember", "ack"}},
		{"what was served but may not be any more is loaded", with(serving(), func(s *State) { s.Serving.Proven = false }), received(newerA),
			[]string{"remember", "load a"}},
		{"what is served but was not saved is loaded", with(serving(), func(s *State) { s.Good = snapB }), received(newerA),
			[]string{"remember", "load a"}},
		{"what was refused is refused without a post", refusedB, received(snapB), []string{"remember", "nack"}},
		{"the same directive on a new stream does not shorten a wait", retrying, received(snapB), nil},
		{"another directive ends a wait", retrying, received(newerA), []string{"remember", "remember", "ack"}},

		{"an ack is remembered and answered", loading, LoadEnded{Snapshot: snapB, Hash: "hash-b"}, []string{"remember", "ack"}},
		{"a refusal is remembered and answered", loading, LoadEnded{Snapshot: snapB, Err: &verdict.Refusal{Problems: refused}},
			[]string{"remember", "nack"}},
		{"a failure is answered", loading, LoadEnded{Snapshot: snapB, Err: &verdict.Failure{Reason: verdict.Timeout}},
			[]string{"failure timeout"}},
		{"an error of unknown kind is a failure", loading, LoadEnded{Snapshot: snapB, Err: errors.New("x")}, []string{"failure gateway_error"}},
		{"an abandoned load is not answered", loading, LoadEnded{Snapshot: snapB, Abandoned: true}, nil},
		{"a suspicious error once is a failure", loading, LoadEnded{Snapshot: snapB, Err: suspect, Healthy: true},
			[]string{"failure gateway_error"}},
		{"a suspicious error twice of a healthy gateway is a refusal", with(loading, func(s *State) { s.Wanted.Suspects = 1 }),
			LoadEnded{Snapshot: snapB, Err: suspect, Healthy: true}, []string{"remember", "nack"}},
		{"a suspicious error twice of a sick gateway is a failure", with(loading, func(s *State) { s.Wanted.Suspects = 1 }),
			LoadEnded{Snapshot: snapB, Err: suspect}, []string{"failure gateway_error"}},

		{"a retry that is due is made", with(retrying, func(s *State) { s.Wanted.RetryAt = noon }), Tick{}, []string{"load b"}},
		{"a retry that is not due waits", retrying, Tick{}, nil},
		{"without a retry nothing happens", serving(), Tick{}, nil},

		{"all is well", serving(), observation("hash-a", drift.Heal), nil},
		{"drift is healed", serving(), observation("x", drift.Heal), []string{"drifted healing", "restore a"}},
		{"drift is reported", serving(), observation("x", drift.Report), []string{"drifted"}},
		{"the same drift is counted once", with(serving(), func(s *State) { s.Drift.Finding, s.Drift.Found = drift.Drifted, "x" }),
			observation("x", drift.Report), nil},
		{"a lost configuration is restored whatever the policy", serving(), observation(fleet.NoGatewayHash, drift.Report),
			[]string{"drifted healing", "restore a"}},
		{"a restore that failed is not repeated at once", with(serving(), func(s *State) { s.Restore.RetryAt = noon.Add(1) }),
			observation("x", drift.Heal), []string{"drifted healing"}},
		{"lost before anything was good: the wanted is loaded", with(retrying, func(s *State) { s.Good = lastgood.Snapshot{} }),
			observation(fleet.NoGatewayHash, drift.Heal), []string{"drifted healing", "load b"}},
		{"the first look restores what the disk holds", fresh, observation(fleet.NoGatewayHash, drift.Heal), []string{"inspect", "restore a"}},
		{"the first look with an empty disk changes nothing", Start(lastgood.Memory{}, lastgood.Snapshot{}, Expectation{}),
			observation("x", drift.Heal), []string{"inspect", "survey x"}},
		{"what somebody else gave an unmanaged gateway is read once", with(unmanaged, func(s *State) { s.Gateway.Workers = "1 " }),
			observation("foreign", drift.Heal), nil},
		{"and again when it is something else", unmanaged, observation("other", drift.Heal), []string{"survey other"}},
		{"a directive for an unmanaged gateway is tried, and the load asks first", unmanaged, received(snapA), []string{"remember", "load a"}},
		{"a load that would take something away is answered and not tried again", unmanaged,
			LoadEnded{Snapshot: snapA, Err: &verdict.Failure{Reason: verdict.Unmanaged, Message: "would lose"}}, []string{"failure unmanaged"}},
		{"what was kept away is loaded once the gateway serves nothing", with(unmanaged,
			func(s *State) { s.Wanted.HeldBack, s.Wanted.Snapshot = "would lose", snapA }),
			observation(fleet.NoGatewayHash, drift.Heal), []string{"load a"}},
		{"and tried once it serves something else", with(unmanaged, func(s *State) {
			s.Wanted.HeldBack, s.Wanted.Snapshot, s.Unmanaged.Hash = "would lose", snapA,
				"other"
		}),
			ConfigurationRead{Unmanaged{Hash: "other"}}, []string{"load a"}},
		{"a candidate that an unmanaged gateway does not run waits for a directive",
			Start(lastgood.Memory{}, lastgood.Snapshot{}, Expectation{snapA, "hash-a"}),
			observation("x", drift.Heal), []string{"inspect", "survey x"}},
		{"other workers are proven anew", with(serving(), func(s *State) { s.Gateway.Workers = "9 " }), observation("hash-a", drift.Heal),
			[]string{"inspect", "verify a"}},
		{"an absent gateway is left alone", serving(), Observed{Err: errors.New("away")}, nil},
		{"another fingerprint forgets refusals", with(refusedB, func(s *State) { s.Memory.Fingerprint = "old" }), Inspected{Fingerprint: "new"},
			[]string{"remember", "reopen"}},
		{"the same fingerprint does not", with(refusedB, func(s *State) { s.Memory.Fingerprint = "old" }), Inspected{Fingerprint: "old"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, actions := Decide(tt.state, moment, tt.event)
			var got []string
			for _, a := range actions {
				got = append(got, word(a))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func word(a Action) string {
	switch a := a.(type) {
	case Load:
		return "load " + string(a.Snapshot.Digest)
	case Restore:
		return "restore " + string(a.Snapshot.Digest)
	case Verify:
		return "verify " + string(a.Expectation.Snapshot.Digest)
	case Inspect:
		return "inspect"
	case ReadConfiguration:
		return "survey " + string(a.Hash)
	case Remember:
		return "remember"
	case Reopen:
		return "reopen"
	case Drifted:
		if a.Healing {
			return "drifted healing"
		}
		return "drifted"
	case Outcome:
		switch {
		case a.Ack != nil:
			return "ack"
		case a.Refusal != nil:
			return "nack"
		}
		return "failure " + a.Failure.Reason.String()
	}
	return "?"
}

func TestDecideState(t *testing.T) {
	s, _ := Decide(serving(), moment, received(snapB))
	if s.Memory.Decision != 20 || s.Wanted.Snapshot != snapB || !s.Serving.Proven {
		t.Errorf("while loading: %+v", s)
	}
	failed, _ := Decide(s, moment, LoadEnded{Snapshot: snapB, Hash: "hash-b", Err: &verdict.Failure{Reason: verdict.Timeout, Uncertain: true}})
	if failed.Serving.Proven || failed.serves() != "" || len(failed.Drift.Expected) != 2 || failed.Good != snapA {
		t.Errorf("after a timeout the gateway may run either: %+v", failed)
	}
	// Neither of the two is drift.
	for _, hash := range []fleet.GatewayHash{"hash-a", "hash-b"} {
		seen, _ := Decide(failed, moment, observation(hash, drift.Heal))
		if seen.Drift.Count != 0 || len(seen.Drift.Expected) != 1 || seen.Drift.Expected[0].Hash != hash {
			t.Errorf("found %s: %+v", hash, seen)
		}
	}
	if len(failed.Drift.Expected) != 2 || len(serving().Drift.Expected) != 1 {
		t.Error("a decision changed the state it was given")
	}
	busy, _ := Decide(s, moment, LoadEnded{Snapshot: snapB, Err: &verdict.Failure{Reason: verdict.Busy, RetryAfter: 10 * time.Second}})
	if got := busy.Wanted.RetryAt.Sub(noon); got != 10*time.Second || !busy.Serving.Proven {
		t.Errorf("a busy gateway is asked again after %v", got)
	}
	unproven, _ := Decide(s, moment, LoadEnded{Snapshot: snapB, Hash: "hash-b", Err: &verdict.Failure{Reason: verdict.NotProven}})
	if unproven.Serving.Proven || unproven.Good != snapA {
		t.Errorf("unproven: %+v", unproven)
	}
	same, actions := Decide(unproven, moment, observation("hash-b", drift.Heal))
	if len(actions) != 0 || same.Drift.Count != 0 {
		t.Errorf("what waits for its retry is not verified, nor drift: %v", actions)
	}
	refusal, _ := Decide(s, moment, LoadEnded{Snapshot: snapB, Err: &verdict.Refusal{Problems: refused}})
	if !refusal.Serving.Proven || refusal.serves() != "a" || !refusal.Wanted.RetryAt.IsZero() || len(refusal.Memory.Refused) != 1 {
		t.Errorf("after a refusal the old one serves on: %+v", refusal)
	}
	unsaved, _ := Decide(s, moment, LoadEnded{Snapshot: snapB, Hash: "hash-b", Served: true, Err: &verdict.Failure{Reason: verdict.Disk}})
	if unsaved.serves() != "b" || unsaved.Good != snapA || unsaved.Wanted.RetryAt.IsZero() {
		t.Errorf("served but not saved: %+v", unsaved)
	}
	away, _ := Decide(unsaved, moment, Observed{Err: errors.New("away")})
	if away.Serving.Proven || away.Gateway.Reachable {
		t.Errorf("away: %+v", away)
	}
	failedAway := with(away, func(s *State) { s.Wanted.Failure.Reason = verdict.Unreachable })
	if back, _ := Decide(failedAway, moment, observation("hash-b", drift.Heal)); !back.Wanted.RetryAt.Equal(noon) {
		t.Errorf("a gateway that is back is tried at once, not at %v", back.Wanted.RetryAt)
	}
}

// The phase is "loading" from the post on. Before it, a load may still wait for the gap since the last one, or be abandoned.
func TestPhaseOfALoad(t *testing.T) {
	s := serving()
	for _, step := range []struct {
		event Event
		phase string
		stage LoadStage
	}{
		{received(snapB), "serving", Preparing},
		{LoadEnded{Snapshot: snapB, Abandoned: true}, "serving", Idle},
		{received(lastgood.Snapshot{Digest: "c", Revision: 3, Decision: 30}), "serving", Preparing},
		{PostBegins{}, "loading", Posting},
		{BootFileWritten{}, "loading", Posting},
		{LoadEnded{Snapshot: snapB, Err: &verdict.Failure{Reason: verdict.Timeout}}, "failing", Idle},
	} {
		s, _ = Decide(s, moment, step.event)
		if s.phase() != step.phase || s.Wanted.Stage != step.stage {
			t.Errorf("after %T: phase %s, stage %d, want %s, %d", step.event, s.phase(), s.Wanted.Stage, step.phase, step.stage)
		}
	}
}

func TestRefusedAreBounded(t *testing.T) {
	s := serving()
	for i := range 40 {
		s, _ = Decide(s, moment, LoadEnded{Snapshot: lastgood.Snapshot{Digest: fleet.Digest(rune('A' + i))},
			Err: &verdict.Refusal{Problems: refused}})
	}
	if n := len(s.Memory.Refused); n != lastgood.MaxRefused {
		t.Errorf("%d are remembered", n)
	}
	if _, is := s.refused(fleet.Digest(rune('A' + 39))); !is {
		t.Error("the newest is forgotten")
	}
}

func TestBackoff(t *testing.T) {
	for attempts := 1; attempts < 100; attempts++ {
		low, high := retries.Pause(attempts, 0), retries.Pause(attempts, 0.999)
		if low < retries.Base/2 || high > retries.Cap || low > high {
			t.Errorf("attempt %d: %v to %v", attempts, low, high)
		}
	}
	if retries.Pause(1, 0.999) > time.Second || retries.Pause(50, 0) < retries.Cap/2 {
		t.Error("the ends are wrong")
	}
}

func TestMailbox(t *testing.T) {
	m := NewMailbox()
	m.Put(Directive{Snapshot: snapA})
	m.Put(Directive{Snapshot: snapB})
	if !m.Superseded(snapA) || m.Superseded(snapB) {
		t.Error("superseded is wrong")
	}
	<-m.Bell()
	if d, ok := m.Take(); !ok || d.Snapshot != snapB {
		t.Errorf("took %+v", d)
	}
	if _, ok := m.Take(); ok {
		t.Error("taken twice")
	}
	m.Put(Directive{Snapshot: snapA})
	if m.Superseded(snapB) {
		t.Error("an older decision supersedes")
	}
}

func TestAStaleDecisionIsReportedUntilANewerOneIsFollowed(t *testing.T) {
	s := with(serving(), func(s *State) { s.Memory.Epoch = 1 })
	s, _ = Decide(s, moment, received(lastgood.Snapshot{Digest: "b", Revision: 2, Decision: 99}))
	want := Stale{Followed: fleet.Stamp{Epoch: 1, Decision: 10, Term: 5}, Offered: fleet.Stamp{Decision: 99}}
	if s.Stale == nil || *s.Stale != want || s.Memory.Stamp() != want.Followed || s.Wanted.Snapshot != snapA {
		t.Fatalf("after an older decision: stale %v, memory %v, wanted %v", s.Stale, s.Memory.Stamp(), s.Wanted.Snapshot)
	}
	s, _ = Decide(s, moment, received(lastgood.Snapshot{Digest: "b", Revision: 2, Epoch: 2, Decision: 3}))
	if s.Stale != nil || s.Memory.Stamp() != (fleet.Stamp{Epoch: 2, Decision: 3}) {
		t.Errorf("after a newer one: stale %v, memory %v", s.Stale, s.Memory.Stamp())
	}
	lost := Stale{Followed: fleet.Stamp{Decision: 10}, Offered: fleet.Stamp{Decision: 11}}
	if got := lost.String(); !strings.Contains(got, "offers decision 11 of epoch 0, and its ledger does not have decision 10 of epoch 0") {
		t.Errorf("of a ledger that lost what is followed it says %q", got)
	}
}

// The mailbox orders directives by epoch first, then by decision.
func TestMailboxOrdersByEpochFirst(t *testing.T) {
	m := NewMailbox()
	newer := lastgood.Snapshot{Digest: "b", Epoch: 1, Decision: 1}
	if older := (lastgood.Snapshot{Digest: "a", Decision: 9}); !m.Put(Directive{Snapshot: newer}) || m.Put(Directive{Snapshot: older}) ||
		!m.Superseded(older) {
		t.Error("an older epoch was preferred for its larger decision")
	}
	if d, ok := m.Take(); !ok || d.Snapshot != newer {
		t.Errorf("%v waits", d)
	}
}

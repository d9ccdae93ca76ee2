package apply

import (
	"errors"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/gateway"
	"github.com/silverback-gateway/silverback/agent/internal/lastgood"
	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/kit/fleet"
)

func TestAFailedSpotCheckKeepsTheProofUntilTheNextOne(t *testing.T) {
	s, actions := Decide(serving(), moment, SpotCheckFailed{})
	if !s.Serving.Proven || len(actions) != 1 || word(actions[0]) != "verify a" {
		t.Fatalf("proven %v, %v", s.Serving.Proven, actions)
	}
	if _, actions := Decide(with(serving(), func(s *State) { s.Serving.Proven = false }), moment, SpotCheckFailed{}); len(actions) != 0 {
		t.Errorf("what is not proven is doubted: %v", actions)
	}

	stray := &verdict.Failure{Reason: verdict.StrayWorker, Message: "processes 1 and 2"}
	s, actions = Decide(s, moment, VerifyEnded{Snapshot: snapA, Err: stray})
	if s.Serving.Proven || s.serves() != "" || len(actions) != 0 {
		t.Errorf("a stray: proven %v, %v", s.Serving.Proven, actions)
	}
	c := map[string]string{}
	if s.proofConditions(c); c["StrayWorker"] != "processes 1 and 2" || c["StaleRouter"] != "" {
		t.Errorf("conditions %v", c)
	}
	s, _ = Decide(s, moment, VerifyEnded{Snapshot: snapA, Ack: verdict.Ack{Proof: workers}})
	c = map[string]string{}
	if s.proofConditions(c); !s.Serving.Proven || len(c) != 0 {
		t.Errorf("after the stray ended: proven %v, conditions %v", s.Serving.Proven, c)
	}
}

func TestAStrayThatServesTheSnapshotIsReported(t *testing.T) {
	s, _ := Decide(serving(), moment, VerifyEnded{Snapshot: snapA, Ack: verdict.Ack{Proof: workers, Stray: "processes 1 and 2"}})
	c := map[string]string{}
	if s.proofConditions(c); !s.Serving.Proven || c["StrayWorker"] == "" {
		t.Errorf("proven %v, conditions %v", s.Serving.Proven, c)
	}
}

func TestAStaleRouterIsHealedByALoad(t *testing.T) {
	stale := VerifyEnded{Snapshot: snapA, Err: &verdict.Failure{Reason: verdict.StaleRouter, Message: "old"}}
	s, actions := Decide(serving(), moment, stale)
	if s.Serving.Proven || len(actions) != 1 || word(actions[0]) != "restore a" {
		t.Errorf("proven %v, %v", s.Serving.Proven, actions)
	}
	waiting := with(serving(), func(s *State) { s.Restore.RetryAt = noon.Add(time.Second) })
	if _, actions := Decide(waiting, moment, stale); len(actions) != 0 {
		t.Errorf("a restore that failed is not waited after: %v", actions)
	}
	if _, actions := Decide(serving(), moment, VerifyEnded{Snapshot: snapA, Err: errors.New("away")}); len(actions) != 0 {
		t.Errorf("%v", actions)
	}
}

func TestTheGraceOfWorkersGrowsWithTheLoad(t *testing.T) {
	for load, want := range map[time.Duration]time.Duration{
		0: graceAfterLoad, time.Second: graceAfterLoad, 10 * time.Second: 20 * time.Second,
	} {
		if got := workerGrace(load); got != want {
			t.Errorf("after %v: %v, want %v", load, got, want)
		}
	}
}

func TestAFreshGatewayIsNotReportedAsNotReady(t *testing.T) {
	empty := Observed{Observation: gateway.Observation{Hash: fleet.NoGatewayHash, Workers: "1 ", Unready: "no configuration available"}}
	s, _ := Decide(Start(lastgood.Memory{}, lastgood.Snapshot{}, Expectation{}), moment, empty)
	if !s.fresh() {
		t.Errorf("a gateway that was never given anything: %+v", s)
	}
	busy := empty
	busy.Observation.Hash = "hash-x"
	if s, _ := Decide(s, moment, busy); s.fresh() {
		t.Error("it runs something, and is not ready")
	}
	if s, _ := Decide(serving(), moment, empty); s.fresh() {
		t.Error("it lost what it was given")
	}
	if s, _ := Decide(s, moment, LoadEnded{Snapshot: snapA, Err: &verdict.Failure{Reason: verdict.GatewayError}}); s.fresh() {
		t.Error("a load failed")
	}
}

// What is loaded may have come back under a later revision. A proof or a restore of it does not bring the earlier one back.
func TestTheSameContentKeepsItsLatestRevision(t *testing.T) {
	again := lastgood.Snapshot{Digest: "a", Revision: 3, Decision: 30, Term: 5}
	s, _ := Decide(serving(), moment, received(again))
	for name, event := range map[string]Event{
		"a proof":   VerifyEnded{Snapshot: snapA, Ack: verdict.Ack{Proof: workers}},
		"a restore": RestoreEnded{Snapshot: snapA, Hash: "hash-a", Ack: verdict.Ack{Proof: workers}},
	} {
		if after, _ := Decide(s, moment, event); after.Serving.Snapshot != again || after.Good != again || !after.Serving.Proven {
			t.Errorf("%s: it serves %+v, and %+v is the last known good", name, after.Serving.Snapshot, after.Good)
		}
	}
	if after, _ := Decide(s, moment, RestoreEnded{Snapshot: snapB, Hash: "hash-b"}); after.Serving.Snapshot != snapB || after.Good != snapB {
		t.Errorf("a restore of the generation before: %+v", after.Serving.Snapshot)
	}
}

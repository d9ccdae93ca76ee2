package apply

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/silverback-gateway/silverback/agent/internal/drift"
	"github.com/silverback-gateway/silverback/agent/internal/gateway"
	"github.com/silverback-gateway/silverback/agent/internal/lastgood"
	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/kit/fleet"
)

// story decides a list of events, a second apart, and returns the types and messages of the operator events.
func story(s State, events ...Event) (State, []string, string) {
	var kinds []string
	var told strings.Builder
	now := noon
	for _, e := range events {
		now = now.Add(time.Second)
		before := s
		s, _ = Decide(s, Moment{now, 0.5}, e)
		for _, h := range eventsBetween(before, s, now) {
			kinds = append(kinds, h.Type)
			told.WriteString(h.Message + "\n")
		}
	}
	return s, kinds, told.String()
}

func TestEventsBetweenStates(t *testing.T) {
	away := Observed{Err: errors.New("away")}
	again := Observed{Observation: gateway.Observation{Hash: "hash-a", Workers: "2 ", Ready: true}}
	older := with(serving(), func(s *State) {
		s.Memory.Known = []lastgood.Known{{Hash: "hash-o", Digest: "o", Revision: 7}, {Hash: "hash-r", Digest: "r", Revision: 9, Refused: true}}
	})
	returned := Observed{Observation: gateway.Observation{Hash: "hash-o", Workers: "2 ", Ready: true}, Policy: drift.Report}
	healed := RestoreEnded{Snapshot: snapA, Hash: "hash-a", Posted: true}
	tests := []struct {
		name   string
		state  State
		events []Event
		want   []string
		told   string
	}{
		{"all is well", serving(), []Event{observation("hash-a", drift.Heal)}, nil, ""},
		{"a restart", serving(), []Event{away, away, again}, []string{"GatewayAway", "GatewayRestarted"}, ""},
		{"a restart between two looks", serving(), []Event{again}, []string{"GatewayRestarted"}, ""},
		{"drift that is healed", serving(), []Event{observation("x-1", drift.Heal), healed}, []string{"Drift", "DriftHealed"},
			"(hash x-1) in place of revision 1 (hash hash-a): it is none of ours\nthe gateway runs revision 1 again, after 1s"},
		{"drift to one of ours", older, []Event{observation("hash-o", drift.Report)}, []string{"Drift"}, "it is our revision 7"},
		{"drift to one that was refused", older, []Event{observation("hash-r", drift.Report)}, []string{"Drift"},
			"it is our revision 9, which was refused before"},
		{"drift from one to another", serving(), []Event{observation("x", drift.Report), observation("y", drift.Report)},
			[]string{"Drift", "Drift"},
			"(hash y)"},
		{"a start with an older one of ours is no drift", older, []Event{returned, returned, healed},
			[]string{"GatewayRestarted", "GatewayBehind", "GatewayRestored"}, "our revision 7"},
		{"lost", serving(), []Event{observation(fleet.NoGatewayHash, drift.Heal), healed}, []string{"GatewayLost", "GatewayRestored"}, ""},
		{"a load", serving(), []Event{received(snapB), LoadEnded{Snapshot: snapB, Hash: "hash-b"}}, []string{"SnapshotServing"}, "revision 2"},
		{"a refusal, asked for again", serving(), []Event{received(snapB), LoadEnded{Snapshot: snapB, Err: &verdict.Refusal{Problems: refused}},
			received(snapB)},
			[]string{"SnapshotRefused"}, "revision 2"},
		{"failures", serving(), []Event{received(snapB), LoadEnded{Snapshot: snapB, Err: &verdict.Failure{Reason: verdict.Timeout}},
			LoadEnded{Snapshot: snapB, Err: &verdict.Failure{Reason: verdict.Timeout}}},
			[]string{"LoadFailed", "LoadFailed"}, "attempt 2: timeout"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, got, told := story(tt.state, tt.events...)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			if !strings.Contains(told, tt.told) {
				t.Errorf("told %q, want %q in it", told, tt.told)
			}
		})
	}
}

func TestARestartWithAnOlderRevisionIsRepairedUnderEveryPolicy(t *testing.T) {
	s := with(serving(), func(s *State) { s.Memory.Known = []lastgood.Known{{Hash: "hash-o", Digest: "o", Revision: 7}} })
	for _, policy := range []drift.Policy{drift.Heal, drift.Report} {
		after, actions := Decide(s, moment, Observed{Observation: gateway.Observation{Hash: "hash-o", Workers: "2 "}, Policy: policy})
		if after.Drift.Count != 0 || !slices.ContainsFunc(actions, func(a Action) bool { return word(a) == "restore a" }) {
			t.Errorf("%d drifts, %v", after.Drift.Count, actions)
		}
	}
	// The gateway returned to the last known good while a candidate was tried. That is no drift, and the candidate is tried again.
	trying := with(s, func(s *State) {
		s.Memory.Known = []lastgood.Known{{Hash: "hash-a", Digest: "a", Revision: 1}}
		s.Wanted.Snapshot, s.Drift.Expected, s.Serving.Proven = snapB, []Expectation{{snapB, "hash-b"}}, false
		s.Wanted.Failure, s.Wanted.RetryAt = verdict.Failure{Reason: verdict.NotProven}, noon.Add(time.Minute)
	})
	after, actions := Decide(trying, moment, Observed{Observation: gateway.Observation{Hash: "hash-a", Workers: "2 "}})
	if after.Drift.Finding != drift.Same || after.Drift.Count != 0 || !after.Wanted.RetryAt.Equal(noon) ||
		!slices.ContainsFunc(actions, func(a Action) bool { return word(a) == "verify a" }) {
		t.Errorf("%+v, %v", after, actions)
	}
}

func TestCapabilitiesAreReadAgainAfterAFailure(t *testing.T) {
	s, actions := Decide(with(serving(), func(s *State) { s.Gateway.Workers = "0 " }), moment, observation("hash-a", drift.Heal))
	if s.maxInterval() == 0 || word(actions[0]) != "inspect" {
		t.Fatalf("%v", actions)
	}
	s, _ = Decide(s, moment, VerifyEnded{Snapshot: snapA})
	s, actions = Decide(s, moment, observation("hash-a", drift.Heal))
	if len(actions) != 1 || word(actions[0]) != "inspect" || s.maxInterval() == 0 {
		t.Errorf("it did not say: then %v", actions)
	}
	s, _ = Decide(s, moment, Inspected{Fingerprint: "same"})
	s, actions = Decide(s, moment, observation("hash-a", drift.Heal))
	if len(actions) != 0 || s.maxInterval() != 0 {
		t.Errorf("it said: then %v", actions)
	}
}

func TestAnInterruptedCandidateIsLoaded(t *testing.T) {
	pending := Expectation{snapB, "hash-b"}
	memory := lastgood.Memory{Decision: 20, Serving: snapA}
	tests := []struct {
		name  string
		state State
		found fleet.GatewayHash
		want  []string
	}{
		{"the gateway runs it", Start(memory, snapA, pending), "hash-b", []string{"inspect", "load b"}},
		{"the gateway runs what it was to replace", Start(memory, snapA, pending), "hash-a", []string{"inspect", "restore a"}},
		{"nothing was good before", Start(lastgood.Memory{Decision: 20}, lastgood.Snapshot{}, pending), fleet.NoGatewayHash,
			[]string{"inspect", "load b"}},
		{"its refusal was remembered", Start(lastgood.Memory{Decision: 20, Refused: []lastgood.Refused{{Digest: "b"}}}, lastgood.Snapshot{},
			pending),
			fleet.NoGatewayHash, []string{"inspect"}},
		{"a newer decision was followed", Start(lastgood.Memory{Decision: 21}, lastgood.Snapshot{}, pending), fleet.NoGatewayHash,
			[]string{"inspect"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, actions := Decide(tt.state, moment, observation(tt.found, drift.Heal))
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

// A wall clock that jumps must not stop a retry: what Decide computes keeps the reading of the monotonic clock.
func TestWaitsAreByTheMonotonicClock(t *testing.T) {
	at := Moment{Now: time.Now()}
	failed, _ := Decide(serving(), at, LoadEnded{Snapshot: snapB, Err: &verdict.Failure{Reason: verdict.Timeout}})
	unrestored, _ := Decide(serving(), at, RestoreEnded{Snapshot: snapA, Err: &verdict.Failure{Reason: verdict.Timeout}})
	drifted, _ := Decide(serving(), at, observation("x", drift.Heal))
	for name, wait := range map[string]time.Time{
		"retry": failed.Wanted.RetryAt, "restore": unrestored.Restore.RetryAt, "found": drifted.Drift.FoundAt,
	} {
		if !strings.Contains(wait.String(), " m=") {
			t.Errorf("%s: %v has no monotonic reading", name, wait)
		}
	}
}

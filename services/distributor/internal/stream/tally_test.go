package stream

import (
	"fmt"
	"slices"
	"testing"
	"time"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
	"github.com/silverback-gateway/silverback/services/distributor/internal/store"
)

func TestTallyNamesTheSessionsInTheWave(t *testing.T) {
	h := oneSession().hub
	join := func(node string, say func(*session)) *session {
		s, err := h.join(&distributorv1.Hello{Group: "waves", Node: node})
		if err != nil {
			t.Fatal(err)
		}
		say(s)
		return s
	}
	var want rollout.Nodes
	sessions, positions := map[uint64]*session{}, []uint64{}
	for i := range 40 {
		into := []*rollout.Positions{&want.Serving, &want.Loading, &want.Refused, &want.Failed}[i%4]
		s := join(fmt.Sprint("n", i), func(s *session) {
			switch i % 4 {
			case 0:
				s.acked(one.Digest, true)
			case 2:
				s.nacked(one.Digest, true, &distributorv1.Nack{})
			case 3:
				s.failed(one.Digest, true, &distributorv1.Failure{})
			}
		})
		*into = append(*into, s.position)
		sessions[s.position], positions = s, append(positions, s.position)
	}
	g := sessions[positions[0]].group
	slices.Sort(positions)
	count := func(threshold uint64) rollout.Tally {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.assignment = &rollout.Assignment{Candidate: one, Rollout: "00000001", Reach: rollout.Reach{Threshold: threshold}, Decision: 1}
		_, tally := g.count()
		return tally
	}
	check := func(what string, threshold uint64) {
		t.Helper()
		got, named := count(threshold), 0
		for _, list := range []struct {
			name      string
			got, want rollout.Positions
			count     int
		}{
			{"serving", got.Nodes.Serving, want.Serving, got.Serving}, {"loading", got.Nodes.Loading, want.Loading, got.Loading},
			{"refused", got.Nodes.Refused, want.Refused, got.Refused}, {"failed", got.Nodes.Failed, want.Failed, got.Failed},
		} {
			slices.Sort(list.want)
			in, _ := slices.BinarySearch(list.want, threshold)
			if !slices.Equal(list.got, list.want[:in]) || list.count != in {
				t.Errorf("%s: %s are %v (%d), want %v", what, list.name, list.got, list.count, list.want[:in])
			}
			named += in
		}
		if got.Connected != named {
			t.Errorf("%s: %d are connected, want %d", what, got.Connected, named)
		}
	}
	check("nobody is in the wave", 0)
	check("some are", positions[17])
	check("all are", fleet.MaxPosition)
	want.Loading = append(want.Loading, join("late", func(*session) {}).position)
	check("one more came", fleet.MaxPosition)
	gone := sessions[want.Serving[3]]
	h.leave(gone)
	want.Serving = slices.Delete(want.Serving, 3, 4)
	check("one went", fleet.MaxPosition)
	again := join(string(sessions[want.Refused[0]].node), func(*session) {})
	want.Refused, want.Loading = slices.Delete(want.Refused, 0, 1), append(want.Loading, again.position)
	check("one came with a newer stream", fleet.MaxPosition)
}

func TestBudget(t *testing.T) {
	var b budget
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i := range tallyBurst {
		if wait := b.wait(now); wait != 0 {
			t.Fatalf("number %d waits %s", i+1, wait)
		}
		if i == 0 && b.wait(now) != 0 {
			t.Error("to ask costs something")
		}
		b.spend(0)
	}
	if wait := b.wait(now); wait != tallyInterval {
		t.Errorf("one too many waits %s", wait)
	}
	if now = now.Add(tallyInterval); b.wait(now) != 0 {
		t.Error("it does not fill up again")
	}
	b.spend(0)
	if wait := b.wait(now); wait != tallyInterval {
		t.Errorf("the next waits %s", wait)
	}
	now = now.Add(tallyInterval)
	b.spend(3 * nodesPerWrite)
	if wait := b.wait(now); wait != 4*tallyInterval {
		t.Errorf("after a large one the next waits %s", wait)
	}
}

func TestTallyWaitsForItsBudget(t *testing.T) {
	s := oneSession()
	g := s.group
	s.decide(&rollout.Assignment{Candidate: one, Rollout: "00000001", Reach: rollout.Reach{Threshold: fleet.MaxPosition}, Decision: 1})
	s.hub.tallies = store.NewTallies(nil, "r") // has no lease: nothing can be written
	g.dirty = true
	if s.hub.writeTally(t.Context(), g); g.budget.used != 1+1.0/nodesPerWrite {
		t.Errorf("an attempt cost %v", g.budget.used)
	}
	g.budget = budget{used: tallyBurst, at: time.Now().Add(time.Hour)}
	if wait := s.hub.writeTally(t.Context(), g); wait <= tallyInterval || !g.dirty {
		t.Errorf("without budget it is to be tried again after %s, dirty: %t", wait, g.dirty)
	}
}

package fleet_test

import (
	"math/rand/v2"
	"testing"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

func TestALedgerCoversWhatItDecided(t *testing.T) {
	at := func(decision fleet.Decision, term fleet.Term, id fleet.TermID) fleet.Stamp {
		return fleet.Stamp{Decision: decision, Term: term, TermID: id}
	}
	// Term 40 was restored from a backup after its decision 43, and term 57 decided on.
	restored := fleet.Lineage{Last: at(113, 57, 7), Ends: []fleet.End{{Term: 10, ID: 1, Decision: 35}, {Term: 40, ID: 4, Decision: 43}}}
	later := fleet.Lineage{Last: at(130, 120, 12), Ends: append(restored.Ends[:2:2], fleet.End{Term: 57, ID: 7, Decision: 113})}
	trimmed := later
	trimmed.Since, trimmed.Ends = 57, later.Ends[2:]
	older := fleet.Lineage{Last: at(113, 57, 0)}
	for _, tt := range []struct {
		name     string
		ledger   fleet.Lineage
		followed fleet.Stamp
		covers   bool
	}{
		{"nothing followed", restored, fleet.Stamp{}, true},
		{"the newest decision", restored, at(113, 57, 7), true},
		{"an earlier one of the same term", restored, at(60, 57, 7), true},
		{"a later one of the same term", restored, at(114, 57, 7), false},
		{"the last one of an earlier term", restored, at(43, 40, 4), true},
		{"an earlier one of an earlier term", restored, at(12, 10, 1), true},
		{"one that an earlier term made after the backup, passed by the numbers", restored, at(109, 40, 4), false},
		{"the same two terms on", later, at(109, 40, 4), false},
		{"one of a lost term", restored, at(60, 50, 5), false},
		{"one of a lost term of the same number", restored, at(112, 57, 8), false},
		{"one of a lost term of a larger number", restored, at(112, 70, 8), false},
		{"one of a lost term before the first", restored, at(9, 5, 5), false},
		{"one of a term before those that are kept, by its number", trimmed, at(109, 40, 4), true},
		{"one of a term before those that are kept, later than all", trimmed, at(131, 40, 4), false},
		{"one of a lost term among those that are kept", trimmed, at(100, 58, 5), false},
		{"one of an agent that knows no terms, by its number", restored, at(109, 0, 0), true},
		{"one of an agent that knows no terms, later than all", restored, at(114, 0, 0), false},
		{"of a leader that knows no terms, by the number", older, at(109, 40, 4), true},
		{"of a leader that knows no terms, later than all", older, at(114, 40, 4), false},
		{"one of an earlier epoch", fleet.Lineage{Last: fleet.Stamp{Epoch: 1, Decision: 5, Term: 3, TermID: 3}}, at(109, 40, 4), true},
		{"one of a later epoch", restored, fleet.Stamp{Epoch: 1, Decision: 5, Term: 57, TermID: 7}, false},
		{"anything, of a ledger that has nothing", fleet.Lineage{}, at(1, 1, 1), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.ledger.Covers(tt.followed); got != tt.covers {
				t.Errorf("%+v covers %+v: got %t", tt.ledger, tt.followed, got)
			}
		})
	}
}

// life is a ledger in which a group gets decisions.
type life struct {
	fleet.Lineage
	decided []fleet.Lineage // every decision
}

func (l *life) decide(epoch fleet.Epoch, decision fleet.Decision, term fleet.Term, id fleet.TermID) {
	l.Lineage = l.Next(epoch, term, id)
	l.Last.Decision = decision
	l.decided = append(l.decided, l.Lineage)
}

// grow makes random decisions in random terms from a revision on. Numbers of terms repeat in other lives; their ids do not.
func (l *life) grow(random *rand.Rand, revision, decisions int, ids *fleet.TermID) {
	term := fleet.Term(0)
	for range decisions {
		if revision += 1 + random.IntN(3); term == 0 || random.IntN(4) == 0 {
			term = fleet.Term(revision)
			*ids++
			revision += 1 + random.IntN(3)
		}
		l.decide(0, fleet.Decision(revision), term, *ids)
	}
}

// Whatever a ledger loses by a restore, and however its numbers grow afterwards, what it lost and only that is not covered.
func TestWhatARestoredLedgerLostIsNotCovered(t *testing.T) {
	for seed := range uint64(2000) {
		random := rand.New(rand.NewPCG(seed, 57))
		var ids fleet.TermID
		first := &life{}
		first.grow(random, 0, 1+random.IntN(20), &ids)
		kept := random.IntN(len(first.decided) + 1)
		second := &life{decided: first.decided[:kept:kept]}
		revision := 0
		if kept > 0 {
			second.Lineage = first.decided[kept-1]
			revision = int(second.Last.Decision)
		}
		second.grow(random, revision, 1+random.IntN(20), &ids)
		for _, now := range second.decided[kept:] {
			for i, was := range first.decided {
				if got := now.Covers(was.Last); got != (i < kept) {
					t.Fatalf("seed %d: %d of %d decisions were kept: %+v covers %+v: got %t", seed, kept, len(first.decided), now, was.Last, got)
				}
			}
		}
		for i, was := range second.decided {
			if !second.Covers(was.Last) {
				t.Fatalf("seed %d: %+v does not cover its own decision %d, %+v", seed, second.Lineage, i, was.Last)
			}
		}
	}
}

func TestALineageIsBounded(t *testing.T) {
	l := &life{}
	for i := range 2 * fleet.MaxEnds {
		l.decide(0, fleet.Decision(10*i+5), fleet.Term(10*i+1), fleet.TermID(i+1))
	}
	if len(l.Ends) != fleet.MaxEnds || l.Since != l.Ends[0].Term || l.Ends[fleet.MaxEnds-1].Decision != 10*(2*fleet.MaxEnds-2)+5 {
		t.Fatalf("%d ends are kept, from term %d on: %+v", len(l.Ends), l.Since, l.Ends)
	}
	for _, was := range l.decided {
		if !l.Covers(was.Last) {
			t.Errorf("%+v is not covered", was.Last)
		}
	}
	// A new epoch begins anew: a person decided about all that was before it.
	l.decide(1, 9999, 9990, 9)
	if len(l.Ends) != 0 || l.Since != 0 {
		t.Errorf("a new epoch begins with %+v", l.Lineage)
	}
	// So does a leader of an older version, which drops what it does not know: what was before it cannot be told any more.
	before := l.Last
	l.Lineage = fleet.Lineage{Last: fleet.Stamp{Epoch: 1, Decision: 10020, Term: 10010}}
	l.decide(1, 10035, 10030, 10)
	if len(l.Ends) != 0 || l.Since != 10010 || !l.Covers(before) || l.Covers(fleet.Stamp{Epoch: 1, Decision: 10022, Term: 10021, TermID: 11}) {
		t.Errorf("after a leader of an older version: %+v", l.Lineage)
	}
}

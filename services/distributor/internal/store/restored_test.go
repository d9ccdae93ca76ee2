package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/distributor/internal/event"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
	"github.com/silverback-gateway/silverback/services/distributor/internal/targets"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// A ledger was restored into an etcd that counts from the beginning, and was at 5000 in term 4000 before. What it has keeps its numbers.
// What is decided next has larger ones, and covers what the backup has, and nothing after it.
func TestARestoredLedgerGoesOn(t *testing.T) {
	etcd := etcdtest.Client(t)
	const at, shift = 5000, 100_000_000
	for key, value := range map[string]string{
		epochKey: fmt.Sprintf(`{"v":1,"value":{"epoch":0,"shift":%d,"restored":{"backup":"b"}}}`, shift),
		assignmentKey("g"): `{"v":2,"at":5000,"value":{"stable":{"revision":7},"term":4000,"term_id":11,"ends":[` +
			`{"term":3000,"id":10,"decision":3500}]}}`,
		targetsKey("g"):      `{"v":2,"at":4990,"value":{}}`,
		eventKey(at - 1):     `{"v":2,"at":5000,"value":{"events":[{"reason":"RolloutCompleted","group":"g","message":"before"}]}}`,
		rolloutKey("g", "1"): `{"v":1,"value":{"id":"1","group":"g","state":"completed"}}`,
	} {
		if _, err := etcd.Put(t.Context(), key, value); err != nil {
			t.Fatal(err)
		}
	}
	was := read(t, etcd, "g")
	if was.Assignment == nil || was.Assignment.Decision != at || was.Targets().Stamp.Decision != 4990 {
		t.Fatalf("the ledger holds %+v, and targets of %+v", was.Assignment, was.Targets().Stamp)
	}
	has := was.Assignment.Lineage()
	term := func(decision fleet.Decision, term fleet.Term, id fleet.TermID) fleet.Stamp {
		return fleet.Stamp{Decision: decision, Term: term, TermID: id}
	}
	covered := []fleet.Stamp{term(at, 4000, 11), term(4500, 4000, 11), term(3500, 3000, 10)}
	lost := []fleet.Stamp{term(at+1, 4000, 11), term(3501, 3000, 10), term(6000, 5900, 12), term(4800, 4700, 13), {Epoch: 1, Decision: 1}}
	judge := func(what string, l fleet.Lineage) {
		t.Helper()
		for _, s := range covered {
			if !l.Covers(s) {
				t.Errorf("%s: a node that follows %v is ahead", what, s)
			}
		}
		for _, s := range lost {
			if l.Covers(s) {
				t.Errorf("%s: a node that follows %v would go back", what, s)
			}
		}
	}
	judge("restored", has)

	fence := elect(t, etcd, Election("distributor")+"/one")
	fence.ID = 99
	written, err := Decide(t.Context(), etcd, fence, "g", was, rollout.Decision{Assignment: &rollout.Assignment{
		Stable: rollout.Target{Revision: 7}, Candidate: rollout.Target{Revision: 8}}}, News{Events: []event.Event{{Message: "after"}}})
	if err != nil {
		t.Fatal(err)
	}
	now := read(t, etcd, "g")
	a := now.Assignment
	if a.Decision != fleet.Decision(written+shift) || a.Term != fence.Term+shift || len(a.Ends) != 2 ||
		a.Ends[1] != (fleet.End{Term: 4000, ID: 11, Decision: at}) {
		t.Errorf("decided at etcd revision %d in term %d it is %+v", written, fence.Term, a)
	}
	judge("decided", a.Lineage())
	if l, err := ReadLedger(t.Context(), etcd); err != nil || l.Lineage("g").Last != a.Stamp() {
		t.Errorf("etcd itself holds %+v, %v", l, err)
	}
	if _, err := Decide(t.Context(), etcd, fence, "g", was, rollout.Decision{Assignment: a}, News{}); err == nil {
		t.Error("a decision on the assignment of before was taken")
	}

	// Events are in order, and none has a sequence of before.
	r := journalOf(t, etcd)
	if len(r.Batches) != 2 || r.Oldest() != event.SequenceAt(0, at, 0) || r.Newest() != event.SequenceAt(0, written+shift, 0) ||
		r.UpTo < r.Newest() {
		t.Errorf("the journal is %+v", r)
	}
	if known, err := KnownEvents(t.Context(), etcd); err != nil || known < r.Newest() {
		t.Errorf("events are known up to %d, %v", known, err)
	}

	// So are targets: a set that an agent has from before is older than the next one.
	set, err := ChangeTargets(t.Context(), etcd, "g", targets.Change{Owner: "o", Time: time.Now()},
		func(was targets.Set) (targets.Set, bool, error) { return was, true, nil })
	if err != nil || set.Stamp.Decision <= shift || read(t, etcd, "g").Targets().Stamp != set.Stamp {
		t.Errorf("the set has %+v, %v", set.Stamp, err)
	}

	// A recovery goes on in the same numbers, and keeps what the ledger was restored from.
	l, err := ReadLedger(t.Context(), etcd)
	if err == nil {
		err = Recover(t.Context(), etcd, l, Recovery{Epoch: 1})
	}
	if now := read(t, etcd, "g").Recovery; err != nil || now.Epoch != 1 || now.Shift != shift || string(now.Restored) != `{"backup":"b"}` {
		t.Errorf("it is %+v, %v", now, err)
	}
}

// A version that knows no marks must not take the etcd revision of a record for its number: it reads no record of another version.
func TestARecordWithAMarkHasAnotherVersion(t *testing.T) {
	for shift, want := range map[int64]string{0: `{"v":1,"value":1}`, 5: `{"v":2,"shift":5,"value":1}`} {
		if got, err := encodeShifted(1, shift); err != nil || got != want {
			t.Errorf("%d: %s, %v; want %s", shift, got, err, want)
		}
	}
	if _, _, err := decodeNumbered[int]([]byte(`{"v":3,"value":1}`), 7); err == nil {
		t.Error("a record of a later version was read")
	}
	if v, n, err := decodeNumbered[int]([]byte(`{"v":2,"at":3,"shift":5,"value":1}`), 7); v != 1 || n != 3 || err != nil {
		t.Errorf("%d, %d, %v", v, n, err)
	}
	if _, n, _ := decodeNumbered[int]([]byte(`{"v":2,"shift":5,"value":1}`), 7); n != (etcdkv.Mark{Shift: 5}).Number(7) || n != 12 {
		t.Errorf("%d", n)
	}
}

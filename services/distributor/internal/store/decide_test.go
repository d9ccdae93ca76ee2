package store

import (
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

func elect(t *testing.T, etcd *clientv3.Client, key string) etcdkv.Fence {
	t.Helper()
	answer, err := etcd.Put(t.Context(), key, "")
	if err != nil {
		t.Fatal(err)
	}
	return etcdkv.Fence{Key: key, Term: fleet.Term(answer.Header.Revision)}
}

// read returns a group in the ledger.
func read(t *testing.T, etcd *clientv3.Client, id fleet.GroupID) Group {
	t.Helper()
	v := NewView(slog.New(slog.DiscardHandler))
	load(t, etcd, v, decidedPrefix)
	return v.Group(id)
}

// load puts every record under a prefix into a view.
func load(t *testing.T, etcd *clientv3.Client, v *View, prefix string) {
	t.Helper()
	recv, err := etcdkv.Watch(etcd, prefix)(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	e, err := recv()
	if err != nil {
		t.Fatal(err)
	}
	v.apply(prefix)(e)
}

func TestDecideIsFencedAndCompared(t *testing.T) {
	etcd := etcdtest.Client(t)
	fence := elect(t, etcd, Election("distributor")+"/one")
	d := rollout.Decision{
		Rollout: &rollout.Rollout{Group: "g", ID: "00000001", State: rollout.Progressing},
		Assignment: &rollout.Assignment{Candidate: rollout.Target{Revision: 1}, Rollout: "00000001",
			Reach: rollout.Reach{Threshold: fleet.MaxPosition}},
	}
	at, err := Decide(t.Context(), etcd, fence, "g", Group{}, d, News{})
	if err != nil {
		t.Fatal(err)
	}
	now := read(t, etcd, "g")
	if int64(now.Assignment.Decision) != at || now.Assignment.Term != fence.Term || now.Assignment.Threshold != fleet.MaxPosition ||
		now.Newest().ID != "00000001" {
		t.Errorf("the ledger holds %+v", now)
	}
	if _, err := Decide(t.Context(), etcd, fence, "g", Group{}, d, News{}); !errors.Is(err, fault.Of(fault.Conflict)) {
		t.Errorf("a decision on what is no longer so gave %v", err)
	}
	// Each record is compared: a changed assignment conflicts although the rollout is the same, and the other way round.
	moved := rollout.Decision{Assignment: d.Assignment}
	if _, err := Decide(t.Context(), etcd, fence, "g", now, moved, News{}); err != nil {
		t.Fatal(err)
	}
	for _, late := range []rollout.Decision{moved, {Rollout: d.Rollout}} {
		if _, err := Decide(t.Context(), etcd, fence, "g", now, late, News{}); !errors.Is(err, fault.Of(fault.Conflict)) {
			t.Errorf("a decision on an assignment that was written anew gave %v", err)
		}
	}
	now = read(t, etcd, "g")
	if _, err := etcd.Delete(t.Context(), fence.Key); err != nil {
		t.Fatal(err)
	}
	elect(t, etcd, fence.Key) // the same key in a later term
	if _, err := Decide(t.Context(), etcd, fence, "g", now, d, News{}); !errors.Is(err, fault.Of(fault.StaleTerm)) {
		t.Errorf("a decision in an older term gave %v", err)
	}
}

// Each decision says where the terms before its own ended, whatever was planned.
func TestADecisionTellsTheEndsOfEarlierTerms(t *testing.T) {
	etcd := etcdtest.Client(t)
	var ends []fleet.End
	var since fleet.Term
	for id := range fleet.TermID(4) {
		fence := elect(t, etcd, Election("distributor")+"/"+strconv.Itoa(int(id)))
		fence.ID = id // the first is of an older version
		var at int64
		for range 2 {
			var err error
			if at, err = Decide(t.Context(), etcd, fence, "g", read(t, etcd, "g"), rollout.Decision{Assignment: &rollout.Assignment{}},
				News{}); err != nil {
				t.Fatal(err)
			}
			a := read(t, etcd, "g").Assignment
			if a.TermID != id || a.Lineage().Last != a.Stamp() || !slices.Equal(a.Ends, ends) || id > 0 && a.Since != since {
				t.Errorf("in term %d: %+v, want the ends %v since term %d", id, a, ends, since)
			}
		}
		if id == 0 {
			since = fence.Term
		} else {
			ends = append(ends, fleet.End{Term: fence.Term, ID: id, Decision: fleet.Decision(at)})
		}
	}
}

func TestNoRolloutBeginsBesideAnOrder(t *testing.T) {
	etcd := etcdtest.Client(t)
	fence := elect(t, etcd, Election("distributor")+"/one")
	first := rollout.Decision{Rollout: &rollout.Rollout{Group: "g", ID: "00000001", State: rollout.Progressing}}
	if _, err := AddOrder(t.Context(), etcd, "g", rollout.Order{ID: "f", Verb: rollout.Freeze}); err != nil {
		t.Fatal(err)
	}
	if _, err := Decide(t.Context(), etcd, fence, "g", Group{}, first, News{}); !errors.Is(err, fault.Of(fault.Conflict)) {
		t.Errorf("a rollout that began without knowing of the freeze gave %v", err)
	}
	if _, err := Decide(t.Context(), etcd, fence, "g", read(t, etcd, "g"), first, News{}); err != nil {
		t.Errorf("a rollout that knows of the order gave %v", err)
	}
	open := read(t, etcd, "g")
	if _, err := AddOrder(t.Context(), etcd, "g", rollout.Order{ID: "p", Verb: rollout.Pause, Rollout: "00000001"}); err != nil {
		t.Fatal(err)
	}
	if _, err := Decide(t.Context(), etcd, fence, "g", open, first, News{}); err != nil {
		t.Errorf("a step of an open rollout gave %v", err)
	}
	// Orders that this version cannot read do not hold up the group for ever.
	if _, err := etcd.Put(t.Context(), ordersKey("g"), `{"v":99}`); err != nil {
		t.Fatal(err)
	}
	next := rollout.Decision{Rollout: &rollout.Rollout{Group: "g", ID: "00000002", State: rollout.Progressing}}
	if _, err := Decide(t.Context(), etcd, fence, "g", read(t, etcd, "g"), next, News{}); err != nil {
		t.Errorf("beside orders that cannot be read: %v", err)
	}
}

func TestOldRolloutsAreTrimmed(t *testing.T) {
	etcd := etcdtest.Client(t)
	fence := elect(t, etcd, Election("distributor")+"/one")
	for i := range fleet.Revision(25) {
		was := read(t, etcd, "g")
		in := rollout.Input{Group: "g", Newest: rollout.Target{Revision: i + 1, Digest: "sha256:x"}, Assignment: was.Assignment}
		if was.Newest() != nil {
			in.Rollout = &was.Newest().Rollout
		}
		d := rollout.Plan(in.Newest.CreateTime, in)
		if _, err := Decide(t.Context(), etcd, fence, "g", was, d, News{}); err != nil {
			t.Fatal(err)
		}
	}
	now := read(t, etcd, "g")
	if len(now.Rollouts) != keptRollouts || now.Newest().ID != "00000025" || now.Rollouts[0].ID != "00000006" {
		t.Errorf("%d are kept, from %s to %s", len(now.Rollouts), now.Rollouts[0].ID, now.Newest().ID)
	}
}

func TestABadRecordIsLeftOut(t *testing.T) {
	etcd := etcdtest.Client(t)
	fence := elect(t, etcd, Election("distributor")+"/one")
	for _, text := range []string{"{", `{"v":99,"value":{}}`} {
		if _, err := etcd.Put(t.Context(), assignmentKey("bad"), text); err != nil {
			t.Fatal(err)
		}
		if _, err := Decide(t.Context(), etcd, fence, "good", read(t, etcd, "good"),
			rollout.Decision{Assignment: &rollout.Assignment{}}, News{}); err != nil {
			t.Fatal(err)
		}
		if read(t, etcd, "good").Assignment == nil || read(t, etcd, "bad").Assignment != nil {
			t.Error("the bad record was not left out alone")
		}
		// An unreadable record is not overwritten either.
		if _, err := Decide(t.Context(), etcd, fence, "bad", read(t, etcd, "bad"),
			rollout.Decision{Assignment: &rollout.Assignment{}}, News{}); !errors.Is(err, fault.Of(fault.Conflict)) {
			t.Errorf("an unreadable record was overwritten: %v", err)
		}
	}
}

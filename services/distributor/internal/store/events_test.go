package store

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/target"
	"github.com/silverback-gateway/silverback/services/distributor/internal/event"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
	"github.com/silverback-gateway/silverback/services/distributor/internal/targets"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// journalOf returns the events in the ledger.
func journalOf(t *testing.T, etcd *clientv3.Client) event.Reading {
	t.Helper()
	v := NewView(slog.New(slog.DiscardHandler))
	load(t, etcd, v, decidedPrefix)
	return v.Journal().Read()
}

func messages(r event.Reading, after event.Sequence) (all []string) {
	for e := range r.After(after) {
		all = append(all, e.Message)
	}
	return all
}

func said(messages ...string) (all []event.Event) {
	for _, m := range messages {
		all = append(all, event.Event{Reason: event.WaveStarted, Group: "g", Message: m, Time: time.Now()})
	}
	return all
}

// There is no moment between a decision and its events: etcd has both at one revision, or neither.
func TestADecisionAndItsEventsAreOneTransaction(t *testing.T) {
	etcd := etcdtest.Client(t)
	fence := elect(t, etcd, Election("distributor")+"/one")
	d := rollout.Decision{Rollout: &rollout.Rollout{Group: "g", ID: "00000001"}, Assignment: &rollout.Assignment{Rollout: "00000001"}}
	at, err := Decide(t.Context(), etcd, fence, "g", Group{}, d, News{Told: &event.Told{Revision: 4}, Events: said("one", "two")})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := etcd.Get(t.Context(), decidedPrefix, clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	if len(answer.Kvs) != 4 { // assignment, rollout, told, events
		t.Errorf("the ledger has %d keys", len(answer.Kvs))
	}
	for _, kv := range answer.Kvs {
		if kv.ModRevision != at {
			t.Errorf("%s was written at %d, the decision at %d", kv.Key, kv.ModRevision, at)
		}
	}
	was := read(t, etcd, "g")
	if !was.IsTold() || was.Told.Revision != 4 {
		t.Errorf("told is %+v", was.Told)
	}
	r := journalOf(t, etcd)
	if got := messages(r, 0); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("the events are %q", got)
	}
	if r.Oldest() != event.SequenceAt(0, at, 0) || r.Newest() != event.SequenceAt(0, at, 1) || r.UpTo < r.Newest() {
		t.Errorf("they are from %d to %d, complete up to %d", r.Oldest(), r.Newest(), r.UpTo)
	}
	// A decision that loses its race tells nothing, nor does one of a term that is over.
	if _, err := Decide(t.Context(), etcd, fence, "g", Group{}, d, News{Events: said("lost")}); !errors.Is(err, fault.Of(fault.Conflict)) {
		t.Errorf("a lost race gave %v", err)
	}
	stale := was
	stale.toldAt--
	twice := News{Told: &event.Told{}, Events: said("told twice")}
	if _, err := Decide(t.Context(), etcd, fence, "g", stale, rollout.Decision{}, twice); !errors.Is(err, fault.Of(fault.Conflict)) {
		t.Errorf("what was told already gave %v", err)
	}
	if _, err := etcd.Delete(t.Context(), fence.Key); err != nil {
		t.Fatal(err)
	}
	elect(t, etcd, fence.Key)
	if _, err := Decide(t.Context(), etcd, fence, "g", was, d, News{Events: said("stale")}); !errors.Is(err, fault.Of(fault.StaleTerm)) {
		t.Errorf("an older term gave %v", err)
	}
	if got := messages(journalOf(t, etcd), 0); len(got) != 2 {
		t.Errorf("the events are %q", got)
	}
}

func TestAFreezeAndItsEventAreOneTransaction(t *testing.T) {
	etcd := etcdtest.Client(t)
	if err := Recover(t.Context(), etcd, Ledger{}, Recovery{Epoch: 2, Author: "olga", Reason: "restored"}); err != nil {
		t.Fatal(err)
	}
	o := rollout.Order{ID: "x", Verb: rollout.Freeze, Author: "olga", Reason: "sale", Time: time.Now()}
	for range 2 { // the second is a repeated request
		if _, err := AddOrder(t.Context(), etcd, "g", o); err != nil {
			t.Fatal(err)
		}
	}
	frozen := read(t, etcd, "g").ordersAt
	other := rollout.Order{ID: "y", Verb: rollout.Freeze, Author: "otto"}
	if held, err := AddOrder(t.Context(), etcd, "g", other); err != nil || !held.Done || held.Reason != "sale" {
		t.Errorf("freezing again gave %+v, %v", held, err)
	}
	r := journalOf(t, etcd)
	if got := messages(r, 0); !slices.Equal(got, []string{
		"the ledger is recovered by olga and goes on in epoch 2; every node follows it from now on: restored",
		"olga froze the group: no rollout begins; sale",
	}) {
		t.Errorf("the events are %q", got)
	}
	if first := r.Oldest(); first.Epoch() != 2 {
		t.Errorf("the recovery was told in epoch %d", first.Epoch())
	}
	if got := r.Newest(); got.Epoch() != 2 || got.Revision() != frozen {
		t.Errorf("its sequence is of epoch %d and revision %d", got.Epoch(), got.Revision())
	}
}

func TestADrainAndItsEventAreOneTransaction(t *testing.T) {
	etcd := etcdtest.Client(t)
	if err := Recover(t.Context(), etcd, Ledger{}, Recovery{Epoch: 3}); err != nil {
		t.Fatal(err)
	}
	recovered := journalOf(t, etcd).Newest()
	one := []target.Name{{Upstream: "orders", Target: "10.0.0.7:8080"}}
	drain := targets.Change{Owner: "operator", Author: "olga", Reason: "INC-42", Add: one, Time: time.Now(), RequestID: "1"}
	change := func(by targets.Change) targets.Set {
		t.Helper()
		set, err := ChangeTargets(t.Context(), etcd, "g", by, func(was targets.Set) (targets.Set, bool, error) {
			next, added, removed := was.Apply(by)
			return next, added+removed > 0, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	at := change(drain).Stamp.Decision
	change(drain) // changes nothing
	r := journalOf(t, etcd)
	if got := messages(r, recovered); !slices.Equal(got, []string{
		`target 10.0.0.7:8080 of upstream orders is taken out of every gateway by olga for owner "operator": INC-42`,
	}) {
		t.Errorf("the events are %q", got)
	}
	if got := r.Newest(); got.Epoch() != 3 || got.Revision() != int64(at) {
		t.Errorf("its sequence is of epoch %d and revision %d, the set of %d", got.Epoch(), got.Revision(), at)
	}
	back := drain
	back.Add, back.Remove, back.Reason = nil, one, "repaired"
	change(back)
	if got := messages(journalOf(t, etcd), r.Newest()); !slices.Equal(got, []string{
		`target 10.0.0.7:8080 of upstream orders is let in again by olga for owner "operator": repaired`,
	}) {
		t.Errorf("the events are %q", got)
	}
}

func TestTheOldestEventsAreTrimmed(t *testing.T) {
	etcd := etcdtest.Client(t)
	fence := elect(t, etcd, Election("distributor")+"/one")
	live := NewView(slog.New(slog.DiscardHandler))
	for i := range 250 {
		if _, err := Decide(t.Context(), etcd, fence, "g", read(t, etcd, "g"), rollout.Decision{},
			News{Told: &event.Told{Revision: fleet.Revision(i)}, Events: said(fmt.Sprint(i, "a"), fmt.Sprint(i, "b"))}); err != nil {
			t.Fatal(err)
		}
	}
	load(t, etcd, live, decidedPrefix)
	before := live.Journal().Read()
	if n := before.Count(); n != 500 {
		t.Fatalf("%d events are kept", n)
	}
	excess := before.Excess(101, time.Time{})
	if len(excess) != 200 { // of a batch, all or none: 100 events are left
		t.Fatalf("%d batches are too many", len(excess))
	}
	recv, err := etcdkv.Watch(etcd, decidedPrefix)(t.Context(), fmt.Sprint(before.Batches[249].At))
	if err != nil {
		t.Fatal(err)
	}
	if err := Trim(t.Context(), etcd, fence, excess); err != nil {
		t.Fatal(err)
	}
	last := excess[199].Last()
	for live.Journal().Read().Count() > 100 || live.Journal().Read().Trimmed < last {
		e, err := recv()
		if err != nil {
			t.Fatal(err)
		}
		live.apply(decidedPrefix)(e)
		// Nobody sees an event gone before it is known to be.
		if r := live.Journal().Read(); r.Count() < 500 && r.Trimmed == 0 {
			t.Fatalf("%d are left, and none is said to be deleted", r.Count())
		}
	}
	for name, r := range map[string]event.Reading{"as it is watched": live.Journal().Read(), "as it is listed": journalOf(t, etcd)} {
		if got := messages(r, 0); len(got) != 100 || got[0] != "200a" || r.Trimmed != last || r.Oldest() <= last {
			t.Errorf("%s: %d are left, from %q, trimmed up to %d of %d", name, len(got), got[0], r.Trimmed, last)
		}
	}
	if got := messages(before, 0); len(got) != 500 || got[0] != "0a" {
		t.Errorf("an earlier reading changed: %d events", len(got))
	}
	if _, err := etcd.Delete(t.Context(), fence.Key); err != nil {
		t.Fatal(err)
	}
	elect(t, etcd, fence.Key)
	if err := Trim(t.Context(), etcd, fence, live.Journal().Read().Excess(0, time.Time{})); !errors.Is(err, fault.Of(fault.StaleTerm)) {
		t.Errorf("a leader that was replaced trimmed: %v", err)
	}
}

func TestEventsBeforeATimeAreTooMany(t *testing.T) {
	at := time.Now()
	r := event.Reading{}
	for i := range 10 {
		e := event.Event{Time: at.Add(time.Duration(i) * time.Hour), Sequence: event.Sequence(i + 1)}
		r.Batches = append(r.Batches, event.Batch{Events: []event.Event{e}})
	}
	for keep, want := range map[int]int{100: 4, 6: 4, 5: 5, 0: 10} {
		if got := len(r.Excess(keep, at.Add(4*time.Hour))); got != want {
			t.Errorf("of 10, 4 of them too old, %d are to go when %d may stay; want %d", got, keep, want)
		}
	}
}

func TestAJournalIsReadFromAnySide(t *testing.T) {
	j := newJournal()
	put := func(at int64, n int) {
		text, err := encode(batch{Events: said(slices.Repeat([]string{fmt.Sprint(at)}, n)...)})
		if err != nil {
			t.Fatal(err)
		}
		if err := j.put(etcdkv.KV{Key: fmt.Sprint(eventsPrefix, at), Value: []byte(text), ModRevision: at}); err != nil {
			t.Fatal(err)
		}
	}
	changed := j.Read().Changed
	for _, at := range []int64{5, 9, 7, 7} { // a list after a watch may bring what lies between, or what is known
		put(at, 2)
	}
	select {
	case <-changed:
	default:
		t.Error("nobody was told of a change")
	}
	r := j.Read()
	if got := messages(r, event.SequenceAt(0, 5, 0)); !slices.Equal(got, []string{"5", "7", "7", "9", "9"}) {
		t.Errorf("after the first there are %q", got)
	}
	if got := messages(r, r.Newest()); got != nil {
		t.Errorf("after the last there are %q", got)
	}
	var back []string
	for e := range r.Before(event.SequenceAt(0, 9, 0)) {
		if back = append(back, e.Message); len(back) == 3 {
			break
		}
	}
	if !slices.Equal(back, []string{"7", "7", "5"}) {
		t.Errorf("backward there are %q", back)
	}
	for _, text := range []string{"{", `{"v":1,"value":{}}`, `{"v":99,"value":{"events":[{}]}}`} {
		if err := j.put(etcdkv.KV{Key: eventsPrefix + "x", Value: []byte(text), ModRevision: 11}); err == nil || j.Read().Count() != 6 {
			t.Errorf("%s gave %v", text, err)
		}
	}
	j.remove(fmt.Sprint(eventsPrefix, 7))
	if got := messages(j.Read(), 0); !slices.Equal(got, []string{"5", "5", "9", "9"}) || r.Count() != 6 {
		t.Errorf("without the middle there are %q", got)
	}
}

package recovery

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
	"github.com/silverback-gateway/silverback/services/distributor/internal/store"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

func node(group fleet.GroupID, name fleet.NodeID, online bool, epoch fleet.Epoch, decision fleet.Decision) Node {
	return Node{Group: group, Node: name, Online: online, Followed: fleet.Stamp{Epoch: epoch, Decision: decision}}
}

func TestAssess(t *testing.T) {
	ledger := store.Ledger{Recovery: store.Recovery{Epoch: 2}, Assignments: map[fleet.GroupID]rollout.Assignment{
		"g": {Epoch: 2, Decision: 50},
		"r": {Epoch: 2, Decision: 70, Term: 57, TermID: 57, Ends: []fleet.End{{Term: 4, ID: 4, Decision: 43}}}}}
	for _, tt := range []struct {
		name  string
		nodes []Node
		ahead []fleet.NodeID
		next  fleet.Epoch
	}{
		{name: "of nobody the next epoch is the next number", next: 3},
		{name: "who follows what the ledger has is not ahead", nodes: []Node{node("g", "a", true, 2, 50), node("g", "b", true, 1, 900)}, next: 3},
		{name: "who follows a later decision is", nodes: []Node{node("g", "a", true, 2, 51)}, ahead: []fleet.NodeID{"a"}, next: 3},
		{name: "each group for itself", nodes: []Node{node("g", "a", true, 2, 50), node("h", "b", true, 2, 1)}, ahead: []fleet.NodeID{"b"},
			next: 3},
		{name: "so is who follows a number that its term did not get to before the ledger went back", nodes: []Node{
			{Group: "r", Node: "a", Online: true, Followed: fleet.Stamp{Epoch: 2, Decision: 60, Term: 4, TermID: 4}},
			{Group: "r", Node: "b", Online: true, Followed: fleet.Stamp{Epoch: 2, Decision: 43, Term: 4, TermID: 4}},
		}, ahead: []fleet.NodeID{"a"}, next: 3},
		{
			name:  "the next epoch is above those of all nodes, also of those that are away, which come last",
			nodes: []Node{node("g", "a", false, 7, 1), node("g", "c", true, 4, 1), node("g", "b", true, 3, 1)},
			ahead: []fleet.NodeID{"b", "c", "a"}, next: 8,
		},
		{name: "a number that takes all others away is not believed", nodes: []Node{node("g", "a", true, math.MaxInt64, 1),
			node("g", "b", true, fleet.MaxEpoch+1, 1)}, next: 3},
		{name: "the largest that is believed leaves room", nodes: []Node{node("g", "a", true, fleet.MaxEpoch, 1)}, ahead: []fleet.NodeID{"a"},
			next: fleet.MaxEpoch + 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := Assess(ledger, tt.nodes)
			var names []fleet.NodeID
			for _, a := range s.Ahead {
				names = append(names, a.Node.Node)
			}
			if s.Next != tt.next || len(names) != len(tt.ahead) {
				t.Fatalf("next epoch %d, ahead %v", s.Next, names)
			}
			for i := range names {
				if names[i] != tt.ahead[i] {
					t.Errorf("ahead are %v, want %v", names, tt.ahead)
				}
			}
		})
	}
}

func service(etcd clientv3.KV, complete bool, nodes ...Node) Service {
	late := func() store.Ledger { return store.Ledger{} }
	return Service{Deps{Etcd: etcd, View: late, Nodes: func() ([]Node, bool) { return nodes, complete }, Log: slog.New(slog.DiscardHandler)}}
}

func TestRecover(t *testing.T) {
	etcd := etcdtest.Client(t)
	ahead := node("g", "a", true, 4, 500)
	var refused *fault.Error
	if _, err := service(etcd, true).Recover(t.Context(), Request{Reason: "for fun"}); !errors.As(err, &refused) ||
		refused.Reason != "LEDGER_NOT_BEHIND" {
		t.Errorf("without need it answered %v", err)
	}
	if _, err := service(etcd, false, ahead).Recover(t.Context(), Request{Reason: "blind", Force: true}); !errors.As(err, &refused) ||
		refused.Reason != "REGISTRY_DOWN" {
		t.Errorf("before the registry told its nodes it answered %v", err)
	}
	k := service(etcd, true, ahead)
	first := Request{Reason: "restored", Author: "ann", RequestID: "1"}
	s, err := k.Recover(t.Context(), first)
	if err != nil || s.Recovery.Epoch != 5 || len(s.Ahead) != 0 {
		t.Fatalf("it answered %+v, %v", s, err)
	}
	if s, err := k.State(t.Context()); err != nil || s.Recovery.Epoch != 5 || s.Recovery.Author != "ann" || s.Recovery.Reason != "restored" ||
		s.Recovery.Time.IsZero() {
		t.Errorf("the ledger says %+v, %v", s, err)
	}
	// A repeated request gets the same answer and does not raise the epoch again.
	if s, err := k.Recover(t.Context(), first); err != nil || s.Recovery.Epoch != 5 {
		t.Errorf("the same request again gave %+v, %v", s, err)
	}
	if _, err := k.Recover(t.Context(), Request{Reason: "again", RequestID: "2"}); !errors.As(err, &refused) ||
		refused.Reason != "LEDGER_NOT_BEHIND" {
		t.Errorf("a second one answered %v", err)
	}
	if s, err := k.Recover(t.Context(), Request{Reason: "again", RequestID: "3", Force: true}); err != nil || s.Recovery.Epoch != 6 {
		t.Errorf("a forced one gave %+v, %v", s, err)
	}
}

func TestAnEpochThatCannotBeReadIsNotOverwritten(t *testing.T) {
	etcd := etcdtest.Client(t)
	if _, err := etcd.Put(t.Context(), "decided/epoch", `{"v":99}`); err != nil {
		t.Fatal(err)
	}
	var refused *fault.Error
	if _, err := service(etcd, true).Recover(t.Context(), Request{Reason: "x", Force: true}); !errors.As(err, &refused) ||
		refused.Reason != "LEDGER_UNREADABLE" {
		t.Errorf("it answered %v", err)
	}
}

// raced recovers the ledger between the read and the write of another recovery.
type raced struct {
	clientv3.KV
	race func()
}

func (r *raced) Txn(ctx context.Context) clientv3.Txn { return &racedTxn{r.KV.Txn(ctx), r} }

type racedTxn struct {
	clientv3.Txn
	r *raced
}

func (t *racedTxn) If(all ...clientv3.Cmp) clientv3.Txn {
	if race := t.r.race; race != nil {
		t.r.race = nil
		race()
	}
	return t.Txn.If(all...)
}

func TestTwoRecoveriesAtOnceAreTwoEpochs(t *testing.T) {
	etcd := etcdtest.Client(t)
	ahead := node("g", "a", true, 0, 500)
	kv := &raced{KV: etcd}
	kv.race = func() {
		s, err := service(etcd, true, ahead).Recover(t.Context(), Request{Reason: "other", RequestID: "o"})
		if err != nil || s.Recovery.Epoch != 1 {
			t.Errorf("the other gave %+v, %v", s, err)
		}
	}
	var refused *fault.Error
	// The second one finds that there is nothing to do.
	if _, err := service(kv, true, ahead).Recover(t.Context(), Request{Reason: "mine", RequestID: "m"}); !errors.As(err, &refused) ||
		refused.Reason != "LEDGER_NOT_BEHIND" {
		t.Errorf("it answered %v", err)
	}
}

// A decision of an epoch that is over is not written: no node would follow it.
func TestNoDecisionOfAnEpochThatIsOver(t *testing.T) {
	etcd := etcdtest.Client(t)
	term, err := etcd.Put(t.Context(), "leader", "")
	if err != nil {
		t.Fatal(err)
	}
	fence := etcdkv.Fence{Key: "leader", Term: fleet.Term(term.Header.Revision)}
	d := rollout.Decision{Assignment: &rollout.Assignment{Stable: rollout.Target{Revision: 1}}}
	if _, err := service(etcd, true).Recover(t.Context(), Request{Reason: "x", Force: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Decide(t.Context(), etcd, fence, "g", store.Group{}, d, store.News{}); !errors.Is(err, fault.Of(fault.Conflict)) {
		t.Errorf("a decision of the epoch before gave %v", err)
	}
	ledger, err := store.ReadLedger(t.Context(), etcd)
	if err != nil || len(ledger.Assignments) != 0 {
		t.Fatalf("the ledger holds %+v, %v", ledger, err)
	}
	at, err := store.Decide(t.Context(), etcd, fence, "g", store.Group{Recovery: ledger.Recovery}, d, store.News{})
	if err != nil {
		t.Fatal(err)
	}
	if ledger, err = store.ReadLedger(t.Context(), etcd); err != nil || ledger.Lineage("g").Last != (fleet.Stamp{
		Epoch: 1, Decision: fleet.Decision(at), Term: fence.Term}) {
		t.Errorf("the newest decision is %+v, %v", ledger.Lineage("g").Last, err)
	}
}

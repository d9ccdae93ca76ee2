// Package recovery makes nodes follow a ledger again after its etcd was restored from a backup or lost. It reports which nodes are ahead of
// the ledger, and begins another epoch when an operator orders it. It never does so by itself: the gateways serve what the ledger lost, and
// only a person can decide to give that up.
package recovery

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
	"github.com/silverback-gateway/silverback/services/distributor/internal/store"
)

// A Node is a node whose last decision is known.
type Node struct {
	Group    fleet.GroupID
	Node     fleet.NodeID
	Online   bool
	Followed fleet.Stamp
}

// An Ahead is a node that follows a decision that the ledger does not have.
type Ahead struct {
	Node
	Newest fleet.Stamp // the last decision of its group in the ledger
}

// A State is the epoch of a ledger, with the nodes that are ahead of it.
type State struct {
	Recovery store.Recovery
	Ahead    []Ahead     // those in contact first, by group and name
	Next     fleet.Epoch // the epoch after a recovery
}

// Assess compares the decisions that nodes follow with the ledger. It is pure.
func Assess(ledger store.Ledger, nodes []Node) State {
	s := State{Recovery: ledger.Recovery, Next: ledger.Recovery.Epoch}
	for _, n := range nodes {
		if !n.Followed.Believable() {
			continue
		}
		s.Next = max(s.Next, n.Followed.Epoch)
		if has := ledger.Lineage(n.Group); rollout.IsAhead(n.Followed, has) {
			s.Ahead = append(s.Ahead, Ahead{Node: n, Newest: has.Last})
		}
	}
	s.Next++
	slices.SortFunc(s.Ahead, func(x, y Ahead) int {
		online := 0
		if x.Online != y.Online {
			if online = 1; x.Online {
				online = -1
			}
		}
		return cmp.Or(online, cmp.Compare(x.Group, y.Group), cmp.Compare(x.Node.Node, y.Node.Node))
	})
	return s
}

// Deps are what a service uses.
type Deps struct {
	Etcd clientv3.KV
	// View returns the ledger from the cache of this replica.
	View func() store.Ledger
	// Nodes returns the nodes whose last decision this replica knows. Complete is true once it includes those of the registry.
	Nodes func() (nodes []Node, complete bool)
	Log   *slog.Logger
}

// A Service reports the state of a ledger and recovers it.
type Service struct{ Deps }

// attempts is how often a recovery is tried when others run at the same time.
const attempts = 5

// State returns the state of the ledger. It reads etcd only when nodes are ahead of the cache, which may be late.
func (r Service) State(ctx context.Context) (State, error) {
	nodes, _ := r.Nodes() // before the ledger, so that the ledger has what they follow
	if s := Assess(r.View(), nodes); len(s.Ahead) == 0 {
		return s, nil
	}
	ledger, err := store.ReadLedger(ctx, r.Etcd)
	if err != nil {
		return State{}, noLedger(err)
	}
	return Assess(ledger, nodes), nil
}

// A Request is an operator's order to recover the ledger.
type Request struct {
	Reason    string
	Author    string
	RequestID string
	Force     bool // recover although no node is ahead
}

// Recover raises the epoch and returns the new state. The leader then writes every assignment again.
func (r Service) Recover(ctx context.Context, o Request) (State, error) {
	for attempt := 1; ; attempt++ {
		nodes, complete := r.Nodes()
		if !complete {
			return State{}, fault.New(fault.Down, "REGISTRY_DOWN", "the registry has not said yet which decisions its nodes follow: the epoch "+
				"must be above them all; try again")
		}
		ledger, err := store.ReadLedger(ctx, r.Etcd)
		if err != nil {
			return State{}, noLedger(err)
		}
		now := Assess(ledger, nodes)
		if o.RequestID != "" && now.Recovery.RequestID == o.RequestID {
			return now, nil // the answer to the first call was lost
		}
		if len(now.Ahead) == 0 && !o.Force {
			return State{}, fault.New(fault.WrongState, "LEDGER_NOT_BEHIND", "no node is ahead of the ledger, which is in epoch %d: there is "+
				"nothing to recover from", now.Recovery.Epoch)
		}
		next := store.Recovery{Epoch: now.Next, Author: o.Author, Reason: o.Reason, Time: time.Now().UTC(), RequestID: o.RequestID}
		err = store.Recover(ctx, r.Etcd, ledger, next)
		switch {
		case err == nil:
			r.Log.Warn("ledger recovered: nodes follow it from now on, back to the revisions that it has", "epoch", next.Epoch, "before",
				now.Recovery.Epoch,
				"nodes_ahead", len(now.Ahead), "author", o.Author, "reason", o.Reason)
			ledger.Recovery = next
			return Assess(ledger, nodes), nil
		case !errors.Is(err, fault.Of(fault.Conflict)):
			return State{}, noLedger(err)
		case attempt == attempts:
			return State{}, err
		}
	}
}

// noLedger distinguishes a ledger that does not answer from one that refuses.
func noLedger(err error) error {
	if err = etcdkv.Fault(err); fault.KindOf(err) != fault.Internal {
		return err
	}
	return fault.NoLedger(err)
}

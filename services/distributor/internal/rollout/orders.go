package rollout

import (
	"fmt"
	"slices"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// A Verb is what an operator orders.
type Verb string

// The verbs. Pause to Retry concern one rollout, the others a group.
const (
	Pause    Verb = "pause"
	Resume   Verb = "resume"
	Promote  Verb = "promote"
	Abort    Verb = "abort"
	Retry    Verb = "retry"
	Freeze   Verb = "freeze"
	Unfreeze Verb = "unfreeze"
)

// An Order is one verb of an operator.
type Order struct {
	ID      string          `json:"id"` // unique; the same id is the same order
	Verb    Verb            `json:"verb"`
	Rollout fleet.RolloutID `json:"rollout,omitempty"` // of a verb that concerns one
	Full    bool            `json:"full,omitempty"`    // of promote: every wave that is left
	Reason  string          `json:"reason"`
	Author  string          `json:"author"`
	Time    time.Time       `json:"time"` // by the clock of the replica that took the order; for people
}

// Orders are what operators ordered for a group. Any replica adds to them, and the leader obeys: it copies an order into the record of its
// rollout, so that each is obeyed once.
type Orders struct {
	Group    *Order  `json:"group,omitempty"`    // the newest freeze or unfreeze
	Rollouts []Order `json:"rollouts,omitempty"` // the oldest first, at most MaxOrders
}

// MaxOrders bounds what is remembered of orders, of a group and of a rollout.
const MaxOrders = 16

// Frozen returns the order that freezes the group, or nil.
func (o Orders) Frozen() *Order {
	if o.Group != nil && o.Group.Verb == Freeze {
		return o.Group
	}
	return nil
}

// With returns the orders with one more. Orders that it replaces, and the oldest beyond MaxOrders, are left out.
func (o Orders) With(next Order) Orders {
	if next.Rollout == "" {
		o.Group = &next
		return o
	}
	o.Rollouts = append(slices.Clone(o.Rollouts), next)
	o.Rollouts = o.Rollouts[max(0, len(o.Rollouts)-MaxOrders):]
	return o
}

// Find returns the order with that id.
func (o Orders) Find(id string) (Order, bool) {
	if o.Group != nil && o.Group.ID == id {
		return *o.Group, true
	}
	for _, order := range o.Rollouts {
		if order.ID == id {
			return order, true
		}
	}
	return Order{}, false
}

// Has reports whether an order with that id was obeyed in a rollout.
func (r Rollout) Has(id string) bool {
	return slices.ContainsFunc(r.Orders, func(o Order) bool { return o.ID == id })
}

// pending returns the orders for a rollout that were not obeyed yet, the oldest first.
func (o Orders) pending(r Rollout) (all []Order) {
	for _, order := range o.Rollouts {
		if order.Rollout == r.ID && !r.Has(order.ID) {
			all = append(all, order)
		}
	}
	return all
}

// retried returns the order to begin a new rollout after one that has ended.
func (o Orders) retried(r Rollout) (Order, bool) {
	for _, order := range o.pending(r) {
		if order.Verb == Retry {
			return order, true
		}
	}
	return Order{}, false
}

// Refuses returns why an order cannot be obeyed by a rollout as it is now; empty when it can. Twice the same verb is no reason.
func (o Order) Refuses(r Rollout) string {
	open := r.State.Open()
	switch {
	case o.Verb == Retry && open:
		return fmt.Sprintf("rollout %s is still %s; abort it, or wait for its end", r.ID, r.State.Words())
	case o.Verb == Retry && r.State == Completed:
		return fmt.Sprintf("rollout %s completed: every online node serves revision %d", r.ID, r.Candidate.Revision)
	case o.Verb == Abort && r.State == RolledBack:
		return ""
	case o.Verb != Retry && !open:
		return fmt.Sprintf("rollout %s has ended: it is %s", r.ID, r.State.Words())
	case o.Verb == Abort && r.Stable.IsZero():
		return "no revision completed before this one, so there is nothing to go back to; submit another configuration, or pause"
	}
	return ""
}

// obey applies the orders for an open rollout in their order, and reports whether one of them ends it.
func (r *Rollout) obey(now time.Time, orders []Order) (abort *Order) {
	for _, o := range orders {
		if abort != nil || o.Refuses(*r) != "" {
			continue
		}
		r.Orders = append(slices.Clone(r.Orders), o)
		r.Orders = r.Orders[max(0, len(r.Orders)-MaxOrders):]
		switch o.Verb {
		case Pause:
			if r.State != Waiting { // without a node it waits anyway, and is paused once it begins
				r.State = Paused
			}
			r.Paused = true
		case Resume:
			r.resume(now)
		case Promote:
			r.resume(now)
			if r.Promoted = max(r.Wave, 1); o.Full {
				r.Promoted = r.Policy.WaveCount()
			}
		case Abort:
			abort = &o
		}
	}
	return abort
}

// resume lets a paused rollout go on. The soak and the deadline of its wave begin anew.
func (r *Rollout) resume(now time.Time) {
	if !r.Paused {
		return
	}
	r.Paused = false
	if r.State == Paused {
		r.State = Progressing
	}
	r.WaveTime, r.SettleTime, r.FailTime = now, time.Time{}, time.Time{}
}

// promoted reports whether an operator ended the soak and the gates of the present wave.
func (r Rollout) promoted() bool { return r.Wave <= r.Promoted }

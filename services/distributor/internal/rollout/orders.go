package rollout

import (
	"fmt"
	"slices"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// A Verb is the kind of an order.
type Verb string

// The verbs. Pause to Retry are for one rollout, Freeze and Unfreeze for a group.
const (
	Pause    Verb = "pause"
	Resume   Verb = "resume"
	Promote  Verb = "promote"
	Abort    Verb = "abort"
	Retry    Verb = "retry"
	Freeze   Verb = "freeze"
	Unfreeze Verb = "unfreeze"
)

// An Order is one order of an operator.
type Order struct {
	ID      string          `json:"id"` // unique; the same id is the same order
	Verb    Verb            `json:"verb"`
	Rollout fleet.RolloutID `json:"rollout,omitempty"` // empty for an order to a group
	Full    bool            `json:"full,omitempty"`    // promote: every remaining wave
	Reason  string          `json:"reason"`
	Author  string          `json:"author"`
	Time    time.Time       `json:"time"` // by the clock of the replica that took the order
}

// Orders are the orders for a group. Any replica adds to them. The leader obeys an order once: it copies the order into the record of the
// rollout.
type Orders struct {
	Group    *Order  `json:"group,omitempty"`    // the newest freeze or unfreeze
	Rollouts []Order `json:"rollouts,omitempty"` // the oldest first, at most MaxOrders
}

// MaxOrders bounds the orders that are kept for a group, and for a rollout.
const MaxOrders = 16

// Frozen returns the order that freezes the group, or nil.
func (o Orders) Frozen() *Order {
	if o.Group != nil && o.Group.Verb == Freeze {
		return o.Group
	}
	return nil
}

// With returns the orders with one more, without the one that it replaces or the oldest beyond MaxOrders.
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

// Has reports whether the rollout has obeyed an order with that id.
func (r Rollout) Has(id string) bool {
	return slices.ContainsFunc(r.Orders, func(o Order) bool { return o.ID == id })
}

// pending returns the orders that a rollout has not obeyed yet, the oldest first.
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

// Refuses returns why a rollout in its present state cannot obey the order; empty when it can. A repeated verb is allowed.
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

// obey applies orders to an open rollout. It returns the abort that ends the rollout, or nil.
func (r *Rollout) obey(now time.Time, orders []Order) (abort *Order) {
	for _, o := range orders {
		if abort != nil || o.Refuses(*r) != "" {
			continue
		}
		r.Orders = append(slices.Clone(r.Orders), o)
		r.Orders = r.Orders[max(0, len(r.Orders)-MaxOrders):]
		switch o.Verb {
		case Pause:
			if r.State != Waiting { // a waiting rollout is paused once it begins
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

// resume continues a paused rollout. The soak and the deadline of its wave start again.
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

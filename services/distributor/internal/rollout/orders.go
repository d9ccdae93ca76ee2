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
	Begin   bool            `json:"begin,omitempty"`   // promote: the next rollout, which waits for the load interval, begins at once
	Done    bool            `json:"done,omitempty"`    // it was so already: nobody obeys it, and the same id has the same answer again
	Reason  string          `json:"reason"`
	Author  string          `json:"author"`
	Time    time.Time       `json:"time"` // by the clock of the replica that took the order
}

// Orders are the orders for a group. Any replica adds to them. The leader obeys an order once: it copies the order into the record of the
// rollout.
type Orders struct {
	Group    *Order  `json:"group,omitempty"`    // the newest freeze or unfreeze
	Earlier  []Order `json:"earlier,omitempty"`  // those before it, the oldest first, at most MaxOrders
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

// With returns the orders with one more, without the oldest beyond MaxOrders.
func (o Orders) With(next Order) Orders {
	switch {
	case next.Rollout != "":
		o.Rollouts = appended(o.Rollouts, next)
		return o
	case next.Done:
		o.Earlier = appended(o.Earlier, next)
		return o
	}
	if o.Group != nil {
		o.Earlier = appended(o.Earlier, *o.Group)
	}
	o.Group = &next
	return o
}

// appended returns a new slice with one more order, without the oldest beyond MaxOrders.
func appended(all []Order, next Order) []Order {
	all = append(slices.Clone(all), next)
	return all[max(0, len(all)-MaxOrders):]
}

// Find returns the order with that id.
func (o Orders) Find(id string) (Order, bool) {
	if o.Group != nil && o.Group.ID == id {
		return *o.Group, true
	}
	for _, order := range slices.Concat(o.Rollouts, o.Earlier) {
		if order.ID == id {
			return order, true
		}
	}
	return Order{}, false
}

// Settled returns the order as it is to be stored. To freeze a group that is frozen is done already: the first reason stands.
func (o Orders) Settled(next Order) Order {
	if frozen := o.Frozen(); frozen != nil && next.Verb == Freeze {
		id := next.ID
		next = *frozen
		next.ID, next.Done = id, true
	}
	return next
}

// Outcome says what became of an order for a rollout.
type Outcome struct {
	Obeyed fleet.RolloutID // the rollout that obeyed it; empty when none did yet
	Never  string          // why none ever will; empty when one may
}

// Outcome returns what became of an order, by the rollouts of its group, the newest first.
func (o Order) Outcome(rollouts []Rollout) Outcome {
	if o.Done {
		return Outcome{Obeyed: o.Rollout}
	}
	for _, r := range rollouts {
		if r.Has(o.ID) {
			return Outcome{Obeyed: r.ID}
		}
	}
	if len(rollouts) == 0 {
		return Outcome{}
	}
	newest := rollouts[0]
	switch {
	case newest.ID < o.Rollout: // this reading is older than the order
		return Outcome{}
	case newest.ID == o.Rollout:
		return Outcome{Never: o.Refuses(newest)}
	case o.Verb == Retry && newest.retries():
		return Outcome{Obeyed: newest.ID} // somebody else ordered the same
	}
	return Outcome{Never: fmt.Sprintf("rollout %s has taken the place of rollout %s, which the order was for", newest.ID, o.Rollout)}
}

// retries reports whether an operator's order began the rollout.
func (r Rollout) retries() bool { return len(r.Orders) > 0 && r.Orders[0].Verb == Retry }

// Has reports whether the rollout has obeyed an order with that id.
func (r Rollout) Has(id string) bool {
	return slices.ContainsFunc(r.Orders, func(o Order) bool { return o.ID == id })
}

// pending returns the orders that a rollout has not obeyed yet, the oldest first.
func (o Orders) pending(r Rollout) (all []Order) {
	for _, order := range o.Rollouts {
		if order.Rollout == r.ID && !order.Done && !r.Has(order.ID) {
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

// begins returns the order to begin a new rollout after one that has ended, at once.
func (o Orders) begins(r Rollout) (Order, bool) {
	for _, order := range o.pending(r) {
		if !r.State.Open() && (order.Verb == Retry || order.Begin) {
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
	case o.Verb == Abort && r.State == RolledBack, o.Begin:
		return ""
	case o.Verb != Retry && !open:
		return fmt.Sprintf("rollout %s has ended: it is %s", r.ID, r.State.Words())
	case o.Verb == Abort && r.Stable.IsZero():
		return "no revision completed before this one, so there is nothing to go back to; submit another configuration, or pause"
	}
	return ""
}

// Repeats reports whether a rollout is already as the verb wants it.
func (v Verb) Repeats(r Rollout) bool {
	switch v {
	case Abort:
		return r.State == RolledBack
	case Retry:
		return r.State.Open() && r.retries()
	}
	return false
}

// obey applies orders to an open rollout. It returns the abort that ends the rollout, or nil.
func (r *Rollout) obey(now time.Time, orders []Order) (abort *Order) {
	for _, o := range orders {
		if abort != nil || o.Refuses(*r) != "" {
			continue
		}
		r.Orders = appended(r.Orders, o)
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

package upstream

import (
	"strings"
	"sync"
	"time"
	"unicode"

	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"

	"github.com/silverback-gateway/silverback/agent/internal/lastgood"
	"github.com/silverback-gateway/silverback/agent/internal/status"
)

// memory stores an order for the next run of the agent.
type memory interface {
	RememberOrder(lastgood.Order) error
}

// Drains takes the node out of load balancing while an operator drains it, and while the agent stops. It is safe for concurrent use.
type Drains struct {
	status *status.Tracker
	memory memory

	mu       sync.Mutex
	order    lastgood.Order
	unsaved  bool // the order is not on disk
	stopping time.Time
}

// drainNotRemembered is the condition of a drain order that a restart of the agent would lose.
const drainNotRemembered = "DrainNotRemembered"

const stoppingReason = "the agent is stopping"

// NewDrains applies the remembered order. Damage is the error of reading it; in that case the node takes part in load balancing until
// the registry says otherwise.
func NewDrains(b *status.Tracker, m memory, order lastgood.Order, damage error) *Drains {
	d := &Drains{status: b, memory: m, order: order}
	d.show()
	if damage != nil {
		b.Raise(drainNotRemembered, "the drain order of the previous run cannot be read: "+damage.Error(), time.Now())
	}
	return d
}

// Apply takes an order of the registry. The answer to an enrolment always counts; another one counts only when it is not older.
// The order is in force at once, even if it cannot be written to disk.
func (d *Drains) Apply(next lastgood.Order, enrolment bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !enrolment && next.Number < d.order.Number {
		return
	}
	if next.Equal(d.order) && !d.unsaved {
		if enrolment {
			d.status.Clear(drainNotRemembered)
		}
		return
	}
	before := d.order
	d.order = next
	if !next.Equal(before) {
		d.show()
	}
	switch {
	case next.Draining && !before.Draining:
		d.status.Record("Drained", strings.TrimSuffix("the node is out of load balancing: "+next.Reason, ": "), time.Now())
	case before.Draining && !next.Draining:
		d.status.Record("Undrained", "the node is back in load balancing", time.Now())
	}
	if err := d.memory.RememberOrder(next); err != nil {
		d.unsaved = true
		d.status.Raise(drainNotRemembered, "the drain order is in force, but a restart of the agent would lose it: "+err.Error(),
			time.Now())
		return
	}
	d.unsaved = false
	d.status.Clear(drainNotRemembered)
}

// Stop takes the node out of load balancing for as long as the agent still runs.
func (d *Drains) Stop(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopping = now
	d.show()
}

func (d *Drains) show() {
	order, stopping := d.order, d.stopping
	d.status.Update(func(v *status.View) {
		v.Draining, v.DrainReason, v.DrainSince = order.Draining, order.Reason, order.Since
		if !order.Draining && !stopping.IsZero() {
			v.Draining, v.DrainReason, v.DrainSince = true, stoppingReason, stopping
		}
	})
}

// drainTerms is the drain order in an answer of the registry.
type drainTerms interface {
	GetDraining() bool
	GetDrain() *registryv1.Drain
	GetDrainOrder() int64
}

func orderOf(t drainTerms) lastgood.Order {
	o := lastgood.Order{Draining: t.GetDraining(), Number: t.GetDrainOrder()}
	if o.Draining {
		o.Reason = oneLine(t.GetDrain().GetReason())
		if t.GetDrain().GetSince() != nil {
			o.Since = t.GetDrain().GetSince().AsTime()
		}
	}
	return o
}

// oneLine replaces control characters, because /readyz has one reason a line.
func oneLine(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text))
}

package rollout

import (
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

func TestChangeWindows(t *testing.T) {
	opens := start.Add(time.Hour)
	done := Rollout{ID: "00000001", State: Completed, Candidate: one}
	begin := func(after fleet.RolloutID) Order {
		return Order{ID: "1", Verb: Promote, Begin: true, Rollout: after, Reason: "INC-1"}
	}
	for _, tt := range []struct {
		name   string
		opens  time.Time
		before *Rollout
		orders Orders
		begins bool
		next   string
	}{
		{name: "none", before: &done, begins: true},
		{name: "closed", opens: opens, before: &done, next: "revision 2 is rolled out when the change window opens, Fri 2026-01-02 04:04 UTC"},
		{name: "the first rollout needs none", opens: opens, begins: true},
		{name: "an operator starts it", opens: opens, before: &done, begins: true,
			orders: Orders{}.With(begin("00000001"))},
		{name: "an order for the rollout before is over", opens: opens, before: &done, next: "silverback rollout promote",
			orders: Orders{}.With(begin("00000000"))},
		{name: "a freeze counts more", opens: opens, before: &done, next: "froze the group",
			orders: Orders{}.With(begin("00000001")).With(Order{ID: "2", Verb: Freeze, Author: "ann", Reason: "sale"})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := Input{Group: "g", Newest: two, Closed: ClosedUntil(start, tt.opens), Rollout: tt.before, Orders: tt.orders, Nodes: nodes(1, 0)}
			if tt.before != nil {
				in.Assignment = &Assignment{Stable: one}
			}
			d := Plan(start, in)
			if (d.Rollout != nil) != tt.begins {
				t.Fatalf("it decides %+v", d)
			}
			if tt.begins {
				if len(tt.orders.Rollouts) > 0 && !d.Rollout.Has("1") {
					t.Errorf("the order is not in the history: %+v", d.Rollout.Orders)
				}
				return
			}
			if next := Next(in, Progress{}, nil); !strings.Contains(next, tt.next) {
				t.Errorf("what comes next is %q, want %q in it", next, tt.next)
			}
			if tt.orders.Frozen() == nil && d.Wait != time.Hour {
				t.Errorf("asks again after %s, want an hour", d.Wait)
			}
		})
	}
}

func TestAnOpenRolloutGoesOnWhenTheWindowCloses(t *testing.T) {
	d := driven(t, 4, waved())
	d.revise()
	d.run(time.Second)
	d.in.Closed = ClosedUntil(d.now, d.now.Add(24*time.Hour))
	d.run(2 * time.Minute)
	d.state(Completed)
	d.revise()
	d.run(2 * time.Minute)
	if d.in.Rollout.Candidate.Revision == d.in.Newest.Revision {
		t.Error("a rollout began while the window was closed")
	}
	d.in.Closed = Closed{}
	d.run(2 * time.Minute)
	d.state(Completed)
	if d.in.Rollout.Candidate.Revision != d.in.Newest.Revision {
		t.Error("no rollout began after the window opened")
	}
}

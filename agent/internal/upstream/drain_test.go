package upstream

import (
	"errors"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/lastgood"
	"github.com/silverback-gateway/silverback/agent/internal/status"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

type disk struct {
	order lastgood.Order
	err   error
}

func (d *disk) RememberOrder(o lastgood.Order) error {
	if d.err == nil {
		d.order = o
	}
	return d.err
}

func TestADrainOrderIsFollowedWhenItIsNotOlder(t *testing.T) {
	drained := lastgood.Order{Draining: true, Reason: "disk", Number: 5}
	for _, c := range []struct {
		name      string
		next      lastgood.Order
		enrolment bool
		want      bool
	}{
		{"a newer one is", lastgood.Order{Number: 6}, false, false},
		{"an older one is not", lastgood.Order{Number: 4}, false, true},
		{"one of a registry that counts from zero is not", lastgood.Order{}, false, true},
		{"an enrolment's is, for the node may have been forgotten", lastgood.Order{}, true, false},
		{"the same changes nothing", drained, false, true},
	} {
		b, m := status.New(status.View{}), &disk{order: drained}
		d := NewDrains(b, m, drained, nil)
		d.Apply(c.next, c.enrolment)
		if noted := len(b.View().Events) > 0; noted == c.want {
			t.Errorf("%s: events %+v", c.name, b.View().Events)
		}
		if got := b.View().Draining; got != c.want || m.order.Draining != c.want {
			t.Errorf("%s: draining %v, on disk %v", c.name, got, m.order.Draining)
		}
	}
}

func TestADrainOrderIsInForceWithoutADisk(t *testing.T) {
	b, m := status.New(status.View{}), &disk{err: errors.New("no space")}
	d := NewDrains(b, m, lastgood.Order{}, nil)
	order := lastgood.Order{Draining: true, Number: 1}
	d.Apply(order, false)
	if v := b.View(); !v.Draining || len(v.Conditions) != 1 || v.Conditions[0].Type != drainNotRemembered {
		t.Fatalf("draining %v, conditions %+v", v.Draining, v.Conditions)
	}
	m.err = nil
	d.Apply(order, false)
	if v := b.View(); len(v.Conditions) != 0 || !m.order.Draining {
		t.Errorf("with a disk again: conditions %+v, on disk %+v", v.Conditions, m.order)
	}
}

func TestAStoppingAgentDrains(t *testing.T) {
	b := status.New(status.View{})
	d := NewDrains(b, &disk{}, lastgood.Order{}, nil)
	d.Stop(time.Unix(1000, 0))
	d.Apply(lastgood.Order{Number: 9}, false)
	if v := b.View(); !v.Draining || v.DrainReason != stoppingReason || v.DrainSince.Unix() != 1000 {
		t.Errorf("draining %v for %q since %v", v.Draining, v.DrainReason, v.DrainSince)
	}
	d.Apply(lastgood.Order{Draining: true, Reason: "disk", Number: 10}, false)
	if v := b.View(); v.DrainReason != "disk" {
		t.Errorf("draining for %q", v.DrainReason)
	}
}

func TestAReasonFitsOnALine(t *testing.T) {
	got := orderOf(&registryv1.RenewNodeResponse{Draining: true, Drain: &registryv1.Drain{Reason: "new disk\nok\x1b[2J "}, DrainOrder: 2})
	if got.Reason != "new disk ok [2J" || got.Number != 2 || !got.Draining {
		t.Errorf("got %+v", got)
	}
}

package nodes

import (
	"errors"
	"sync/atomic"
	"testing"
)

func TestARevisionHasArrivedWhenTheLastAgentHasIt(t *testing.T) {
	tr := &fleet{arrivals: map[int64]*arrival{}, agents: make([]*agent, 2)}
	tr.arrived(7, 200)
	select {
	case <-tr.arrival(7).all:
		t.Fatal("one of two agents was enough")
	default:
	}
	tr.arrived(7, 100)
	r, err := tr.await(t.Context(), 7)
	if err != nil || r != (Receipt{First: 200, Last: 200, Count: 2}) {
		t.Fatalf("got %+v, %v; want two receipts, the last at 200", r, err)
	}
}

func TestEachStopsWithTheFirstError(t *testing.T) {
	broken := errors.New("broken")
	var done atomic.Int64
	err := each(1000, 1, func(i int) error {
		done.Add(1)
		if i == 3 {
			return broken
		}
		return nil
	})
	if !errors.Is(err, broken) || done.Load() != 4 {
		t.Fatalf("got %v after %d calls, want %v after 4", err, done.Load(), broken)
	}
}

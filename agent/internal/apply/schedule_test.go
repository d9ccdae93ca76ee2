package apply

import (
	"testing"
	"time"
)

func TestScheduleOfAnUnreachableGateway(t *testing.T) {
	var p schedule
	var waited []time.Duration
	for range 8 {
		waited = append(waited, p.observed(noon, lastAway, false, time.Hour, 0))
	}
	if waited[0] != firstAway || waited[1] != 2*firstAway || waited[7] != lastAway {
		t.Errorf("while it is unreachable it is observed after %v", waited)
	}
	if got := p.observed(noon, 0, true, time.Hour, 0); got != 54*time.Minute {
		t.Errorf("once it is back, after %v", got)
	}
	if got := p.observed(noon, lastAway, true, time.Hour, 0); got != firstAway {
		t.Errorf("when it goes away again, after %v", got)
	}
	for range 8 {
		p.observed(noon, lastAway, false, time.Hour, 0)
	}
	if got := p.observed(noon, lastUnready, true, time.Hour, 0); got != firstAway {
		t.Errorf("when it is back and not ready yet, after %v", got)
	}
	if got := p.observed(noon, lastAway, false, time.Millisecond, 0); got != time.Millisecond {
		t.Errorf("a shorter interval is not kept: %v", got)
	}
}

func TestScheduleOfClosedConnections(t *testing.T) {
	var p schedule
	now := noon
	if got := p.disconnected(now); got != 0 {
		t.Errorf("the first is observed after %v", got)
	}
	// A gateway that closes every connection is not observed without a pause.
	looks := 0
	for now.Before(noon.Add(time.Minute)) {
		p.observed(now, 0, false, time.Hour, 0)
		looks++
		now = now.Add(p.disconnected(now) + time.Millisecond)
	}
	if looks > 40 {
		t.Errorf("%d observations in a minute", looks)
	}
	p.observed(now, 0, true, time.Hour, 0) // news
	if got := p.disconnected(now); got != 0 {
		t.Errorf("after news the next is looked into after %v", got)
	}
	p.observed(now, 0, false, time.Hour, 0)
	p.observed(now, 0, false, time.Hour, 0) // of its own, an hour later: the connection lasted
	if got := p.disconnected(now); got != 0 {
		t.Errorf("after a quiet time it is looked into after %v", got)
	}
}

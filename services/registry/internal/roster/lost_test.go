package roster_test

import (
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
)

func TestLost(t *testing.T) {
	const week = 7 * 24 * time.Hour
	began := time.Unix(1_000_000, 0)
	born := roster.Node{Created: began.Add(-week)}
	with := func(change func(*roster.Node)) roster.Node {
		n := born
		change(&n)
		return n
	}
	for _, c := range []struct {
		name    string
		node    roster.Node
		session *roster.Session
		now     time.Time
		after   time.Duration
		want    bool
	}{
		{"unreachable for long", born, nil, began.Add(week), week, true},
		{"not for long enough", born, nil, began.Add(week - 1), week, false},
		{"nobody is to be forgotten", born, nil, began.Add(week), 0, false},
		{"in contact", born, &roster.Session{}, began.Add(week), week, false},
		{"it said goodbye: that has a time of its own", with(func(n *roster.Node) { n.Left = true }), nil, began.Add(week), week, false},
		{"it was in contact after the absence began", with(func(n *roster.Node) { n.Ended = began.Add(1) }), nil, began.Add(week), week, false},
		{"it enrolled after the absence began", with(func(n *roster.Node) { n.Created = began.Add(1) }), nil, began.Add(week), week, false},
		{"its last session ended before", with(func(n *roster.Node) { n.Ended = began.Add(-1) }), nil, began.Add(week), week, true},
		{"drained: the order would be lost", with(func(n *roster.Node) { n.Drain = &roster.Drain{} }), nil, began.Add(week), week, false},
		{"in quarantine: it would come back without", with(func(n *roster.Node) { n.Quarantine = &roster.Quarantine{} }), nil, began.Add(week),
			week, false},
	} {
		if got := roster.Lost(c.node, c.session, began, c.now, c.after); got != c.want {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
}

package check_test

import (
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/test/chaos/check"
)

type event = check.Event

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

func submitted(writer string, number int, revision int64) event {
	return event{Kind: check.Submitted, Writer: writer, Number: number, Revision: revision}
}

func refused(writer string, number int, revision int64) event {
	e := submitted(writer, number, revision)
	e.Bad = true
	return e
}

func viewed(node string, decision, revision, wanted int64) event {
	return event{Kind: check.Viewed, Node: node, Decision: decision, Revision: revision, Wanted: wanted, Proven: true, Term: 1}
}

func answered(node, writer string, number int) event {
	return event{Kind: check.Answered, Node: node, Writer: writer, Number: number}
}

func TestHistory(t *testing.T) {
	good := []event{submitted("a", 1, 1), viewed("n1", 5, 1, 1), answered("n1", "a", 1), submitted("a", 2, 2)}
	more := func(events ...event) []event { return append(append([]event(nil), good...), events...) }
	settled := event{Kind: check.Settled}
	for _, tt := range []struct {
		name    string
		history []event
		broken  []int // the promises, in order
	}{
		{name: "a good history", history: more(viewed("n1", 6, 2, 2), answered("n1", "a", 2))},
		{name: "a gateway may serve what is newer than what was proven", history: more(answered("n1", "a", 2), answered("n1", "a", 1))},
		{name: "a gateway serves less than was proven", history: more(viewed("n1", 6, 2, 2), answered("n1", "a", 1)), broken: []int{6}},
		{name: "a gateway is empty", history: more(answered("n1", "a", 0)), broken: []int{5, 6}},
		{name: "an older decision is followed", history: more(viewed("n1", 4, 1, 1)), broken: []int{4}},
		{name: "an older decision of a newer epoch is followed", history: more(func() event {
			e := viewed("n1", 4, 1, 1)
			e.Epoch = 1
			return e
		}())},
		{name: "an older term is followed", history: more(ofTerm(3, viewed("n1", 7, 1, 1)), ofTerm(2, viewed("n1", 8, 1, 1))), broken: []int{4}},
		{name: "a node is sent back from what nobody refused", history: more(viewed("n1", 6, 1, 2), viewed("n1", 7, 1, 1)), broken: []int{2}},
		{
			name:    "a disturbed node keeps what it runs, for it could not be given more",
			history: more(event{Kind: check.Disturbed, Node: "n1"}, viewed("n1", 6, 1, 2), viewed("n1", 7, 1, 1)),
		},
		{
			name:    "a disturbed node is sent back from what it ran",
			history: more(event{Kind: check.Disturbed, Node: "n1"}, viewed("n1", 6, 2, 2), viewed("n1", 7, 1, 1)),
			broken:  []int{2},
		},
		{name: "a node is sent back from what was refused", history: more(refused("a", 3, 3), viewed("n1", 6, 2, 3), viewed("n1", 7, 2, 2))},
		{name: "two nodes are given what is refused", history: more(refused("a", 3, 3), viewed("n1", 6, 2, 3), viewed("n2", 6, 2, 3)),
			broken: []int{2}},
		{
			name:    "two nodes are given what is refused, for the first was cut off",
			history: more(refused("a", 3, 3), viewed("n1", 6, 2, 3), event{Kind: check.Disturbed, Node: "n1"}, viewed("n2", 6, 2, 3)),
		},
		{name: "a revision of another writer is refused with it", history: more(refused("a", 3, 3), submitted("b", 1, 4), viewed("n1", 6, 2, 4),
			viewed("n1", 7, 2, 2))},
		{name: "until it is mended", history: more(refused("a", 3, 3), submitted("a", 4, 4), viewed("n1", 6, 2, 4), viewed("n1", 7, 2, 2)),
			broken: []int{2}},
		{name: "what is refused is served", history: more(refused("a", 3, 3), answered("n1", "a", 3)), broken: []int{2}},
		{name: "what is refused is proven", history: more(refused("a", 3, 3), viewed("n1", 6, 3, 3)), broken: []int{6}},
		{
			name: "a command was told too early",
			history: more(event{At: 1, Kind: check.Waited, Writer: "a", Number: 2},
				event{At: 3, Began: 2, Kind: check.Answered, Node: "n1", Writer: "a", Number: 1}),
			broken: []int{6},
		},
		{
			name: "a request of before the command was told says nothing",
			history: more(event{At: 3, Kind: check.Waited, Writer: "a", Number: 2},
				event{At: 4, Began: 2, Kind: check.Answered, Node: "n1", Writer: "a", Number: 1}),
		},
		{
			name: "a gateway that is cut off is not counted",
			history: more(event{Kind: check.Disturbed, Node: "n1"}, event{At: 1, Kind: check.Waited, Writer: "a", Number: 2},
				event{At: 3, Began: 2, Kind: check.Answered, Node: "n1", Writer: "a", Number: 1}),
		},
		{
			name: "a gateway that is back is counted",
			history: more(event{Kind: check.Disturbed, Node: "n1"}, event{Kind: check.Disturbed, Node: "n1", Over: true},
				event{At: 1, Kind: check.Waited, Writer: "a", Number: 2},
				event{At: 3, Began: 2, Kind: check.Answered, Node: "n1", Writer: "a", Number: 1}),
			broken: []int{6},
		},
		{name: "an acknowledged revision is gone", history: more(event{Kind: check.Listed, Revision: 1}), broken: []int{1}},
		{name: "all are there", history: more(event{Kind: check.Listed, Revision: 1}, event{Kind: check.Listed, Revision: 2})},
		{name: "a repeated submission makes a revision", history: more(event{Kind: check.Repeated, Writer: "a", Number: 2, Revision: 3,
			Made: true}), broken: []int{8}},
		{
			name:    "a gateway never comes to serve the newest",
			history: more(settledAt(5), event{At: 7, Began: 6, Kind: check.Answered, Node: "n1", Writer: "a", Number: 1}), broken: []int{7},
		},
		{name: "nothing was settled", history: more(settled, event{At: 7, Began: 6, Kind: check.Answered, Node: "n1", Writer: "a", Number: 1})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for i := range tt.history {
				// Where the order is all that matters, each event happens a millisecond after the one before.
				if e := &tt.history[i]; e.At == 0 && e.Kind != check.Settled {
					e.At = ms(i + 1)
					if e.Kind == check.Answered {
						e.Began = e.At - 1
					}
				} else if e.At > 0 {
					e.At, e.Began = ms(100)*e.At, ms(100)*e.Began
				}
			}
			var got []int
			for _, p := range check.History(tt.history) {
				t.Log(p)
				got = append(got, p.Promise)
			}
			if len(got) != len(tt.broken) {
				t.Fatalf("broken are %v, want %v", got, tt.broken)
			}
			for i := range got {
				if got[i] != tt.broken[i] {
					t.Errorf("broken are %v, want %v", got, tt.broken)
				}
			}
		})
	}
}

func ofTerm(term int64, e event) event {
	e.Term = term
	return e
}

func settledAt(at time.Duration) event { return event{At: at, Kind: check.Settled} }

func TestLinear(t *testing.T) {
	made := func(client, call, back int, got, expected int64) check.Op {
		return check.Op{Client: client, Call: ms(call), Return: ms(back), Got: got, Expected: expected}
	}
	read := func(client, call, back int, got int64) check.Op {
		return check.Op{Client: client, Call: ms(call), Return: ms(back), Got: got, Read: true}
	}
	for _, tt := range []struct {
		name string
		ops  []check.Op
		bad  bool
	}{
		{name: "one after the other", ops: []check.Op{made(1, 0, 1, 1, 0), read(2, 2, 3, 1), made(1, 4, 5, 2, 1)}},
		{name: "at the same time, in either order", ops: []check.Op{made(1, 0, 9, 2, 0), made(2, 0, 9, 1, 0), read(3, 1, 8, 1)}},
		{name: "a revision is made twice", ops: []check.Op{made(1, 0, 1, 1, 0), made(2, 2, 3, 1, 0)}, bad: true},
		{name: "a read is behind", ops: []check.Op{made(1, 0, 1, 1, 0), made(1, 2, 3, 2, 0), read(2, 4, 5, 1)}, bad: true},
		{name: "a condition was not kept", ops: []check.Op{made(1, 0, 1, 1, 0), made(2, 2, 3, 2, 0), made(1, 4, 5, 3, 1)}, bad: true},
		{name: "a condition was refused without need", ops: []check.Op{made(1, 0, 1, 1, 0),
			{Client: 2, Call: ms(2), Return: ms(3), Expected: 1, Refused: true}}, bad: true},
	} {
		if err := check.Linear(tt.ops, 0, time.Minute); (err != nil) != tt.bad {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func at(n int, e event) event {
	e.At = ms(n)
	return e
}

func TestSoaked(t *testing.T) {
	before := []event{viewed("n1", 5, 1, 1), viewed("n2", 5, 1, 1)}
	for _, tt := range []struct {
		name    string
		history []event
		broken  int
	}{
		{name: "the second follows after the soak", history: []event{at(100, viewed("n1", 6, 2, 2)), at(3200, viewed("n2", 7, 2, 2))}},
		{name: "the second follows at once", history: []event{at(100, viewed("n1", 6, 2, 2)), at(400, viewed("n2", 7, 2, 2)),
			at(450, viewed("n2", 7, 2, 2))}, broken: 1},
		{name: "another revision", history: []event{at(100, viewed("n1", 6, 2, 2)), at(400, viewed("n2", 7, 3, 3))}},
		{name: "a node that is seen for the first time", history: []event{at(100, viewed("n1", 6, 2, 2)), at(400, viewed("n3", 7, 2, 2))}},
		{name: "a node that the rollout before had reached", history: []event{at(50, viewed("n2", 6, 2, 2)), at(2100, viewed("n1", 7, 3, 3)),
			at(2400, viewed("n2", 7, 3, 3))}},
		{name: "a node that the rollout before had not reached", history: []event{at(50, viewed("n2", 6, 2, 2)), at(2100, viewed("n2", 7, 3, 3)),
			at(2400, viewed("n1", 7, 3, 3))}, broken: 1},
	} {
		if got := check.Soaked(append(append([]event(nil), before...), tt.history...), time.Second); len(got) != tt.broken {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestStill(t *testing.T) {
	before := []event{viewed("n1", 5, 2, 2), answered("n1", "a", 2), {Kind: check.Viewed, Node: "n1"}}
	for _, tt := range []struct {
		name string
		then event
		want int
	}{
		{name: "nothing moves", then: viewed("n1", 5, 2, 2)},
		{name: "the same answer", then: answered("n1", "a", 2)},
		{name: "an agent follows another decision", then: viewed("n1", 6, 2, 2), want: 1},
		{name: "an agent is to run another revision", then: viewed("n1", 5, 2, 1), want: 1},
		{name: "a gateway answers another number, a newer one too", then: answered("n1", "a", 3), want: 1},
	} {
		if got := check.Still(append(append([]event(nil), before...), tt.then)); len(got) != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

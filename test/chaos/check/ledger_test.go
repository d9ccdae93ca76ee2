package check_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/test/chaos/check"
)

type tx = []check.Change

func put(key, value string) check.Change { return check.Change{Key: key, Value: []byte(value)} }

func gone(key string) check.Change { return check.Change{Key: key, Deleted: true} }

func revisionKey(n int) string { return fmt.Sprintf("desired/revisions/g/%016x", n) }

// made is a revision of two sources, by a submission of one.
func made(n int, source, a, b, more string) check.Change {
	return put(revisionKey(n), fmt.Sprintf(`{"number":%d,"digest":"sha256:d%d","source":%q,"sources":[{"name":"a","fragment":%q},
		{"name":"b","fragment":%q}]%s}`, n, n, source, a, b, more))
}

func hasSource(name, fragment string, revision int, pin string) check.Change {
	return put("desired/sources/g/"+name, fmt.Sprintf(`{"fragment":%q,"revision":%d%s}`, fragment, revision, pin))
}

// rolled is a rollout.
func rolled(id string, candidate int, state, more string) check.Change {
	return put("decided/rollouts/g/"+id, fmt.Sprintf(
		`{"v":1,"value":{"id":%q,"stable":{"revision":1},"candidate":{"revision":%d},"state":%q%s}}`, id, candidate, state, more))
}

func assigned(stable, candidate int) check.Change {
	return put("decided/assignments/g", fmt.Sprintf(
		`{"v":1,"value":{"stable":{"revision":%d},"candidate":{"revision":%d}}}`, stable, candidate))
}

func ordered(text string) check.Change { return put("decided/orders/g", `{"v":1,"value":`+text+`}`) }

func TestLedger(t *testing.T) {
	begin := []tx{
		{made(1, "a", "a1", "b1", ""), hasSource("a", "a1", 1, ""), hasSource("b", "b1", 1, "")},
		{made(2, "a", "a2", "b1", `,"request_id":"q2"`), hasSource("a", "a2", 2, "")},
		{rolled("1", 1, "completed", ""), assigned(1, 0)},
		{rolled("2", 2, "progressing", ""), assigned(1, 2)},
	}
	order := func(verb, rollout string) string {
		return fmt.Sprintf(`{"id":%q,"verb":%q,"rollout":%q}`, verb, verb, rollout)
	}
	frozen := tx{ordered(`{"group":{"id":"f","verb":"freeze"}}`)}
	for _, tt := range []struct {
		name   string
		then   []tx
		broken []int
	}{
		{name: "a revision, and a rollout to it", then: []tx{{made(3, "b", "a2", "b2", "")},
			{rolled("3", 3, "progressing", ""), assigned(1, 3)}}},
		{name: "a gap", then: []tx{{made(4, "b", "a2", "b2", "")}}, broken: []int{check.Once}},
		{name: "a revision is written again", then: []tx{{made(2, "a", "a2", "b1", "")}}, broken: []int{check.Once}},
		{name: "a request makes two revisions", then: []tx{{made(3, "a", "a3", "b1", `,"request_id":"q2"`)}}, broken: []int{check.Once}},
		{name: "a submission changes another source", then: []tx{{made(3, "a", "a3", "b2", "")}}, broken: []int{check.Unlost}},
		{name: "a restoration", then: []tx{{made(3, "", "a1", "b1", `,"restored_revision":1`)}}},
		{name: "a restoration gives other content", then: []tx{{made(3, "", "a9", "b1", `,"restored_revision":1`)}}, broken: []int{check.Unlost}},
		{name: "a rollout begins in a frozen group", then: []tx{frozen, {rolled("3", 3, "progressing", "")}}, broken: []int{check.Frozen}},
		{name: "an open rollout of a frozen group goes on", then: []tx{frozen, {rolled("2", 2, "completed", ""), assigned(2, 0)}}},
		{name: "a group is frozen no more", then: []tx{frozen, {ordered(`{"group":{"id":"u","verb":"unfreeze"}}`)},
			{rolled("3", 3, "progressing", "")}}},
		{name: "a freeze takes effect again", then: []tx{frozen, {ordered(`{"group":{"id":"u","verb":"unfreeze"}}`)}, frozen},
			broken: []int{check.Once}},
		{name: "an order is obeyed", then: []tx{{ordered(`{"rollouts":[` + order("pause", "2") + `]}`)},
			{rolled("2", 2, "paused", `,"orders":[`+order("pause", "2")+`]`)}, {rolled("2", 2, "paused", `,"orders":[`+order("pause", "2")+`]`)}}},
		{name: "an order is obeyed twice", then: []tx{{ordered(`{"rollouts":[` + order("pause", "2") + `]}`)},
			{rolled("2", 2, "paused", `,"orders":[`+order("pause", "2")+`,`+order("pause", "2")+`]`)}}, broken: []int{check.Once}},
		{name: "an order is obeyed by the next rollout too", then: []tx{{ordered(`{"rollouts":[` + order("pause", "2") + `]}`)},
			{rolled("2", 2, "paused", `,"orders":[`+order("pause", "2")+`]`)}, {rolled("3", 2, "paused", `,"orders":[`+order("pause", "2")+`]`)}},
			broken: []int{check.Once, check.Once}},
		{name: "nobody gave the order", then: []tx{{rolled("2", 2, "paused", `,"orders":[`+order("pause", "2")+`]`)}}, broken: []int{check.Once}},
		{name: "an order comes to be for another rollout", then: []tx{{ordered(`{"rollouts":[` + order("pause", "1") + `]}`)},
			{ordered(`{"rollouts":[` + order("pause", "2") + `]}`)}}, broken: []int{check.Once}},
		{name: "a retry begins the next", then: []tx{{ordered(`{"rollouts":[` + order("retry", "2") + `]}`)},
			{rolled("3", 2, "progressing", `,"orders":[`+order("retry", "2")+`]`)}}},
		{name: "a promotion of an ended rollout begins the next", then: []tx{{rolled("2", 2, "completed", "")},
			{ordered(`{"rollouts":[{"id":"p","verb":"promote","rollout":"2","begin":true}]}`)},
			{rolled("3", 3, "progressing", `,"orders":[{"id":"p","verb":"promote","rollout":"2","begin":true}]`)}}},
		{name: "a promotion of one rollout is obeyed by the next", then: []tx{{ordered(`{"rollouts":[` + order("promote", "2") + `]}`)},
			{rolled("3", 3, "progressing", `,"orders":[`+order("promote", "2")+`]`)}}, broken: []int{check.Once}},
		{name: "a rollout begins before pins are set", then: []tx{{rolled("2", 2, "rolled_back", `,"pinning":{}`)},
			{rolled("3", 3, "progressing", "")}}, broken: []int{check.Pinned}},
		{name: "a rollout begins to a revision without the pins", then: []tx{
			{rolled("2", 2, "rolled_back", `,"pinning":{"done":true,"revision":4}`)},
			{rolled("3", 3, "progressing", "")}}, broken: []int{check.Pinned}},
		{name: "a rollout begins with the pins", then: []tx{{rolled("2", 2, "rolled_back", `,"pinning":{"done":true,"revision":3}`)},
			{rolled("3", 3, "progressing", "")}}},
		{name: "a pin holds what it names", then: []tx{{hasSource("a", "a1", 3, `,"pin":{"good_revision":1}`)}}},
		{name: "a pin holds something else", then: []tx{{hasSource("a", "a2", 3, `,"pin":{"good_revision":1}`)}}, broken: []int{check.Pinned}},
		{name: "the head is collected", then: []tx{{gone(revisionKey(2))}}, broken: []int{check.InUse, check.InUse}},
		{name: "what is stable is collected", then: []tx{{made(3, "b", "a2", "b2", "")}, {gone(revisionKey(1))}}, broken: []int{check.InUse}},
		{name: "what is old is collected", then: []tx{
			{made(3, "b", "a2", "b2", ""), hasSource("b", "b2", 3, ""), hasSource("a", "a2", 3, "")},
			{gone("decided/rollouts/g/1"), gone("decided/rollouts/g/2")}, {assigned(3, 0)}, {gone(revisionKey(1)), gone(revisionKey(2))},
			{gone("content/manifests/d1"), gone("content/fragments/b1")},
		}},
		{name: "the last content of a source is collected", then: []tx{{gone("content/fragments/b1")}}, broken: []int{check.InUse}},
		{name: "a manifest is collected", then: []tx{{gone("content/manifests/d2")}}, broken: []int{check.InUse}},
	} {
		l := check.NewLedger("g", 1)
		at := int64(0)
		for _, writes := range append(append([]tx(nil), begin...), tt.then...) {
			at++
			for i := range writes {
				writes[i].At = at
			}
			l.Apply(writes)
		}
		var got []int
		problems := l.Problems()
		for _, p := range problems {
			got = append(got, p.Promise)
		}
		if fmt.Sprint(got) != fmt.Sprint(tt.broken) {
			t.Errorf("%s: broken are %v, want %v: %v", tt.name, got, tt.broken, problems)
		}
	}
}

// ledger is one in which revision 2 of a was rolled back, and 3 is what a had before.
func ledger() *check.Ledger {
	l := check.NewLedger("g", 1)
	for i, writes := range []tx{
		{made(1, "a", "a1", "b1", `,"request_id":"q1"`), hasSource("a", "a1", 1, ""), hasSource("b", "b1", 1, "")},
		{rolled("1", 1, "completed", ""), assigned(1, 0)},
		{made(2, "a", "a2", "b1", `,"request_id":"q2"`)},
		{rolled("2", 2, "progressing", ""), assigned(1, 2)},
		{rolled("2", 2, "rolled_back", `,"pinning":{"done":true,"revision":3}`), assigned(1, 0)},
		{made(3, "a", "a1", "b1", `,"restored_revision":1,"request_id":"rollout-2"`),
			hasSource("a", "a1", 3, `,"pin":{"reason":"bad","good_revision":1}`)},
		{ordered(`{"group":{"id":"f","verb":"freeze"},"rollouts":[{"id":"p","verb":"pause","rollout":"3"}]}`)},
		{rolled("3", 3, "completed", `,"orders":[{"id":"p","verb":"pause","rollout":"3"}]`), assigned(3, 0)},
	} {
		for j := range writes {
			writes[j].At = int64(i + 1)
		}
		l.Apply(writes)
	}
	return l
}

func TestAcknowledged(t *testing.T) {
	for _, tt := range []struct {
		ack   check.Ack
		wrong bool
	}{
		{ack: check.Ack{ID: "p", Verb: "pause"}},
		{ack: check.Ack{ID: "x", Verb: "pause"}, wrong: true},
		{ack: check.Ack{ID: "x", Verb: "abort", Repeated: true}},
		{ack: check.Ack{ID: "p", Verb: "pause", Refused: "it has ended"}, wrong: true},
		{ack: check.Ack{ID: "x", Verb: "pause", Refused: "it has ended"}},
		{ack: check.Ack{ID: "f", Verb: "freeze", Effective: true}},
		{ack: check.Ack{ID: "x", Verb: "freeze", Effective: true}, wrong: true},
		{ack: check.Ack{ID: "x", Verb: "freeze"}},
		{ack: check.Ack{ID: "x", Verb: "pin", Reason: "bad"}},
		{ack: check.Ack{ID: "x", Verb: "pin", Reason: "worse"}, wrong: true},
		{ack: check.Ack{ID: "q2", Verb: "submit", Revision: 2}},
		{ack: check.Ack{ID: "q2", Verb: "submit", Revision: 3}, wrong: true},
		{ack: check.Ack{ID: "q9", Verb: "submit", Revision: 3, Unchanged: true}},
		{ack: check.Ack{ID: "q2", Verb: "submit", Refused: "pinned"}, wrong: true},
	} {
		if got := ledger().Acknowledged([]check.Ack{tt.ack}); (len(got) > 0) != tt.wrong {
			t.Errorf("%+v: %v", tt.ack, got)
		}
	}
}

func TestQuiet(t *testing.T) {
	for _, tt := range []struct {
		name string
		then tx
		want string
	}{
		{name: "all is well"},
		{name: "what was rolled back is served", then: tx{assigned(2, 0)}, want: "rollout 2 to it ended as rolled_back"},
		{name: "pins are due", then: tx{rolled("4", 3, "rolled_back", `,"pinning":{}`), assigned(1, 0)}, want: "still due"},
		{name: "what completed is not served", then: tx{assigned(1, 0)}, want: "rollout 3 completed"},
	} {
		l := ledger()
		l.Apply(tt.then)
		got := fmt.Sprint(l.Quiet())
		if tt.want == "" && got != "[]" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %s", tt.name, got)
		}
	}
}

func TestFollowed(t *testing.T) {
	for _, tt := range []struct {
		name  string
		e     check.Event
		wrong bool
	}{
		{name: "the candidate, while it was one", e: viewed("n1", 4, 1, 2)},
		{name: "what was before, afterwards", e: viewed("n1", 5, 1, 1)},
		{name: "the candidate, afterwards", e: viewed("n1", 5, 1, 2), wrong: true},
	} {
		if got := ledger().Followed([]check.Event{tt.e}); (len(got) > 0) != tt.wrong {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	again := ledger()
	again.Apply(tx{rolled("4", 2, "progressing", "")})
	if got := again.Followed([]check.Event{viewed("n1", 9, 1, 2)}); len(got) > 0 {
		t.Errorf("a candidate that is tried again: %v", got)
	}
}

func TestServes(t *testing.T) {
	acks := []check.Ack{{ID: "q1", Verb: "submit", Writer: "a", Number: 1, Revision: 1},
		{ID: "q2", Verb: "submit", Writer: "a", Number: 2, Revision: 2}}
	settled := check.Event{Kind: check.Settled, At: ms(5)}
	answer := func(number int) check.Event {
		return check.Event{Kind: check.Answered, Node: "n1", Writer: "a", Number: number, Began: ms(6), At: ms(7)}
	}
	for _, tt := range []struct {
		name   string
		view   check.Event
		answer check.Event
		broken string
	}{
		{name: "the pinned content", view: viewed("n1", 8, 3, 3), answer: answer(1), broken: "[]"},
		{name: "what is held back", view: viewed("n1", 8, 3, 3), answer: answer(2), broken: "which it serves, has number 1"},
		{name: "an agent stays behind", view: viewed("n1", 8, 2, 2), answer: answer(2), broken: "the stable revision 3 has number 1"},
	} {
		got := fmt.Sprint(ledger().Serves([]check.Event{tt.view, settled, tt.answer}, acks, []string{"a"}, 1))
		if !strings.Contains(got, tt.broken) {
			t.Errorf("%s: %s", tt.name, got)
		}
	}
}

func TestTurned(t *testing.T) {
	for _, tt := range []struct {
		name    string
		history []check.Event
		broken  int
	}{
		{name: "forward", history: []check.Event{viewed("n1", 5, 1, 1), viewed("n1", 6, 1, 1), answered("n1", "a", 1), answered("n1", "a", 2)}},
		{name: "an older decision", history: []check.Event{viewed("n1", 5, 1, 1), viewed("n1", 4, 1, 1)}, broken: 1},
		{name: "an older term", history: []check.Event{ofTerm(3, viewed("n1", 5, 1, 1)), ofTerm(2, viewed("n1", 6, 1, 1))}, broken: 1},
		{name: "a route that vanishes", broken: 1,
			history: []check.Event{answered("n1", "a", 1), answered("n1", "a", 0), answered("n1", "a", 0)}},
		{name: "a route that is not there yet", history: []check.Event{answered("n1", "a", 0), answered("n1", "a", 1)}},
	} {
		if got := check.Turned(tt.history); len(got) != tt.broken {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

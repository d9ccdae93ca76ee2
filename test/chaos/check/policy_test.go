package check_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/test/chaos/check"
)

// replayed is a ledger after some transactions, numbered from 1 on.
func replayed(all ...tx) *check.Ledger {
	l := check.NewLedger("g", 1)
	for at, writes := range all {
		for i := range writes {
			writes[i].At = int64(at + 1)
		}
		l.Apply(writes)
	}
	return l
}

func TestOutsideOfAWindow(t *testing.T) {
	const closed, retry = `,"policy":{"windows":[{"schedule":"0 0 29 2 1"}]}`, `,"orders":[{"id":"r","verb":"retry","rollout":"1"}]`
	order := tx{ordered(`{"rollouts":[{"id":"r","verb":"retry","rollout":"1"}]}`)}
	for _, tt := range []struct {
		name   string
		then   []tx
		broken string
	}{
		{name: "the first rollout begins", then: []tx{{rolled("1", 1, "progressing", closed)}}, broken: "[]"},
		{name: "a later one begins", then: []tx{{rolled("1", 1, "completed", "")}, {rolled("2", 2, "progressing", closed)}},
			broken: "rollout 2 to revision 2 began outside"},
		{name: "an order begins it", then: []tx{{rolled("1", 1, "completed", "")}, order, {rolled("2", 2, "progressing", closed+retry)}},
			broken: "[]"},
		{name: "an open one goes on", then: []tx{{rolled("1", 1, "completed", "")}, {rolled("2", 2, "progressing", "")},
			{rolled("2", 2, "completed", closed)}}, broken: "[]"},
	} {
		if got := fmt.Sprint(replayed(tt.then...).Problems()); !strings.Contains(got, tt.broken) {
			t.Errorf("%s: %s", tt.name, got)
		}
	}
}

func TestTheNodesOfALabelWaveComeFirst(t *testing.T) {
	const waves = `,"policy":{"waves":[{"label":"zone=a"},{"percent":100}]}`
	labels := map[string]string{"a1": "zone=a", "b1": "zone=b"}
	for _, tt := range []struct {
		name   string
		begun  string // of the rollout, beside its waves
		tried  bool   // the candidate was rolled out before
		view   check.Event
		broken bool
	}{
		{name: "a node of the wave", view: viewed("a1", 2, 1, 2)},
		{name: "a node that is not", view: viewed("b1", 2, 1, 2), broken: true},
		{name: "what it runs already", view: viewed("b1", 2, 1, 1)},
		{name: "when the wave is over", view: viewed("b1", 3, 1, 2)},
		{name: "of a rollout that took over", begun: `,"took_over":true`, view: viewed("b1", 2, 1, 2)},
		{name: "of a rollout without waves", begun: `,"promoted":2`, view: viewed("b1", 2, 1, 2)},
		{name: "a candidate that is held from before", tried: true, view: viewed("b1", 2, 1, 2)},
	} {
		before := rolled("1", 1, "completed", "")
		if tt.tried {
			before = rolled("1", 2, "halted", "")
		}
		l := replayed(tx{before}, tx{rolled("2", 2, "progressing", `,"wave":1`+waves+tt.begun)},
			tx{rolled("2", 2, "progressing", `,"wave":2`+waves)})
		if got := l.FirstWaves([]check.Event{tt.view}, labels); (len(got) > 0) != tt.broken {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestDrainedTargetsAreThoseThatWereAskedFor(t *testing.T) {
	one, two := check.TargetName{Upstream: "u", Target: "1"}, check.TargetName{Upstream: "u", Target: "2"}
	drain := func(id, owner string, replace bool, names ...check.TargetName) check.Ack {
		return check.Ack{ID: id, Verb: "drain", Owner: owner, Out: names, Replace: replace}
	}
	// kept is a record: the last request, and the targets of each owner.
	kept := func(request, more string, acts ...string) tx {
		return tx{put("decided/targets/g", fmt.Sprintf(`{"v":1,"value":{"acts":[%s],"requests":[%s%q]}}`, strings.Join(acts, ","), more,
			request))}
	}
	act := func(owner string, names ...string) string {
		var all []string
		for _, n := range names {
			all = append(all, fmt.Sprintf(`{"upstream":"u","target":%q}`, n))
		}
		return fmt.Sprintf(`{"owner":%q,"targets":[%s]}`, owner, strings.Join(all, ","))
	}
	for _, tt := range []struct {
		name   string
		writes []tx
		acks   []check.Ack
		broken string
	}{
		{name: "nothing", broken: "[]"},
		{name: "a drain", writes: []tx{kept("1", "", act("x", "1"))}, acks: []check.Ack{drain("1", "x", false, one)}, broken: "[]"},
		{name: "a drain of two owners, and one lets it in", writes: []tx{kept("1", "", act("x", "1")),
			kept("2", `"1",`, act("x", "1"), act("y", "1")), kept("3", `"1","2",`, act("y", "1"))},
			acks: []check.Ack{drain("1", "x", false, one), drain("2", "y", false, one),
				{ID: "3", Verb: "undrain", Owner: "x", In: []check.TargetName{one, two}}}, broken: "[]"},
		{name: "a replacement", writes: []tx{kept("1", "", act("x", "1")), kept("2", `"1",`, act("x", "2"))},
			acks: []check.Ack{drain("1", "x", false, one), drain("2", "x", true, two)}, broken: "[]"},
		{name: "an acknowledged drain is lost", acks: []check.Ack{drain("1", "x", false, one)},
			broken: "[x[1]] are kept out, and the ledger has []"},
		{name: "a drain is forgotten", writes: []tx{kept("1", "", act("x", "1")), kept("2", `"1",`, act("y", "2"))},
			acks: []check.Ack{drain("1", "x", false, one), drain("2", "y", false, two)}, broken: "drain 2 made [y[2]] of [x[1]]"},
		{name: "a drain that was refused", writes: []tx{kept("1", "", act("x", "1"))},
			acks: []check.Ack{{ID: "1", Verb: "drain", Refused: "no", Owner: "x", Out: []check.TargetName{one}}}, broken: "was refused (no)"},
		{name: "a drain of nobody", writes: []tx{kept("9", "", act("x", "1"))}, broken: "nobody made it"},
		{name: "a drain is carried out again", writes: []tx{kept("1", "", act("x", "1")), kept("1", `"1",`, act("x", "1"))},
			acks: []check.Ack{drain("1", "x", false, one)}, broken: "was carried out again"},
	} {
		l := replayed(tt.writes...)
		if got := fmt.Sprint(l.Drained(tt.acks)); !strings.Contains(got, tt.broken) {
			t.Errorf("%s: %s", tt.name, got)
		}
		if at, names := l.KeptOut(); int(at) != len(tt.writes) || at == 0 && len(names) > 0 {
			t.Errorf("%s: version %d keeps %v out", tt.name, at, names)
		}
	}
}

package rollout

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// scattered are the places of n nodes, in order.
func scattered(n int) (all Positions) {
	for i := range n {
		all = append(all, fleet.Position("g", fleet.NodeID(fmt.Sprint("node-", i))))
	}
	slices.Sort(all)
	return all
}

func TestPositionsAsText(t *testing.T) {
	for _, p := range []Positions{nil, {0}, {0, 0, 1}, {1, 1 << 7, 1 << 14}, {math.MaxUint64}, {0, math.MaxUint64, math.MaxUint64},
		scattered(1000)} {
		text, err := p.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var got Positions
		if err := got.UnmarshalText(text); err != nil || !slices.Equal(got, p) {
			t.Errorf("%v became %v, %v", p, got, err)
		}
	}
	if text, err := (Positions{2, 1}).MarshalText(); err == nil {
		t.Errorf("positions out of order became %s", text)
	}
}

func TestBadPositions(t *testing.T) {
	for _, tt := range []struct{ name, text string }{
		{"not base64", "!"},
		{"half a byte", "A"},
		{"cut off", base64.RawStdEncoding.EncodeToString([]byte{1, 0x80})},
		{"more than 64 bits", base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("\xff", 10) + "\x01"))},
		{"beyond the last place", base64.RawStdEncoding.EncodeToString(append(binary.AppendUvarint(nil, math.MaxUint64), 1))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := Positions{7}
			if err := p.UnmarshalText([]byte(tt.text)); err == nil {
				t.Errorf("became %v", p)
			}
		})
	}
}

// All of a group's nodes at one replica, in one state or in all, must fit well into an etcd request.
func TestTenThousandSessionsFitInATally(t *testing.T) {
	all := scattered(10_000)
	mixed := Nodes{}
	for i, position := range all {
		into := []*Positions{&mixed.Serving, &mixed.Loading, &mixed.Refused, &mixed.Failed}[i%4]
		*into = append(*into, position)
	}
	for name, n := range map[string]Nodes{"one state": {Serving: all}, "four states": mixed} {
		text, err := json.Marshal(counted(n))
		if err != nil {
			t.Fatal(err)
		}
		if t.Logf("%s: %d bytes", name, len(text)); len(text) > 110_000 {
			t.Errorf("%s: a tally takes %d bytes", name, len(text))
		}
		var got Tally
		if err := json.Unmarshal(text, &got); err != nil || !got.Equal(counted(n)) || !got.named() {
			t.Errorf("%s: it became another, %v", name, err)
		}
	}
}

// What replicas of an older version write and read.
func TestTallyOfAnOlderVersion(t *testing.T) {
	const older = `{"decision":5,"threshold":18446744073709551615,"connected":3,"serving":2,"loading":1,"refused":0,"failed":0}`
	var got Tally
	if err := json.Unmarshal([]byte(older), &got); err != nil || got.named() || got.Serving != 2 || got.Connected != 3 {
		t.Errorf("it became %+v, %v", got, err)
	}
	newer := counted(Nodes{Serving: at(1, 2), Loading: at(3)})
	newer.Decision, newer.Threshold = 5, fleet.MaxPosition
	text, err := json.Marshal(newer)
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.TrimSuffix(older, "}") + `,"nodes":{`; !strings.HasPrefix(string(text), want) {
		t.Errorf("it is written as %s, want %s…", text, want)
	}
}

func TestTalliesAreEqualWhenTheySayTheSame(t *testing.T) {
	tally := func(change func(*Tally)) Tally {
		t := counted(Nodes{Serving: at(1, 2), Loading: at(3), Refused: at(4), Failed: at(5)})
		t.Refusals, t.Failure = []Refusal{{Node: "a"}}, "b"
		change(&t)
		return t
	}
	same := tally(func(*Tally) {})
	if !same.Equal(tally(func(*Tally) {})) {
		t.Error("the same is not equal")
	}
	for i, change := range []func(*Tally){
		func(t *Tally) { t.Decision++ }, func(t *Tally) { t.Serving++ }, func(t *Tally) { t.Refusals[0].Node = "c" },
		func(t *Tally) { t.Failure = "" },
		func(t *Tally) { t.Nodes.Serving = at(1, 6) }, func(t *Tally) { t.Nodes.Loading = nil }, func(t *Tally) { t.Nodes.Refused = at(6) },
		func(t *Tally) { t.Nodes.Failed = at(6) },
	} {
		if same.Equal(tally(change)) {
			t.Errorf("change %d makes no difference", i)
		}
	}
}

// Whatever stands in the ledger, it is refused or becomes places in order, which are written and read as themselves.
func FuzzPositions(f *testing.F) {
	for _, p := range []Positions{nil, {0}, {1, 2, math.MaxUint64}, scattered(5)} {
		text, err := p.MarshalText()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("!"))
	f.Add([]byte("gA"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var p, again Positions
		if p.UnmarshalText(text) != nil {
			return
		}
		if !slices.IsSorted(p) || len(p) > len(text) {
			t.Fatalf("%q became %v", text, p)
		}
		written, err := p.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		if err := again.UnmarshalText(written); err != nil || !slices.Equal(p, again) {
			t.Fatalf("%q became %v, then %q and %v, %v", text, p, written, again, err)
		}
	})
}

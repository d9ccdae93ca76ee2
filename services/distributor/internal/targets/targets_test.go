package targets_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kong/target"
	"github.com/silverback-gateway/silverback/services/distributor/internal/targets"
)

func names(words string) (all []target.Name) {
	for _, w := range strings.Fields(words) {
		upstream, t, _ := strings.Cut(w, "/")
		all = append(all, target.Name{Upstream: upstream, Target: t})
	}
	return all
}

// show writes a set as owner:targets by act.
func show(s targets.Set) string {
	var acts []string
	for _, a := range s.Acts {
		var words []string
		for _, n := range a.Targets {
			words = append(words, n.Upstream+"/"+n.Target)
		}
		acts = append(acts, a.Owner+":"+a.Reason+":"+strings.Join(words, " "))
	}
	return strings.Join(acts, "; ")
}

func TestChanges(t *testing.T) {
	type step struct {
		owner, reason, add, remove string
		replace                    bool
		want                       string
		added, removed             int
	}
	for name, steps := range map[string][]step{
		"add and remove": {
			{owner: "o", reason: "1", add: "u/b u/a u/b", want: "o:1:u/a u/b", added: 2},
			{owner: "o", reason: "2", add: "u/a v/a", want: "o:1:u/a u/b; o:2:v/a", added: 1},
			{owner: "o", reason: "3", remove: "u/a u/z", want: "o:1:u/b; o:2:v/a", removed: 1},
			{owner: "o", reason: "4", remove: "u/b v/a", removed: 2},
			{owner: "o", reason: "5", remove: "u/b"},
		},
		"two owners": {
			{owner: "o", reason: "1", add: "u/a", want: "o:1:u/a", added: 1},
			{owner: "k", reason: "2", add: "u/a", want: "o:1:u/a; k:2:u/a", added: 1},
			{owner: "o", reason: "3", remove: "u/a", want: "k:2:u/a", removed: 1},
			{owner: "o", reason: "4", remove: "u/a", want: "k:2:u/a"},
		},
		"replace": {
			{owner: "o", reason: "1", add: "u/a", want: "o:1:u/a", added: 1},
			{owner: "k", reason: "2", add: "u/a u/b", want: "o:1:u/a; k:2:u/a u/b", added: 2},
			{owner: "k", reason: "3", add: "u/b u/c", replace: true, want: "o:1:u/a; k:2:u/b; k:3:u/c", added: 1, removed: 1},
			{owner: "k", reason: "4", replace: true, want: "o:1:u/a", removed: 2},
		},
		"remove and add": {
			{owner: "o", reason: "1", add: "u/a", want: "o:1:u/a", added: 1},
			{owner: "o", reason: "2", add: "u/a", remove: "u/a", want: "o:1:u/a"},
		},
	} {
		var s targets.Set
		for i, x := range steps {
			before := show(s)
			next, added, removed := s.Apply(targets.Change{Owner: x.owner, Reason: x.reason, Add: names(x.add), Remove: names(x.remove),
				Replace: x.replace})
			if show(next) != x.want || added != x.added || removed != x.removed {
				t.Errorf("%s, step %d: %q, %d added, %d removed; want %q, %d, %d", name, i, show(next), added, removed, x.want, x.added, x.removed)
			}
			if show(s) != before {
				t.Errorf("%s, step %d changed the set before from %q to %q", name, i, before, show(s))
			}
			s = next
		}
	}
}

func TestASetSurvivesItsRecord(t *testing.T) {
	s, _, _ := targets.Set{}.Apply(targets.Change{Owner: "o", Author: "ann", Reason: "why", Time: time.Unix(1_700_000_000, 0).UTC(),
		RequestID: "r", Add: names("u/a")})
	s.Stamp.Decision = 7
	text, err := json.Marshal(s)
	if err != nil || strings.Contains(string(text), "Stamp") {
		t.Fatalf("%s, %v", text, err)
	}
	var read targets.Set
	if err := json.Unmarshal(text, &read); err != nil || show(read) != show(s) || !read.Known("r") || read.Known("") || read.Known("x") {
		t.Errorf("%+v, %v", read, err)
	}
}

func TestRequestsAreForgotten(t *testing.T) {
	var s targets.Set
	for i := range 100 {
		s, _, _ = s.Apply(targets.Change{Owner: "o", RequestID: fmt.Sprint(i), Add: names(fmt.Sprintf("u/%d", i))})
	}
	if s.Known("0") || !s.Known("99") || len(s.Requests) > 32 {
		t.Errorf("%d requests are known", len(s.Requests))
	}
}

func TestABigRecordIsRefused(t *testing.T) {
	var s targets.Set
	long := strings.Repeat("r", 512)
	for i := range 1100 {
		s, _, _ = s.Apply(targets.Change{Owner: "o", Reason: long, Add: names(fmt.Sprintf("u/%d", i))})
	}
	if s.Fits() == nil || s.Size() != 1100 {
		t.Errorf("%d targets with long reasons fit", s.Size())
	}
}

// upstreams has a pool of three equal targets with threshold 50, and one without checks.
func upstreams() target.Upstreams {
	three := map[string]float64{"a": 100, "b": 100, "c": 100}
	return target.Upstreams{
		"pool":      {Checked: true, Threshold: 50, Targets: three, Revives: 2 * time.Second},
		"unchecked": {Targets: three},
	}
}

func TestCheck(t *testing.T) {
	newer := target.Upstreams{"unchecked": {Checked: true, Targets: map[string]float64{"a": 1}}, "new": {Checked: true,
		Targets: map[string]float64{"a": 1}}}
	for name, c := range map[string]struct {
		names string
		use   []target.Upstreams
		want  string
	}{
		"nothing is known":           {"x/a", nil, ""},
		"all is well":                {"pool/a pool/b", []target.Upstreams{upstreams()}, ""},
		"no upstream":                {"x/a", []target.Upstreams{upstreams()}, "there is no such upstream: x/a"},
		"no target":                  {"pool/z", []target.Upstreams{upstreams()}, "the upstream has no such target: pool/z"},
		"no checks":                  {"unchecked/b", []target.Upstreams{upstreams()}, "the upstream has no health checks"},
		"checks in the candidate":    {"unchecked/a", []target.Upstreams{upstreams(), newer}, ""},
		"only in the candidate":      {"new/a", []target.Upstreams{upstreams(), newer}, ""},
		"the nearest reason is told": {"unchecked/b", []target.Upstreams{newer, upstreams()}, "the upstream has no health checks"},
	} {
		var got string
		for _, p := range targets.Check(names(c.names), c.use) {
			got += p.Err.Error() + ": " + p.Names[0].Upstream + "/" + p.Names[0].Target
		}
		if c.want == "" && got != "" || !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestEmptied(t *testing.T) {
	with := func(words string) targets.Set {
		s, _, _ := targets.Set{}.Apply(targets.Change{Owner: "o", Add: names(words)})
		return s
	}
	use := []target.Upstreams{upstreams()}
	for name, c := range map[string]struct{ before, after, want string }{
		"one of three":             {"", "pool/a", ""},
		"two of three":             {"", "pool/a pool/b", "pool"}, // a third is left, of a half
		"one after one":            {"pool/a", "pool/a pool/b", "pool"},
		"it was so before":         {"pool/a pool/b", "pool/a pool/b pool/c", ""},
		"another upstream is left": {"", "unchecked/a unchecked/b unchecked/c", ""}, // it cannot be kept out there
	} {
		after := with(c.after)
		if got := strings.Join(targets.Emptied(after.Names(), with(c.before), after, use), " "); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestStaleTargetsMakeRoom(t *testing.T) {
	s, _, _ := targets.Set{}.Apply(targets.Change{Owner: "o", Add: names("pool/a pool/z x/a")})
	if got := s.WithoutStale(nil); got.Size() != 3 {
		t.Errorf("without knowledge %d are left", got.Size())
	}
	if got := s.WithoutStale([]target.Upstreams{upstreams()}); !slices.Equal(got.Names(), names("pool/a")) {
		t.Errorf("%v are left", got.Names())
	}
	if s.Size() != 3 {
		t.Error("the set before was changed")
	}
	if got := targets.Revived(names("pool/a unchecked/a"), []target.Upstreams{upstreams()}); len(got) != 1 || got["pool"] != 2*time.Second {
		t.Errorf("revived: %v", got)
	}
}

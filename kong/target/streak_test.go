package target_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/snapshot"
	"github.com/silverback-gateway/silverback/kong/target"
)

// step is what follows a streak.
func step(t *testing.T, s target.Streak, number fleet.Revision, before, now []byte) target.Streak {
	t.Helper()
	pairs, err := snapshot.Pairs(before, now)
	if err != nil {
		t.Fatal(err)
	}
	next, err := s.Next(number, pairs, before, now)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

// bytesOf makes canonical bytes of upstreams: "pool:a=10,b=30 other:c". Route is the name of a route beside them.
func bytesOf(route, upstreams string) []byte {
	var targets, pools []string
	for i, pool := range strings.Fields(upstreams) {
		name, list, _ := strings.Cut(pool, ":")
		pools = append(pools, fmt.Sprintf(`{"id":"u%d","name":%q}`, i, name))
		for _, one := range strings.Split(list, ",") {
			if one == "" {
				continue
			}
			host, weight, weighs := strings.Cut(one, "=")
			if !weighs {
				weight = "100"
			}
			targets = append(targets, fmt.Sprintf(`{"id":"%d-%s","target":"%s:80","upstream":{"id":"u%d"},"weight":%s}`, i, host, host, i, weight))
		}
	}
	text := `{"_format_version":"3.0",` + "\n" + `"routes":[` + "\n" + `{"id":"r","name":"` + route + `"}` + "\n]"
	for _, section := range []struct {
		kind string
		all  []string
	}{{"targets", targets}, {"upstreams", pools}} {
		if len(section.all) > 0 {
			text += ",\n\"" + section.kind + "\":[\n" + strings.Join(section.all, ",\n") + "\n]"
		}
	}
	return []byte(text + "}\n")
}

func TestHowFarTargetsMove(t *testing.T) {
	for title, c := range map[string]struct {
		before, after string
		share         float64
	}{
		"nothing":                          {"p:a,b,c,d,e", "p:a,b,c,d,e", 0},
		"one of five is replaced":          {"p:a,b,c,d,e", "p:a,b,c,d,f", 20},
		"one of five is taken away":        {"p:a,b,c,d,e", "p:a,b,c,d", 20},
		"one is added to four":             {"p:a,b,c,d", "p:a,b,c,d,e", 20},
		"one of five, of two upstreams":    {"p:a,b,c,d,e q:x,y,z,v,w", "p:a,b,c,d q:x,y,z,v,w", 10},
		"all of one of two upstreams":      {"p:a,b q:x,y", "p:c,d q:x,y", 50},
		"a fifth by weight":                {"p:a=40,b=60", "p:a=60,b=40", 20},
		"all weights are doubled":          {"p:a=40,b=60", "p:a=80,b=120", 0},
		"a target without weight is added": {"p:a,b,c", "p:a,b,c,d=0", 0},
		"an upstream of one is scaled":     {"p:a q:x,y", "p:a,b,c,d q:x,y", 50},
		"one has its first targets":        {"p: q:x,y", "p:a,b q:x,y", 0},
		"one has its last target taken":    {"p:a q:x,y,z", "p: q:x,y,z", 100},
		"one has its last weight taken":    {"p:a q:x,y,z", "p:a=0 q:x,y,z", 100},
		"everything":                       {"p:a,b", "p:c,d", 100},
	} {
		first := target.Streak{Since: 3, Moved: 7, Of: 1}
		next := step(t, first, 4, bytesOf("r", c.before), bytesOf("r", c.after))
		share, only := next.Share(first)
		if !only || math.Abs(share-c.share) > 1e-4 || next.Since != 3 {
			t.Errorf("%s: %+v, %v %%, only targets: %t; want %v %%", title, next, share, only, c.share)
		}
	}
}

func TestAStreakEndsWithAnythingElse(t *testing.T) {
	next := func(s target.Streak, number fleet.Revision, before, after []byte) target.Streak {
		return step(t, s, number, before, after)
	}
	begun := next(target.Streak{}, 1, nil, bytesOf("r", "p:a,b,c,d"))
	if begun != (target.Streak{Since: 1, Of: 4}) {
		t.Fatalf("%+v", begun)
	}
	moved := next(begun, 2, bytesOf("r", "p:a,b,c,d"), bytesOf("r", "p:a,b,c,e"))
	back := next(moved, 3, bytesOf("r", "p:a,b,c,e"), bytesOf("r", "p:a,b,c,d"))
	for title, c := range map[string]struct {
		from, to target.Streak
		share    float64
	}{
		"one step": {begun, moved, 25}, "there and back is two": {begun, back, 50}, "the other way round": {moved, begun, 25},
		"itself": {moved, moved, 0},
	} {
		if share, only := c.to.Share(c.from); !only || share != c.share {
			t.Errorf("%s: %v, %t", title, share, only)
		}
	}
	for title, after := range map[string][]byte{
		"a route": bytesOf("s", "p:a,b,c,d"), "a route and a target": bytesOf("s", "p:a,b,c"), "an upstream": bytesOf("r", "p:a,b,c,d q:x"),
	} {
		other := next(begun, 2, bytesOf("r", "p:a,b,c,d"), after)
		if _, only := other.Share(begun); only || other.Since != 2 || other.Moved != 0 {
			t.Errorf("%s: %+v", title, other)
		}
		again := next(other, 3, after, bytesOf("r", "p:a,b,c,d"))
		if _, only := again.Share(begun); only {
			t.Errorf("%s that is taken back is a change all the same", title)
		}
	}
	if _, only := (target.Streak{}).Share(target.Streak{}); only {
		t.Error("what is not known is only targets")
	}
	if _, err := begun.Next(2, nil, []byte("x"), bytesOf("r", "p:a")); err == nil {
		t.Error("other bytes are read")
	}
}

// Whatever happens in between, the share is never less than what moved from one end to the other.
func TestTheShareIsABound(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 55))
	draw := func() []byte {
		text := ""
		for u := range 3 {
			text += fmt.Sprintf(" u%d:a=1", u)
			for i := range 5 {
				text += fmt.Sprintf(",h%d=%d", i, random.IntN(4))
			}
		}
		return bytesOf("r", text)
	}
	next := func(s target.Streak, before, now []byte) target.Streak { return step(t, s, 2, before, now) }
	for range 500 {
		first := draw()
		begun := target.Streak{Since: 1, Of: 18}
		s, last := begun, first
		for range 1 + random.IntN(4) {
			now := draw()
			s, last = next(s, last, now), now
		}
		bound, _ := s.Share(begun)
		if share, _ := next(begun, first, last).Share(begun); share > bound+1e-4 {
			t.Fatalf("%v %% moved, and the bound is %v %%", share, bound)
		}
	}
}

func TestAStreakIsStored(t *testing.T) {
	text, err := json.Marshal(target.Streak{Since: 3, Moved: 1.5, Of: 10})
	if err != nil || string(text) != `{"since":3,"moved":1.5,"of":10}` {
		t.Errorf("%s, %v", text, err)
	}
}

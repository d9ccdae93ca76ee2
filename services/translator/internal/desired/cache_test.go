package desired

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/compile"
)

func heap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc) //nolint:gosec // far below
}

// The documents are JSON, whose strings share the memory of the text while they are read.
func parse(t *testing.T, c *compile.Compiler, salt, routes int) (*compile.Fragment, int) {
	t.Helper()
	var b strings.Builder
	b.WriteString(`{"_format_version": "3.0", "services": [{"name": "s", "url": "http://h:80", "routes": [`)
	for i := range routes {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, `{"name": "route-%d-%d", "paths": ["/a/%d"], "hosts": ["h%d.example.com"], "tags": ["team", "prod"]}`, salt, i, i, i)
	}
	b.WriteString("]}]}")
	f, problems := c.Parse([]compile.Document{{Name: "a.json", Content: []byte(b.String())}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return f, b.Len()
}

// TestACacheHoldsNoMoreThanItSays fills the cache several times over and looks at the heap.
func TestACacheHoldsNoMoreThanItSays(t *testing.T) {
	c := compile.New(compile.DefaultLimits())
	before, cache := heap(), newFragmentCache()
	const each = 4000
	var put int
	for i := 0; put < 4*cachedBytes; i++ {
		f, _ := parse(t, c, i, each)
		cache.put(fleet.Digest(fmt.Sprint(i)), f)
		put += f.Bytes()
	}
	held := heap() - before
	if bound := cachedBytes + cachedBytes/8; held > bound {
		t.Errorf("the cache holds %d MiB of heap, and says that it holds %d", held>>20, cache.bytes>>20)
	}
	if held < cachedBytes/2 {
		t.Errorf("the cache holds %d MiB only", held>>20)
	}
	runtime.KeepAlive(cache)
}

// A fragment of many small entities says what it holds, give or take a quarter, and not the document that it was read from.
func TestAFragmentKnowsWhatItHolds(t *testing.T) {
	c := compile.New(compile.DefaultLimits())
	before := heap()
	f, text := parse(t, c, 1, 50_000)
	held := heap() - before
	if said := f.Bytes(); said < held*3/4 || said > held*5/4 {
		t.Errorf("a fragment of a text of %d KiB holds %d KiB, and says %d", text>>10, held>>10, said>>10)
	}
	stored := f.Marshal()
	runtime.KeepAlive(f)
	before = heap()
	again, err := c.Unmarshal(stored)
	if err != nil {
		t.Fatal(err)
	}
	if held, said := heap()-before, again.Bytes(); said < held*3/4 || said > held*5/4 {
		t.Errorf("as it was stored it holds %d KiB, and says %d", held>>10, said>>10)
	}
	runtime.KeepAlive(again)
	runtime.KeepAlive(stored)
	cache := newFragmentCache()
	big, _ := parse(t, c, 1, 100_000)
	cache.put("big", big)
	if _, kept := cache.get("big"); kept != (big.Bytes() <= cachedBytes/2) {
		t.Errorf("a fragment of %d MiB is kept: %t", big.Bytes()>>20, kept)
	}
}

func TestVerdictsAreBoundedByWhatTheyHold(t *testing.T) {
	var v verdicts
	before := heap()
	for i := range 3000 {
		problems := make([]compile.Problem, 101)
		for j := range problems {
			problems[j] = compile.Problem{Document: "a.yaml", Kind: "route", Name: fmt.Sprint("route-", i, j), Field: "paths[0]",
				Message: fmt.Sprint("no such thing ", i, j)}
		}
		v.put(verdictKey{fleet.Digest(fmt.Sprint(i)), "p"}, compile.Verdict{Problems: problems})
	}
	if held := heap() - before; held > 2*maxVerdictBytes {
		t.Errorf("verdicts hold %d MiB", held>>20)
	}
	if _, ok := v.get(verdictKey{"2999", "p"}); !ok {
		t.Error("the last verdict is not remembered")
	}
	runtime.KeepAlive(&v)
}

package desired

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kong/compile"
)

func doc(name, text string) []compile.Document {
	return []compile.Document{{Name: name, Content: []byte(text)}}
}

// What a text costs is what it takes to read it, which its length does not say.
func TestTextsCostWhatTheyTake(t *testing.T) {
	var entries, nested strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&entries, "- name: s-%d\n  host: h\n  tags: [a, b]\n", i)
		fmt.Fprintf(&nested, "  - name: r-%d\n    paths: [/a]\n", i)
	}
	version := "_format_version: \"3.0\"\n"
	dense := strings.Repeat("1,", 2<<20)
	for _, tt := range []struct {
		name      string
		documents []compile.Document
		from, to  int64 // MiB
	}{
		{"entry by entry", doc("a.yaml", version+"services:\n"+entries.String()), 50, 120},
		{"one entry that holds all", doc("a.yaml", version+"services:\n- name: s\n  host: h\n  routes:\n"+nested.String()), 130, 250},
		{"JSON", doc("a.json", `{"_format_version": "3.0", "services": [`+strings.Repeat(`{"name": "a", "host": "h"},`, 100_000)), 30, 50},
		{"few bytes a value", doc("a.yaml", "a: ["+dense+"1]"), 600, 800},
		{"little", doc("a.yaml", version), 0, 1},
	} {
		if got := costOf(tt.documents) >> 20; got < tt.from || got > tt.to {
			t.Errorf("%s, %d KiB: %d MiB, want %d to %d", tt.name, len(tt.documents[0].Content)>>10, got, tt.from, tt.to)
		}
	}
	two := append(doc("a.json", "{}"), doc("b.json", "{}")...)
	if one, both := costOf(two[:1]), costOf(two); both >= 2*one {
		t.Errorf("documents are read one after the other, and cost %d and %d", one, both)
	}
}

func TestCallsShareTheMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Deps{Memory: 900 << 20}) // of which calls may take 600 MiB
		first, err := d.reserve(t.Context(), 400<<20)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := d.reserve(t.Context(), 400<<20); !errors.Is(err, fault.Of(fault.Busy)) || time.Since(began) != waitTimeout {
			t.Errorf("a second large call: %v after %s", err, time.Since(began))
		}
		small, err := d.reserve(t.Context(), 100<<20)
		if err != nil {
			t.Errorf("a small call: %v", err)
		}
		small()
		// More than there is: it goes on as soon as it is alone.
		done := make(chan error, 1)
		go func() {
			release, err := d.reserve(t.Context(), 2<<30)
			if err == nil {
				release()
			}
			done <- err
		}()
		synctest.Wait()
		select {
		case err := <-done:
			t.Errorf("the largest call did not wait: %v", err)
		default:
		}
		first()
		if err := <-done; err != nil {
			t.Errorf("the largest call: %v", err)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		whole, _ := d.reserve(t.Context(), 600<<20)
		if _, err := d.reserve(gone, 1); !errors.Is(err, context.Canceled) {
			t.Errorf("who is gone: %v", err)
		}
		whole()
	})
}

func TestMemoryForCalls(t *testing.T) {
	for limit, want := range map[int64]int64{920 << 20: 620 << 20, 460 << 20: 160 << 20, 320 << 20: 80 << 20} {
		if got := forCalls(limit); got != want {
			t.Errorf("of %d MiB: %d MiB, want %d", limit>>20, got>>20, want>>20)
		}
	}
	if got := forCalls(0); got != usualMemory-otherMemory {
		t.Errorf("where nothing is said: %d MiB", got>>20)
	}
}

package compile_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/silverback-gateway/silverback/kong/compile"
	"github.com/silverback-gateway/silverback/testkit/shared"
)

// left are the verdicts of the hostile set that need the schemas of plugins, a
// parser of expressions or the client's templates.
var left = map[string]string{
	"plugin-required-missing.yaml":        "a plugin's schema",
	"plugin-wrong-type.yaml":              "a plugin's schema",
	"unknown-plugin-field.yaml":           "a plugin's schema",
	"unknown-plugin.yaml":                 "the plugins of the group's gateways",
	"route-bad-expression.yaml":           "a parser of expressions",
	"route-unknown-field-expression.yaml": "a parser of expressions",
	"path-lookahead-regex.yaml":           "the flavor of the group's routers",
	"env-in-quotes.yaml":                  "the client replaces templates",
	"env-yaml-injection.yaml":             "the client replaces templates",
}

func TestHostile(t *testing.T) {
	dir := filepath.Join(shared.Dir(t), "corpus", "hostile")
	raw, err := os.ReadFile(filepath.Join(dir, "expectations.json"))
	if err != nil {
		t.Fatalf("read the index of the corpus: %v", err)
	}
	var index struct {
		Cases []struct{ Name, File, Input, Expect, Class, Field, Limit string }
	}
	if err := json.Unmarshal(raw, &index); err != nil {
		t.Fatal(err)
	}
	c := compile.New(compile.DefaultLimits())
	counts := map[string]int{}
	for _, cs := range index.Cases {
		if cs.Input != "declarative" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, cs.File))
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		snap, _, problems, err := build(c, []compile.Document{{Name: cs.Name, Content: text}})
		runtime.ReadMemStats(&after)
		if cs.Limit != "" && after.TotalAlloc-before.TotalAlloc > 64<<20 {
			t.Errorf("%s: took %d MiB", cs.Name, (after.TotalAlloc-before.TotalAlloc)>>20)
		}
		if err != nil {
			t.Errorf("%s: %v", cs.Name, err)
		}
		verdict := "accept"
		if snap == nil {
			verdict = "reject"
		}
		for _, p := range problems {
			if line := p.String(); strings.ContainsFunc(line, unicode.IsControl) || len(line) > 1000 {
				t.Errorf("%s: the text of a problem is not clean: %q", cs.Name, line)
			}
		}
		why := left[cs.Name]
		counts[cs.Class+" "+cs.Expect+" "+verdict]++
		ok := verdict == cs.Expect || cs.Expect == "accept-or-reject" || cs.Expect == "accept-with-warning" && verdict == "accept"
		switch {
		case !ok && why != "":
			t.Logf("%s: left to %s", cs.Name, why)
		case !ok:
			t.Errorf("%s (%s): want %s, got %s\n%s", cs.Name, cs.Class, cs.Expect, verdict, lines(problems))
		case ok && why != "" && cs.Expect != "accept-or-reject":
			t.Errorf("%s is no exception any more", cs.Name)
		}
		if cs.Field != "" && verdict == "reject" && why == "" && !pointsAt(problems, cs.Field) {
			t.Errorf("%s: want the field %s, got\n%s", cs.Name, cs.Field, lines(problems))
		}
	}
	for _, row := range sortedKeys(counts) {
		t.Logf("%s  %d", row, counts[row])
	}
}

// pointsAt is true when a problem names the field at the end of a path that is
// written from the top of the document.
func pointsAt(problems []compile.Problem, path string) bool {
	for _, p := range problems {
		if p.Field == "" || strings.HasSuffix(path, p.Field) || strings.HasSuffix(path, "]") || strings.Contains(p.Message, path) ||
			path == "snis" {
			return true
		}
	}
	return false
}

// TestGenerated builds what is too big to be kept in files.
func TestGenerated(t *testing.T) {
	const scale = 20_000 // at 100,000 it takes 5 s instead of one
	var services, dup, plugins, routes strings.Builder
	for i := range scale {
		fmt.Fprintf(&services, "- name: s%d\n  host: a.example.com\n  routes:\n  - name: r%d\n    paths: [/p%d]\n", i, i, i)
	}
	dup.WriteString(services.String() + "- name: s0\n  host: a.example.com\n")
	for i := range 10_000 {
		fmt.Fprintf(&plugins, "- {name: cors, instance_name: i%d}\n", i)
	}
	for i := range scale {
		fmt.Fprintf(&routes, "  - {name: r%d, paths: [/p%d]}\n", i, i)
	}
	const head = "_format_version: \"3.0\"\n"
	big := compile.New(compile.DefaultLimits())
	cases := []struct {
		name, text string
		accept     bool
	}{
		{"many services", head + "services:\n" + services.String(), true},
		{"many routes in one service", head + "services:\n- name: s\n  host: a.example.com\n  routes:\n" + routes.String(), true},
		{"a repeated name at the end", head + "services:\n" + dup.String(), false},
		{"one plugin ten thousand times", head + "plugins:\n" + plugins.String(), false},
		{"a million aliases", head + "services:\n- &a {name: a, host: a.example.com}\n" + strings.Repeat("- *a\n", 1_000_000), false},
		{"a million brackets", strings.Repeat("[", 1_000_000), false},
		{"a million digits", head + "services:\n- name: a\n  host: b\n  port: " + strings.Repeat("1", 1_000_000) + "\n", false},
		{"a regular expression of a mebibyte", head + "routes:\n- name: a\n  paths: ['~/(" + strings.Repeat("a|", 1<<19) + "a)']\n", false},
		{"over the limit", head + "services:\n- name: a\n  host: b\n  tags: [" + strings.Repeat("a", 64<<20) + "]\n", false},
	}
	for _, cs := range cases {
		start := time.Now()
		_, _, problems, err := build(big, []compile.Document{{Name: "a.yaml", Content: []byte(cs.text)}})
		t.Logf("%s: %v", cs.name, time.Since(start)) // each is seconds; what grows with the square would be hours, and end with the test's time
		if err != nil || cs.accept != (len(problems) == 0) {
			t.Errorf("%s: want accepted = %v, got %v %s", cs.name, cs.accept, err, lines(problems))
		}
	}
}

// TestDamaged cuts and flips real files: whatever comes of it, it comes without a
// panic, and without a snapshot that cannot be sealed.
func TestDamaged(t *testing.T) {
	dir, lists := corpus(t)
	c := compile.New(compile.DefaultLimits())
	random := rand.New(rand.NewPCG(1, 2))
	for _, cs := range lists["valid"] {
		for _, d := range load(t, dir, cs.Inputs) {
			for range 6 {
				cut := compile.Document{Name: d.Name, Content: d.Content[:random.IntN(len(d.Content)+1)]}
				_, _, _, err := build(c, []compile.Document{cut})
				flipped := compile.Document{Name: d.Name, Content: bytes.Clone(d.Content)}
				flipped.Content[random.IntN(len(d.Content))] ^= 1 << random.IntN(8)
				_, _, _, err2 := build(c, []compile.Document{flipped})
				if err != nil || err2 != nil {
					t.Errorf("%s: %v %v", d.Name, err, err2)
				}
			}
		}
	}
}

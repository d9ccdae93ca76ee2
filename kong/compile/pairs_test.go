package compile_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/silverback-gateway/silverback/kong/compile"
)

// differ are pairs whose two sides do not mean the same to a gateway without a
// database, or that only a decK command makes.
var differ = map[string]string{
	"deck-convert-03":                      "decK changes plugin configs along with the paths",
	"deck-convert-08":                      "the client replaces templates",
	"deck-convert-err-1":                   "a conversion backwards",
	"dbless-to-deck-dbless-partials-input": "the flat form of partials is a kind of its own",
	"deck-to-dbless-deck-partials-input":   "the flat form of partials is a kind of its own",
}

// TestPairs compiles both sides of what decK's tools convert or merge: the two
// must be one configuration.
func TestPairs(t *testing.T) {
	dir, lists := corpus(t)
	c := compile.New(compile.DefaultLimits())
	equal := 0
	for _, cs := range lists["pairs"] {
		switch cs.Kind {
		case "deck-convert", "merge", "multi-file", "deck-to-dbless", "dbless-to-deck":
		default: // the others need a client, a schema, or compare random ids
			continue
		}
		left, _, problems, err := build(c, load(t, dir, cs.Inputs))
		if err != nil {
			t.Fatalf("%s: %v", cs.Name, err)
		}
		if cs.Expect == "reject" && differ[cs.Name] == "" {
			if problems == nil {
				t.Errorf("%s: accepted, want it refused", cs.Name)
			}
			continue
		}
		if cs.Expected == "" {
			continue
		}
		right, _, others, err := build(c, load(t, dir, []string{cs.Expected}))
		if err != nil {
			t.Fatalf("%s: %v", cs.Name, err)
		}
		same := left != nil && right != nil && bytes.Equal(left.Canonical(), right.Canonical()) ||
			left == nil && right == nil
		if same {
			equal++
		}
		if why := differ[cs.Name]; why != "" && same {
			t.Errorf("%s is no exception any more", cs.Name)
		} else if why == "" && !same {
			t.Errorf("%s: the two sides differ: %s %s", cs.Name, lines(problems), lines(others))
			if left != nil && right != nil {
				t.Log(cmp.Diff(strings.Split(string(left.Canonical()), "\n"), strings.Split(string(right.Canonical()), "\n")))
			}
		}
	}
	if t.Logf("%d pairs are equal", equal); equal == 0 {
		t.Error("no pair was equal")
	}
}

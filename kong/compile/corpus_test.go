package compile_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kong/compile"
	"github.com/silverback-gateway/silverback/kong/snapshot"
	"github.com/silverback-gateway/silverback/testkit/shared"
)

// corpusCase is what the index of the corpus says about one case.
type corpusCase struct {
	Name        string
	Inputs      []string
	Expect      string
	ReasonClass string `json:"reason_class"`
	Kind        string
	Expected    string
	Kong        json.RawMessage
}

func (c corpusCase) edition() string {
	var k struct{ Edition string }
	_ = json.Unmarshal(c.Kong, &k)
	return k.Edition
}

func corpus(t testing.TB) (dir string, lists map[string][]corpusCase) {
	t.Helper()
	dir = filepath.Join(shared.Dir(t), "corpus", "deck")
	raw, err := os.ReadFile(filepath.Join(dir, "cases.json"))
	if err != nil {
		t.Fatalf("read the index of the corpus: %v", err)
	}
	var index struct{ Valid, Invalid, Pairs, Large []corpusCase }
	if err := json.Unmarshal(raw, &index); err != nil {
		t.Fatal(err)
	}
	return dir, map[string][]corpusCase{
		"valid": index.Valid, "invalid": index.Invalid, "pairs": index.Pairs, "large": index.Large,
	}
}

// mock stands for the client, which replaces templates before anything is sent.
var template = regexp.MustCompile(`\$\{\{\s*env\s+"(DECK_[A-Za-z0-9_]*)"\s*(?:\|\s*(\w+))?[^}]*\}\}`)

func mock(text []byte) []byte {
	return template.ReplaceAllFunc(text, func(m []byte) []byte {
		parts := template.FindSubmatch(m)
		switch string(parts[2]) {
		case "toInt", "toFloat":
			return []byte("42")
		case "toBool":
			return []byte("false")
		}
		return []byte(strings.ToLower(strings.ReplaceAll(string(parts[1]), "_", "-")))
	})
}

func load(t testing.TB, dir string, inputs []string) []compile.Document {
	t.Helper()
	var docs []compile.Document
	for _, in := range inputs {
		text, err := os.ReadFile(filepath.Join(dir, in))
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, compile.Document{Name: filepath.Base(in), Content: mock(text)})
	}
	return docs
}

// build compiles one source alone and seals it.
func build(c *compile.Compiler, docs []compile.Document) (*snapshot.Snapshot, *compile.Result, []compile.Problem, error) {
	f, problems := c.Parse(docs)
	if problems != nil {
		return nil, nil, problems, nil
	}
	encoded := f.Marshal()
	f, err := c.Unmarshal(encoded)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("fragment does not survive storage: %w", err)
	}
	result, problems := c.Merge(map[compile.SourceID]*compile.Fragment{"main": f})
	if problems != nil {
		return nil, nil, problems, nil
	}
	snap, err := snapshot.Seal(result.Entities)
	return snap, result, nil, err
}

// classesOf maps a reason of the index to the classes that may stand for it.
var classesOf = map[string][]compile.Class{
	"dangling-reference": {compile.DanglingReference},
	"schema":             {compile.WrongType, compile.UnknownField, compile.MissingField, compile.BadValue, compile.Unsupported},
	"scope":              {compile.Scope},
	"empty":              {compile.Empty},
	"yaml-syntax":        {compile.Syntax},
	"env":                {compile.Env},
	"version":            {compile.Version},
}

// exceptions are where we know better than the index, with the reason.
var exceptions = map[string]string{
	"docs-workspaces--workspaces-1": "its service has neither host nor url, which Kong refuses",
	"gdr-file-badyaml--bar.yml":     "it is not YAML: a list, then a map at the same level",
}

// TestCorpus compiles every real file and compares the verdict with the index.
func TestCorpus(t *testing.T) {
	dir, lists := corpus(t)
	c := compile.New(compile.DefaultLimits())
	table := map[string]int{}
	entities := map[string]int{}
	for _, list := range []string{"valid", "large", "invalid"} {
		for _, cs := range lists[list] {
			snap, result, problems, err := build(c, load(t, dir, cs.Inputs))
			if err != nil {
				t.Errorf("%s: %v", cs.Name, err)
				continue
			}
			verdict := "accepted"
			if len(problems) > 0 {
				verdict = "refused: " + problems[0].Class.String()
			}
			table[fmt.Sprintf("%-8s %-12s %-30s %s", list, cmp.Or(cs.edition(), cs.ReasonClass), cs.Expect, verdict)]++
			if snap != nil {
				for kind, n := range result.Counts {
					entities[kind] += n
				}
			}
			if why := exceptions[cs.Name]; why != "" {
				t.Logf("%s: %s:\n%s", cs.Name, why, lines(problems))
				if len(problems) == 0 {
					t.Errorf("%s: accepted, want it refused", cs.Name)
				}
				continue
			}
			switch {
			case list == "invalid" && cs.ReasonClass == "policy":
				// Whether a plugin's config is wise, the gateway's schemas say.
			case list == "invalid":
				if len(problems) == 0 {
					t.Errorf("%s: accepted, want it refused: %s", cs.Name, cs.ReasonClass)
				} else if !slices.ContainsFunc(problems, func(p compile.Problem) bool { return slices.Contains(classesOf[cs.ReasonClass], p.Class) }) {
					t.Errorf("%s: want the reason %s, got\n%s", cs.Name, cs.ReasonClass, lines(problems))
				}
			case cs.Expect == "accept-file-reject-snapshot":
				if len(problems) == 0 || slices.ContainsFunc(problems, func(p compile.Problem) bool { return p.Class != compile.DanglingReference }) {
					t.Errorf("%s: want dangling references and nothing else, got\n%s", cs.Name, lines(problems))
				}
			case len(problems) > 0 && cs.edition() == "oss":
				t.Errorf("%s: want it accepted, got\n%s", cs.Name, lines(problems))
			case len(problems) > 0:
				t.Logf("%s (%s) is refused:\n%s", cs.Name, cs.edition(), lines(problems))
			}
		}
	}
	for _, row := range sortedKeys(table) {
		t.Logf("%s  %d", row, table[row])
	}
	for _, kind := range sortedKeys(entities) {
		t.Logf("%-40s %d", kind, entities[kind])
	}
}

func lines(problems []compile.Problem) string {
	var b strings.Builder
	for i, p := range problems {
		if i == 8 {
			b.WriteString("  ...\n")
			break
		}
		fmt.Fprintf(&b, "  [%s] %s\n", p.Class, p)
	}
	return b.String()
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

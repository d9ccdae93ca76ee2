package compile_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kong/compile"
)

func parse(t *testing.T, c *compile.Compiler, name, text string) *compile.Fragment {
	t.Helper()
	f, problems := c.Parse([]compile.Document{{Name: name, Content: []byte(text)}})
	if problems != nil {
		t.Fatalf("refused:\n%s", lines(problems))
	}
	return f
}

func ids(t *testing.T, c *compile.Compiler, text string) map[string]string {
	t.Helper()
	result, problems := c.Merge(map[compile.SourceID]*compile.Fragment{"main": parse(t, c, "a.yaml", text)})
	if problems != nil {
		t.Fatalf("refused:\n%s", lines(problems))
	}
	strip := regexp.MustCompile(`"id":"[^"]*",?`)
	out := map[string]string{}
	for _, e := range result.Entities {
		out[e.Kind+" "+strip.ReplaceAllString(string(e.JSON), "")] = e.ID
	}
	return out
}

// TestInventedIDsAreStable: the id of an entity without a name does not move when
// others come, go or change, so that a gateway's counters survive.
func TestInventedIDsAreStable(t *testing.T) {
	c := compile.New(compile.DefaultLimits())
	const head = "_format_version: \"3.0\"\n"
	before := ids(t, c, head+"routes:\n- {paths: [/a]}\n- {paths: [/b]}\n")
	after := ids(t, c, head+"services: [{name: s, host: h}]\nroutes:\n- {paths: [/c], service: s}\n- {paths: [/b]}\n- {paths: [/a]}\n")
	for what, id := range before {
		if after[what] != id {
			t.Errorf("%s: was %s, is %s", what, id, after[what])
		}
	}
	twins := "_format_version: \"3.0\"\nroutes:\n- {paths: [/a]}\n- {paths: [/a]}\n"
	result, problems := c.Merge(map[compile.SourceID]*compile.Fragment{"main": parse(t, c, "a.yaml", twins)})
	if problems != nil || len(result.Entities) != 2 || result.Entities[0].ID == result.Entities[1].ID {
		t.Errorf("two equal routes need two ids: %v", problems)
	}
}

// TestCredentialIDSurvivesAnEdit: a key is what makes a credential the same one.
func TestCredentialIDSurvivesAnEdit(t *testing.T) {
	c := compile.New(compile.DefaultLimits())
	of := func(tags string) string {
		text := "_format_version: \"3.0\"\nconsumers: [{username: u, keyauth_credentials: [{key: k" + tags + "}]}]\n"
		result, problems := c.Merge(map[compile.SourceID]*compile.Fragment{"main": parse(t, c, "a.yaml", text)})
		if problems != nil {
			t.Fatal(problems)
		}
		for _, e := range result.Entities {
			if e.Kind == "keyauth_credentials" {
				return e.ID
			}
		}
		return ""
	}
	if before, after := of(""), of(", tags: [x]"); before != after || before == "" {
		t.Errorf("was %q, is %q", before, after)
	}
}

func TestConflictNamesBothSources(t *testing.T) {
	c := compile.New(compile.DefaultLimits())
	_, problems := c.Merge(map[compile.SourceID]*compile.Fragment{
		"team-a": parse(t, c, "a.yaml", "_format_version: \"3.0\"\nservices:\n- {name: s, host: h}\n"),
		"team-b": parse(t, c, "b.yaml", "_format_version: \"3.0\"\n\nservices:\n- {name: s, host: h}\n"),
	})
	if len(problems) != 1 {
		t.Fatalf("got %d problems, want 1:\n%s", len(problems), lines(problems))
	}
	p := problems[0]
	if p.Class != compile.Conflict || p.Source != "team-b" || p.Document != "b.yaml" || p.Line != 4 || p.Name != "s" || p.Kind != "service" ||
		p.Other == nil || *p.Other != (compile.Place{Source: "team-a", Document: "a.yaml", Line: 3}) {
		t.Errorf("got %+v, %+v", p, p.Other)
	}
}

// TestOrderOfSourcesAndDocuments: neither changes a byte.
func TestOrderOfDocuments(t *testing.T) {
	c := compile.New(compile.DefaultLimits())
	a := compile.Document{Name: "a.yaml", Content: []byte("_format_version: \"3.0\"\nservices: [{name: s, host: h}]\nroutes: [{paths: [/x], " +
		"service: s}]\n")}
	b := compile.Document{Name: "b.json", Content: []byte(`{"_format_version":"3.0","plugins":[{"name":"cors","service":"s"}]}`)}
	one, _, p1, err1 := build(c, []compile.Document{a, b})
	two, _, p2, err2 := build(c, []compile.Document{b, a})
	if p1 != nil || p2 != nil || err1 != nil || err2 != nil || !bytes.Equal(one.Canonical(), two.Canonical()) {
		t.Errorf("%v %v %v %v", p1, p2, err1, err2)
	}
}

func TestProblemsAreCounted(t *testing.T) {
	c := compile.New(compile.DefaultLimits())
	text := "_format_version: \"3.0\"\nservices:\n" + strings.Repeat("- {nme: a, host: h}\n", 250)
	_, problems := c.Parse([]compile.Document{{Name: "a.yaml", Content: []byte(text)}})
	if len(problems) != 101 || problems[100].Message != "there are more problems; the search ended after the first 100" ||
		problems[0].Line != 3 {
		t.Errorf("got %d problems, the last %q", len(problems), problems[len(problems)-1].Message)
	}
}

// TestSecretsStayOut: whatever is wrong with a secret, a message does not hold it.
func TestSecretsStayOut(t *testing.T) {
	c := compile.New(compile.DefaultLimits())
	const secret = "hunter2-hunter2"
	text := fmt.Sprintf(`_format_version: "3.0"
certificates: [{cert: %[1]s, key: %[1]s}]
consumers:
- username: a
  keyauth_credentials: [{key: %[1]s}, {key: %[1]s}, {key: [%[1]s]}, {key: k, consumer: x, secret: %[1]s}]
  jwt_secrets: [{key: %[1]s, secret: %[1]s, algorithm: %[1]s-no}]
  basicauth_credentials: [{username: u, password: {x: %[1]s}}]
plugins: [{name: p, config: %[1]s}, {name: q, config: [%[1]s], enabled: %[1]s}]
vaults: [{name: v, prefix: ok-v, config: %[1]s}]
`, secret)
	f, problems := c.Parse([]compile.Document{{Name: "a.yaml", Content: []byte(text)}})
	if f != nil || len(problems) < 8 {
		t.Fatalf("want many problems, got\n%s", lines(problems))
	}
	for _, p := range problems {
		if s := fmt.Sprintf("%+v", p); strings.Contains(s, "hunter2") {
			t.Errorf("the secret is in %s", s)
		}
	}
	dup := "_format_version: \"3.0\"\nconsumers: [{username: a, keyauth_credentials: [{key: " + secret + "}, {key: " + secret + "}]}]\n"
	_, problems = c.Merge(map[compile.SourceID]*compile.Fragment{"m": parse(t, c, "a.yaml", dup)})
	if len(problems) != 1 || strings.Contains(fmt.Sprintf("%+v", problems), "hunter2") {
		t.Errorf("got %+v", problems)
	}
}

func TestStoredFragment(t *testing.T) {
	c := compile.New(compile.DefaultLimits())
	f := parse(t, c, "a.yaml", seeds[0])
	stored := f.Marshal()
	if !bytes.Equal(stored, parse(t, c, "a.yaml", seeds[0]).Marshal()) {
		t.Error("the same documents gave another stored form")
	}
	back, err := c.Unmarshal(stored)
	if err != nil || !bytes.Equal(back.Marshal(), stored) || back.Len() != f.Len() {
		t.Errorf("did not come back: %v", err)
	}
	for i := range stored {
		damaged := bytes.Clone(stored)
		damaged[i] ^= 0x40
		if _, err := c.Unmarshal(damaged); !errors.Is(err, compile.ErrFragment) {
			t.Fatalf("byte %d is damaged and nobody minds: %v", i, err)
		}
		if _, err := c.Unmarshal(stored[:i]); !errors.Is(err, compile.ErrFragment) {
			t.Fatalf("cut at %d and nobody minds: %v", i, err)
		}
	}
}

func TestNothingIsNotEmpty(t *testing.T) {
	c := compile.New(compile.DefaultLimits())
	for name, docs := range map[string][]compile.Document{
		"no document": nil,
		"no bytes":    {{Name: "a.yaml"}},
		"a comment":   {{Name: "a.yaml", Content: []byte("# nothing\n")}},
		"braces":      {{Name: "a.json", Content: []byte("{}")}},
	} {
		if _, problems := c.Parse(docs); len(problems) != 1 || problems[0].Class != compile.Empty {
			t.Errorf("%s: got %v, want it refused as empty", name, problems)
		}
	}
}

func TestLimits(t *testing.T) {
	c := compile.New(compile.Limits{Bytes: 100, Entities: 2, Document: compile.DefaultLimits().Document})
	for name, text := range map[string]string{
		"bytes":    "_format_version: \"3.0\"\n# " + strings.Repeat("x", 100),
		"entities": "_format_version: \"3.0\"\nconsumers: [{username: a}, {username: b}, {username: c}]\n",
	} {
		if _, problems := c.Parse([]compile.Document{{Name: "a.yaml", Content: []byte(text)}}); len(problems) != 1 ||
			problems[0].Class != compile.Limit {
			t.Errorf("%s: got %v", name, problems)
		}
	}
}

// TestAWrongURLIsOneProblem, whatever else the service says.
func TestAWrongURLIsOneProblem(t *testing.T) {
	c := compile.New(compile.DefaultLimits())
	texts := map[string]string{}
	for _, url := range []string{"http://$HOST:$PORT/x", "http://h:99999", "h:80", "http:///x", "//", "''", "5", "[a]"} {
		for name, more := range map[string]string{"alone": "", "with a host": ", host: h.example", "with a port": ", port: 8080",
			"with no host": ", host: null"} {
			texts[url+" "+name] = "_format_version: \"3.0\"\nservices:\n- {name: s, url: " + url + more + "}\n"
		}
	}
	if text, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "..", "shared", "cases", "31-badurl.yaml")); err == nil {
		texts["reported"] = string(text)
	}
	for name, text := range texts {
		_, _, problems, err := build(c, []compile.Document{{Name: "a.yaml", Content: []byte(text)}})
		if err != nil || len(problems) != 1 || problems[0].Field != "url" {
			t.Errorf("%s: %v\n%s", name, err, lines(problems))
		}
	}
}

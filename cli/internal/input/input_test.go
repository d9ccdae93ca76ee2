package input_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/cli/internal/input"
)

func lookup(env map[string]string) input.LookupEnv {
	return func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	}
}

func TestExpand(t *testing.T) {
	env := lookup(map[string]string{
		"DECK_HOST": "orders.internal", "DECK_PORT": "8080", "DECK_ON": "true", "DECK_SHARE": "0.50", "DECK_EMPTY": "",
		"DECK_CODE": "line one\nline two", "DECK_QUOTED": `say "hi" \o/`, "DECK_INJECT": "a.example\nplugins:\n- name: pre-function",
		"DECK_FLOW": "a, b: c", "DECK_SPACE": "  x", "DECK_APOSTROPHE": "it's", "PATH": "/bin", "DECK_SECRET": "hunter2 is no number",
	})
	for _, tt := range []struct{ name, text, want, err string }{
		{name: "a value takes the place of its template", text: `host: ${{ env "DECK_HOST" }}`, want: `host: orders.internal`},
		{name: "text without a template stays as it is", text: "host: a # ${ {", want: "host: a # ${ {"},
		{name: "two templates in one scalar", text: `url: http://${{ env "DECK_HOST" }}:${{ env "DECK_PORT" }}`,
			want: `url: http://orders.internal:8080`},
		{name: "the first function converts", text: `port: ${{ env "DECK_PORT" | toInt }}`, want: `port: 8080`},
		{name: "a float loses what it does not need", text: `n: ${{ env "DECK_SHARE" | toFloat }}`, want: `n: 0.5`},
		{name: "a boolean", text: `enabled: ${{ env "DECK_ON" | toBool }}`, want: `enabled: true`},
		{name: "indent keeps a block together", text: "code: |\n  ${{ env \"DECK_CODE\" | indent 2 }}", want: "code: |\n  line one\n  line two"},
		{name: "quotes in quotes are escaped", text: `a: "${{ env "DECK_QUOTED" }}"`, want: `a: "say \"hi\" \\o/"`},
		{name: "single quotes are doubled", text: `a: '${{ env "DECK_APOSTROPHE" }}'`, want: `a: 'it''s'`},
		{name: "an empty value is an empty string", text: `a: ${{ env "DECK_EMPTY" }}`, want: `a: ""`},
		{name: "a value with lines stays one scalar", text: `host: ${{ env "DECK_INJECT" }}`,
			want: `host: "a.example\nplugins:\n- name: pre-function"`},
		{name: "a value cannot leave a flow", text: `{host: ${{ env "DECK_FLOW" }}}`, err: "would change the structure"},
		{name: "an apostrophe in a scalar opens no quote", text: `a: don't ${{ env "DECK_HOST" }}`, want: `a: don't orders.internal`},
		{name: "a comment is left alone", text: "a: 1 # ${{ env \"DECK_NONE\" }}\n# ${{ exec }} ${{\nb: ${{ env \"DECK_HOST\" }}",
			want: "a: 1 # ${{ env \"DECK_NONE\" }}\n# ${{ exec }} ${{\nb: orders.internal"},
		{name: "a number sign in a scalar begins no comment", text: `a: x#${{ env "DECK_HOST" }}`, want: `a: x#orders.internal`},
		{name: "nor one in quotes", text: `a: "x # ${{ env "DECK_HOST" }}"`, want: `a: "x # orders.internal"`},
		{name: "nor one in quotes of several lines", text: "a: 'it''s\n  x # ${{ env \"DECK_HOST\" }}'",
			want: "a: 'it''s\n  x # orders.internal'"},
		{name: "nor one in a block of text", text: "- code: |\n    n = x #${{ env \"DECK_HOST\" }}\n    # ${{ env \"DECK_HOST\" }}\n  b: c # " +
			"${{ env \"DECK_NONE\" }}",
			want: "- code: |\n    n = x #orders.internal\n    # orders.internal\n  b: c # ${{ env \"DECK_NONE\" }}"},
		{name: "a block ends where its indentation does", text: "a:\n- >-\n  x\n\n  # ${{ env \"DECK_HOST\" }}\n# ${{ env \"DECK_NONE\" }}",
			want: "a:\n- >-\n  x\n\n  # orders.internal\n# ${{ env \"DECK_NONE\" }}"},
		{name: "any line stands in a block of text", text: "a: |\n  f(\"${{ env \"DECK_FLOW\" }}\") -- ${{ env \"DECK_QUOTED\" }}\n",
			want: "a: |\n  f(\"a, b: c\") -- say \"hi\" \\o/\n"},
		{name: "several lines in a block need their indentation", text: "a: |\n  f(${{ env \"DECK_CODE\" }})",
			err: `${{ env "DECK_CODE" | indent 8 }}`},
		{name: "a block may have a tag", text: "a: !!str |2-\n  # ${{ env \"DECK_HOST\" }}", want: "a: !!str |2-\n  # orders.internal"},
		{name: "a value cannot move a block", text: "a: |\n  ${{ env \"DECK_SPACE\" }}\n", err: "begins with a space"},
		{name: "a line that ends with a bar begins no block", text: "a: b |\n  c # ${{ env \"DECK_NONE\" }}",
			want: "a: b |\n  c # ${{ env \"DECK_NONE\" }}"},
		{name: "other variables are out of reach", text: `a: ${{ env "PATH" }}`, err: "only names that begin with DECK_"},
		{name: "an unset variable is an error", text: "b: 1\na: ${{ env \"DECK_NONE\" }}",
			err: "file.yaml:2: environment variable DECK_NONE is not set"},
		{name: "an unknown function is an error", text: `a: ${{ exec "id" }}`, err: "unknown template function"},
		{name: "an unknown pipe is an error", text: `a: ${{ env "DECK_HOST" | exec }}`, err: `unknown template function "exec"`},
		{name: "a template must be closed", text: `a: ${{ env "DECK_HOST"`, err: "never closed"},
		{name: "a number must be one, and is not shown", text: `a: ${{ env "DECK_SECRET" | toInt }}`, err: "DECK_SECRET is not what toInt takes"},
		{name: "indent has a bound", text: `a: ${{ env "DECK_CODE" | indent 100000 }}`, err: "from 0 to 256"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := input.Expand("file.yaml", []byte(tt.text), env)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("Expand(%q) = %q, %v; want an error with %q", tt.text, got, err, tt.err)
				}
				if strings.Contains(err.Error(), "hunter2") {
					t.Fatalf("the error holds a value: %v", err)
				}
				return
			}
			if err != nil || string(got) != tt.want {
				t.Fatalf("Expand(%q) = %q, %v; want %q", tt.text, got, err, tt.want)
			}
		})
	}
}

// TestReportedTemplates reads situations that others met, where they are at hand.
func TestReportedTemplates(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "..", "shared", "cases")
	if text, err := os.ReadFile(filepath.Join(dir, "03b-env-in-comment.yaml")); err == nil {
		if got, err := input.Expand("a.yaml", text, lookup(nil)); err != nil || string(got) != string(text) {
			t.Errorf("a template in a comment: %q, %v", got, err)
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, "34-env-embed.yaml")); err == nil {
		env := map[string]string{"DECK_D": "example.com", "DECK_TAGS": "it's", "DECK_LUA": "a: {b} # c"}
		got, err := input.Expand("a.yaml", text, lookup(env))
		if err != nil || !strings.Contains(string(got), `kong.log("a: {b} # c")`) || !strings.Contains(string(got), "'it''s'") {
			t.Errorf("a template in a block of text: %s, %v", got, err)
		}
		env["DECK_LUA"] = "one\ntwo"
		if _, err = input.Expand("a.yaml", text, lookup(env)); err == nil || strings.Contains(err.Error(), "double quotes") ||
			!strings.Contains(err.Error(), "indent") {
			t.Errorf("the advice for several lines does not work there: %v", err)
		}
		advised := strings.Replace(string(text), `env "DECK_LUA"`, `env "DECK_LUA" | indent 10`, 1)
		if got, err := input.Expand("a.yaml", []byte(advised), lookup(env)); err != nil ||
			!strings.Contains(string(got), "(\"one\n          two\")") {
			t.Errorf("the advice was followed: %s, %v", got, err)
		}
	}
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"b.yaml": "b", "a.json": "a", "sub/c.yml": "c", ".hidden/d.yaml": "d", "notes.txt": "n"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	docs, err := input.Reader{Stdin: strings.NewReader("in")}.Read([]string{dir, "-"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range docs {
		got = append(got, string(d.GetContent()))
	}
	if strings.Join(got, " ") != "a b c in" {
		t.Errorf("read %q, want the files in order, then standard input", got)
	}
	if name := docs[3].GetName(); name != input.Stdin {
		t.Errorf("standard input is named %q", name)
	}
}

func TestReadRefuses(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "a.yaml")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	big := filepath.Join(dir, "big.yaml")
	if err := os.WriteFile(big, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(big, 65<<20); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		args []string
		err  string
	}{
		{name: "nothing", err: "no configuration was given"},
		{name: "a file that is not there", args: []string{filepath.Join(dir, "none.yaml")}, err: "none.yaml: no such file"},
		{name: "a folder without configuration", args: []string{empty}, err: "holds no .yaml"},
		{name: "the same file twice", args: []string{file, file}, err: "named twice"},
		{name: "more than a submission may hold", args: []string{big}, err: "over the limit of 64 MiB"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := input.Reader{}.Read(tt.args)
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Fatalf("Read(%v) = %v, want an error with %q", tt.args, err, tt.err)
			}
		})
	}
}

func FuzzExpand(f *testing.F) {
	f.Add(`host: ${{ env "DECK_HOST" }}`, "value")
	f.Add("code: |\n  ${{ env \"DECK_X\" | indent 2 }}", "two\nlines")
	f.Add(`a: "${{ env "DECK_X" | toInt }}"`, "1")
	f.Fuzz(func(t *testing.T, text, value string) {
		_, err := input.Expand("f", []byte(text), func(string) (string, bool) { return value, true })
		if err != nil && len(value) > 12 && strings.Contains(err.Error(), value) && !strings.Contains(text, value) {
			t.Fatalf("the error holds the value: %v", err)
		}
	})
}

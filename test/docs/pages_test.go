package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// root is the folder with go.work.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("no go.work above the test")
		}
		dir = up
	}
}

func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// rows returns the cells of the tables of a page, without the lines of dashes.
func rows(text string) (all [][]string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|-") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		all = append(all, cells)
	}
	return all
}

var (
	quoted = regexp.MustCompile("`([^`\n]+)`")
	fenced = regexp.MustCompile("(?s)```.*?```")
)

// names returns what stands in backquotes, examples left out.
func names(text string) (all []string) {
	for _, m := range quoted.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		all = append(all, m[1])
	}
	return all
}

// calls visits every call in the project's own Go code, tests and generated code left out.
func calls(t *testing.T, visit func(file string, call *ast.CallExpr)) {
	t.Helper()
	top := root(t)
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(top, path)
		if d.IsDir() {
			if rel != "." && (strings.HasPrefix(d.Name(), ".") || slices.Contains(
				[]string{"proto", "tools", "third_party", "bin", "test", "testdata"}, rel)) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				visit(rel, call)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// literal returns the string literal that is an argument of a call.
func literal(call *ast.CallExpr, at int) (string, bool) {
	if at >= len(call.Args) {
		return "", false
	}
	lit, ok := call.Args[at].(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

// callee returns the name of what is called, and of the package or value that it is of.
func callee(call *ast.CallExpr) (of, name string) {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return "", f.Name
	case *ast.SelectorExpr:
		if x, ok := f.X.(*ast.Ident); ok {
			of = x.Name
		}
		return of, f.Sel.Name
	}
	return "", ""
}

// compare reports what is only on one side; where says where a name of the code was found.
func compare(t *testing.T, pageName string, documented []string, code map[string]string) {
	t.Helper()
	known := map[string]bool{}
	for _, name := range documented {
		known[name] = true
		if _, ok := code[name]; !ok {
			t.Errorf("docs/%s names %s, which the code does not have", pageName, name)
		}
	}
	for name, where := range code {
		if !known[name] {
			t.Errorf("docs/%s does not name %s (%s)", pageName, name, where)
		}
	}
}

func TestEveryReasonIsDocumented(t *testing.T) {
	word := regexp.MustCompile(`^[A-Z]+(_[A-Z]+)+$`)
	code := map[string]string{}
	calls(t, func(file string, call *ast.CallExpr) {
		of, name := callee(call)
		switch {
		case of == "os" || !strings.HasPrefix(file, "services") && !strings.HasPrefix(file, "kit"):
			return
		case name == "New" && of == "fault":
			if reason, ok := literal(call, 1); ok {
				code[reason] = file
			}
		}
		// A reason also goes through helpers that make the fault.
		for at := range call.Args {
			if reason, ok := literal(call, at); ok && word.MatchString(reason) {
				code[reason] = file
			}
		}
	})
	if len(code) < 10 {
		t.Fatalf("only %d reasons found: this test does not look where they are", len(code))
	}
	reason := regexp.MustCompile(`^[A-Z]+(_[A-Z]+)*$`)
	var documented []string
	for _, cells := range rows(page(t, "api.md")) {
		for _, name := range names(cells[0]) {
			if reason.MatchString(name) {
				documented = append(documented, name)
			}
		}
	}
	compare(t, "api.md", documented, code)
}

func TestEveryFlagIsDocumented(t *testing.T) {
	declares := regexp.MustCompile(`^(String|Bool|Int|Int32|Int64|Duration|StringSlice|StringArray|StringToString)?VarP?$`)
	code := map[string]string{}
	calls(t, func(file string, call *ast.CallExpr) {
		if _, name := callee(call); declares.MatchString(name) {
			if flag, ok := literal(call, 1); ok {
				code[flag] = file
			}
		} else if name == "field" && strings.HasPrefix(file, "cli") { // the flags of a group stand in a table
			if flag, ok := literal(call, 2); ok {
				code[flag] = file
			}
		}
	})
	if len(code) < 30 {
		t.Fatalf("only %d flags found: this test does not look where they are", len(code))
	}
	flag := regexp.MustCompile(`^--?([a-z][a-z-]+)`)
	var documented []string
	for _, name := range names(page(t, "configuration.md")) {
		if m := flag.FindStringSubmatch(name); m != nil {
			documented = append(documented, m[1])
		}
	}
	compare(t, "configuration.md", documented, code)
}

// TestEveryRPCIsListed holds the table of services in api.md to the contracts.
func TestEveryRPCIsListed(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root(t), "proto", "silverback", "*", "v1", "*.proto"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no contracts: %v", err)
	}
	rpc := regexp.MustCompile(`(?m)^  rpc (\w+)\(`)
	code := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range rpc.FindAllStringSubmatch(string(text), -1) {
			code[m[1]] = filepath.Base(file)
		}
	}
	var documented []string
	for _, row := range rows(page(t, "api.md")) {
		if len(row) == 3 && strings.HasPrefix(row[0], "`silverback.") {
			for _, list := range names(row[2]) {
				documented = append(documented, strings.Fields(list)...)
			}
		}
	}
	compare(t, "api.md", documented, code)
}

func TestLinksLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)\)`)
	top := filepath.Join(root(t), "docs")
	found := 0
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".md") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			found++
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), m[1])); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", strings.TrimPrefix(path, top), m[1])
			}
		}
		return nil
	})
	if err != nil || found == 0 {
		t.Errorf("%d links checked, error %v", found, err)
	}
}

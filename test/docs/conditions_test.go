package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// conditions finds every condition that the agent raises: the first argument of each Raise, by its value or by the constant that it names,
// and the keys of what the applier says of its own, which it raises by a variable.
func conditions(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	folder := filepath.Join(root(t), "agent", "internal")
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		inPackage(t, path, found)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	delete(found, "")
	return found
}

// inPackage adds the conditions of one folder.
func inPackage(t *testing.T, folder string, found map[string]string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	inspect := func(see func(ast.Node)) {
		for _, file := range files {
			ast.Inspect(file, func(n ast.Node) bool { see(n); return true })
		}
	}
	constants := map[string]string{}
	inspect(func(n ast.Node) {
		if spec, ok := n.(*ast.ValueSpec); ok {
			for i, name := range spec.Names {
				if i < len(spec.Values) {
					constants[name.Name] = text(spec.Values[i])
				}
			}
		}
	})
	from := filepath.Base(folder)
	inspect(func(n ast.Node) {
		switch n := n.(type) {
		case *ast.CallExpr:
			called, ok := n.Fun.(*ast.SelectorExpr)
			if !ok || called.Sel.Name != "Raise" || len(n.Args) != 3 {
				return
			}
			kind := text(n.Args[0])
			if name, ok := n.Args[0].(*ast.Ident); ok && kind == "" {
				kind = constants[name.Name]
			}
			if kind == "" && from != "apply" {
				t.Errorf("%s raises a condition by a name that is not known here", from)
			}
			found[kind] = from
		case *ast.FuncDecl:
			if n.Name.Name != "conditions" {
				return
			}
			ast.Inspect(n, func(n ast.Node) bool {
				if pair, ok := n.(*ast.KeyValueExpr); ok {
					found[text(pair.Key)] = from
				}
				return true
			})
		}
	})
}

// text is the value of a literal; empty for anything else.
func text(e ast.Expr) string {
	if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
		if value, err := strconv.Unquote(lit.Value); err == nil {
			return value
		}
	}
	return ""
}

func TestEveryConditionIsDocumented(t *testing.T) {
	raised := conditions(t)
	if len(raised) < 15 {
		t.Fatalf("found only %v", raised)
	}
	_, table, ok := strings.Cut(page(t, "agent.md"), "\n## Conditions\n")
	if !ok {
		t.Fatal("docs/agent.md has no section of conditions")
	}
	var named []string
	for _, row := range rows(table) {
		if kind, ok := strings.CutPrefix(row[0], "`"); ok {
			named = append(named, strings.TrimSuffix(kind, "`"))
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(raised)) {
		if !slices.Contains(named, kind) {
			t.Errorf("docs/agent.md does not name %s (agent/internal/%s)", kind, raised[kind])
		}
	}
	for _, kind := range named {
		if raised[kind] == "" {
			t.Errorf("docs/agent.md names %s, which the agent never raises", kind)
		}
	}
}

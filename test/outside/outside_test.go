package outside_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/lab"
	"github.com/silverback-gateway/silverback/test/e2e/labfleet"
	"github.com/silverback-gateway/silverback/test/e2e/suite"
	"github.com/silverback-gateway/silverback/test/process"
)

// TestFromOutside installs the command line and builds a program against the client, and runs both on a fleet.
func TestFromOutside(t *testing.T) {
	tool := newToolchain(t)
	bin, dir := t.TempDir(), t.TempDir()
	run(t, dir, append(tool.env, "GOBIN="+bin), "go", "install", module+"/cli/cmd/silverback@"+tool.version)
	program := filepath.Join(bin, "program")
	buildProgram(t, tool, dir, program)

	f := labfleet.Start(t, process.Binaries{}, lab.Config{})
	f.CLI.Path = filepath.Join(bin, "silverback")
	good := suite.Write(t, "kong.yaml", suite.Shop(f.Echo(), "orders"))
	bad := suite.Write(t, "bad.yaml", strings.Replace(suite.Shop(f.Echo(), "orders"), "strip_path: false", "strip_paths: false", 1))

	suite.Want(t, f.CLI.Run(t, "version"), 0, "silverback "+tool.version+"\n")
	asUser := f.CLI
	asUser.Path = program
	suite.Want(t, asUser.Run(t, lab.Group, good), 0, "revision 1: STATE_COMPLETED, 3 of 3\n")
	suite.Want(t, asUser.Run(t, lab.Group, bad), 1, bad+`:8: route "orders": strip_paths: `,
		"translator answers InvalidArgument INVALID_CONFIG: ")
	if err := f.Serving(1); err != nil {
		t.Error(err)
	}
	suite.Want(t, f.CLI.Run(t, "apply", "-g", lab.Group, "--wait", suite.Write(t, "kong.yaml", suite.Shop(f.Echo(), "orders", "returns"))), 0,
		"revision 2 is served by every online gateway")
}

// buildProgram builds the program of docs/client.md in a module of its own.
func buildProgram(t *testing.T, tool *toolchain, dir, to string) {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("testdata", "program", "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "main.go"), source, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, dir, tool.env, "go", "mod", "init", "example.com/outside")
	run(t, dir, tool.env, "go", "get", module+"/client@"+tool.version)
	run(t, dir, tool.env, "go", "build", "-o", to, ".")
}

// TestThePageHasTheProgram holds docs/client.md to the program that is built and run.
func TestThePageHasTheProgram(t *testing.T) {
	program, err := os.ReadFile(filepath.Join("testdata", "program", "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "client.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "```go\n"+string(program)+"```\n") {
		t.Error("docs/client.md does not quote testdata/program/main.go as it is")
	}
}

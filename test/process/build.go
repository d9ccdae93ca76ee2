package process

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Binaries is the folder with what Build made.
type Binaries struct{ dir string }

// The binaries, by the name that go build gives them, with the packages they are made from.
var packages = map[string]string{
	"registry":    "./services/registry/cmd/registry",
	"translator":  "./services/translator/cmd/translator",
	"distributor": "./services/distributor/cmd/distributor",
	"agent":       "./agent/cmd/agent",
	"silverback":  "./cli/cmd/silverback",
	"kongsim":     "./testkit/cmd/kongsim",
}

// Build builds the binaries of this checkout into a new folder; Remove takes it away. With no names it builds all. Call it once per
// test run, from TestMain.
func Build(names ...string) (Binaries, error) {
	root, err := repositoryRoot()
	if err != nil {
		return Binaries{}, err
	}
	dir, err := os.MkdirTemp("", "silverback-binaries-")
	if err != nil {
		return Binaries{}, fmt.Errorf("make a folder for the binaries: %w", err)
	}
	b := Binaries{dir: dir}
	args := []string{"build", "-buildvcs=false", "-o", dir + string(filepath.Separator)}
	if len(names) == 0 {
		for _, pkg := range packages {
			args = append(args, pkg)
		}
	}
	for _, name := range names {
		args = append(args, packages[name])
	}
	cmd := exec.CommandContext(context.Background(), "go", args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOWORK="+filepath.Join(root, "go.work"))
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Remove()
		return Binaries{}, fmt.Errorf("build the binaries: %w\n%s", err, out)
	}
	return b, nil
}

// Remove takes the binaries away.
func (b Binaries) Remove() { _ = os.RemoveAll(b.dir) }

// Path is where a binary is.
func (b Binaries) Path(name string) string { return filepath.Join(b.dir, name) }

// repositoryRoot walks up from the package under test to the workspace file.
func repositoryRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("no go.work above the test: %w", os.ErrNotExist)
		}
		dir = parent
	}
}

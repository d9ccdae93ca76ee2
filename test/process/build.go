package process

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// Binaries is the folder with what Build made.
type Binaries struct {
	dir string // shared by all tests of the checkout
	own string // of this value alone
}

// The binaries, by the name that go build gives them, with the packages they are made from.
var packages = map[string]string{
	"registry":    "./services/registry/cmd/registry",
	"translator":  "./services/translator/cmd/translator",
	"distributor": "./services/distributor/cmd/distributor",
	"agent":       "./agent/cmd/agent",
	"silverback":  "./cli/cmd/silverback",
	"kongsim":     "./testkit/cmd/kongsim",
}

// Build builds the binaries of this checkout; with no names all. They lie in one folder for all tests that ask, in any process, so that
// only the first has to link them. Call it once per test run, from TestMain, and Remove at its end.
func Build(names ...string) (Binaries, error) {
	root, err := repositoryRoot()
	if err != nil {
		return Binaries{}, err
	}
	b := Binaries{dir: filepath.Join(root, "bin", "tested")}
	if err := os.MkdirAll(b.dir, 0o755); err != nil { //nolint:gosec // as the rest of the checkout
		return Binaries{}, fmt.Errorf("make a folder for the binaries: %w", err)
	}
	unlock, err := lock(b.dir)
	if err != nil {
		return Binaries{}, err
	}
	defer unlock()
	var wanted []string
	if len(names) == 0 {
		for _, pkg := range packages {
			wanted = append(wanted, pkg)
		}
	}
	for _, name := range names {
		wanted = append(wanted, packages[name])
	}
	if err := goBuild(root, append([]string{"-o", b.dir + string(filepath.Separator)}, wanted...)...); err != nil {
		return Binaries{}, fmt.Errorf("build the binaries: %w", err)
	}
	if b.own, err = os.MkdirTemp("", "silverback-binaries-"); err != nil {
		return Binaries{}, fmt.Errorf("make a folder for other binaries: %w", err)
	}
	return b, nil
}

// goBuild runs go build at the root of the checkout. Whatever the tests are built with, such as the race detector, which needs cgo: what
// they start is what ships.
func goBuild(root string, args ...string) error {
	cmd := exec.CommandContext(context.Background(), "go", append([]string{"build", "-buildvcs=false"}, args...)...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOWORK="+filepath.Join(root, "go.work"), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// lock waits until nobody else builds into a folder.
func lock(dir string) (unlock func(), err error) {
	file, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return func() { _ = file.Close() }, nil
}

// Remove takes away what BuildForeign made. What Build made stays for the next.
func (b Binaries) Remove() { _ = os.RemoveAll(b.own) }

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

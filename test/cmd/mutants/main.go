// Command mutants breaks critical lines one at a time, and fails unless the test that guards each goes red. It changes no file: a mutation
// is laid over the tree for one run of go test.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A mutation is a line that is made wrong. The old text must stand in the file exactly once.
type mutation struct {
	name     string
	file     string // below the root
	old, new string
	pkg      string // whose tests guard it, below the module
	module   string // which stands apart, below the root; the root's own if empty
	run      string // which of them must go red
}

// testTime bounds one run. A mutation that makes its test hang is found too.
const testTime = 4 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	only := flag.String("run", "", "only mutations whose name matches this regular expression")
	workers := flag.Int("workers", 2, "how many to try at once")
	flag.Parse()
	if err := run(ctx, *only, *workers); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, only string, workers int) error {
	pattern, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("read -run: %w", err)
	}
	if workers < 1 {
		return errors.New("-workers wants a number from 1")
	}
	root, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find the tree: %w", err)
	}
	var chosen []mutation
	for _, m := range table {
		if pattern.MatchString(m.name) {
			chosen = append(chosen, m)
		}
	}
	slots := make(chan struct{}, workers)
	failures := make([]error, len(chosen))
	var trying sync.WaitGroup
	for i, m := range chosen {
		slots <- struct{}{}
		trying.Go(func() {
			defer func() { <-slots }()
			began := time.Now()
			red, err := try(ctx, root, m)
			if failures[i] = err; err != nil {
				fmt.Printf("%-9s %-44s %v\n", "SURVIVED", m.name, err)
				return
			}
			fmt.Printf("%-9s %-44s %s (%s)\n", "killed", m.name, red, time.Since(began).Round(time.Second))
		})
	}
	trying.Wait()
	failed := 0
	for _, err := range failures {
		if err != nil {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d mutations were not found by their tests", failed, len(chosen))
	}
	fmt.Printf("%d mutations, each found by its test\n", len(chosen))
	return nil
}

// apply returns the text of the file with the mutation in it.
func (m mutation) apply(path string) (string, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the table names it
	if err != nil {
		return "", fmt.Errorf("read the file: %w", err)
	}
	if n := strings.Count(string(text), m.old); n != 1 {
		return "", fmt.Errorf("%s holds %q %d times, want once: bring the table up to date", m.file, m.old, n)
	}
	return strings.Replace(string(text), m.old, m.new, 1), nil
}

var redTest = regexp.MustCompile(`--- FAIL: (\S+)`)

// try runs the tests over the mutation, and returns which of them went red. It fails when none did, and when that is because of the build.
func try(ctx context.Context, root string, m mutation) (red string, err error) {
	path := filepath.Join(root, m.file)
	text, err := m.apply(path)
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "mutant-")
	if err != nil {
		return "", fmt.Errorf("make a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	mutant, overlay := filepath.Join(dir, "mutant.go"), filepath.Join(dir, "overlay.json")
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{path: mutant}})
	if err != nil {
		return "", fmt.Errorf("write the overlay: %w", err)
	}
	if err := errors.Join(
		os.WriteFile(mutant, []byte(text), 0o600),
		os.WriteFile(overlay, replace, 0o600),
	); err != nil {
		return "", fmt.Errorf("write the mutation: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, testTime)
	defer cancel()
	args := []string{"test", "-count=1", "-failfast", "-overlay=" + overlay, "-run=" + m.run, m.pkg}
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // the table says what
	cmd.Dir = filepath.Join(root, m.module)
	if m.module != "" {
		cmd.Env = append(os.Environ(), "GOWORK=off")
	}
	out, err := cmd.CombinedOutput()
	found := redTest.FindStringSubmatch(string(out))
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return "the test hangs", nil
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case err == nil && strings.Contains(string(out), "no tests to run"):
		return "", fmt.Errorf("%s has no test %s: bring the table up to date", m.pkg, m.run)
	case err == nil:
		return "", fmt.Errorf("%s stays green: %s", m.run, m.pkg)
	case found != nil:
		return found[1], nil
	case strings.Contains(string(out), "panic: "):
		return "a panic", nil
	}
	return "", fmt.Errorf("go test failed, and no test did:\n%s", out)
}

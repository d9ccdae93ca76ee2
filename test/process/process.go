package process

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	stopTime = time.Minute
	logLines = 80 // of each process that a failed test prints
)

// A Process is one running binary that can be started again. It ends with its test. Its methods are for one goroutine.
type Process struct {
	Name string

	tb      testing.TB
	path    string
	args    []string
	env     []string // beside what it inherits
	logFile string

	cmd  *exec.Cmd
	gone chan struct{} // closed when cmd has ended
}

// Start starts a binary. Its output is printed when the test fails.
func Start(tb testing.TB, name, path string, args ...string) *Process {
	tb.Helper()
	p := &Process{Name: name, tb: tb, path: path, args: args, logFile: filepath.Join(tb.TempDir(), name+".log")}
	tb.Cleanup(func() {
		p.Kill()
		if tb.Failed() {
			tb.Logf("---- %s (%s) ----\n%s", name, strings.Join(args, " "), lastLines(p.Log(), logLines))
		}
	})
	p.Restart()
	return p
}

// Restart starts the binary again, with the same arguments; one that still runs is killed before.
func (p *Process) Restart() {
	p.tb.Helper()
	p.Kill()
	log, err := os.OpenFile(p.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.tb.Fatalf("start %s: %v", p.Name, err)
	}
	defer func() { _ = log.Close() }()
	cmd := exec.CommandContext(context.Background(), p.path, p.args...) // a test ends it by signals, in its own way
	cmd.Stdout, cmd.Stderr, cmd.Env = log, log, plainEnv(p.env...)
	dieWithParent(cmd)
	if err := cmd.Start(); err != nil {
		p.tb.Fatalf("start %s: %v", p.Name, err)
	}
	gone := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended is in its output
		close(gone)
	}()
	p.cmd, p.gone = cmd, gone
}

// Kill is kill -9. It returns when the process is gone.
func (p *Process) Kill() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill() // it may be gone already
	<-p.gone
	p.cmd = nil
}

// Stop asks the process to stop, and fails the test when it does not.
func (p *Process) Stop() {
	p.tb.Helper()
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.gone:
		p.cmd = nil
	case <-time.After(stopTime):
		p.tb.Errorf("%s did not stop within %s of SIGTERM", p.Name, stopTime)
		p.Kill()
	}
}

// Freeze is SIGSTOP: the process keeps its connections and does nothing. It returns when every thread has stopped, where the system shows
// that.
func (p *Process) Freeze() {
	p.tb.Helper()
	p.signal(syscall.SIGSTOP)
	Eventually(p.tb, stopTime, p.Name+" has stopped", func() error {
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.cmd.Process.Pid))
		for _, thread := range threads {
			text, err := os.ReadFile(thread)
			if err != nil {
				continue // the thread has ended
			}
			// The state follows the name, which stands in parentheses.
			if _, after, ok := strings.Cut(string(text), ") "); ok && !strings.HasPrefix(after, "T") {
				return fmt.Errorf("a thread is in state %.1s", after)
			}
		}
		return nil
	})
}

// Thaw is SIGCONT.
func (p *Process) Thaw() { p.signal(syscall.SIGCONT) }

// Crash is SIGQUIT: the process ends and prints what each of its goroutines did. It returns when the process is gone.
func (p *Process) Crash() {
	p.tb.Helper()
	p.signal(syscall.SIGQUIT)
	<-p.gone
	p.cmd = nil
}

func (p *Process) signal(s syscall.Signal) {
	p.tb.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.tb.Fatalf("%s %s: %v", s, p.Name, err)
	}
}

// Running reports whether the process is there.
func (p *Process) Running() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.gone:
		return false
	default:
		return true
	}
}

// Log returns what the process has printed, in all its lives.
func (p *Process) Log() string {
	text, _ := os.ReadFile(p.logFile)
	return string(text)
}

// RSS returns the most memory that the running process had resident, in bytes; 0 where the system does not say.
func (p *Process) RSS() int64 {
	if p.cmd == nil {
		return 0
	}
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	for line := range strings.Lines(string(text)) {
		var kb int64
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kb); err == nil {
			return kb << 10
		}
	}
	return 0
}

// plainEnv is the environment without what would set flags, or templates, behind a test's back.
func plainEnv(more ...string) []string {
	env := slices.DeleteFunc(os.Environ(), func(e string) bool {
		return strings.HasPrefix(e, "SILVERBACK_") || strings.HasPrefix(e, "DECK_")
	})
	return append(env, more...)
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if left := len(lines) - n; left > 0 {
		lines = append([]string{fmt.Sprintf("(%d lines before)", left)}, lines[left:]...)
	}
	return strings.Join(lines, "\n")
}

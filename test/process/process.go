package process

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/testkit/process"
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

	life *process.Process // nil when it was ended
}

// Start starts a binary. Its output is printed when the test fails.
func Start(tb testing.TB, name, path string, args ...string) *Process {
	tb.Helper()
	p := &Process{Name: name, tb: tb, path: path, args: args, logFile: filepath.Join(tb.TempDir(), name+".log")}
	tb.Cleanup(func() {
		p.Kill()
		if tb.Failed() {
			tb.Logf("---- %s (%s) ----\n%s", name, strings.Join(args, " "), process.Tail(p.Log(), logLines))
		}
	})
	p.Restart()
	return p
}

// Restart starts the binary again, with the same arguments; one that still runs is killed before.
func (p *Process) Restart() {
	p.tb.Helper()
	p.Kill()
	life, err := process.Start(process.Command{Name: p.Name, Path: p.path, Args: p.args, Env: process.Environment(p.env...), Log: p.logFile})
	if err != nil {
		p.tb.Fatal(err)
	}
	p.life = life
}

// Kill is kill -9. It returns when the process is gone.
func (p *Process) Kill() {
	if p.life != nil {
		p.life.Kill()
		p.life = nil
	}
}

// Stop asks the process to stop, and fails the test when it does not.
func (p *Process) Stop() {
	p.tb.Helper()
	if p.life == nil {
		return
	}
	if err := p.life.Stop(stopTime); err != nil {
		p.tb.Error(err)
	}
	p.life = nil
}

// Freeze is SIGSTOP: the process keeps its connections and does nothing. It returns when every thread has stopped, where the system shows
// that.
func (p *Process) Freeze() {
	p.tb.Helper()
	p.signal(syscall.SIGSTOP)
	Eventually(p.tb, stopTime, p.Name+" has stopped", p.life.Frozen)
}

// Thaw is SIGCONT.
func (p *Process) Thaw() { p.signal(syscall.SIGCONT) }

// Crash is SIGQUIT: the process ends and prints the stack of each goroutine. It returns when the process is gone.
func (p *Process) Crash() {
	p.tb.Helper()
	p.signal(syscall.SIGQUIT)
	<-p.life.Done()
	p.life = nil
}

func (p *Process) signal(s syscall.Signal) {
	p.tb.Helper()
	if err := p.life.Signal(s); err != nil {
		p.tb.Fatalf("%s %s: %v", s, p.Name, err)
	}
}

// Running reports whether the process is there.
func (p *Process) Running() bool { return p.life != nil && p.life.Running() }

// Log returns what the process has printed, in all its lives.
func (p *Process) Log() string {
	text, _ := os.ReadFile(p.logFile)
	return string(text)
}

// RSS returns the most memory that the running process had resident, in bytes; 0 where the system does not say.
func (p *Process) RSS() int64 {
	if p.life == nil {
		return 0
	}
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.life.PID()))
	for line := range strings.Lines(string(text)) {
		var kb int64
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kb); err == nil {
			return kb << 10
		}
	}
	return 0
}

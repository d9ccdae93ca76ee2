// Package process runs a binary as a child process of a test or of a demonstration: it starts it, keeps its output, signals it, stops it,
// kills it, freezes it, and waits for its end. Tests have no other way to do that. Packages above it add fleets, command lines and
// measurements.
package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Command says what to start.
type Command struct {
	Name  string // for errors
	Path  string
	Args  []string
	Env   []string // the whole environment; see Environment
	Log   string   // the file that both streams are appended to; empty with Output
	Group bool     // in a process group of its own, so that Ctrl-C on a terminal does not reach it

	Output io.Writer       // takes both streams in place of Log; it must be safe for concurrent use
	Change func(*exec.Cmd) // changes the command last, when it is set
}

// Process is one life of a command. Its methods may be called from any goroutine.
type Process struct {
	command Command
	cmd     *exec.Cmd
	done    chan struct{}
	ended   error // of cmd.Wait, before done is closed
}

// Start starts a command. Where the system can do that, the process is killed when the caller's process ends.
func Start(c Command) (*Process, error) {
	out := c.Output
	if out == nil {
		log, err := os.OpenFile(c.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, fmt.Errorf("start %s: %w", c.Name, err)
		}
		defer func() { _ = log.Close() }()
		out = log
	}
	cmd := exec.CommandContext(context.Background(), c.Path, c.Args...) //nolint:gosec // binaries of ours; ended by signals
	cmd.Stdout, cmd.Stderr, cmd.Env = out, out, c.Env
	cmd.SysProcAttr = attributes()
	cmd.SysProcAttr.Setpgid = c.Group
	if c.Change != nil {
		c.Change(cmd)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	p := &Process{command: c, cmd: cmd, done: make(chan struct{})}
	go func() {
		p.ended = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// DieWithParent has a command that is started otherwise killed when this process ends, where the system can do that.
func DieWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = attributes() }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits for the end. The error is an *exec.ExitError when the process did not end with 0.
func (p *Process) Wait() error {
	<-p.done
	return p.ended
}

// Running reports whether the process has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// PID is the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends a signal and does not wait for its effect.
func (p *Process) Signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// Kill is kill -9. It returns when the process has ended.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may have ended already
	<-p.done
}

// Stop sends SIGTERM and waits. A process that is still there after a time is killed, and that is an error.
func (p *Process) Stop(within time.Duration) error {
	_ = p.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
		return nil
	case <-time.After(within):
		p.Kill()
		return fmt.Errorf("%s did not stop within %s of SIGTERM", p.command.Name, within)
	}
}

// Frozen is nil when every thread has stopped after SIGSTOP, where the system shows that.
func (p *Process) Frozen() error {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.PID()))
	for _, thread := range threads {
		text, err := os.ReadFile(thread)
		if err != nil {
			continue // the thread has ended
		}
		// The state follows the name, which stands in parentheses.
		if _, after, ok := strings.Cut(string(text), ") "); ok && !strings.HasPrefix(after, "T") {
			return fmt.Errorf("a thread of %s is in state %.1s", p.command.Name, after)
		}
	}
	return nil
}

// Log returns the content of a log file.
func Log(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return errors.Join(errors.New("the output cannot be read"), err).Error()
	}
	return string(text)
}

// Tail returns the last lines of a text, and says how many there were before.
func Tail(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if left := len(lines) - n; left > 0 {
		lines = append([]string{fmt.Sprintf("(%d lines before)", left)}, lines[left:]...)
	}
	return strings.Join(lines, "\n")
}

// Environment returns this process's environment without variables that would set flags or templates, and with more, as NAME=value.
func Environment(more ...string) []string {
	env := slices.DeleteFunc(os.Environ(), func(e string) bool {
		return strings.HasPrefix(e, "SILVERBACK_") || strings.HasPrefix(e, "DECK_")
	})
	return append(env, more...)
}

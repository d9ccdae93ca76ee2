package process

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/testkit/process"
)

// CommandTime bounds one command, so that one that hangs fails its test and not the whole run.
const CommandTime = 3 * time.Minute

// A CLI is the command line, with the addresses of a fleet.
type CLI struct {
	Path        string
	Registry    []string
	Translator  []string
	Distributor []string
	Env         []string // further variables, NAME=value
	Dir         string   // where it runs; empty is the test's
}

// A Result is how a command ended.
type Result struct {
	Stdout, Stderr string
	Code           int
}

// A Command is one that runs.
type Command struct {
	tb     testing.TB
	args   []string
	cancel context.CancelFunc
	cmd    *exec.Cmd
	out    *output
	err    *output
	done   chan struct{}
	code   int
}

// Run runs a command to its end.
func (c CLI) Run(tb testing.TB, args ...string) Result {
	tb.Helper()
	return c.Start(tb, nil, args...).Wait()
}

// RunInput runs a command with something on its standard input.
func (c CLI) RunInput(tb testing.TB, in io.Reader, args ...string) Result {
	tb.Helper()
	return c.Start(tb, in, args...).Wait()
}

// Start starts a command. It ends with its test at the latest.
func (c CLI) Start(tb testing.TB, in io.Reader, args ...string) *Command {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), CommandTime)
	k := &Command{tb: tb, args: args, cancel: cancel, out: newOutput(), err: newOutput(), done: make(chan struct{})}
	k.cmd = exec.CommandContext(ctx, c.Path, args...)
	k.cmd.Stdin, k.cmd.Stdout, k.cmd.Stderr, k.cmd.Dir = in, k.out, k.err, c.Dir
	k.cmd.Env = process.Environment(append([]string{
		"SILVERBACK_REGISTRY=" + strings.Join(c.Registry, ","),
		"SILVERBACK_TRANSLATOR=" + strings.Join(c.Translator, ","),
		"SILVERBACK_DISTRIBUTOR=" + strings.Join(c.Distributor, ","),
	}, c.Env...)...)
	process.DieWithParent(k.cmd)
	if err := k.cmd.Start(); err != nil {
		cancel()
		tb.Fatalf("start silverback %s: %v", strings.Join(args, " "), err)
	}
	go func() {
		defer close(k.done)
		err := k.cmd.Wait()
		var exit *exec.ExitError
		switch {
		case errors.As(err, &exit):
			k.code = exit.ExitCode()
		case err != nil:
			k.code = -1
		}
	}()
	tb.Cleanup(func() { cancel(); <-k.done })
	return k
}

// Done is closed when the command has ended.
func (k *Command) Done() <-chan struct{} { return k.done }

// Wait waits for the end.
func (k *Command) Wait() Result {
	k.tb.Helper()
	<-k.done
	k.cancel()
	return Result{Stdout: k.out.String(), Stderr: k.err.String(), Code: k.code}
}

// Kill is kill -9.
func (k *Command) Kill() { _ = k.cmd.Process.Kill() }

// WaitFor returns true when the command has printed a text, on either stream, and false when it ended without.
func (k *Command) WaitFor(text string) bool {
	for {
		out, moreOut := k.out.state()
		err, moreErr := k.err.state()
		if strings.Contains(out, text) || strings.Contains(err, text) {
			return true
		}
		select {
		case <-moreOut:
		case <-moreErr:
		case <-k.done:
			return strings.Contains(k.out.String()+k.err.String(), text)
		}
	}
}

// output keeps what was written and rings when there is more.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func newOutput() *output { return &output{more: make(chan struct{})} }

// Write appends.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.more)
	o.more = make(chan struct{})
	return o.text.Write(p)
}

func (o *output) state() (string, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String(), o.more
}

func (o *output) String() string {
	text, _ := o.state()
	return text
}

// Package labfleet runs a lab inside a test, with the command line as a process beside it. It is for tests that look at a whole
// fleet from outside, and at its gateways from inside.
package labfleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/lab"
	"github.com/silverback-gateway/silverback/test/process"
)

const (
	startTime = 60 * time.Second
	stopTime  = 40 * time.Second
)

// A Fleet is a running lab. It ends with its test.
type Fleet struct {
	*lab.Lab
	CLI process.CLI
}

// Start starts a lab on free ports and returns when its agents are known. Config needs neither folder nor ports.
func Start(tb testing.TB, binaries process.Binaries, c lab.Config) *Fleet {
	tb.Helper()
	logs := &lines{}
	c.Dir, c.FreePorts = tb.TempDir(), true
	c.Log = slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelWarn}))
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	l, err := lab.New(ctx, c)
	if err != nil {
		tb.Fatalf("start the lab: %v", err)
	}
	runCtx, stop := context.WithCancelCause(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(runCtx) }()
	tb.Cleanup(func() {
		stop(errStop)
		select {
		case err := <-ended:
			if !errors.Is(err, errStop) {
				tb.Errorf("the lab ended with %v", err)
			}
		case <-time.After(stopTime):
			tb.Errorf("the lab did not stop within %s", stopTime)
		}
		if tb.Failed() {
			tb.Logf("---- warnings of the lab ----\n%s", logs.last(60))
		}
	})
	f := &Fleet{Lab: l, CLI: process.CLI{
		Path: binaries.Path("silverback"), Registry: l.Registry(), Translator: l.Translator(), Distributor: l.Distributor(),
	}}
	process.Eventually(tb, startTime, "every agent has joined", func() error {
		for _, m := range l.Gateways() {
			if v := m.Agent.Status(); !v.Connected || !v.Enrolled {
				return fmt.Errorf("%s: connected: %v, enrolled: %v", m.Name, v.Connected, v.Enrolled)
			}
		}
		return nil
	})
	return f
}

var errStop = errors.New("the test is over")

// lines keeps a log.
type lines struct {
	mu   sync.Mutex
	text []string
}

// Write keeps one record.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, string(p))
	return len(p), nil
}

func (l *lines) last(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all string
	for _, line := range l.text[max(0, len(l.text)-n):] {
		all += line
	}
	return all
}

// Serving is nil when every agent has proven that its gateway serves a revision.
func (f *Fleet) Serving(revision int64) error {
	for _, m := range f.Gateways() {
		if v := m.Agent.Status(); v.Revision != revision || !v.Proven {
			return fmt.Errorf("%s: revision %d, proven: %v, phase %s", m.Name, v.Revision, v.Proven, v.Phase)
		}
	}
	return nil
}

// Received returns how many bytes each agent was sent so far, in the order of the gateways.
func (f *Fleet) Received() []int64 {
	var all []int64
	for _, m := range f.Gateways() {
		all = append(all, m.Agent.Status().ReceivedBytes)
	}
	return all
}

// Package run starts and stops a process: signals, loops that belong together, and one exit.
package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// ErrSignal is the cause of Main's context after a signal.
var ErrSignal = errors.New("asked to stop by a signal")

// Main runs a program and exits: with 0 when it ended as intended, with 1 after an error, which it prints. The first SIGINT or SIGTERM ends
// the context, the second ends the process at once.
func Main(program func(ctx context.Context) error) {
	os.Exit(code(program))
}

func code(program func(ctx context.Context) error) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	go func() {
		<-signals
		cancel(ErrSignal)
		<-signals
		os.Exit(1)
	}()
	err := program(ctx)
	if err == nil || errors.Is(err, ErrSignal) || errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "error:", err)
	return 1
}

// A Loop runs until its context ends or it fails.
type Loop func(ctx context.Context) error

// All runs loops concurrently and waits for every one. The first that returns ends the others. All returns its error, or the cause of ctx
// when that ended first.
func All(ctx context.Context, loops ...Loop) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		group sync.WaitGroup
		once  sync.Once
		first error
	)
	for _, loop := range loops {
		group.Go(func() {
			err := loop(ctx)
			once.Do(func() {
				first = err
				cancel(err)
			})
		})
	}
	group.Wait()
	return first
}

// ShutdownTimeout bounds the last requests of a process: resigning a leadership, revoking a lease. Leases expire soon anyway, so a longer
// wait is not worth it.
const ShutdownTimeout = time.Second

// ErrShutdownTimeout is the cause of a ShutdownContext whose time is over.
var ErrShutdownTimeout = errors.New("no answer within the shutdown timeout")

// ShutdownContext returns a context for requests after the end of ctx. It has the values of ctx and ends ShutdownTimeout after it. Several
// requests in a row share that time.
func ShutdownContext(ctx context.Context) (context.Context, context.CancelFunc) {
	farewell, end := context.WithCancelCause(context.WithoutCancel(ctx))
	forget := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(ShutdownTimeout, func() { end(ErrShutdownTimeout) })
		context.AfterFunc(farewell, func() { timer.Stop() })
	})
	return farewell, func() { forget(); end(context.Canceled) }
}

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

// ErrSignal is the cause of the context that Main gives, once the process was asked to stop.
var ErrSignal = errors.New("asked to stop by a signal")

// Main runs a program and exits: with 0 when it ended as asked, with 1 after an error, which it prints. The first SIGINT or SIGTERM ends
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

// All runs loops side by side and waits for every one. The first that returns ends the others; its error is returned, or the
// cause of ctx when that ended first.
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

// ShutdownTimeout is how long what a process says last may take: a leadership is resigned, a lease given back. Each of them would come by
// itself a little later, so none is worth more of a wait for who does not answer.
const ShutdownTimeout = time.Second

// ErrShutdownTimeout is the cause of a context of ShutdownContext whose time is over.
var ErrShutdownTimeout = errors.New("no answer within the time for shutdown")

// ShutdownContext returns a context for what is said after the end of ctx. It has the values of ctx and ends ShutdownTimeout after it, so
// that farewells that follow one another share that time.
func ShutdownContext(ctx context.Context) (context.Context, context.CancelFunc) {
	farewell, end := context.WithCancelCause(context.WithoutCancel(ctx))
	forget := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(ShutdownTimeout, func() { end(ErrShutdownTimeout) })
		context.AfterFunc(farewell, func() { timer.Stop() })
	})
	return farewell, func() { forget(); end(context.Canceled) }
}

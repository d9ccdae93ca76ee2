// Command silverback is the command line of a fleet of Kong gateways.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/command"
	"github.com/silverback-gateway/silverback/kit/build"
	"github.com/silverback-gateway/silverback/kit/telemetry"
)

// flushTime bounds the export of the trace at the end of a run.
const flushTime = 2 * time.Second

func main() {
	os.Exit(run())
}

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if flush, err := telemetry.StartTracing(ctx, "silverback"); err == nil { // else it is not traced
		defer func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
			defer cancel()
			_ = flush(ctx)
		}()
	}
	return command.Run(ctx, app.New(), build.Version(), os.Args[1:])
}

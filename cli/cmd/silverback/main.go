// Command silverback is the command line of a fleet of Kong gateways.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/command"
	"github.com/silverback-gateway/silverback/kit/build"
)

func main() {
	os.Exit(run())
}

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return command.Run(ctx, app.New(), build.Version, os.Args[1:])
}

// Command silverback-echo is an upstream for labs: it answers every request with what it received.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/silverback-gateway/silverback/kit/conf"
	"github.com/silverback-gateway/silverback/kit/run"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/lab/internal/echo"
)

func main() { run.Main(program) }

func program(ctx context.Context) error {
	var listen string
	var insecure bool
	set := conf.New("silverback-echo", "Answers every request with what it received. For labs.")
	set.Flags.StringVar(&listen, "listen", "127.0.0.1:7480", "address of the HTTP listener")
	set.Flags.BoolVar(&insecure, "insecure", false, "allow a --listen address beyond loopback; there is no TLS")
	set.Check(func() error {
		if !insecure && !telemetry.Loopback(listen) {
			return fmt.Errorf("listen address %s can be reached from other machines; --insecure allows it", listen)
		}
		return nil
	})
	if err := set.Load(os.Args[1:], os.LookupEnv, os.Stdout); errors.Is(err, conf.ErrDone) {
		return nil
	} else if err != nil {
		return err
	}
	upstream, err := echo.Listen(listen)
	if err != nil {
		return err
	}
	defer upstream.Close()
	return upstream.Serve(ctx)
}

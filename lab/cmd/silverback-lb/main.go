// Command silverback-lb is a small load balancer for labs that have no other. It sends requests to the gateways whose agents report that
// they are ready.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/silverback-gateway/silverback/kit/conf"
	"github.com/silverback-gateway/silverback/kit/run"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/lab/internal/balance"
)

func main() { run.Main(program) }

func program(ctx context.Context) error {
	var (
		listen   string
		insecure bool
		texts    []string
		interval time.Duration
		logs     telemetry.LogConfig
		gateways []balance.Gateway
	)
	set := conf.New("silverback-lb", "Sends requests to the gateways whose agents report that they are ready. For labs.")
	set.Flags.StringVar(&listen, "listen", "127.0.0.1:7481", "address of the HTTP listener")
	set.Flags.BoolVar(&insecure, "insecure", false, "allow a --listen address beyond loopback; there is no TLS")
	set.Flags.StringArrayVar(&texts, "gateway", nil, "a gateway, as name=http://proxy:port,http://agent:port/readyz; repeat it for each. "+
		"With ,weight=1 after it the gateway gets a hundredth of the requests of one without a weight, with ,weight=50 half of them")
	set.Flags.DurationVar(&interval, "interval", 100*time.Millisecond, "pause between two readiness checks of an agent")
	logs.AddFlags(set.Flags)
	set.Check(logs.Check)
	set.Check(func() error {
		if !insecure && !telemetry.Loopback(listen) {
			return fmt.Errorf("listen address %s can be reached from other machines; --insecure allows it", listen)
		}
		return nil
	})
	set.Check(func() error {
		var problems []error
		for _, text := range texts {
			g, err := balance.Parse(text)
			gateways, problems = append(gateways, g), append(problems, err)
		}
		if len(texts) == 0 {
			problems = append(problems, errors.New("--gateway is required"))
		}
		return errors.Join(problems...)
	})
	if err := set.Load(os.Args[1:], os.LookupEnv, os.Stdout); errors.Is(err, conf.ErrDone) {
		return nil
	} else if err != nil {
		return err
	}
	log, err := telemetry.NewLogger(os.Stderr, logs)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", listen, err)
	}
	balancer := balance.New(gateways, interval, log)
	server := &http.Server{Handler: balancer, ReadHeaderTimeout: 5 * time.Second}
	return run.All(ctx, balancer.Run, func(ctx context.Context) error {
		stop := context.AfterFunc(ctx, func() { _ = server.Close() })
		defer stop()
		if err := server.Serve(l); ctx.Err() == nil {
			return fmt.Errorf("serve: %w", err)
		}
		return context.Cause(ctx)
	})
}

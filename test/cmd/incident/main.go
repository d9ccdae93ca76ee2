// Command incident measures what clients see of a change that every gateway accepts and traffic does not survive, on a whole fleet in one
// process: how long until a gate finds it, until it is taken back, and how many requests failed. It ends with 1 when a promise is broken.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/silverback-gateway/silverback/kit/run"
	"github.com/silverback-gateway/silverback/lab"
)

func main() { run.Main(program) }

// options are the flags.
type options struct {
	gateways int
	kongs    []lab.Kong
	rate     int
	before   time.Duration
	minute   time.Duration
}

func parse(args []string) (options, error) {
	o := options{}
	flags := flag.NewFlagSet("incident", flag.ContinueOnError)
	flags.IntVar(&o.gateways, "gateways", 20, "how many simulated gateways")
	flags.IntVar(&o.rate, "rate", 400, "requests a second, to all gateways in turn")
	flags.DurationVar(&o.before, "before", 5*time.Second, "traffic before each change")
	flags.DurationVar(&o.minute, "for", time.Minute, "how long traffic lasts for each change at least")
	flags.Func("kong", "a real gateway in place of simulated ones, as admin=URL,proxy=URL,status=URL; once for each", func(text string) error {
		var k lab.Kong
		for _, part := range strings.Split(text, ",") {
			key, url, _ := strings.Cut(part, "=")
			into, known := map[string]*string{"admin": &k.Admin, "proxy": &k.Proxy, "status": &k.Status}[key]
			if !known || url == "" {
				return errors.New("want admin=URL,proxy=URL,status=URL")
			}
			*into = url
		}
		if k.Admin == "" || k.Proxy == "" {
			return errors.New("admin and proxy are needed")
		}
		o.kongs = append(o.kongs, k)
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.gateways < 2 || o.rate < 1 || o.before < time.Second || o.minute < o.before {
		return o, errors.New("-gateways wants 2 or more, -rate 1 or more, -before a second or more and -for no less")
	}
	return o, nil
}

func program(ctx context.Context) error {
	o, err := parse(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return err
	}
	dir, err := os.MkdirTemp("", "silverback-incident-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	l, err := lab.New(ctx, lab.Config{Gateways: o.gateways, Workers: 1, Real: o.kongs, Dir: dir, FreePorts: true,
		Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return fmt.Errorf("start the fleet: %w", err)
	}
	runCtx, stop := context.WithCancelCause(ctx)
	ended := make(chan error, 1)
	go func() { ended <- l.Run(runCtx) }()
	err = measure(ctx, l, o)
	stop(errDone)
	if end := <-ended; !errors.Is(end, errDone) {
		err = errors.Join(err, end)
	}
	return err
}

var errDone = errors.New("all incidents are measured")

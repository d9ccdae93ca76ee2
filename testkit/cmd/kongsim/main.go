// Command kongsim runs one simulated Kong Gateway, for tests that need a process of its own and for trying Silverback without Kong. It
// listens on loopback, except for a proxy with -insecure-proxy, and carries no real traffic.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/silverback-gateway/silverback/kit/tlsfiles"
	"github.com/silverback-gateway/silverback/testkit/kongtest"
	"github.com/silverback-gateway/silverback/testkit/kongtest/schemacheck"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run serves until ctx ends. It returns the exit status: 0 after a clean stop,
// 1 when the gateway could not start, 2 for wrong flags.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var opts kongtest.Options
	var files tlsfiles.Files
	var faults, refuse string
	flags := flag.NewFlagSet("silverback-kongsim", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&opts.Proxy, "proxy", "127.0.0.1:8000", "address of the proxy listener, on loopback, or unix: and the path of a socket")
	flags.StringVar(&opts.SecureProxy, "secure-proxy", "", "address of a second proxy listener, which speaks TLS and shows the certificates "+
		"of the configuration; empty is none")
	flags.BoolVar(&opts.OpenProxy, "insecure-proxy", false, "allow -proxy and -secure-proxy beyond loopback, for labs in containers")
	flags.StringVar(&opts.Admin, "admin", "127.0.0.1:8001", "address of the Admin API, on loopback, or unix: and the path of a socket")
	flags.StringVar(&opts.Status, "status", "127.0.0.1:8007", "address of the Status API, on loopback, or unix: and the path of a socket")
	flags.IntVar(&opts.Workers, "workers", 1, "number of simulated nginx workers")
	flags.StringVar(&opts.DeclarativeConfig, "declarative-config", "", "file to which every start and every SIGHUP returns")
	flags.StringVar(&opts.Prefix, "prefix", "", "existing directory that keeps the configuration when the process ends")
	flags.StringVar(&opts.RouterFlavor, "router-flavor", "traditional_compatible", "traditional_compatible, traditional or expressions")
	flags.StringVar(&opts.UntrustedLua, "untrusted-lua", "sandbox", "sandbox, on or off")
	flags.StringVar(&opts.SchemaDir, "schemas", "", "directory with entities/*.json, plugins/*.json and vaults/*.json to serve under "+
		"/schemas and to check configurations against, with the code that the translator checks with")
	flags.StringVar(&files.Cert, "cert-file", "", "certificate in PEM form with which every listener in TCP speaks TLS")
	flags.StringVar(&files.Key, "key-file", "", "key of the certificate of -cert-file, in PEM form")
	flags.StringVar(&files.CA, "client-ca-file", "", "authorities that sign the client certificates of the Admin and the Status API")
	flags.StringVar(&faults, "control", "", "address on loopback at which PUT /faults makes things go wrong and GET /posts counts loads, "+
		"for tests; empty is none")
	flags.StringVar(&refuse, "refuse-route", "", "name of a route with which every configuration is refused, for tests; PUT /faults "+
		"replaces it")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if flags.NArg() > 0 {
		_, _ = fmt.Fprintf(stderr, "silverback-kongsim: unexpected argument %q\n", flags.Arg(0))
		return 2
	}
	if opts.Workers < 1 {
		_, _ = fmt.Fprintln(stderr, "silverback-kongsim: -workers needs a number from 1")
		return 2
	}
	if err := secure(&opts, files); err != nil {
		_, _ = fmt.Fprintf(stderr, "silverback-kongsim: %v\n", err)
		return 1
	}
	if opts.SchemaDir != "" {
		schemas, err := schemacheck.Load(opts.SchemaDir)
		if err != nil {
			_, _ = fmt.Fprintf(stderr, "silverback-kongsim: %v\n", err)
			return 1
		}
		opts.Schemas = schemas
	}
	_, _ = fmt.Fprintln(stdout, kongtest.Banner())
	g, err := kongtest.New(opts)
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "silverback-kongsim: %v\n", err)
		return 1
	}
	if refuse != "" {
		g.RefuseRoute(refuse)
	}
	if faults != "" {
		server, err := control(faults, g)
		if err != nil {
			g.Close()
			_, _ = fmt.Fprintf(stderr, "silverback-kongsim: %v\n", err)
			return 1
		}
		defer func() { _ = server.Close() }()
	}
	_, _ = fmt.Fprintf(stdout, "proxy %s\nadmin %s\nstatus %s\n", g.ProxyURL(), g.AdminURL(), g.StatusURL())
	reload := make(chan os.Signal, 1) // one is enough: reloading twice changes nothing
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)
	for {
		select {
		case <-reload:
			g.Reload()
		case <-ctx.Done():
			g.Close()
			return 0
		}
	}
}

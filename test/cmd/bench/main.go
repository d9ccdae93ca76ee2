// Command bench measures what Silverback promises to cost, and prints every figure beside its bound and its peer. It runs the real
// binaries and a real etcd that syncs to disk; see docs/benchmarks.md for how to read what it prints.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/silverback-gateway/silverback/kit/run"
	"github.com/silverback-gateway/silverback/test/load/ledger"
	"github.com/silverback-gateway/silverback/test/load/nodes"
	"github.com/silverback-gateway/silverback/test/load/process"
	"github.com/silverback-gateway/silverback/test/load/rawtcp"
	"github.com/silverback-gateway/silverback/test/load/worker"
)

// options are the flags.
type options struct {
	only    *regexp.Regexp
	agents  []int
	perConn int
	quick   bool
	output  string
	profile string
	schemas string
}

func (o options) rounds() int {
	if o.quick {
		return 1
	}
	return 5
}

// A suite measures figures that belong together, on a stand of its own.
type suite struct {
	name    string
	measure func(context.Context, *bench) error
}

func suites() []suite {
	return []suite{
		{"submit", measureSubmit}, {"schemas", measureSchemas}, {"memory", measureMemory}, {"fan-out", measureFanOut},
		{"full snapshot", measureFull},
		{"idle and reconnect", measureIdle}, {"hand-over", measureHandOver}, {"agent", measureAgent},
	}
}

func main() {
	workers := map[string]func(context.Context, func(map[string]worker.Method) error) error{
		ledger.Role: ledger.Serve, nodes.Role: nodes.Serve, rawtcp.Role: rawtcp.Serve,
	}
	if serve, ok := workers[worker.Role()]; ok {
		run.Main(func(ctx context.Context) error {
			return serve(ctx, func(methods map[string]worker.Method) error { return worker.Serve(ctx, os.Stdin, os.Stdout, methods) })
		})
	}
	run.Main(program)
}

func program(ctx context.Context) error {
	o, err := parse(os.Args[1:])
	if errors.Is(err, pflag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	files, err := process.RaiseFiles()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "silverback-bench-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	b := &bench{options: o, dir: dir, files: files}
	b.report.Machine = fmt.Sprintf("%d processors, %s, %s/%s", runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	b.report.Time = time.Now()
	b.progress("building the binaries")
	err = process.Build(ctx, dir, "services/registry/cmd/registry", "services/translator/cmd/translator",
		"services/distributor/cmd/distributor", "agent/cmd/agent", "testkit/cmd/kongsim")
	if err != nil {
		return err
	}
	for _, s := range suites() {
		if !o.only.MatchString(s.name) {
			continue
		}
		b.suite = s.name
		b.progress("measuring")
		if err := s.measure(ctx, b); ctx.Err() != nil {
			return context.Cause(ctx)
		} else if err != nil {
			b.progress("failed: %v", err)
			b.fail(err)
		}
	}
	if o.output == "json" {
		return b.report.JSON(os.Stdout)
	}
	return b.report.Table(os.Stdout)
}

func parse(args []string) (o options, err error) {
	flags := pflag.NewFlagSet("bench", pflag.ContinueOnError)
	var names []string
	for _, s := range suites() {
		names = append(names, s.name)
	}
	only := flags.String("only", "", "measure the suites whose name matches this expression: "+strings.Join(names, ", "))
	flags.IntSliceVar(&o.agents, "agents", []int{1000, 10000}, "how many agents a change is fanned out to")
	flags.IntVar(&o.perConn, "streams-per-connection", 1, "agents that share a connection; real ones do not")
	flags.BoolVar(&o.quick, "quick", false, "one round instead of five, and smaller fleets")
	flags.StringVarP(&o.output, "output", "o", "table", "table or json")
	flags.StringVar(&o.profile, "profile", "", "folder for profiles of the distributor")
	flags.StringVar(&o.schemas, "schemas", "../shared/kong-contract/schemas",
		"folder with what a Kong answered under /schemas, for the suite of that name")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.output != "table" && o.output != "json" {
		return o, fmt.Errorf("--output %s: want table or json", o.output)
	}
	if o.quick && !flags.Changed("agents") {
		o.agents = []int{1000}
	}
	o.only, err = regexp.Compile(*only)
	return o, err
}

// Command demo shows on a running fleet what Silverback promises, and checks that it is so: every process is real and is really killed.
// It prints what it does and what it saw, and ends with 1 when anything differs. The fleet is made of containers or of plain processes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/silverback-gateway/silverback/kit/run"
)

func main() { run.Main(program) }

// A stand is a fleet: three members of etcd, two registries, two translators, three distributors, three gateways with an agent each, a load
// balancer and an upstream, under the names of deploy/compose. Errors say what was wanted of whom.
type stand interface {
	// Up starts what does not run and returns when everything answers.
	Up(ctx context.Context) error
	// Down stops everything and leaves nothing behind.
	Down(ctx context.Context) error
	// Start, Stop and Kill are for processes by name; Kill is kill -9.
	Start(ctx context.Context, names ...string) error
	Stop(ctx context.Context, names ...string) error
	Kill(ctx context.Context, name string) error
	// CLI runs the command line with something on its standard input, and tells each line as it comes.
	CLI(ctx context.Context, in string, line func(string), args ...string) (code int, err error)
	// Shown is how a person runs the command line here.
	Shown() string
	// URL is where one listener of a process is reached: the load balancer, a gateway's proxy, a distributor's metrics or Prometheus.
	URL(ctx context.Context, name string) (string, error)
	// Upstream is where gateways reach the upstream, host:port.
	Upstream() string
	// Watched says that a Prometheus scrapes the fleet.
	Watched() bool
}

func program(ctx context.Context) error {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	file := flags.String("compose", "", "run in containers, from this compose file; empty: plain processes")
	project := flags.String("project", "", "name of the compose project; empty is the file's own")
	bin := flags.String("bin", "bin", "folder of the binaries, for plain processes")
	keep := flags.Bool("keep", false, "leave the fleet running at the end")
	if err := flags.Parse(os.Args[1:]); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	var s stand
	var err error
	if *file != "" {
		s, err = newCompose(ctx, *file, *project)
	} else {
		s, err = newProcesses(*bin)
	}
	if err != nil {
		return err
	}
	d := &demo{stand: s, out: os.Stdout}
	err = d.run(ctx)
	if *keep && err == nil {
		fmt.Println("\nThe fleet runs on.")
		return nil
	}
	// The fleet goes away also when somebody pressed Ctrl-C.
	return errors.Join(err, s.Down(context.WithoutCancel(ctx)))
}

// numbered returns name-1 to name-n.
func numbered(name string, n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("%s-%d", name, i+1))
	}
	return all
}

const (
	group        = "default"
	gateways     = 3
	canary       = "kong-1" // its agent has the label canary=true, and the load balancer sends it one request of 201
	distributors = 3
)

// stopOrder lists the kinds of processes so that what others need comes last.
var stopOrder = []string{"agent", "distributor", "translator", "registry", "etcd", "load", "kong", "echo"}

// controlPlane is everything that is no gateway and no agent.
func controlPlane() []string {
	var all []string
	for _, some := range [][]string{numbered("distributor", distributors), numbered("translator", 2), numbered("registry", 2),
		numbered("etcd", 3)} {
		all = append(all, some...)
	}
	return all
}

// indent puts a mark before each line.
func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n    ")
}

// Command lab runs a real API server of Kubernetes, the controller silverback-kubernetes and a fleet of gateways on one machine, without a
// cluster: there are no nodes and no pods. With -demo it shows on them what Silverback promises, and ends with 1 when anything differs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/silverback-gateway/silverback/kit/run"
	"github.com/silverback-gateway/silverback/sources/kubernetes/testkit/stand"
)

func main() { run.Main(program) }

type settings struct {
	bin, dir   string
	gateways   int
	kongs      []string // gateways that run already, as silverback-lab takes them
	demo, keep bool
}

func load(args []string) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("lab", flag.ContinueOnError)
	flags.StringVar(&s.bin, "bin", "bin", "folder of the binaries")
	flags.StringVar(&s.dir, "dir", "", "folder for everything; empty is a new one that is removed at the end")
	flags.IntVar(&s.gateways, "gateways", 3, "how many simulated gateways to run")
	flags.Func("kong", "a real gateway in place of simulated ones, as admin=URL,proxy=URL,status=URL; once for each", func(text string) error {
		s.kongs = append(s.kongs, text)
		return nil
	})
	flags.BoolVar(&s.demo, "demo", false, "show what is promised, and end")
	flags.BoolVar(&s.keep, "keep", false, "leave everything running after the demo, until Ctrl-C")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	switch {
	case flags.NArg() > 0:
		return s, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case s.gateways < 1:
		return s, errors.New("-gateways wants a number from 1")
	case s.demo && len(s.kongs) > 0:
		return s, errors.New("-demo kills gateways, and wants simulated ones: without -kong")
	}
	var err error
	s.bin, err = filepath.Abs(s.bin)
	return s, err
}

func program(ctx context.Context) error {
	s, err := load(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if s.dir == "" {
		if s.dir, err = os.MkdirTemp("", "silverback-kubernetes-lab-"); err != nil {
			return fmt.Errorf("make a folder: %w", err)
		}
		defer func() { _ = os.RemoveAll(s.dir) }()
	}
	f := stand.New(stand.Config{Bin: s.bin, Dir: s.dir, Gateways: s.gateways, Kongs: s.kongs, Base: base,
		Flags: []string{"--publish-address", "127.0.0.1"}})
	defer f.Close()
	if s.demo {
		d := &demo{Stand: f, dir: s.dir, out: os.Stdout}
		if err := d.run(ctx); err != nil || !s.keep {
			return err
		}
	} else {
		fmt.Fprintln(os.Stdout, "starting etcd, an API server, the fleet and the controller …")
		if err := up(ctx, f); err != nil {
			return err
		}
	}
	welcome(os.Stdout, f, s.dir)
	return f.Wait(ctx)
}

// up starts everything, and returns when the controller has seen what the lab has at its beginning.
func up(ctx context.Context, f *stand.Stand) error {
	if err := f.Up(ctx); err != nil {
		return err
	}
	return stand.Eventually(ctx, "the Gateway of the lab is accepted", func() error {
		_, err := f.Kubectl(ctx, "wait", "--for=condition=Accepted", "--timeout=1s", "gateway/edge")
		return err
	})
}

// welcome says what runs and what to try.
func welcome(out io.Writer, f *stand.Stand, dir string) {
	var proxies []string
	for _, g := range f.Gateways {
		proxies = append(proxies, g.Proxy)
	}
	fmt.Fprintf(out, `An API server of Kubernetes, the controller and %d gateways run. There are no nodes: a Deployment makes no Pods.

  logs        %s
  kubeconfig  %s
  gateways    %s

Try, in another terminal:
  export KUBECONFIG=%s
  bin/kubectl get gateways,services -A
  bin/kubectl apply -f - <<'YAML'
%sYAML
  bin/kubectl wait --for='%s' --timeout=1m httproute/orders
  curl %s/orders
  bin/silverback status
Ctrl-C stops everything.
`, len(f.Gateways), dir, f.Kubeconfig(), strings.Join(proxies, " "), f.Kubeconfig(), indent(route("orders", "default", "", "/orders")),
		programmed, f.Gateways[0].Proxy)
}

// indent puts two spaces before each line.
func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n  ") + "\n"
}

// Command silverback-lab runs a whole fleet in one process, for evaluation: etcd, two registries, two translators, three distributors, and
// gateways with an agent each.
package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/silverback-gateway/silverback/kit/conf"
	"github.com/silverback-gateway/silverback/kit/run"
	"github.com/silverback-gateway/silverback/kit/screen"
	"github.com/silverback-gateway/silverback/lab"
	"github.com/silverback-gateway/silverback/lab/internal/view"
	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

//go:embed example.yaml
var example []byte

type settings struct {
	gateways int
	workers  int
	schemas  string
	dir      string
	kongs    []string
	apply    string
	bare     bool
}

func main() { run.Main(program) }

func load(args []string) (settings, error) {
	var s settings
	set := conf.New("silverback-lab", "Runs a whole fleet of gateways in one process, for evaluation.")
	set.Flags.IntVar(&s.gateways, "gateways", 3, "how many simulated gateways to run")
	set.Flags.IntVar(&s.workers, "workers", 2, "workers of each simulated gateway")
	set.Flags.StringVar(&s.schemas, "schemas", "", "folder with entities/*.json, plugins/*.json and vaults/*.json, as Kong returns them "+
		"under /schemas: the simulated gateways serve them and validate by them")
	set.Flags.StringVar(&s.dir, "dir", "", "folder for all files; empty means a temporary one")
	set.Flags.StringArrayVar(&s.kongs, "kong", nil, "a real gateway instead of simulated ones, as admin=URL,proxy=URL,status=URL; "+
		"repeat it for each gateway")
	set.Flags.StringVar(&s.apply, "apply", "", "Kong declarative file to apply at the start, instead of the example; ignored when --dir has "+
		"a configuration already")
	set.Flags.BoolVar(&s.bare, "bare", false, "apply nothing at the start")
	set.Check(func() error {
		if s.gateways < 1 || s.workers < 1 {
			return errors.New("--gateways and --workers must be at least 1")
		}
		_, err := parseKongs(s.kongs)
		return err
	})
	err := set.Load(args, os.LookupEnv, os.Stdout)
	return s, err
}

func parseKongs(texts []string) ([]lab.Kong, error) {
	var all []lab.Kong
	for _, text := range texts {
		var k lab.Kong
		for _, part := range strings.Split(text, ",") {
			key, url, _ := strings.Cut(part, "=")
			switch key {
			case "admin":
				k.Admin = url
			case "proxy":
				k.Proxy = url
			case "status":
				k.Status = url
			default:
				return nil, fmt.Errorf("--kong %q: want admin=URL,proxy=URL,status=URL", text)
			}
		}
		if k.Admin == "" || k.Proxy == "" {
			return nil, fmt.Errorf("--kong %q: admin and proxy are needed", text)
		}
		all = append(all, k)
	}
	return all, nil
}

func program(ctx context.Context) error {
	s, err := load(os.Args[1:])
	if errors.Is(err, conf.ErrDone) {
		return nil
	}
	if err != nil {
		return err
	}
	if s.dir == "" {
		if s.dir, err = os.MkdirTemp("", "silverback-lab-"); err != nil {
			return fmt.Errorf("create a temporary folder: %w", err)
		}
		defer func() { _ = os.RemoveAll(s.dir) }()
	}
	kongs, err := parseKongs(s.kongs)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("create the folder: %w", err)
	}
	logPath := filepath.Join(s.dir, "lab.log")
	logFile, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	defer func() { _ = logFile.Close() }()
	c := lab.Config{
		Gateways: s.gateways, Workers: s.workers, Schemas: s.schemas, Real: kongs, Dir: s.dir, Document: example, Name: "example.yaml",
		Log: slog.New(slog.NewTextHandler(logFile, nil)),
	}
	switch {
	case s.bare:
		c.Document = nil
	case s.apply != "":
		if c.Document, err = os.ReadFile(s.apply); err != nil {
			return fmt.Errorf("read the configuration: %w", err)
		}
		c.Name = s.apply
	}
	return show(ctx, c, logPath)
}

// show runs the lab and its view.
func show(ctx context.Context, config lab.Config, logPath string) error {
	if len(config.Real) == 0 {
		fmt.Println(kongtest.Banner())
	}
	fmt.Println("starting etcd, 2 registries, 2 translators, 3 distributors and the gateways …")
	fleet, err := lab.New(ctx, config)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w: another lab or service uses the lab's fixed ports; stop it first", err)
	}
	if err != nil {
		return err
	}
	c, err := fleet.Dial()
	if err != nil {
		fleet.Close()
		return err
	}
	defer c.Close()
	screen := &view.View{Out: os.Stdout, Size: terminal(os.Stdout), Header: header(fleet, logPath), Members: fleet.Gateways(),
		Rollout: func(ctx context.Context) string { return lab.RolloutLine(ctx, c) }}
	err = run.All(ctx, fleet.Run, func(ctx context.Context) error {
		if _, err := fleet.Seed(ctx); err != nil {
			return err
		}
		return screen.Run(ctx)
	})
	fmt.Println("\nstopped")
	return err
}

func header(l *lab.Lab, logPath string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "registry     %s\ntranslator   %s\ndistributor  %s\nlog          %s\n\n", strings.Join(l.Registry(), " "),
		strings.Join(l.Translator(), " "),
		strings.Join(l.Distributor(), " "), logPath)
	first := l.Gateways()[0]
	fmt.Fprintf(&b, "Try, in another terminal:\n  bin/silverback status\n  curl %s/orders\n  bin/silverback dump -g %s > kong.yaml; edit "+
		"it; bin/silverback apply -g %s --wait kong.yaml\nCtrl-C stops everything.\n\n",
		first.Kong.Proxy, lab.Group, lab.Group)
	return b.String()
}

// terminal returns the size of a terminal, or nil when the file is not one that can be drawn on.
func terminal(file *os.File) screen.Size {
	if !screen.Is(file) || os.Getenv("TERM") == "dumb" {
		return nil
	}
	return screen.SizeOf(file)
}

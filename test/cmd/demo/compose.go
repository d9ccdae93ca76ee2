package main

import (
	"context"
	"strings"
	"time"

	"github.com/silverback-gateway/silverback/test/containers"
)

// compose is a stand of containers.
type compose struct{ *containers.Project }

func newCompose(ctx context.Context, file, project string) (compose, error) {
	p, err := containers.New(ctx, file, project)
	return compose{p}, err
}

// Stop stops each kind in its turn: what others need goes last.
func (c compose) Stop(ctx context.Context, names ...string) error {
	for _, kind := range stopOrder {
		var some []string
		for _, name := range names {
			if first, _, _ := strings.Cut(name, "-"); first == kind {
				some = append(some, name)
			}
		}
		if len(some) == 0 {
			continue
		}
		if err := c.Project.Stop(ctx, some...); err != nil {
			return err
		}
	}
	return nil
}

func (c compose) CLI(ctx context.Context, in string, line func(string), args ...string) (int, error) {
	cmd, err := c.Exec(ctx, "cli", append([]string{"/silverback"}, args...)...)
	if err != nil {
		return -1, err
	}
	return runCommand(cmd, in, line)
}

// inside is the port of a process's listener in its container, and the service that publishes it.
func inside(name string) (service, port string) {
	kind, number, _ := strings.Cut(name, "-")
	switch kind {
	case "kong":
		return "gateway-" + number, "8000"
	case "distributor":
		return name, "7452"
	case "prometheus":
		return name, "9090"
	default:
		return name, "8080"
	}
}

func (c compose) URL(ctx context.Context, name string) (string, error) {
	service, port := inside(name)
	address, err := c.Address(ctx, service, port)
	return "http://" + address, err
}

func (c compose) Upstream() string { return "echo:8080" }

func (c compose) Watched() bool { return true }

// upTime is how long a fleet may take to answer.
const upTime = 3 * time.Minute

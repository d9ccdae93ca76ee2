package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// compose is a stand of containers.
type compose struct {
	program []string // docker compose or docker-compose, with the file
	file    string
	project string

	mu  sync.Mutex
	ids map[string]string // of containers, by service
}

func newCompose(ctx context.Context, file, project string) (*compose, error) {
	if _, err := os.Stat(file); err != nil {
		return nil, fmt.Errorf("the compose file: %w", err)
	}
	c := &compose{file: file, project: project, ids: map[string]string{}}
	if _, err := must(ctx, "docker", "compose", "version"); err == nil {
		c.program = []string{"docker", "compose"}
	} else if _, err := exec.LookPath("docker-compose"); err == nil {
		c.program = []string{"docker-compose"}
	} else {
		return nil, errors.New("neither docker compose nor docker-compose is here")
	}
	c.program = append(c.program, "--project-directory", filepath.Dir(file), "-f", file)
	if project != "" {
		c.program = append(c.program, "-p", project)
	}
	return c, nil
}

func (c *compose) do(ctx context.Context, args ...string) (string, error) {
	all := append(append([]string(nil), c.program...), args...)
	return must(ctx, all[0], all[1:]...)
}

func (c *compose) Up(ctx context.Context) error {
	_, err := c.do(ctx, "up", "-d")
	return err
}

func (c *compose) Down(ctx context.Context) error {
	if _, err := c.do(ctx, "down", "-v", "--remove-orphans", "--timeout", "5"); err != nil {
		return err
	}
	left, err := c.left(ctx)
	if err == nil && left != "" {
		err = fmt.Errorf("down -v left behind: %s", left)
	}
	return err
}

// left lists what belongs to the project.
func (c *compose) left(ctx context.Context) (string, error) {
	project, err := c.name(ctx)
	if err != nil {
		return "", err
	}
	label := "label=com.docker.compose.project=" + project
	var all []string
	for _, args := range [][]string{{"ps", "-aq"}, {"volume", "ls", "-q"}, {"network", "ls", "-q"}} {
		out, err := must(ctx, "docker", append(args, "--filter", label)...)
		if err != nil {
			return "", err
		}
		all = append(all, strings.Fields(out)...)
	}
	return strings.Join(all, " "), nil
}

// name is the project's: as given, or as the folder's .env says.
func (c *compose) name(_ context.Context) (string, error) {
	if c.project != "" {
		return c.project, nil
	}
	if name := os.Getenv("COMPOSE_PROJECT_NAME"); name != "" {
		return name, nil
	}
	text, err := os.ReadFile(filepath.Join(filepath.Dir(c.file), ".env"))
	if err != nil {
		return "", fmt.Errorf("the name of the compose project: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "COMPOSE_PROJECT_NAME="); ok {
			return name, nil
		}
	}
	return "", errors.New("the compose project has no name: give one with -project")
}

// container is the id of a service's container. From here on Docker is asked itself, which is quicker.
func (c *compose) container(ctx context.Context, service string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if id, ok := c.ids[service]; ok {
		return id, nil
	}
	project, err := c.name(ctx)
	if err != nil {
		return "", err
	}
	out, err := must(ctx, "docker", "ps", "-aq", "--filter", "label=com.docker.compose.project="+project, "--filter", "label=com.docker.compose.service="+service)
	if err != nil {
		return "", err
	}
	ids := strings.Fields(out)
	if len(ids) != 1 {
		return "", fmt.Errorf("%d containers of %s in project %s", len(ids), service, project)
	}
	c.ids[service] = ids[0]
	return ids[0], nil
}

// docker runs a command of Docker on the containers of services.
func (c *compose) docker(ctx context.Context, services []string, args ...string) error {
	for _, service := range services {
		id, err := c.container(ctx, service)
		if err != nil {
			return err
		}
		args = append(args, id)
	}
	_, err := must(ctx, "docker", args...)
	return err
}

func (c *compose) Start(ctx context.Context, names ...string) error {
	return c.docker(ctx, names, "start")
}

// Stop stops each kind in its turn: what others need goes last.
func (c *compose) Stop(ctx context.Context, names ...string) error {
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
		if err := c.docker(ctx, some, "stop", "--time", "20"); err != nil {
			return err
		}
	}
	return nil
}

func (c *compose) Kill(ctx context.Context, name string) error {
	return c.docker(ctx, []string{name}, "kill", "--signal", "KILL")
}

func (c *compose) CLI(ctx context.Context, in string, line func(string), args ...string) (int, error) {
	id, err := c.container(ctx, "cli")
	if err != nil {
		return -1, err
	}
	return command(ctx, in, line, "docker", append([]string{"exec", "-i", id, "/silverback"}, args...)...)
}

func (c *compose) Shown() string {
	shown := "docker-compose"
	if c.program[0] == "docker" {
		shown = "docker compose"
	}
	return shown + " -f " + c.file + " exec -T cli /silverback"
}

// inside is the port of a process's listener in its container, and the service that publishes it.
func inside(name string) (service, port string) {
	kind, number, _ := strings.Cut(name, "-")
	switch kind {
	case "kong":
		return "gateway-" + number, "8000"
	case "distributor":
		return name, "7452"
	default:
		return name, "8080"
	}
}

func (c *compose) URL(ctx context.Context, name string) (string, error) {
	service, port := inside(name)
	id, err := c.container(ctx, service)
	if err != nil {
		return "", err
	}
	out, err := must(ctx, "docker", "port", id, port)
	if err != nil {
		return "", err
	}
	return "http://" + strings.TrimSpace(out), nil
}

func (c *compose) Upstream() string { return "echo:8080" }

// upTime is how long a fleet may take to answer.
const upTime = 3 * time.Minute

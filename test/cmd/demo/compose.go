package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// compose is a stand of containers.
type compose struct {
	program []string // docker compose or docker-compose, with the file
	file    string
	project string
}

func newCompose(ctx context.Context, file, project string) (*compose, error) {
	if _, err := os.Stat(file); err != nil {
		return nil, fmt.Errorf("the compose file: %w", err)
	}
	c := &compose{file: file, project: project}
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

func (c *compose) Start(ctx context.Context, names ...string) error {
	_, err := c.do(ctx, append([]string{"start"}, names...)...)
	return err
}

func (c *compose) Stop(ctx context.Context, names ...string) error {
	_, err := c.do(ctx, append([]string{"stop", "--timeout", "10"}, names...)...)
	return err
}

func (c *compose) Kill(ctx context.Context, name string) error {
	_, err := c.do(ctx, "kill", "-s", "KILL", name)
	return err
}

func (c *compose) CLI(ctx context.Context, in string, line func(string), args ...string) (int, error) {
	all := append(append(append([]string(nil), c.program...), "run", "--rm", "-T", "cli"), args...)
	return command(ctx, in, func(l string) {
		// What compose says of the container is no word of the command line.
		for _, noise := range []string{"Creating ", " Container ", " Network ", "time="} {
			if strings.HasPrefix(l, noise) {
				return
			}
		}
		line(l)
	}, all[0], all[1:]...)
}

func (c *compose) Shown() string {
	shown := "docker-compose"
	if c.program[0] == "docker" {
		shown = "docker compose"
	}
	return shown + " -f " + c.file + " run --rm -T cli"
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
	out, err := c.do(ctx, "port", service, port)
	if err != nil {
		return "", err
	}
	return "http://" + strings.TrimSpace(out), nil
}

func (c *compose) Upstream() string { return "echo:8080" }

// upTime is how long a fleet may take to answer.
const upTime = 3 * time.Minute

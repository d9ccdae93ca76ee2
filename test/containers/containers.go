package containers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// ErrNoCompose says that a Docker engine may be here, but no compose.
var ErrNoCompose = errors.New("neither docker compose nor docker-compose is here")

// A Project is one fleet of a compose file. Its methods may be called at once. Errors repeat what the failed command printed.
type Project struct {
	compose []string // docker compose or docker-compose
	file    string
	name    string
	env     []string

	mu  sync.Mutex
	ids map[string]string // of containers, by service
}

// Compose returns the command of compose that there is.
func Compose(ctx context.Context) ([]string, error) {
	if exec.CommandContext(ctx, "docker", "compose", "version").Run() == nil {
		return []string{"docker", "compose"}, nil
	}
	if _, err := exec.LookPath("docker-compose"); err == nil {
		return []string{"docker-compose"}, nil
	}
	return nil, ErrNoCompose
}

// New returns the project of a file; nothing is started. An empty name is the one that compose would take from the environment or the
// folder's .env. Env is added to the environment of compose, NAME=value.
func New(ctx context.Context, file, name string, env ...string) (*Project, error) {
	if _, err := os.Stat(file); err != nil {
		return nil, fmt.Errorf("the compose file: %w", err)
	}
	compose, err := Compose(ctx)
	if err != nil {
		return nil, err
	}
	if name == "" {
		if name, err = ownName(file); err != nil {
			return nil, err
		}
	}
	return &Project{compose: compose, file: file, name: name, env: env, ids: map[string]string{}}, nil
}

// ownName is the project's, as the environment or the folder's .env says.
func ownName(file string) (string, error) {
	if name := os.Getenv("COMPOSE_PROJECT_NAME"); name != "" {
		return name, nil
	}
	text, err := os.ReadFile(filepath.Join(filepath.Dir(file), ".env"))
	if err != nil {
		return "", fmt.Errorf("the name of the compose project: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "COMPOSE_PROJECT_NAME="); ok {
			return name, nil
		}
	}
	return "", errors.New("the compose project has no name")
}

// Up starts what does not run, and returns when everything has started that others wait for.
func (p *Project) Up(ctx context.Context) error {
	_, err := p.do(ctx, "up", "-d")
	return err
}

// Down removes containers, networks and volumes. It is an error when anything is left.
func (p *Project) Down(ctx context.Context) error {
	if _, err := p.do(ctx, "down", "-v", "--remove-orphans", "--timeout", "5"); err != nil {
		return err
	}
	p.mu.Lock()
	clear(p.ids)
	p.mu.Unlock()
	left, err := p.left(ctx)
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("down -v left behind: %s", strings.Join(left, " "))
	}
	return err
}

// left lists what belongs to the project.
func (p *Project) left(ctx context.Context) (all []string, err error) {
	for _, list := range [][]string{{"ps", "-aq"}, {"volume", "ls", "-q"}, {"network", "ls", "-q"}} {
		out, err := p.docker(ctx, append(list, "--filter", "label=com.docker.compose.project="+p.name)...)
		if err != nil {
			return nil, err
		}
		all = append(all, strings.Fields(out)...)
	}
	return all, nil
}

// Container returns the id of a service's container.
func (p *Project) Container(ctx context.Context, service string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if id, ok := p.ids[service]; ok {
		return id, nil
	}
	out, err := p.docker(ctx, "ps", "-aq", "--filter", "label=com.docker.compose.project="+p.name, "--filter",
		"label=com.docker.compose.service="+service)
	if err != nil {
		return "", err
	}
	ids := strings.Fields(out)
	if len(ids) != 1 {
		return "", fmt.Errorf("%d containers of %s in project %s", len(ids), service, p.name)
	}
	p.ids[service] = ids[0]
	return ids[0], nil
}

// Start starts containers that were stopped or killed.
func (p *Project) Start(ctx context.Context, services ...string) error {
	return p.each(ctx, services, "start")
}

// Stop stops containers side by side: SIGTERM, and after 20 s SIGKILL.
func (p *Project) Stop(ctx context.Context, services ...string) error {
	return p.each(ctx, services, "stop", "--time", "20")
}

// Kill is kill -9.
func (p *Project) Kill(ctx context.Context, service string) error {
	return p.each(ctx, []string{service}, "kill", "--signal", "KILL")
}

// each runs a command of Docker on the containers of services. Docker itself is quicker than compose.
func (p *Project) each(ctx context.Context, services []string, args ...string) error {
	for _, service := range services {
		id, err := p.Container(ctx, service)
		if err != nil {
			return err
		}
		args = append(args, id)
	}
	_, err := p.docker(ctx, args...)
	return err
}

// Exec returns the command that runs a program in a service's container.
func (p *Project) Exec(ctx context.Context, service string, args ...string) (*exec.Cmd, error) {
	id, err := p.Container(ctx, service)
	if err != nil {
		return nil, err
	}
	return exec.CommandContext(ctx, "docker", append([]string{"exec", "-i", id}, args...)...), nil
}

// Copy copies a folder of a container, with the volumes that are mounted there, to a folder that is made.
func (p *Project) Copy(ctx context.Context, service, from, to string) error {
	id, err := p.Container(ctx, service)
	if err != nil {
		return err
	}
	_, err = p.docker(ctx, "cp", id+":"+from, to)
	return err
}

// Address returns where this machine reaches a port of a service, host:port. Only what the file publishes is reached.
func (p *Project) Address(ctx context.Context, service, port string) (string, error) {
	id, err := p.Container(ctx, service)
	if err != nil {
		return "", err
	}
	out, err := p.docker(ctx, "port", id, port)
	return strings.TrimSpace(out), err
}

// Logs returns the end of what a service has logged.
func (p *Project) Logs(ctx context.Context, service string, lines int) (string, error) {
	return p.do(ctx, "logs", "--no-color", fmt.Sprintf("--tail=%d", lines), service)
}

// Shown is how a person runs the command line in the project's container for it.
func (p *Project) Shown() string {
	return strings.Join(p.compose, " ") + " -f " + p.file + " exec -T cli /silverback"
}

// do runs a command of compose on the project.
func (p *Project) do(ctx context.Context, args ...string) (string, error) {
	return p.run(ctx, slices.Concat(p.compose, []string{"--project-directory", filepath.Dir(p.file), "-f", p.file, "-p", p.name}, args))
}

func (p *Project) docker(ctx context.Context, args ...string) (string, error) {
	return p.run(ctx, append([]string{"docker"}, args...))
}

// run returns what a command printed.
func (p *Project) run(ctx context.Context, args []string) (string, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), p.env...)
	var out, problems strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s%s", strings.Join(args, " "), err, out.String(), problems.String())
	}
	return out.String(), nil
}

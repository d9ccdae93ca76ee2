package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/silverback-gateway/silverback/testkit/port"
	"github.com/silverback-gateway/silverback/testkit/process"
)

// processes is a stand of plain processes on loopback, each with its log in one folder.
type processes struct {
	bin, dir string
	parts    []*part // in the order of their start
	env      []string
}

// part is one process, which may run or not.
type part struct {
	name   string
	binary string
	args   []string
	url    string // what the demo asks it for
	ready  string // URL that answers 200 when it is up; empty: not waited for

	life *process.Process // nil when it does not run
}

func newProcesses(bin string) (*processes, error) {
	for _, name := range []string{"silverback", "silverback-registry", "silverback-translator", "silverback-distributor", "silverback-agent",
		"silverback-kongsim", "silverback-lb", "silverback-echo", "etcd"} {
		if _, err := os.Stat(filepath.Join(bin, name)); err != nil {
			return nil, fmt.Errorf("%w; make lab-demo builds it", err)
		}
	}
	bin, err := filepath.Abs(bin)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "silverback-demo-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	p := &processes{bin: bin, dir: dir}
	if err := p.plan(); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return p, nil
}

// plan says what runs, at free ports.
func (p *processes) plan() error {
	var problems []error
	taken := map[string]bool{}
	address := func() string {
		free, err := port.Free()
		for err == nil && taken[free] {
			free, err = port.Free()
		}
		taken[free] = true
		problems = append(problems, err)
		return free
	}
	addresses := func(n int) (all []string) {
		for range n {
			all = append(all, address())
		}
		return all
	}
	peers, clientsOf, health := addresses(3), addresses(3), addresses(3)
	var cluster []string
	for i, name := range numbered("etcd", 3) {
		cluster = append(cluster, name+"=http://"+peers[i])
	}
	for i, name := range numbered("etcd", 3) {
		p.add(&part{name: name, binary: "etcd", ready: "http://" + health[i] + "/readyz", args: []string{
			"--name=" + name, "--data-dir=" + filepath.Join(p.dir, name), "--log-level=warn", "--initial-cluster=" + strings.Join(cluster, ","),
			"--listen-client-urls=http://" + clientsOf[i], "--advertise-client-urls=http://" + clientsOf[i], "--listen-metrics-urls=http://" +
				health[i],
			"--listen-peer-urls=http://" + peers[i], "--initial-advertise-peer-urls=http://" + peers[i], "--unsafe-no-fsync",
		}})
	}
	registries, translators, distributing := addresses(2), addresses(2), addresses(distributors)
	p.env = []string{
		"SILVERBACK_ETCD_ENDPOINTS=" + strings.Join(clientsOf, ","), "SILVERBACK_REGISTRY=" + strings.Join(registries, ","),
		"SILVERBACK_TRANSLATOR=" + strings.Join(translators, ","), "SILVERBACK_DISTRIBUTOR=" + strings.Join(distributing, ","),
	}
	service := func(kind string, i int, listen string, more ...string) {
		http := address()
		p.add(&part{
			name: fmt.Sprintf("%s-%d", kind, i+1), binary: "silverback-" + kind, url: "http://" + http, ready: "http://" + http + "/readyz",
			args: append([]string{"--listen=" + listen, "--http-listen=" + http}, more...),
		})
	}
	for i, listen := range registries {
		service("registry", i, listen, fmt.Sprintf("--replica-id=registry-%d", i+1))
	}
	for i, listen := range translators {
		service("translator", i, listen)
	}
	for i, listen := range distributing {
		service("distributor", i, listen, fmt.Sprintf("--replica-id=distributor-%d", i+1))
	}
	echo, lb := address(), address()
	p.add(&part{name: "echo", binary: "silverback-echo", url: "http://" + echo, ready: "http://" + echo, args: []string{"--listen=" + echo}})
	balance := []string{"--listen=" + lb}
	for _, name := range numbered("kong", gateways) {
		proxy, admin, status, agent := address(), address(), address(), address()
		dir := filepath.Join(p.dir, name)
		boot := filepath.Join(dir, "kong.yaml")
		// A gateway does not start without the file that it boots from.
		err := os.MkdirAll(dir, 0o700)
		if err == nil {
			err = os.WriteFile(boot, []byte("{\"_format_version\":\"3.0\"}\n"), 0o600)
		}
		problems = append(problems, err)
		p.add(&part{name: name, binary: "silverback-kongsim", url: "http://" + proxy, ready: "http://" + admin + "/status", args: []string{
			"-proxy=" + proxy, "-admin=" + admin, "-status=" + status, "-workers=2", "-declarative-config=" + boot,
		}})
		p.add(&part{name: "agent" + strings.TrimPrefix(name, "kong"), binary: "silverback-agent", ready: "http://" + agent + "/healthz",
			args: []string{
				"--group=" + group, "--node=" + name, "--kong-proxy=http://" + proxy, "--kong-admin=http://" + admin, "--kong-status=http://" + status,
				"--state-dir=" + filepath.Join(dir, "agent"), "--boot-file=" + boot, "--http-listen=" + agent,
				fmt.Sprintf("--label=canary=%t", name == canary),
			}})
		weight := ""
		if name == canary {
			weight = ",weight=1"
		}
		balance = append(balance, fmt.Sprintf("--gateway=%s=http://%s,http://%s/readyz%s", name, proxy, agent, weight))
	}
	p.add(&part{name: "load-balancer", binary: "silverback-lb", url: "http://" + lb, args: balance})
	return errors.Join(problems...)
}

func (p *processes) add(one *part) { p.parts = append(p.parts, one) }

func (p *processes) part(name string) (*part, error) {
	for _, one := range p.parts {
		if one.name == name {
			return one, nil
		}
	}
	return nil, fmt.Errorf("no process is called %s", name)
}

func (p *processes) names() (all []string) {
	for _, one := range p.parts {
		all = append(all, one.name)
	}
	return all
}

func (p *processes) Up(ctx context.Context) error { return p.Start(ctx, p.names()...) }

// Start starts processes side by side, for members of etcd wait for each other, and returns when all answer.
func (p *processes) Start(ctx context.Context, names ...string) error {
	var started []*part
	for _, one := range p.parts {
		if !slices.Contains(names, one.name) {
			continue
		}
		if err := p.launch(one); err != nil {
			return err
		}
		started = append(started, one)
	}
	for _, one := range started {
		if one.ready == "" {
			continue
		}
		if err := eventually(ctx, upTime, one.name+" answers", func() error {
			select {
			case <-one.life.Done():
				return fatal{fmt.Errorf("%s ended:\n%s", one.name, p.lastLines(one))}
			default:
			}
			status, body, err := get(ctx, one.ready)
			if err == nil && status != http.StatusOK {
				err = fmt.Errorf("%d: %s", status, body)
			}
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// lastLines is the end of a process's log.
func (p *processes) lastLines(one *part) string {
	return process.Tail(process.Log(p.log(one)), 5)
}

func (p *processes) log(one *part) string { return filepath.Join(p.dir, one.name+".log") }

// launch starts a process that Stop and Kill alone end, so that the fleet is taken down in order after Ctrl-C too.
func (p *processes) launch(one *part) (err error) {
	one.life, err = process.Start(process.Command{
		Name: one.name, Path: filepath.Join(p.bin, one.binary), Args: one.args, Env: process.Environment(p.env...), Log: p.log(one), Group: true,
	})
	return err
}

const stopTime = 15 * time.Second

// Stop stops processes of one kind side by side, and each kind in its turn: what others need goes last.
func (p *processes) Stop(_ context.Context, names ...string) error {
	var problems []error
	for _, kind := range stopOrder {
		var some []*part
		for _, one := range p.parts {
			if first, _, _ := strings.Cut(one.name, "-"); first == kind && slices.Contains(names, one.name) && one.life != nil {
				_ = one.life.Signal(syscall.SIGTERM)
				some = append(some, one)
			}
		}
		over := time.After(stopTime)
		for _, one := range some {
			select {
			case <-one.life.Done():
			case <-over:
				problems = append(problems, fmt.Errorf("%s did not stop within %s", one.name, stopTime))
				one.life.Kill()
			}
			one.life = nil
		}
	}
	return errors.Join(problems...)
}

func (p *processes) Kill(_ context.Context, name string) error {
	one, err := p.part(name)
	if err != nil {
		return err
	}
	if one.life == nil {
		return fmt.Errorf("%s does not run", name)
	}
	one.life.Kill()
	one.life = nil
	return nil
}

func (p *processes) Down(ctx context.Context) error {
	return errors.Join(p.Stop(ctx, p.names()...), os.RemoveAll(p.dir))
}

func (p *processes) CLI(ctx context.Context, in string, line func(string), args ...string) (int, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, "silverback"), args...)
	cmd.Env = process.Environment(p.env...)
	return runCommand(cmd, in, line)
}

func (p *processes) Shown() string { return "silverback" }

func (p *processes) URL(_ context.Context, name string) (string, error) {
	one, err := p.part(name)
	if err != nil {
		return "", err
	}
	return one.url, nil
}

func (p *processes) Upstream() string {
	one, err := p.part("echo")
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(one.url, "http://")
}

// Watched is false: a Prometheus is more than a demo of processes should need to build.
func (p *processes) Watched() bool { return false }

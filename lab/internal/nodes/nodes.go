// Package nodes runs gateways and the agents beside them: simulated gateways inside the process, or agents for gateways that run already.
package nodes

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/silverback-gateway/silverback/agent"
	"github.com/silverback-gateway/silverback/kit/run"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/testkit/kongtest"
	"github.com/silverback-gateway/silverback/testkit/kongtest/schemacheck"
)

// Config configures the nodes.
type Config struct {
	Group       string
	Simulated   int
	Workers     int
	Schemas     string // folder with schemas, for simulated gateways
	Real        []Kong // instead of simulated ones
	Dir         string
	FreePorts   bool
	Registry    []string
	Distributor []string
	Log         *slog.Logger
}

// Kong is a gateway that runs already.
type Kong struct {
	Admin, Proxy, Status string // URLs
}

// A Member is one gateway and its agent.
type Member struct {
	Name      string
	Kong      Kong
	Simulated *kongtest.Gateway // nil for a gateway that ran before
	Agent     *agent.Agent
	HTTP      string // address of the agent's listener
}

// The ports of gateway n, from 1.
const (
	proxyPort  = 7600
	adminPort  = 7700
	statusPort = 7800
	agentPort  = 7900

	// MaxGateways is how many gateways fit into the port ranges.
	MaxGateways = 99
)

// zones are the values of the label zone, assigned to the nodes in turn.
var zones = []string{"a", "b", "c"}

// Nodes is all members.
type Nodes struct{ members []Member }

// New starts the gateways and constructs the agents.
func New(c Config) (_ *Nodes, err error) {
	t := &Nodes{}
	defer func() {
		if err != nil {
			t.Close()
		}
	}()
	n := len(c.Real)
	if n == 0 {
		n = c.Simulated
	}
	if n > MaxGateways && !c.FreePorts {
		return nil, fmt.Errorf("%d gateways are too many: at most %d fit the ports", n, MaxGateways)
	}
	for i := range n {
		m, err := newMember(c, i)
		t.members = append(t.members, m)
		if err != nil {
			return nil, fmt.Errorf("start gateway %s: %w", m.Name, err)
		}
	}
	return t, nil
}

func newMember(c Config, i int) (m Member, err error) {
	m.Name = fmt.Sprintf("gw-%d", i+1)
	dir := filepath.Join(c.Dir, m.Name)
	boot := filepath.Join(dir, "kong.yaml")
	address := func(base int) string {
		if c.FreePorts {
			return "127.0.0.1:0"
		}
		return fmt.Sprintf("127.0.0.1:%d", base+i+1)
	}
	if len(c.Real) > 0 {
		m.Kong, boot = c.Real[i], ""
	} else {
		if err := firstBootFile(boot); err != nil {
			return m, err
		}
		options := kongtest.Options{
			Proxy: address(proxyPort), Admin: address(adminPort), Status: address(statusPort), Workers: c.Workers, DeclarativeConfig: boot,
			SchemaDir: c.Schemas,
		}
		if c.Schemas != "" {
			if options.Schemas, err = schemacheck.Load(c.Schemas); err != nil {
				return m, err
			}
		}
		if m.Simulated, err = kongtest.New(options); err != nil {
			return m, err
		}
		m.Kong = Kong{Admin: m.Simulated.AdminURL(), Proxy: m.Simulated.ProxyURL(), Status: m.Simulated.StatusURL()}
	}
	m.HTTP = address(agentPort)
	m.Agent, err = agent.New(agent.Config{
		Group: c.Group, Node: m.Name, Registry: c.Registry, Distributor: c.Distributor, KongAdmin: m.Kong.Admin, KongProxy: m.Kong.Proxy,
		Labels:     map[string]string{"zone": zones[i%len(zones)]},
		KongStatus: m.Kong.Status, StateDir: filepath.Join(dir, "agent"), BootFile: boot, HTTP: telemetry.HTTPConfig{Listen: m.HTTP},
	}, agent.Deps{Log: c.Log})
	if err == nil {
		m.HTTP = m.Agent.HTTPAddress()
	}
	return m, err
}

// firstBootFile writes a boot file for a gateway that never ran: Kong does not start without the file of its declarative_config. An
// existing file is the last known good and stays.
func firstBootFile(name string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return fmt.Errorf("make the gateway's folder: %w", err)
	}
	file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("write the first boot file: %w", err)
	}
	_, err = file.WriteString("{\"_format_version\":\"3.0\"}\n")
	return errors.Join(err, file.Close())
}

// Run runs the agents until ctx ends.
func (t *Nodes) Run(ctx context.Context) error {
	if len(t.members) == 0 {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	var loops []run.Loop
	for _, m := range t.members {
		loops = append(loops, func(ctx context.Context) error {
			if err := m.Agent.Run(ctx); ctx.Err() == nil {
				return fmt.Errorf("agent %s: %w", m.Name, err)
			}
			return context.Cause(ctx)
		})
	}
	return run.All(ctx, loops...)
}

// Close stops the simulated gateways.
func (t *Nodes) Close() {
	for _, m := range t.members {
		if m.Simulated != nil {
			m.Simulated.Close()
		}
	}
}

// Members returns the gateways and their agents, in order.
func (t *Nodes) Members() []Member { return t.members }

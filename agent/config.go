package agent

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/proof"
	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/kit/telemetry"
)

// Config is the configuration of one agent. Group, the three lists of addresses and URLs, and StateDir are required;
// everything else has a default.
type Config struct {
	Group        string
	Node         string               // default: the host's name
	Labels       map[string]string    // free labels of the node
	Registry     []string             // host:port of every registry replica
	Distributor  []string             // host:port of every distributor replica
	TLS          rpc.ClientTLS        // towards both
	KongAdmin    string               // URL of Kong's Admin API
	KongProxy    string               // URL of Kong's proxy; loopback, for the reserved route answers no other
	KongStatus   string               // URL of Kong's Status API; empty: readiness is not known
	KongToken    string               // sent to the Admin API as Kong-Admin-Token; a secret
	StateDir     string               // for last known good; one agent each
	BootFile     string               // what Kong's declarative_config names; empty: none is written
	Proof        string               // auto, worker, route or hash; empty is auto
	HTTP         telemetry.HTTPConfig // without an address there is no listener
	ProxyAddress string               // what the registry is told; default: the host and port of KongProxy

	DriftInterval time.Duration // default 2s
	LoadTimeout   time.Duration // default 60s
	ProofTimeout  time.Duration // default 15s
	Version       string        // of the agent, as it is reported
}

// Defaults of a configuration.
const (
	DefaultDriftInterval = 2 * time.Second
	DefaultLoadTimeout   = time.Minute
	DefaultProofTimeout  = 15 * time.Second
	proofAuto            = "auto"
)

// WithDefaults fills what was left out.
func (c Config) WithDefaults() Config {
	if c.Node == "" {
		// A name of a node has no capitals.
		host, _ := os.Hostname()
		c.Node = strings.ToLower(host)
	}
	if c.Proof == "" {
		c.Proof = proofAuto
	}
	for _, d := range []struct {
		set *time.Duration
		to  time.Duration
	}{{&c.DriftInterval, DefaultDriftInterval}, {&c.LoadTimeout, DefaultLoadTimeout}, {&c.ProofTimeout, DefaultProofTimeout}} {
		if *d.set <= 0 {
			*d.set = d.to
		}
	}
	if u, err := url.Parse(c.KongProxy); err == nil && c.ProxyAddress == "" {
		c.ProxyAddress = u.Host
	}
	return c
}

// Check reports everything that is wrong with a configuration, with the defaults filled in.
func (c Config) Check() error {
	c = c.WithDefaults()
	var problems []error
	if c.Group == "" {
		problems = append(problems, errors.New("--group is required: the group that the node belongs to"))
	} else if err := fleet.ValidName("group", c.Group); err != nil {
		problems = append(problems, err)
	}
	if err := fleet.ValidName("node", c.Node); err != nil {
		problems = append(problems, err)
	}
	for service, addresses := range map[string][]string{"registry": c.Registry, "distributor": c.Distributor} {
		problems = append(problems, (&rpc.ClientConfig{Addresses: addresses}).Check(service))
	}
	for name, at := range map[string]string{"kong-admin": c.KongAdmin, "kong-proxy": c.KongProxy, "kong-status": c.KongStatus} {
		if name == "kong-status" && at == "" {
			continue
		}
		u, err := url.Parse(at)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			// Not the URL itself, which can hold a password.
			problems = append(problems, fmt.Errorf("%s: want http://host:port or https://host:port", name))
		}
	}
	if c.StateDir == "" {
		problems = append(problems, errors.New("state-dir: a directory is needed"))
	}
	if _, err := c.form(); err != nil {
		problems = append(problems, err)
	}
	if c.HTTP.Listen != "" {
		problems = append(problems, c.HTTP.Check())
	}
	problems = append(problems, c.TLS.Check())
	return errors.Join(problems...)
}

// form returns the proof that was asked for; nil is the best that the gateway allows.
func (c Config) form() (*proof.Form, error) {
	if c.Proof == proofAuto || c.Proof == "" {
		return nil, nil
	}
	form, err := proof.ParseForm(c.Proof)
	if err != nil {
		return nil, fmt.Errorf("proof: %q is not one of auto, worker, route, hash", c.Proof)
	}
	return &form, nil
}

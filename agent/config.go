package agent

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/gateway"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/kong/proof"
)

// Config is the configuration of one agent. Group, the three lists of addresses and URLs, and StateDir are required;
// everything else has a default.
type Config struct {
	Group       string
	Node        string            // default: the host's name
	Labels      map[string]string // free labels of the node
	Registry    []string          // host:port of every registry replica
	Distributor []string          // host:port of every distributor replica
	TLS         rpc.ClientTLS     // towards both
	KongAdmin   string            // Kong's Admin API: http://host:port, https://host:port or unix:///path/to.sock
	KongProxy   string            // Kong's proxy, likewise; loopback or a socket, because the reserved route answers no others
	KongStatus  string            // Kong's Status API, likewise; empty: readiness is not known
	KongTLS     KongTLS           // for https URLs of the Admin and Status API
	// KongTokenFile holds the Kong-Admin-Token for the Admin API. It is read for each request. Empty: no token is sent.
	KongTokenFile string

	StateDir     string               // for last known good; one agent each
	BootFile     string               // the file that Kong's declarative_config names; empty: none is written
	Proof        string               // auto, worker, route or hash; empty is auto
	HTTP         telemetry.HTTPConfig // without an address there is no listener
	ProxyAddress string               // reported to the registry; default: the host and port of KongProxy

	DriftInterval time.Duration // default 2s
	LoadTimeout   time.Duration // default 60s
	LoadGap       time.Duration // least time between two loads; default 1s
	ProofTimeout  time.Duration // default 15s
	Version       string        // of the agent, as reported to the registry
	// GatewayMemory is how many bytes of memory the gateway may take, for warnings; 0: all of this machine.
	GatewayMemory int64

	// DrainGrace is how long the agent drains the node before it stops; 0: not at all.
	DrainGrace time.Duration
	// SampleInterval is how often the gateway's health is sampled; default 10s.
	SampleInterval time.Duration
}

// KongTLS configures TLS with Kong's Admin and Status API. The files may be renewed at any time.
type KongTLS = gateway.TLS

// Defaults of a configuration.
const (
	DefaultDriftInterval = 2 * time.Second
	DefaultLoadTimeout   = time.Minute
	DefaultLoadGap       = gateway.LoadGap
	DefaultProofTimeout  = 15 * time.Second
	proofAuto            = "auto"
)

// WithDefaults sets the defaults of empty fields.
func (c Config) WithDefaults() Config {
	if c.Node == "" {
		// Names of nodes are lower case.
		host, _ := os.Hostname()
		c.Node = strings.ToLower(host)
	}
	if c.Proof == "" {
		c.Proof = proofAuto
	}
	for _, d := range []struct {
		set *time.Duration
		to  time.Duration
	}{{&c.DriftInterval, DefaultDriftInterval}, {&c.LoadTimeout, DefaultLoadTimeout}, {&c.LoadGap, DefaultLoadGap},
		{&c.ProofTimeout, DefaultProofTimeout}} {
		if *d.set == 0 {
			*d.set = d.to
		}
	}
	if u, err := url.Parse(c.KongProxy); err == nil && c.ProxyAddress == "" {
		c.ProxyAddress = u.Host // none for a socket
		if port, ok := map[string]string{"http": "80", "https": "443"}[u.Scheme]; ok && u.Port() == "" && u.Hostname() != "" {
			c.ProxyAddress = net.JoinHostPort(u.Hostname(), port)
		}
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
	if c.ProxyAddress != "" {
		if _, err := fleet.ParseAddress(c.ProxyAddress); err != nil {
			problems = append(problems, fmt.Errorf("--proxy-address %q (by default that of --kong-proxy): %w", c.ProxyAddress, err))
		}
	}
	for service, addresses := range map[string][]string{"registry": c.Registry, "distributor": c.Distributor} {
		problems = append(problems, (&rpc.ClientConfig{Addresses: addresses}).Check(service))
	}
	problems = append(problems, c.checkKong()...)
	for _, d := range []struct {
		flag string
		set  time.Duration
	}{{"drift-interval", c.DriftInterval}, {"load-timeout", c.LoadTimeout}, {"load-gap", c.LoadGap}, {"proof-timeout", c.ProofTimeout}} {
		if d.set < 0 {
			problems = append(problems, fmt.Errorf("--%s must be more than 0, not %s", d.flag, d.set))
		}
	}
	if c.GatewayMemory < 0 {
		problems = append(problems, errors.New("--gateway-memory-bytes must be at least 0"))
	}
	if c.DrainGrace < 0 {
		problems = append(problems, errors.New("--drain-grace must be at least 0"))
	}
	if c.StateDir == "" {
		problems = append(problems, errors.New("--state-dir is required"))
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

// checkKong never repeats a URL, which can hold a password.
func (c Config) checkKong() (problems []error) {
	secure := false
	for _, at := range []struct{ flag, url string }{{"kong-admin", c.KongAdmin}, {"kong-status", c.KongStatus}, {"kong-proxy", c.KongProxy}} {
		if at.flag == "kong-status" && at.url == "" {
			continue
		}
		l, err := gateway.ParseListener(at.url)
		switch {
		case err != nil:
			problems = append(problems, fmt.Errorf("--%s: %w", at.flag, err))
		case at.flag != "kong-proxy":
			secure = secure || l.Secure()
		case !l.Local() && c.Proof != proof.None.String():
			problems = append(problems, errors.New("--kong-proxy: want a loopback address or a socket: the reserved route, by which the agent "+
				"proves what the gateway serves, answers no other machine"))
		}
	}
	if c.KongTLS != (KongTLS{}) && !secure {
		problems = append(problems, errors.New("--kong-admin-ca, --kong-admin-cert, --kong-admin-key, --kong-admin-server-name: neither "+
			"--kong-admin nor --kong-status is https"))
	}
	problems = append(problems, c.KongTLS.Check("kong-admin-cert", "kong-admin-key", "kong-admin-ca"))
	if c.KongTokenFile != "" {
		if _, err := gateway.ReadToken(c.KongTokenFile); err != nil {
			problems = append(problems, fmt.Errorf("--kong-token-file: %w", err))
		}
	}
	return problems
}

// form returns the configured proof; nil is the best that the gateway allows.
func (c Config) form() (*proof.Form, error) {
	if c.Proof == proofAuto || c.Proof == "" {
		return nil, nil
	}
	form, err := proof.ParseForm(c.Proof)
	if err != nil {
		return nil, fmt.Errorf("--proof %q must be auto, worker, route or hash", c.Proof)
	}
	return &form, nil
}

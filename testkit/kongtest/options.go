package kongtest

import (
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/admin"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/check"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/expression"
	"github.com/silverback-gateway/silverback/testkit/port"
)

// Options say what gateway to simulate. The zero value is a freshly installed
// DB-less Kong with one worker on free loopback ports.
type Options struct {
	// Addresses of the listeners: host:port on loopback, or unix: and the path of
	// a socket. Empty means a free port.
	Admin, Status, Proxy string
	// SecureProxy is the address of a second listener of the proxy, which speaks TLS
	// with HTTP/2, beside one in plain HTTP; empty is none. It shows the certificates of
	// the configuration by their SNIs, and one that signs itself to everyone else.
	SecureProxy string
	// OpenProxy lets the proxy listen beyond loopback, where other containers or
	// machines reach it. The other listeners never do.
	OpenProxy bool
	// AdminTLS, StatusTLS and ProxyTLS make a listener in TCP speak TLS and nothing
	// else; nil is plain HTTP. A name that the configuration has an SNI for is shown
	// the certificate of that by the proxy. HTTP/2 is spoken where NextProtos offers it, and clients
	// are asked for a certificate as ClientAuth says. See Authority.
	AdminTLS, StatusTLS, ProxyTLS *tls.Config
	// Workers is the number of nginx workers; 0 means 1.
	Workers int
	// RouterFlavor is traditional_compatible when empty.
	RouterFlavor string
	// UntrustedLua is sandbox when empty; off makes pre-function useless (F41).
	UntrustedLua string
	// Plugins lists the enabled plugins; nil means all that Kong bundles.
	Plugins []string
	// BodyLimit is nginx_admin_client_max_body_size in bytes: 0 means Kong's
	// default of 10 MiB, a negative number means no limit.
	BodyLimit int64
	// DeclarativeConfig names a file to which every start returns (F30).
	DeclarativeConfig string
	// Prefix is a directory for what outlives the process. Without it the
	// configuration outlives Restart only.
	Prefix string
	// SchemaDir holds entities/*.json, plugins/*.json and vaults/*.json to serve under /schemas.
	SchemaDir string
	// Schemas checks configurations in place of the simulation's own rules, which cover structure and the values of fields that are not of
	// plugins. See schemacheck.
	Schemas Schemas
	// SwitchDelay is how long after the 201 the first worker turns to the new
	// configuration; each further worker takes as long again. 0 means 3 ms, a
	// negative delay means at once.
	SwitchDelay time.Duration
	// NodeID fixes what GET / reports; empty means a new one at each start (F31).
	NodeID string
}

// Schemas judges single entities as a gateway does by the schemas that it serves.
type Schemas = check.Schemas

// Finding is an error that Schemas found.
type Finding = check.Finding

const (
	unixPrefix         = "unix:"
	defaultSwitchDelay = 3 * time.Millisecond
)

func (o Options) withDefaults() (Options, error) {
	for name, address := range map[string]*string{"admin": &o.Admin, "status": &o.Status, "proxy": &o.Proxy, "secure proxy": &o.SecureProxy} {
		if *address == "" && address == &o.SecureProxy {
			continue
		}
		if *address == "" {
			*address = "127.0.0.1:0"
		}
		if path, is := strings.CutPrefix(*address, unixPrefix); is {
			if !strings.HasPrefix(path, "/") {
				return o, fmt.Errorf("%s address %s: want the absolute path of a socket", name, *address)
			}
			continue
		}
		host, _, err := net.SplitHostPort(*address)
		if err != nil {
			return o, fmt.Errorf("%s address: %w", name, err)
		}
		if strings.HasSuffix(name, "proxy") && o.OpenProxy {
			continue
		}
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return o, fmt.Errorf("%s address %s is not on loopback: the simulation listens nowhere else", name, *address)
		}
	}
	if o.Workers <= 0 {
		o.Workers = 1
	}
	if o.RouterFlavor == "" {
		o.RouterFlavor = "traditional_compatible"
	}
	switch o.RouterFlavor {
	case "traditional_compatible", "traditional", expression.Flavor:
	default:
		return o, fmt.Errorf("router flavor %q is not one of traditional_compatible, traditional, expressions", o.RouterFlavor)
	}
	if o.UntrustedLua == "" {
		o.UntrustedLua = "sandbox"
	}
	switch o.UntrustedLua {
	case "sandbox", "on", "off":
	default:
		return o, fmt.Errorf("untrusted_lua %q is not one of sandbox, on, off", o.UntrustedLua)
	}
	if o.BodyLimit == 0 {
		o.BodyLimit = admin.DefaultBodyLimit
	}
	switch {
	case o.SwitchDelay == 0:
		o.SwitchDelay = defaultSwitchDelay
	case o.SwitchDelay < 0:
		o.SwitchDelay = 0
	}
	return o, nil
}

// Option adjusts the gateway that Start starts.
type Option func(*Options)

// With replaces the options as a whole.
func With(o Options) Option { return func(to *Options) { *to = o } }

// Workers sets the number of workers.
func Workers(n int) Option { return func(o *Options) { o.Workers = n } }

// SwitchAfter sets how long workers take to turn to a new configuration; 0
// means at once.
func SwitchAfter(d time.Duration) Option {
	return func(o *Options) {
		o.SwitchDelay = d
		if d == 0 {
			o.SwitchDelay = -1
		}
	}
}

// DeclarativeConfig names the file to which every start returns.
func DeclarativeConfig(path string) Option {
	return func(o *Options) { o.DeclarativeConfig = path }
}

// Start runs a gateway for the length of a test, and fails the test when it
// does not start.
func Start(tb testing.TB, opts ...Option) *Gateway {
	tb.Helper()
	var o Options
	for _, opt := range opts {
		opt(&o)
	}
	// What is killed must find its ports free again.
	for _, address := range []*string{&o.Admin, &o.Status, &o.Proxy} {
		if *address == "" {
			*address = port.Address(tb)
		}
	}
	g, err := New(o)
	if err != nil {
		tb.Fatalf("start the simulated gateway: %v", err)
	}
	tb.Cleanup(g.Close)
	return g
}

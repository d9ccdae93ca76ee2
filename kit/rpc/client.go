// Package rpc is how processes of Silverback call: gRPC clients, built in one way, with the same limits and the same manner of
// finding another replica. Servers are in kit/rpcserver.
package rpc

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/kit/tlsfiles"
)

// DefaultMaxReceive is how many bytes of one message a client or a server takes that does not say otherwise.
const DefaultMaxReceive = 4 << 20

// Clients and servers ask alike whether the other side is there: one that vanished without a word is noticed after the sum of both.
const (
	KeepaliveTime    = 20 * time.Second
	KeepaliveTimeout = 8 * time.Second
)

// clientPolicy tries replicas in a random order, so that a fleet spreads, and repeats a call that found nobody there. Mutations
// carry a request_id, or are the same when made twice, so a repeated one does no harm. A server that waited for its ledger in vain says
// that the call is not to be repeated; see kit/rpcserver.
const clientPolicy = `{
  "loadBalancingConfig": [{"pick_first": {"shuffleAddressList": true}}],
  "methodConfig": [{
    "name": [{}],
    "retryPolicy": {"maxAttempts": 5, "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 2, "retryableStatusCodes": ` +
	`["UNAVAILABLE"]}
  }]
}`

// clientWindow lets the largest part of a snapshot come without a wait. A fixed window also spares every message the pings by which
// gRPC would measure the link, which cost a sender with thousands of streams as much as the messages do.
const clientWindow = 1 << 20

// maxRetryBuffer keeps a call that found nobody there repeatable: over gRPC's own limit of 256 KiB it is not, and a large submission would
// fail with the replica that it went to. A little over the largest message that a service takes.
const maxRetryBuffer = 80 << 20

// ClientConfig says how to reach the replicas of a service.
type ClientConfig struct {
	Addresses  []string // host:port of every replica
	TLS        ClientTLS
	MaxReceive int // bytes of one message; 0 is 4 MiB
}

// ClientTLS says how a client is secured. Without a CAFile connections are plain.
type ClientTLS struct {
	CAFile   string // PEM of the authority that signs the services
	CertFile string // PEM of the certificate that says who calls
	KeyFile  string
}

// AddFlags adds the flags of a client, in words that do not collide with a server's.
func (c *ClientTLS) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&c.CAFile, "ca-file", "", "PEM file of the authority that signs the services this process calls; without it they are "+
		"called in plain text")
	flags.StringVar(&c.CertFile, "client-cert-file", "", "PEM file of the certificate that this process shows to services")
	flags.StringVar(&c.KeyFile, "client-key-file", "", "PEM file of its key")
}

// Check reports what is wrong with the files, in the words of the flags of AddFlags.
func (c *ClientTLS) Check() error {
	if c.CAFile == "" && (c.CertFile != "" || c.KeyFile != "") {
		return errors.New("--client-cert-file needs --ca-file, the authority of the services")
	}
	return c.files().Check("client-cert-file", "client-key-file", "ca-file")
}

// TLSFiles names the files with the certificates that the client rests on; names are empty where there is none.
func (c *ClientTLS) TLSFiles() []string { return []string{c.CertFile, c.CAFile} }

func (c *ClientTLS) files() tlsfiles.Files {
	return tlsfiles.Files{Cert: c.CertFile, Key: c.KeyFile, CA: c.CAFile}
}

// Check reports what is wrong with the configuration of a client of the named service.
func (c *ClientConfig) Check(service string) error {
	if len(c.Addresses) == 0 {
		return fmt.Errorf("no address of the %s is given", service)
	}
	var problems []error
	for _, a := range c.Addresses {
		if _, _, err := net.SplitHostPort(a); err != nil {
			problems = append(problems, fmt.Errorf("address %q of the %s: want host:port", a, service))
		}
	}
	return errors.Join(problems...)
}

// Dial returns a connection to a service. It connects with the first call, to one replica at a time, and to another when
// that one goes away.
func Dial(c ClientConfig, more ...grpc.DialOption) (*grpc.ClientConn, error) {
	if len(c.Addresses) == 0 {
		return nil, errors.New("dial: no address is given")
	}
	creds, err := transportCredentials(c.TLS)
	if err != nil {
		return nil, err
	}
	if c.MaxReceive == 0 {
		c.MaxReceive = DefaultMaxReceive
	}
	// A name becomes all its addresses, which is how Kubernetes names the replicas of a headless service.
	target := "dns:///" + strings.Join(c.Addresses, ",")
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithDefaultServiceConfig(clientPolicy),
		grpc.WithInitialWindowSize(clientWindow),
		grpc.WithInitialConnWindowSize(clientWindow),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(c.MaxReceive), grpc.MaxRetryRPCBufferSize(maxRetryBuffer)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: KeepaliveTime, Timeout: KeepaliveTimeout, PermitWithoutStream: true}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.3, MaxDelay: 3 * time.Second},
			MinConnectTimeout: 3 * time.Second,
		}),
	}
	if telemetry.Tracing() {
		options = append(options, grpc.WithStatsHandler(otelgrpc.NewClientHandler()))
	}
	if len(c.Addresses) != 1 {
		r := manual.NewBuilderWithScheme("replicas")
		state := resolver.State{}
		for _, a := range c.Addresses {
			host, _, err := net.SplitHostPort(a)
			if err != nil {
				return nil, fmt.Errorf("address %q: want host:port", a)
			}
			state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: a, ServerName: host}}})
		}
		r.InitialState(state)
		target = "replicas:///" + c.Addresses[0]
		options = append(options, grpc.WithResolvers(r))
	}
	conn, err := grpc.NewClient(target, append(append(options, more...), grpc.WithChainUnaryInterceptor(invoke))...)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", strings.Join(c.Addresses, ", "), err)
	}
	return conn, nil
}

// Package rpc makes gRPC clients for processes of Silverback: all with the same limits and the same failover to another replica. Servers
// are in kit/rpcserver.
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

// DefaultMaxReceive is the default limit of one received message, in bytes.
const DefaultMaxReceive = 4 << 20

// Clients and servers check alike whether the other side is alive. A peer that disappeared is detected after the sum of both.
const (
	KeepaliveTime    = 20 * time.Second
	KeepaliveTimeout = 8 * time.Second
)

// clientPolicy tries replicas in a random order, so that a fleet spreads, and repeats a call that reached nobody. Mutations carry a
// request_id, or are idempotent, so a repeated one does no harm. A server that waited for its ledger in vain marks the call as not to be
// repeated; see kit/rpcserver.
const clientPolicy = `{
  "loadBalancingConfig": [{"pick_first": {"shuffleAddressList": true}}],
  "methodConfig": [{
    "name": [{}],
    "retryPolicy": {"maxAttempts": 5, "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 2, "retryableStatusCodes": ` +
	`["UNAVAILABLE"]}
  }]
}`

// clientWindow lets the largest part of a snapshot arrive without a wait. A fixed window also saves the pings by which gRPC would measure
// the link. For a sender with thousands of streams they cost as much as the messages.
const clientWindow = 1 << 20

// maxRetryBuffer keeps large calls repeatable. Over gRPC's default of 256 KiB a call is not repeated, and a large submission would fail
// with its replica. It is a little over the largest message that a service takes.
const maxRetryBuffer = 80 << 20

// ClientConfig is how to reach the replicas of a service.
type ClientConfig struct {
	Addresses  []string // host:port of every replica
	TLS        ClientTLS
	MaxReceive int // bytes of one message; 0 is 4 MiB
}

// ClientTLS is how a client is secured. Without a CAFile connections are plain.
type ClientTLS struct {
	CAFile   string // PEM of the authority that signs the services
	CertFile string // PEM of the certificate that identifies the caller
	KeyFile  string
}

// AddFlags adds the flags of a client, with names that do not collide with a server's.
func (c *ClientTLS) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&c.CAFile, "ca-file", "", "PEM file of the authority that signs the services this process calls; without it they are "+
		"called in plain text")
	flags.StringVar(&c.CertFile, "client-cert-file", "", "PEM file of the certificate that this process shows to services")
	flags.StringVar(&c.KeyFile, "client-key-file", "", "PEM file of its key")
}

// Check returns what is wrong with the files, in terms of the flags of AddFlags.
func (c *ClientTLS) Check() error {
	if c.CAFile == "" && (c.CertFile != "" || c.KeyFile != "") {
		return errors.New("--client-cert-file needs --ca-file, the authority of the services")
	}
	return c.files().Check("client-cert-file", "client-key-file", "ca-file")
}

// TLSFiles returns the names of the client's certificate files. Unused ones are empty.
func (c *ClientTLS) TLSFiles() []string { return []string{c.CertFile, c.CAFile} }

func (c *ClientTLS) files() tlsfiles.Files {
	return tlsfiles.Files{Cert: c.CertFile, Key: c.KeyFile, CA: c.CAFile}
}

// Check returns what is wrong with the configuration of a client of the named service.
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

// Dial returns a connection to a service. It connects at the first call, to one replica at a time, and to another when that one goes away.
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
	// A name stands for all its addresses. That is how Kubernetes names the replicas of a headless service.
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

// Package rpcserver makes the gRPC servers of Silverback's services: all with the same interceptors, limits and shutdown. It is separate
// from kit/rpc so that programs that only call do not contain the server's dependencies.
package rpcserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"golang.org/x/sync/semaphore"
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec of all messages
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"github.com/silverback-gateway/silverback/kit/identity"
	"github.com/silverback-gateway/silverback/kit/revocation"
	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/kit/tlsfiles"
)

const (
	defaultStopTime = 10 * time.Second
	// lastTime is how long the server waits for handlers after their context ended. A handler that ignores its context must not delay the end
	// of the process.
	lastTime = 2 * time.Second
)

// Config is where and how a service listens. Listen is required.
type Config struct {
	Listen       string // host:port
	CertFile     string // PEM; with KeyFile it turns TLS on
	KeyFile      string
	ClientCAFile string // PEM of the authority that signs callers' certificates, which identify the callers
	TrustDomain  string // of callers' certificates; empty is identity.DefaultTrustDomain
	Insecure     bool   // allows a listener beyond loopback without TLS
	MaxReceive   int    // bytes of one message; 0 is 1 MiB
	Large        Large  // the methods that take more
	StopTime     time.Duration
	// ConnectionAge is how long a connection is used, give or take a tenth; 0 is an hour. New calls then use a new connection. Calls that
	// still run, such as streams, are ended after another twelfth.
	ConnectionAge time.Duration
	ReadBuffer    int              // bytes of each connection; 0 is gRPC's 32 KiB, which idle connections hold too
	Codec         encoding.CodecV2 // instead of proto's, for messages that are encoded already
}

// AddFlags adds the flags of a server.
func (c *Config) AddFlags(flags *pflag.FlagSet, defaultListen string) {
	flags.StringVar(&c.Listen, "listen", defaultListen, "where to listen for gRPC")
	flags.StringVar(&c.CertFile, "cert-file", "", "PEM file of this process's certificate; turns TLS on")
	flags.StringVar(&c.KeyFile, "key-file", "", "PEM file of its key")
	flags.StringVar(&c.ClientCAFile, "client-ca-file", "", "PEM file of the authority that must have signed callers' certificates")
	flags.StringVar(&c.TrustDomain, "trust-domain", identity.DefaultTrustDomain,
		"trust domain in the URIs of callers' certificates, spiffe://<trust domain>/...")
	flags.BoolVar(&c.Insecure, "insecure", false, "allow listeners beyond loopback that do not authenticate callers: without TLS, or without "+
		"--client-ca-file")
}

// Check returns what is wrong with the configuration.
func (c *Config) Check() error {
	var problems []error
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		problems = append(problems, fmt.Errorf("listen address %q: want host:port", c.Listen))
	}
	problems = append(problems, c.files().Check("cert-file", "key-file", "client-ca-file"))
	if c.ClientCAFile != "" && c.CertFile == "" {
		problems = append(problems, errors.New("--client-ca-file needs --cert-file and --key-file"))
	}
	if open := c.open(); open != "" && !c.Insecure {
		problems = append(problems, fmt.Errorf("listen address %s is not on loopback and %s, or set --insecure", c.Listen, open))
	}
	return errors.Join(problems...)
}

func (c *Config) files() tlsfiles.Files {
	return tlsfiles.Files{Cert: c.CertFile, Key: c.KeyFile, CA: c.ClientCAFile}
}

// TLSFiles returns the names of the listener's certificate files. Unused ones are empty.
func (c *Config) TLSFiles() []string { return []string{c.CertFile, c.ClientCAFile} }

// open returns why unauthenticated callers on other machines have access, with the remedy. It is empty when they have none.
func (c *Config) open() string {
	switch {
	case telemetry.Loopback(c.Listen):
		return ""
	case c.CertFile == "":
		return "has no TLS: give --cert-file, --key-file and --client-ca-file"
	case c.ClientCAFile == "":
		return "accepts calls from everybody: give --client-ca-file"
	}
	return ""
}

// Access decides who may call. Call admits a call and returns a context with the caller. Message checks every message of a caller before
// its handler. Both refuse with a fault of kind Denied.
type Access interface {
	Call(ctx context.Context, method string) (context.Context, error)
	Message(ctx context.Context, message any) error
}

// Deps are what a server uses.
type Deps struct {
	Log     *slog.Logger
	Metrics prometheus.Registerer
	Revoked *revocation.List // nil: no certificate is revoked
}

// A Server is a gRPC server with health and reflection. Register services on it before Serve.
type Server struct {
	*grpc.Server
	Health *health.Server

	config   Config
	log      *slog.Logger
	listener net.Listener
	drain    []func()

	outer grpc.UnaryServerInterceptor // for unary calls, before the request is read
	codec encoding.CodecV2
	room  *semaphore.Weighted // bytes of large requests in progress
}

// New opens the listener, so that the address is known. Connections wait until Serve.
func New(c Config, d Deps) (*Server, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	if c.MaxReceive == 0 {
		c.MaxReceive = defaultMaxReceive
	}
	if c.StopTime == 0 {
		c.StopTime = defaultStopTime
	}
	if c.Large.Timeout == 0 {
		c.Large.Timeout = defaultLargeTimeout
	}
	if c.ConnectionAge == 0 {
		c.ConnectionAge = defaultAge
	}
	creds, err := transportCredentials(c, d.Log)
	if err != nil {
		return nil, err
	}
	if c.open() != "" {
		d.Log.Warn("listening beyond loopback without authenticating callers", "listen", c.Listen)
	}
	domain := c.TrustDomain
	if domain == "" {
		domain = identity.DefaultTrustDomain
	}
	var access Access
	if c.ClientCAFile != "" {
		rights := identity.Access{TrustDomain: domain}
		if d.Revoked != nil {
			rights.Revocations = d.Revoked
		}
		access = rights
	}
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", c.Listen, err)
	}
	admission := newAdmission(l, domain, d.Log, d.Revoked)
	chain, err := newChain(d, access, admission)
	if err != nil {
		_ = l.Close()
		return nil, err
	}
	options := []grpc.ServerOption{
		grpc.Creds(admissionCredentials{creds}),
		grpc.ChainUnaryInterceptor(chain.unary...),
		grpc.ChainStreamInterceptor(chain.stream...),
		grpc.MaxRecvMsgSize(c.MaxReceive),
		grpc.MaxHeaderListSize(maxHeaderBytes),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.ConnectionTimeout(handshakeTime),
		grpc.InitialWindowSize(streamWindow),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			Time: rpc.KeepaliveTime, Timeout: rpc.KeepaliveTimeout, MaxConnectionAge: c.ConnectionAge, MaxConnectionAgeGrace: c.ConnectionAge / 12,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: rpc.KeepaliveTime / 4, PermitWithoutStream: true}),
	}
	if telemetry.Tracing() {
		options = append(options, grpc.StatsHandler(otelgrpc.NewServerHandler())) // it costs time for every message, so it is optional
	}
	if c.ReadBuffer > 0 {
		options = append(options, grpc.ReadBufferSize(c.ReadBuffer))
	}
	if c.Codec != nil {
		options = append(options, grpc.ForceServerCodecV2(c.Codec))
	}
	s := &Server{
		Server: grpc.NewServer(options...), Health: health.NewServer(), config: c, log: d.Log, listener: admission,
		outer: chainUnary(chain.before), codec: c.Codec, room: semaphore.NewWeighted(c.Large.AtOnce),
	}
	if s.codec == nil {
		s.codec = encoding.GetCodecV2("proto")
	}
	healthv1.RegisterHealthServer(s, s.Health)
	reflection.Register(s)
	return s, nil
}

// Address returns the address of the listener.
func (s *Server) Address() string { return s.listener.Addr().String() }

// OnDrain adds a step of the shutdown. It runs after health reports NOT_SERVING and before the server waits for calls. It must end streams
// that would never end otherwise.
func (s *Server) OnDrain(step func()) { s.drain = append(s.drain, step) }

// Serve answers calls until ctx ends. It then stops in order: health, the drain steps, running calls for up to StopTime, then the rest,
// with 2 s for handlers that ignore the end of their context.
func (s *Server) Serve(ctx context.Context) error {
	failed := make(chan error, 1)
	go func() { failed <- s.Server.Serve(s.listener) }()
	s.log.Info("serving", "listen", s.Address())
	select {
	case err := <-failed:
		return fmt.Errorf("serve grpc: %w", err)
	case <-ctx.Done():
	}
	s.Health.Shutdown()
	for _, step := range s.drain {
		step()
	}
	stopped := make(chan struct{})
	go func() { s.GracefulStop(); close(stopped) }()
	select {
	case <-stopped:
	case <-time.After(s.config.StopTime):
		s.Stop()
		select {
		case <-stopped:
		case <-time.After(lastTime):
			s.log.Error("some calls do not end; the process ends without waiting for them")
		}
	}
	if err := <-failed; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		s.log.Warn("the listener failed while stopping", "error", err)
	}
	return context.Cause(ctx)
}

package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/net/netutil"

	"github.com/silverback-gateway/silverback/kit/tlsfiles"
)

// The bounds of the listener.
const (
	maxConnections = 200 // at once; more wait
	maxHeaderBytes = 16 << 10
	headerTime     = 5 * time.Second
	readTime       = 10 * time.Second
	writeTime      = 40 * time.Second // more than the longest review
	shutdownTime   = 10 * time.Second
)

// ServerConfig says where reviews are asked for. API servers speak TLS only.
type ServerConfig struct {
	Listen   string
	CertFile string
	KeyFile  string
	// ClientCAFile names the authority of who may ask. Empty lets everybody ask: API servers show no certificate unless they are told to.
	ClientCAFile string
}

// AddFlags adds the flags of the listener.
func (c *ServerConfig) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&c.Listen, "webhook-listen", "127.0.0.1:7462", "where API servers ask for reviews, at https://HOST:PORT"+Path)
	flags.StringVar(&c.CertFile, "webhook-cert-file", "", "PEM file of the certificate of --webhook-listen; it is read again when it changes")
	flags.StringVar(&c.KeyFile, "webhook-key-file", "", "PEM file of its key")
	flags.StringVar(&c.ClientCAFile, "webhook-client-ca-file", "", "PEM file of the authority that signed the certificate that API servers "+
		"show; empty lets everybody ask")
}

// Check reports what is wrong with the settings.
func (c *ServerConfig) Check() error {
	var problems []error
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		problems = append(problems, fmt.Errorf("webhook listen address %q: want host:port", c.Listen))
	}
	if c.CertFile == "" {
		problems = append(problems, errors.New("--webhook-cert-file and --webhook-key-file are needed: API servers speak TLS only"))
	}
	return errors.Join(append(problems, c.files().Check("webhook-cert-file", "webhook-key-file", "webhook-client-ca-file"))...)
}

func (c *ServerConfig) files() tlsfiles.Files {
	return tlsfiles.Files{Cert: c.CertFile, Key: c.KeyFile, CA: c.ClientCAFile}
}

// TLSFiles names the files with the certificates that the listener rests on; names are empty where there is none.
func (c *ServerConfig) TLSFiles() []string { return []string{c.CertFile, c.ClientCAFile} }

// Server answers reviews.
type Server struct {
	listener net.Listener
	handler  http.Handler
}

// Listen opens the listener.
func Listen(c ServerConfig, reviewer *Reviewer, log *slog.Logger) (*Server, error) {
	source, err := tlsfiles.Server(c.files(), log, "h2", "http/1.1")
	if err != nil {
		return nil, fmt.Errorf("the files of the webhook's TLS: %w", err)
	}
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for reviews on %s: %w", c.Listen, err)
	}
	mux := http.NewServeMux()
	mux.Handle("POST "+Path, reviewer)
	return &Server{listener: tls.NewListener(netutil.LimitListener(l, maxConnections), source.ServerConfig()), handler: mux}, nil
}

// Address is where it listens.
func (s *Server) Address() string { return s.listener.Addr().String() }

// Serve answers until ctx ends, and then finishes the reviews that are under way.
func (s *Server) Serve(ctx context.Context) error {
	server := &http.Server{
		Handler: s.handler, ReadHeaderTimeout: headerTime, ReadTimeout: readTime, WriteTimeout: writeTime, IdleTimeout: time.Minute,
		MaxHeaderBytes: maxHeaderBytes, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(s.listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve reviews: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	if err := server.Shutdown(stop); err != nil {
		_ = server.Close()
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve reviews: %w", err)
	}
	return context.Cause(ctx)
}

package telemetry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/pflag"
	"golang.org/x/net/netutil"

	"github.com/silverback-gateway/silverback/kit/tlsfiles"
)

const (
	shutdownTime   = 3 * time.Second
	maxConnections = 1000 // at once; more wait
	maxHeaderBytes = 16 << 10
	maxScrapes     = 8               // of /metrics at once
	answerTime     = 2 * time.Minute // enough for the longest profile
)

// Probe checks whether a process is well. The error is the reason why not, and is shown to every caller.
type Probe func() error

// HTTP is the listener for people, load balancers and Prometheus: /metrics, /healthz and /readyz, and pprof on loopback. Handlers may be
// added before Serve.
type HTTP struct {
	*http.ServeMux
	// Warning, when set, is shown on /readyz when the process is ready but degraded. Empty means none.
	Warning  func() string
	listener net.Listener
}

// HTTPConfig is where and how the listener listens.
type HTTPConfig struct {
	Listen   string // host:port
	CertFile string // PEM; with KeyFile it turns TLS on
	KeyFile  string
	Insecure bool // allows a listener beyond loopback without TLS
}

// AddFlags adds the flags of the listener.
func (c *HTTPConfig) AddFlags(flags *pflag.FlagSet, defaultListen, what string) {
	flags.StringVar(&c.Listen, "http-listen", defaultListen, "where to listen for "+what)
	flags.StringVar(&c.CertFile, "http-cert-file", "", "PEM file of the certificate of --http-listen; turns TLS on there")
	flags.StringVar(&c.KeyFile, "http-key-file", "", "PEM file of its key")
	flags.BoolVar(&c.Insecure, "http-insecure", false, "allow --http-listen beyond loopback without TLS: it shows health and metrics to "+
		"whoever asks")
}

// Check returns what is wrong with the configuration.
func (c *HTTPConfig) Check() error {
	var problems []error
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		problems = append(problems, fmt.Errorf("http listen address %q: want host:port", c.Listen))
	}
	problems = append(problems, c.files().Check("http-cert-file", "http-key-file", ""))
	if c.CertFile == "" && !c.Insecure && !Loopback(c.Listen) {
		problems = append(problems, fmt.Errorf(
			"http listen address %s can be reached from other machines and has no TLS: give --http-cert-file and --http-key-file, or set "+
				"--http-insecure", c.Listen))
	}
	return errors.Join(problems...)
}

func (c *HTTPConfig) files() tlsfiles.Files { return tlsfiles.Files{Cert: c.CertFile, Key: c.KeyFile} }

// TLSFiles returns the names of the listener's certificate files. Unused ones are empty.
func (c *HTTPConfig) TLSFiles() []string { return []string{c.CertFile} }

// Listen opens the listener. A nil probe always passes.
func Listen(c HTTPConfig, metrics prometheus.Gatherer, healthy, ready Probe) (*HTTP, error) {
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for http on %s: %w", c.Listen, err)
	}
	l = netutil.LimitListener(l, maxConnections)
	if c.CertFile != "" {
		source, err := tlsfiles.Server(c.files(), nil, "h2", "http/1.1")
		if err != nil {
			_ = l.Close()
			return nil, fmt.Errorf("TLS files of the http listener: %w", err)
		}
		l = tls.NewListener(l, source.ServerConfig())
	}
	h := &HTTP{ServeMux: http.NewServeMux(), listener: l}
	h.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes}))
	h.HandleFunc("GET /healthz", answer(healthy, nil))
	h.HandleFunc("GET /readyz", answer(ready, func() string {
		if h.Warning == nil {
			return ""
		}
		return h.Warning()
	}))
	if Loopback(l.Addr().String()) {
		h.HandleFunc("/debug/pprof/", pprof.Index)
		h.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		h.HandleFunc("/debug/pprof/profile", pprof.Profile)
		h.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		h.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	return h, nil
}

// Address returns the address of the listener.
func (h *HTTP) Address() string { return h.listener.Addr().String() }

// Serve answers requests until ctx ends.
func (h *HTTP) Serve(ctx context.Context) error {
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: answerTime, IdleTimeout: time.Minute,
		MaxHeaderBytes: maxHeaderBytes,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(h.listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve http: %w", err)
	case <-ctx.Done():
	}
	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	if err := server.Shutdown(stopCtx); err != nil {
		_ = server.Close()
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve http: %w", err)
	}
	return context.Cause(ctx)
}

// Loopback reports whether an address is reachable from this machine only.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func answer(probe Probe, warning func() string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if probe != nil {
			if err := probe(); err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
				return
			}
		}
		fmt.Fprintln(w, "ok")
		if warning == nil {
			return
		}
		if text := warning(); text != "" {
			fmt.Fprintln(w, text)
		}
	}
}

package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const shutdownTime = 3 * time.Second

// Probe says whether a process is well; the error says why not and is shown to whoever asks.
type Probe func() error

// HTTP is the listener for people, load balancers and Prometheus: /metrics, /healthz and /readyz, and pprof when it
// listens on loopback. Handlers may be added before Serve.
type HTTP struct {
	*http.ServeMux
	listener net.Listener
}

// Listen opens the listener. A nil probe always says yes.
func Listen(address string, metrics prometheus.Gatherer, healthy, ready Probe) (*HTTP, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for http on %s: %w", address, err)
	}
	h := &HTTP{ServeMux: http.NewServeMux(), listener: l}
	h.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	h.HandleFunc("GET /healthz", answer(healthy))
	h.HandleFunc("GET /readyz", answer(ready))
	if Loopback(l.Addr().String()) {
		h.HandleFunc("/debug/pprof/", pprof.Index)
		h.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		h.HandleFunc("/debug/pprof/profile", pprof.Profile)
		h.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		h.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	return h, nil
}

// CheckListen refuses an address beyond loopback unless that is said to be meant: the listener has no TLS, and tells whoever asks.
func CheckListen(address string, insecure bool) error {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return fmt.Errorf("http listen address %q: want host:port", address)
	}
	if !insecure && !Loopback(address) {
		return fmt.Errorf("http listen address %s can be reached from other machines; add --insecure if that is meant", address)
	}
	return nil
}

// Address is where it listens.
func (h *HTTP) Address() string { return h.listener.Addr().String() }

// Serve answers until ctx ends.
func (h *HTTP) Serve(ctx context.Context) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
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

// Loopback reports whether an address can be reached from this machine only.
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

func answer(probe Probe) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if probe != nil {
			if err := probe(); err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
				return
			}
		}
		fmt.Fprintln(w, "ok")
	}
}

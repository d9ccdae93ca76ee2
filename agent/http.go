package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/silverback-gateway/silverback/agent/internal/gateway"
	"github.com/silverback-gateway/silverback/agent/internal/status"
	"github.com/silverback-gateway/silverback/kit/telemetry"
)

const (
	metricsTimeout = 10 * time.Second // Prometheus's default scrape timeout
	// maxGatewayMetrics bounds a page. Its size grows with the number of the gateway's routes.
	maxGatewayMetrics = 64 << 20
)

// endpoints serve the agent's HTTP listener.
type endpoints struct {
	log     *slog.Logger
	gateway *gateway.Gateway
	status  *status.Tracker
	turn    chan struct{} // capacity 1: held by the request for the gateway's metrics
}

// listen opens the listener; nil without an address.
func listen(c telemetry.HTTPConfig, metrics *prometheus.Registry, e *endpoints) (*telemetry.HTTP, error) {
	if c.Listen == "" {
		return nil, nil
	}
	listener, err := telemetry.Listen(c, metrics, nil, e.ready)
	if err != nil {
		return nil, err
	}
	listener.HandleFunc("GET /status", e.serveStatus)
	listener.HandleFunc("GET /gateway/metrics", e.gatewayMetrics)
	return listener, nil
}

// ready answers load balancers. The error has one reason a line.
func (e *endpoints) ready() error {
	if reasons := e.status.View().Unready(); len(reasons) > 0 {
		return errors.New(strings.Join(reasons, "\n"))
	}
	return nil
}

func (e *endpoints) serveStatus(w http.ResponseWriter, _ *http.Request) {
	view := e.status.View()
	unready := view.Unready()
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(struct { // a client that went away
		Ready   bool     `json:"ready"`
		Unready []string `json:"unready,omitempty"` // the reasons
		View
	}{len(unready) == 0, unready, view})
}

// gatewayMetrics forwards the gateway's own Prometheus metrics, so that its Admin and Status API can stay on loopback. It serves one
// request at a time, because the page is expensive for a gateway with many routes.
func (e *endpoints) gatewayMetrics(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), metricsTimeout)
	defer cancel()
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-ctx.Done():
		http.Error(w, "another request for the gateway's metrics is being served", http.StatusServiceUnavailable)
		return
	}
	// A client that does not read must not block the others. The error means that the connection has no deadlines.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(metricsTimeout))
	begun := false
	found, err := e.gateway.Metrics(ctx, func(from io.Reader) error {
		begun = true
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		n, err := io.Copy(w, io.LimitReader(from, maxGatewayMetrics+1))
		if err == nil && n > maxGatewayMetrics {
			err = fmt.Errorf("the gateway's metrics are over %d bytes", maxGatewayMetrics)
		}
		return err
	})
	switch {
	case begun && err != nil:
		e.log.Debug("gateway metrics not forwarded", "error", err)
		panic(http.ErrAbortHandler) // a partial page must not look complete
	case err != nil:
		http.Error(w, "the gateway's metrics: "+err.Error(), http.StatusBadGateway)
	case !found:
		http.Error(w, "the gateway exports no metrics: its prometheus plugin is not enabled", http.StatusNotFound)
	}
}

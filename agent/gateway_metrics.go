package agent

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	// metricsTime bounds one answer: as long as Prometheus waits for one unless told otherwise.
	metricsTime = 10 * time.Second
	// maxGatewayMetrics bounds what is handed on; a gateway counts each route by itself, so its page has no bound of its own.
	maxGatewayMetrics = 64 << 20
)

// serveGatewayMetrics hands on what the gateway exports for Prometheus, so that its Admin and Status API stay on loopback. One request is
// served at a time, for the page is dear to a gateway of many routes.
func (a *Agent) serveGatewayMetrics(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), metricsTime)
	defer cancel()
	select {
	case a.metricsTurn <- struct{}{}:
		defer func() { <-a.metricsTurn }()
	case <-ctx.Done():
		http.Error(w, "somebody else is asking for the gateway's metrics", http.StatusServiceUnavailable)
		return
	}
	// Who asks and does not read must not keep the turn. An error says that there is no such deadline to be had.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(metricsTime))
	begun := false
	found, err := a.gateway.Metrics(ctx, func(from io.Reader) error {
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
		a.log.Debug("the gateway's metrics were not handed on", "error", err)
		panic(http.ErrAbortHandler) // half a page must not pass for a whole one
	case err != nil:
		http.Error(w, "the gateway's metrics: "+err.Error(), http.StatusBadGateway)
	case !found:
		http.Error(w, "the gateway exports no metrics: its plugin prometheus is not there", http.StatusNotFound)
	}
}

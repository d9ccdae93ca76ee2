package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// ProcessStats is what GET /status says of the gateway's processes.
type ProcessStats struct {
	Workers     string // as in a Observation
	Memory      int64  // bytes that the Lua VMs of all workers hold
	Connections int64  // open client connections, those of the Admin and Status API among them
}

// statusAPI is the Status API, or the Admin API without one.
func (g *Gateway) statusAPI() api {
	if g.status.base != "" {
		return g.status
	}
	return g.admin
}

// ProcessStats reads the gateway's memory, connections and workers.
func (g *Gateway) ProcessStats(ctx context.Context) (ProcessStats, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	var answer struct {
		Server struct {
			Active int64 `json:"connections_active"`
		} `json:"server"`
		Memory struct {
			Workers []struct {
				PID       json.Number `json:"pid"`
				Allocated string      `json:"http_allocated_gc"` // "49.36 MiB"
			} `json:"workers_lua_vms"`
		} `json:"memory"`
	}
	code, err := g.statusAPI().get(ctx, "/status", &answer)
	if err != nil {
		return ProcessStats{}, err
	}
	if code != http.StatusOK {
		return ProcessStats{}, fmt.Errorf("GET /status answered %d", code)
	}
	v := ProcessStats{Connections: answer.Server.Active}
	for _, w := range answer.Memory.Workers {
		v.Workers += w.PID.String() + " "
		v.Memory += parseBytes(w.Allocated)
	}
	return v, nil
}

// parseBytes parses a size in Kong's format; 0 when it is none.
func parseBytes(text string) int64 {
	number, unit, _ := strings.Cut(text, " ")
	n, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0
	}
	switch unit {
	case "KiB":
		n *= 1 << 10
	case "MiB":
		n *= 1 << 20
	case "GiB":
		n *= 1 << 30
	}
	return int64(n)
}

// Metrics passes the gateway's Prometheus metrics to read. It returns false when the prometheus plugin is not enabled.
func (g *Gateway) Metrics(ctx context.Context, read func(io.Reader) error) (bool, error) {
	resp, err := g.statusAPI().open(ctx, "/metrics")
	if err != nil {
		return false, err
	}
	defer func() { _ = resp.Body.Close() }()
	switch {
	case resp.StatusCode == http.StatusNotFound:
		drain(resp.Body)
		return false, nil
	case resp.StatusCode != http.StatusOK:
		return false, fmt.Errorf("GET /metrics answered %d", resp.StatusCode)
	}
	return true, read(resp.Body)
}

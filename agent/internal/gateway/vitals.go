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

// Vitals are what a gateway says of its own processes.
type Vitals struct {
	Workers     string // as in a Sighting
	Memory      int64  // bytes that the Lua VMs of all workers hold
	Connections int64  // open client connections, those of the Admin and Status API among them
}

// control is the listener that says how the gateway is: the Status API, or the Admin API where there is none.
func (g *Gateway) control() api {
	if g.status.base != "" {
		return g.status
	}
	return g.admin
}

// Vitals asks the gateway how its processes are.
func (g *Gateway) Vitals(ctx context.Context) (Vitals, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	var said struct {
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
	code, err := g.control().get(ctx, "/status", &said)
	if err != nil {
		return Vitals{}, err
	}
	if code != http.StatusOK {
		return Vitals{}, fmt.Errorf("GET /status answered %d", code)
	}
	v := Vitals{Connections: said.Server.Active}
	for _, w := range said.Memory.Workers {
		v.Workers += w.PID.String() + " "
		v.Memory += parseBytes(w.Allocated)
	}
	return v, nil
}

// parseBytes reads a size as Kong writes them; 0 when it is none.
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

// Metrics hands what the gateway exports for Prometheus to read. It reports false when the gateway exports nothing: its prometheus plugin
// is not enabled.
func (g *Gateway) Metrics(ctx context.Context, read func(io.Reader) error) (bool, error) {
	resp, err := g.control().open(ctx, "/metrics")
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

package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// ProcessStats is what GET /status says of the gateway's processes.
type ProcessStats struct {
	Workers     string // as in an Observation
	Memory      int64  // bytes that the Lua VMs of all workers hold
	Connections int64  // open client connections, those of the Admin and Status API among them
	Hash        fleet.GatewayHash
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
	answer, err := g.readStatus(ctx)
	if err != nil {
		return ProcessStats{}, err
	}
	v := ProcessStats{Connections: answer.Server.Active, Workers: answer.workers(), Hash: fleet.GatewayHash(answer.Hash)}
	for _, w := range answer.Memory.Workers {
		v.Memory += parseBytes(w.Allocated)
	}
	return v, nil
}

// statusAnswer is the answer to GET /status. That of go-kong leaves out the workers.
type statusAnswer struct {
	Hash   string `json:"configuration_hash"`
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

func (a statusAnswer) workers() (pids string) {
	for _, w := range a.Memory.Workers {
		pids += w.PID.String() + " "
	}
	return pids
}

func (g *Gateway) readStatus(ctx context.Context) (answer statusAnswer, err error) {
	code, err := g.statusAPI().get(ctx, "/status", &answer)
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("GET /status answered %d", code)
	}
	return answer, err
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

package fleet

import "time"

// Health is how a gateway handles its traffic over a window. Nil figures are unknown. Its JSON form is part of the agent's /status.
type Health struct {
	Window         time.Duration  `json:"window_ns"`
	Requests       *int64         `json:"requests,omitempty"`
	ServerErrors   *int64         `json:"server_errors,omitempty"`
	LatencyP50     *time.Duration `json:"latency_p50_ns,omitempty"`
	LatencyP99     *time.Duration `json:"latency_p99_ns,omitempty"`
	Connections    *int64         `json:"connections,omitempty"`
	MemoryBytes    int64          `json:"memory_bytes"`
	WorkerRestarts int64          `json:"worker_restarts"`
	Probes         []ProbeResult  `json:"probes,omitempty"`
}

// ProbeResult summarizes the answers to one probe within the window.
type ProbeResult struct {
	Path    string `json:"path"`
	Host    string `json:"host,omitempty"`
	Sent    int    `json:"sent"`
	Failed  int    `json:"failed"`
	Reason  string `json:"reason,omitempty"` // of the last failure within the window
	Failing bool   `json:"failing"`          // after damping; not part of the message
}

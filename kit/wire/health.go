package wire

import (
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/silverback-gateway/silverback/kit/fleet"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
)

// HealthMessage converts the health of a gateway to its message. Nil stays nil.
func HealthMessage(h *fleet.Health) *fleetv1.Health {
	if h == nil {
		return nil
	}
	m := &fleetv1.Health{
		Window: durationpb.New(h.Window), Requests: h.Requests, ServerErrors: h.ServerErrors, LatencyP50: durationMessage(h.LatencyP50),
		LatencyP99: durationMessage(h.LatencyP99), Connections: h.Connections, MemoryBytes: h.MemoryBytes, WorkerRestarts: h.WorkerRestarts,
	}
	for _, p := range h.Probes {
		m.Probes = append(m.Probes, &fleetv1.ProbeResult{Path: p.Path, Host: p.Host, Sent: int32(p.Sent), Failed: int32(p.Failed),
			Reason: p.Reason})
	}
	return m
}

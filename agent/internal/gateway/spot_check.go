package gateway

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/proof"
)

// A spot check sends this many requests. One orphan beside four workers gets a fifth of all connections, and 20 spot checks
// meet it with a probability of 99.98 %. Five meet one that gets half of them with 99.9 %.
const (
	spotChecks       = 2
	spotCheckTimeout = time.Second
)

// SpotCheck asks the reserved route of a proven gateway over a few fresh connections. It reports a mismatch when another
// configuration answers, or a process that the last proof did not meet: then the caller should prove again. No answer is no
// mismatch.
func (g *Gateway) SpotCheck(ctx context.Context, digest fleet.Digest, form proof.Form) (mismatch bool) {
	if form == proof.None {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, spotCheckTimeout)
	defer cancel()
	for range spotChecks {
		a, err := g.ask(ctx)
		if errors.Is(err, errNoRoute) || err == nil && (a.Digest != digest || g.unknown(a)) {
			return true
		}
		if err != nil {
			return false
		}
	}
	return false
}

// keepProcesses keeps the processes that a proof met.
func (g *Gateway) keepProcesses(processes map[int]int) {
	processes = maps.Clone(processes)
	g.processes.Store(&processes)
}

// unknown reports whether the last proof did not meet the process of an answer.
func (g *Gateway) unknown(a proof.Answer) bool {
	processes := g.processes.Load()
	return processes != nil && a.Process != 0 && (*processes)[a.Worker] != a.Process
}

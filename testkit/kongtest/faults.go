package kongtest

import "time"

// RefuseRoute makes the gateway refuse every configuration with a route of that
// name, as if the route were invalid.
func (g *Gateway) RefuseRoute(name string) { g.admin.Faults.RefuseRoute(name) }

// RefuseIf makes the gateway refuse every configuration for one of whose
// entities the function returns a message. It gets the plural kind and the
// entity as posted, which it must not change; nil ends the refusing.
func (g *Gateway) RefuseIf(refuse func(kind string, entity map[string]any) string) {
	g.admin.Faults.RefuseIf(refuse)
}

// FailNext answers the next n posts with a status instead of loading: 413 is
// the full LMDB map, 429 carries Retry-After.
func (g *Gateway) FailNext(status, n int) { g.admin.Faults.FailNext(status, n) }

// Hang leaves posts without an answer until the returned function is called,
// the client goes away or the gateway stops.
func (g *Gateway) Hang() (release func()) { return g.admin.Faults.Hang() }

// Slow makes each post take that much longer; 0 ends it.
func (g *Gateway) Slow(d time.Duration) { g.admin.Faults.Slow(d) }

// CloseHalfway lets the next n posts load and breaks the connection in the
// middle of their answers.
func (g *Gateway) CloseHalfway(n int) { g.admin.Faults.CloseHalfway(n) }

// WorkersStuck keeps the workers at what they serve while the Admin API goes on
// accepting; false lets them turn to what is in force.
func (g *Gateway) WorkersStuck(stuck bool) {
	g.admin.Faults.KeepWorkers(stuck)
	if stuck {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, w := range g.proxy.Workers() {
		if g.current != nil {
			w.Turn(g.current.table)
		}
	}
}

// LeaveStale has the next n loads leave the workers on the router of before, behind a 201, until the next load (F43).
func (g *Gateway) LeaveStale(n int) { g.admin.Faults.LeaveStale(n) }

// StaleWhenHasty has every load do so that comes sooner after the one before; 0 ends it. A real Kong was seen to with
// less than 0.3 s between loads (F43).
func (g *Gateway) StaleWhenHasty(sooner time.Duration) { g.admin.Faults.StaleWhenHasty(sooner) }

// KeepHealth has loads keep the health of targets that stay in their upstreams. F46 saw loads forget it; a Kong 3.9.3 was seen to keep
// it too, with one worker and with two.
func (g *Gateway) KeepHealth(keep bool) { g.admin.Faults.KeepHealth(keep) }

// KillMaster is kill -9 of nginx's master alone, and a start: the workers of before stay with what they serve, and share
// the proxy's connections with the new ones (F48), until EndOrphans or the gateway's next stop.
func (g *Gateway) KillMaster() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.proxy.Orphan(g.current.served())
	close(g.gone)
	g.gone = make(chan struct{})
}

// EndOrphans ends the workers that KillMaster left behind.
func (g *Gateway) EndOrphans() { g.proxy.EndOrphans() }

package kongtest

import "time"

// RefuseRoute makes the gateway refuse every configuration with a route of that
// name, as if the route were invalid.
func (g *Gateway) RefuseRoute(name string) { g.admin.Faults.RefuseRoute(name) }

// RefuseIf makes the gateway refuse every configuration for one of whose entities the function returns a message. The function gets the
// plural kind and the entity as posted, which it must not change. nil ends the refusals.
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

// WorkersStuck makes the workers keep what they serve while the Admin API accepts configurations. false lets them switch to the present
// one.
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

// LeaveStale makes the next n loads leave the workers on the previous router, despite a 201, until the next load (F43).
func (g *Gateway) LeaveStale(n int) { g.admin.Faults.LeaveStale(n) }

// StaleWhenHasty does the same for every load that comes sooner than a time after the previous one; 0 ends it. A real Kong did so with less
// than 0.3 s between loads (F43).
func (g *Gateway) StaleWhenHasty(sooner time.Duration) { g.admin.Faults.StaleWhenHasty(sooner) }

// WedgeRouters makes the workers keep their router from now on, despite each 201, until a restart. A real Kong did so when a load found a
// route of four kinds of criteria under another priority than it had stored.
func (g *Gateway) WedgeRouters() { g.admin.Faults.Wedge() }

// KeepHealth makes loads keep the health of targets that stay in their upstreams. In F46 loads reset it; a Kong 3.9.3 was also seen to keep
// it, with one worker and with two.
func (g *Gateway) KeepHealth(keep bool) { g.admin.Faults.KeepHealth(keep) }

// KillMaster is kill -9 of nginx's master alone, and a start. The old workers keep serving their configuration and share the proxy's
// connections with the new ones (F48), until EndOrphans or the gateway's next stop.
func (g *Gateway) KillMaster() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.proxy.Orphan(g.current.served())
	close(g.gone)
	g.gone = make(chan struct{})
}

// EndOrphans ends the workers that KillMaster left behind.
func (g *Gateway) EndOrphans() { g.proxy.EndOrphans() }

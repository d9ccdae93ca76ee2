package kongtest

import (
	"sync"
	"time"
)

// faults is what a test asked to go wrong with POST /config.
type faults struct {
	mu      sync.Mutex
	refuse  func(kind string, entity map[string]any) string
	status  int
	failing int
	cutting int
	slow    time.Duration
	hung    chan struct{} // closed when the hanging ends
	held    bool          // workers do not turn
	staling int           // loads that leave the workers on the old router
	hasty   time.Duration // so do loads that follow the last one sooner
}

// RefuseRoute makes the gateway refuse every configuration with a route of that
// name, as if the route were invalid.
func (g *Gateway) RefuseRoute(name string) {
	g.RefuseIf(func(kind string, entity map[string]any) string {
		if kind == "routes" && entity["name"] == name {
			return "refused for the test"
		}
		return ""
	})
}

// RefuseIf makes the gateway refuse every configuration for one of whose
// entities the function returns a message. It gets the plural kind and the
// entity as posted, which it must not change; nil ends the refusing.
func (g *Gateway) RefuseIf(refuse func(kind string, entity map[string]any) string) {
	g.faults.mu.Lock()
	defer g.faults.mu.Unlock()
	g.faults.refuse = refuse
}

// FailNext answers the next n posts with a status instead of loading: 413 is
// the full LMDB map, 429 carries Retry-After.
func (g *Gateway) FailNext(status, n int) {
	g.faults.mu.Lock()
	defer g.faults.mu.Unlock()
	g.faults.status, g.faults.failing = status, n
}

// Hang leaves posts without an answer until the returned function is called,
// the client goes away or the gateway stops.
func (g *Gateway) Hang() (release func()) {
	hung := make(chan struct{})
	g.faults.mu.Lock()
	g.faults.hung = hung
	g.faults.mu.Unlock()
	return sync.OnceFunc(func() {
		g.faults.mu.Lock()
		if g.faults.hung == hung {
			g.faults.hung = nil
		}
		g.faults.mu.Unlock()
		close(hung)
	})
}

// Slow makes each post take that much longer; 0 ends it.
func (g *Gateway) Slow(d time.Duration) {
	g.faults.mu.Lock()
	defer g.faults.mu.Unlock()
	g.faults.slow = d
}

// CloseHalfway lets the next n posts load and breaks the connection in the
// middle of their answers.
func (g *Gateway) CloseHalfway(n int) {
	g.faults.mu.Lock()
	defer g.faults.mu.Unlock()
	g.faults.cutting = n
}

// WorkersStuck keeps the workers at what they serve while the Admin API goes on
// accepting; false lets them turn to what is in force.
func (g *Gateway) WorkersStuck(stuck bool) {
	g.faults.mu.Lock()
	g.faults.held = stuck
	g.faults.mu.Unlock()
	if stuck {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, w := range g.workers {
		if g.current != nil {
			w.router.Store(g.current.router)
		}
	}
}

// LeaveStale has the next n loads leave the workers on the router of before, behind a 201, until the next load (F43).
func (g *Gateway) LeaveStale(n int) {
	g.faults.mu.Lock()
	defer g.faults.mu.Unlock()
	g.faults.staling = n
}

// StaleWhenHasty has every load do so that comes sooner after the one before; 0 ends it. A real Kong was seen to with
// less than 0.3 s between loads (F43).
func (g *Gateway) StaleWhenHasty(sooner time.Duration) {
	g.faults.mu.Lock()
	defer g.faults.mu.Unlock()
	g.faults.hasty = sooner
}

// KillMaster is kill -9 of nginx's master alone, and a start: the workers of before stay with what they serve, and share
// the proxy's connections with the new ones (F48), until EndOrphans or the gateway's next stop.
func (g *Gateway) KillMaster() {
	pids := g.pids()
	g.mu.Lock()
	defer g.mu.Unlock()
	fresh := make([]*worker, len(g.workers))
	for i, w := range g.workers {
		w.orphan = pids[i]
		fresh[i] = &worker{id: i, count: w.count}
		if g.current != nil {
			fresh[i].router.Store(g.current.router)
		}
	}
	g.orphans, g.workers = append(g.orphans, g.workers...), fresh
	g.generations++
	close(g.gone)
	g.gone = make(chan struct{})
}

// EndOrphans ends the workers that KillMaster left behind.
func (g *Gateway) EndOrphans() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.orphans = nil
}

// stale takes how long ago the load before was.
func (f *faults) stale(since time.Duration) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.staling > 0 {
		f.staling--
		return true
	}
	return since < f.hasty
}

func (f *faults) stuck() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.held
}

func (f *faults) refusal() func(kind string, entity map[string]any) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refuse
}

// fails returns the status to answer with instead of loading, or 0.
func (f *faults) fails() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failing == 0 {
		return 0
	}
	f.failing--
	return f.status
}

func (f *faults) cuts() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cutting == 0 {
		return false
	}
	f.cutting--
	return true
}

func (f *faults) delays() (time.Duration, chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.slow, f.hung
}

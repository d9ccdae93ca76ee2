package admin

import (
	"sync"
	"time"
)

// Faults are the faults that a test set. The zero value is none.
type Faults struct {
	mu      sync.Mutex
	refuse  func(kind string, entity map[string]any) string
	status  int
	failing int
	cutting int
	slow    time.Duration
	hung    chan struct{} // closed when the hanging ends
	held    bool          // workers do not switch
	staling int           // loads that leave the workers on the old router
	hasty   time.Duration // loads that follow the last one sooner do the same
	healthy bool          // loads keep the health of targets
	wedged  bool          // workers switch no more until a restart
}

// RefuseRoute makes the gateway refuse every configuration with a route of that
// name, as if the route were invalid.
func (f *Faults) RefuseRoute(name string) {
	f.RefuseIf(func(kind string, entity map[string]any) string {
		if kind == "routes" && entity["name"] == name {
			return "refused for the test"
		}
		return ""
	})
}

// RefuseIf makes the gateway refuse every configuration for one of whose entities the function returns a message. The function gets the
// plural kind and the entity as posted, which it must not change. nil ends the refusals.
func (f *Faults) RefuseIf(refuse func(kind string, entity map[string]any) string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuse = refuse
}

// FailNext answers the next n posts with a status instead of loading: 413 is
// the full LMDB map, 429 carries Retry-After.
func (f *Faults) FailNext(status, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status, f.failing = status, n
}

// Hang leaves posts without an answer until the returned function is called,
// the client goes away or the gateway stops.
func (f *Faults) Hang() (release func()) {
	hung := make(chan struct{})
	f.mu.Lock()
	f.hung = hung
	f.mu.Unlock()
	return sync.OnceFunc(func() {
		f.mu.Lock()
		if f.hung == hung {
			f.hung = nil
		}
		f.mu.Unlock()
		close(hung)
	})
}

// Slow makes each post take that much longer; 0 ends it.
func (f *Faults) Slow(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.slow = d
}

// CloseHalfway lets the next n posts load and breaks the connection in the
// middle of their answers.
func (f *Faults) CloseHalfway(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cutting = n
}

// KeepWorkers makes the workers keep what they serve.
func (f *Faults) KeepWorkers(stuck bool) {
	f.mu.Lock()
	f.held = stuck
	f.mu.Unlock()
}

// KeepHealth has loads keep the health of targets.
func (f *Faults) KeepHealth(keep bool) {
	f.mu.Lock()
	f.healthy = keep
	f.mu.Unlock()
}

// KeepsHealth reports whether loads keep the health of targets.
func (f *Faults) KeepsHealth() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.healthy
}

// LeaveStale makes the next n loads leave the workers on the previous router, despite a 201, until the next load (F43).
func (f *Faults) LeaveStale(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.staling = n
}

// StaleWhenHasty does the same for every load that comes sooner than a time after the previous one; 0 ends it. A real Kong did so with less
// than 0.3 s between loads (F43).
func (f *Faults) StaleWhenHasty(sooner time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hasty = sooner
}

// Stale reports whether a load leaves the workers on the previous router (F43). since is the time since the previous load.
func (f *Faults) Stale(since time.Duration) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.staling > 0 {
		f.staling--
		return true
	}
	return since < f.hasty
}

// Wedge makes the workers keep their router, whatever is loaded, until Unwedge.
func (f *Faults) Wedge() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wedged = true
}

// Unwedge is a start of the gateway.
func (f *Faults) Unwedge() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wedged = false
}

// Stuck reports whether workers keep what they serve.
func (f *Faults) Stuck() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.held || f.wedged
}

// Refusal returns the function of RefuseIf, or nil.
func (f *Faults) Refusal() func(kind string, entity map[string]any) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refuse
}

// fails returns the status to answer with instead of loading, or 0.
func (f *Faults) fails() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failing == 0 {
		return 0
	}
	f.failing--
	return f.status
}

func (f *Faults) cuts() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cutting == 0 {
		return false
	}
	f.cutting--
	return true
}

func (f *Faults) delays() (time.Duration, chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.slow, f.hung
}

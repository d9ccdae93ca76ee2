package proxy

import (
	"context"
	"net"
	"os"
	"sync/atomic"
)

// Worker is one of Kong's nginx workers. It has connections of its own, and its view of the configuration lags behind the Admin API's.
type Worker struct {
	id     int
	count  int // of all workers
	orphan int // its process id when its master was killed (F48); else 0
	table  atomic.Pointer[Table]
}

// Turn has the worker serve a configuration; nil is none.
func (w *Worker) Turn(t *Table) { w.table.Store(t) }

type workerKey struct{}

// Assign gives a new connection to a worker, in turn, as http.Server.ConnContext. It stays there.
func (p *Proxy) Assign(ctx context.Context, _ net.Conn) context.Context {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.connections++
	n := p.connections % (len(p.workers) + len(p.orphans))
	if n < len(p.workers) {
		return context.WithValue(ctx, workerKey{}, p.workers[n])
	}
	return context.WithValue(ctx, workerKey{}, p.orphans[n-len(p.workers)])
}

// Start replaces all workers by new ones that serve a configuration; nil is none.
func (p *Proxy) Start(workers int, t *Table) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.orphans, p.workers = nil, fresh(workers, t)
	p.generations++
}

// Orphan is the death of nginx's master: its workers stay with what they serve and share the connections with new ones (F48).
func (p *Proxy) Orphan(t *Table) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, w := range p.workers {
		w.orphan = p.pid(i)
	}
	p.orphans, p.workers = append(p.orphans, p.workers...), fresh(len(p.workers), t)
	p.generations++
}

// EndOrphans ends the workers of killed masters.
func (p *Proxy) EndOrphans() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.orphans = nil
}

// Reload gives the workers new process ids.
func (p *Proxy) Reload() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.generations++
}

// Workers returns the workers, without orphans.
func (p *Proxy) Workers() []*Worker {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.workers
}

// PIDs returns made-up process ids of the workers. They change with each start and each reload, as Kong's do.
func (p *Proxy) PIDs() []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	pids := make([]int, len(p.workers))
	for i := range pids {
		pids[i] = p.pid(i)
	}
	return pids
}

func (p *Proxy) pid(worker int) int { return os.Getpid() + p.generations*len(p.workers) + worker }

func (p *Proxy) pidOf(w *Worker) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.orphan != 0 {
		return w.orphan
	}
	return p.pid(w.id)
}

func fresh(n int, t *Table) []*Worker {
	all := make([]*Worker, n)
	for i := range all {
		all[i] = &Worker{id: i, count: n}
		all[i].Turn(t)
	}
	return all
}

package distributor

import "sync"

// An outage records while etcd does not answer this replica. It is safe for concurrent use.
type outage struct {
	mu   sync.Mutex
	why  error
	lost chan struct{} // closed while there is an outage
}

func newOutage() *outage { return &outage{lost: make(chan struct{})} }

func (o *outage) begin(why error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.why == nil {
		close(o.lost)
	}
	o.why = why
}

func (o *outage) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.why != nil {
		o.why, o.lost = nil, make(chan struct{})
	}
}

// state returns a channel that is closed when an outage begins, and why etcd does not answer; nil when it does.
func (o *outage) state() (lost <-chan struct{}, why error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.lost, o.why
}

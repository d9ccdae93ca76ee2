package nodes

import (
	"context"

	"github.com/silverback-gateway/silverback/test/load/worker"
)

// Role is the role of the worker that holds the agents.
const Role = "nodes"

// Serve is that worker.
func Serve(_ context.Context, serve func(map[string]worker.Method) error) error {
	t := &fleet{}
	defer func() { _, _ = t.close(context.Background(), struct{}{}) }()
	return serve(map[string]worker.Method{
		"enrol": worker.Do(t.enrol), "open": worker.Do(t.open), "greet": worker.Do(t.greet), "connect": worker.Do(t.connect),
		"await": worker.Do(t.await), "close": worker.Do(t.close),
		"hold": worker.Do(func(_ context.Context, on bool) (struct{}, error) {
			t.hold.Store(on)
			if !on {
				for _, a := range t.agents {
					a.release()
				}
			}
			return struct{}{}, nil
		}),
		"traffic": worker.Do(func(context.Context, struct{}) (Traffic, error) {
			return Traffic{Received: t.traffic.received.Load(), Sent: t.traffic.sent.Load()}, nil
		}),
	})
}

// Nodes is agents in a process of their own. One call at a time.
type Nodes struct{ worker *worker.Worker }

// Start starts the process; there are no agents yet.
func Start(ctx context.Context) (*Nodes, error) {
	w, err := worker.Start(ctx, Role)
	return &Nodes{w}, err
}

// Enrol makes the nodes known to the registry.
func (t *Nodes) Enrol(s Spec) error { return t.worker.Call("enrol", s, nil) }

// Open connects the agents and opens their streams, on which they say nothing yet.
func (t *Nodes) Open(s Spec) error { return t.worker.Call("open", s, nil) }

// Greet lets every agent say hello, and waits until the replica has taken each.
func (t *Nodes) Greet(b Base) error { return t.worker.Call("greet", b, nil) }

// Connect is Open and Greet in one go, for an agent says hello as soon as it is connected.
func (t *Nodes) Connect(s Spec, b Base) error { return t.worker.Call("connect", connecting{s, b}, nil) }

// Await waits until every agent has received a revision whole.
func (t *Nodes) Await(revision int64) (r Receipt, err error) {
	err = t.worker.Call("await", revision, &r)
	return r, err
}

// Hold makes the agents keep their acks back, or send those that they kept.
func (t *Nodes) Hold(on bool) error { return t.worker.Call("hold", on, nil) }

// Traffic is what went over the agents' connections since the process started.
func (t *Nodes) Traffic() (r Traffic, err error) {
	err = t.worker.Call("traffic", struct{}{}, &r)
	return r, err
}

// CloseAgents ends every stream and connection; the process stays.
func (t *Nodes) CloseAgents() error { return t.worker.Call("close", struct{}{}, nil) }

// Close ends the process.
func (t *Nodes) Close() { t.worker.Close() }

// Package nodes is thousands of agents in one process, without gateways: they enrol, follow their assignment over real gRPC
// and ack what they are sent. It measures when the last of them has something, and how many bytes that took.
package nodes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"

	"github.com/silverback-gateway/silverback/kit/rpc"
)

// Spec says which agents there are and where they connect.
type Spec struct {
	Registry    string
	Distributor string
	Group       string
	Agents      int
	PerConn     int // streams on one connection; a real agent has its own
}

// Base is what the agents hold and serve when they say hello; the zero value is nothing.
type Base struct {
	Digest   string
	Revision int64
}

// Receipt says when the agents had something.
type Receipt struct {
	First, Last int64 // nanoseconds of the Unix epoch
	Count       int
}

// Traffic is the bytes that went over the agents' connections so far.
type Traffic struct{ Received, Sent int64 }

const (
	patience = time.Minute
	// enrolling bounds the calls to the registry at once.
	enrolling = 64
)

// arrival is how many agents have received a revision.
type arrival struct {
	first, last int64
	count       int
	all         chan struct{} // closed when every agent has
}

type fleet struct {
	spec    Spec
	traffic traffic
	hold    atomic.Bool
	conns   []*grpc.ClientConn
	agents  []*agent
	running sync.WaitGroup

	mu       sync.Mutex
	arrivals map[int64]*arrival
	broken   error
	closing  bool
}

func (t *fleet) arrival(revision int64) *arrival {
	a := t.arrivals[revision]
	if a == nil {
		a = &arrival{all: make(chan struct{})}
		t.arrivals[revision] = a
	}
	return a
}

func (t *fleet) arrived(revision, now int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.arrival(revision)
	if a.count++; a.first == 0 {
		a.first = now
	}
	a.last = max(a.last, now)
	if a.count == len(t.agents) {
		close(a.all)
	}
}

func (t *fleet) ended(a *agent, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closing && t.broken == nil {
		t.broken = fmt.Errorf("stream of %s ended: %w", a.node, err)
	}
}

func nodeName(i int) string { return fmt.Sprintf("node-%05d", i) }

// enrol makes the nodes known to the registry, so that rollouts count them.
func (t *fleet) enrol(ctx context.Context, s Spec) (struct{}, error) {
	conn, err := rpc.Dial(rpc.ClientConfig{Addresses: []string{s.Registry}})
	if err != nil {
		return struct{}{}, err
	}
	defer func() { _ = conn.Close() }()
	client := registryv1.NewRegistryServiceClient(conn)
	return struct{}{}, each(s.Agents, enrolling, func(i int) error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		_, err := client.EnrolNode(ctx, &registryv1.EnrolNodeRequest{Group: s.Group, Node: nodeName(i), BootId: "bench", AgentVersion: "bench"})
		if err != nil {
			return fmt.Errorf("enrol %s: %w", nodeName(i), err)
		}
		return nil
	})
}

// open opens the connections and the streams, and says nothing on them yet.
func (t *fleet) open(_ context.Context, s Spec) (struct{}, error) {
	if err := t.dial(s); err != nil {
		return struct{}{}, err
	}
	return struct{}{}, each(s.Agents, s.Agents, t.openOne)
}

func (t *fleet) dial(s Spec) error {
	t.spec, t.arrivals, t.broken, t.closing = s, map[int64]*arrival{}, nil, false
	t.agents = make([]*agent, s.Agents)
	t.conns = make([]*grpc.ClientConn, (s.Agents+s.PerConn-1)/s.PerConn)
	for i := range t.conns {
		conn, err := dial(s.Distributor, &t.traffic)
		if err != nil {
			return err
		}
		t.conns[i] = conn
	}
	return nil
}

func (t *fleet) openOne(i int) error {
	ctx, cancel := context.WithCancel(context.Background())
	stream, err := distributorv1.NewDeliveryServiceClient(t.conns[i/t.spec.PerConn]).FollowAssignment(ctx, grpc.WaitForReady(true))
	if err != nil {
		cancel()
		return fmt.Errorf("open stream of %s: %w", nodeName(i), err)
	}
	t.agents[i] = &agent{fleet: t, node: nodeName(i), stream: stream, cancel: cancel}
	return nil
}

// greet says hello on every stream and waits until the replica has taken it.
func (t *fleet) greet(_ context.Context, b Base) (struct{}, error) {
	return struct{}{}, each(len(t.agents), len(t.agents), func(i int) error { return t.greetOne(i, b) })
}

func (t *fleet) greetOne(i int, b Base) error {
	a := t.agents[i]
	a.last = b.Revision
	err := a.stream.Send(hello(t.spec.Group, a.node, b))
	if err == nil {
		var header metadata.MD
		header, err = a.stream.Header()
		if err == nil && header == nil {
			err = io.EOF
		}
	}
	if errors.Is(err, io.EOF) {
		_, err = a.stream.Recv() // says why it ended
	}
	if err != nil {
		return fmt.Errorf("hello of %s: %w", a.node, err)
	}
	t.running.Go(a.follow)
	return nil
}

// connect opens and greets in one go, all agents at once.
func (t *fleet) connect(_ context.Context, c connecting) (struct{}, error) {
	if err := t.dial(c.Spec); err != nil {
		return struct{}{}, err
	}
	return struct{}{}, each(c.Agents, c.Agents, func(i int) error {
		if err := t.openOne(i); err != nil {
			return err
		}
		return t.greetOne(i, c.Base)
	})
}

type connecting struct {
	Spec
	Base
}

// await waits until every agent has received a revision.
func (t *fleet) await(_ context.Context, revision int64) (Receipt, error) {
	t.mu.Lock()
	a := t.arrival(revision)
	t.mu.Unlock()
	var late error
	select {
	case <-a.all:
	case <-time.After(patience):
		late = fmt.Errorf("not every agent received revision %d in %s", revision, patience)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	r := Receipt{First: a.first, Last: a.last, Count: a.count}
	if late != nil {
		late = fmt.Errorf("%w: %d of %d did", late, r.Count, len(t.agents))
	}
	return r, errors.Join(late, t.broken)
}

func (t *fleet) close(context.Context, struct{}) (struct{}, error) {
	t.mu.Lock()
	t.closing = true
	t.mu.Unlock()
	for _, a := range t.agents {
		if a != nil {
			a.cancel()
		}
	}
	for _, c := range t.conns {
		if c != nil {
			_ = c.Close()
		}
	}
	t.running.Wait()
	t.agents, t.conns = nil, nil
	return struct{}{}, nil
}

// each does something n times, at most so many at once, and stops with the first error.
func each(n, atOnce int, do func(i int) error) error {
	var group sync.WaitGroup
	var next atomic.Int64
	var once sync.Once
	var first error
	for range min(n, atOnce) {
		group.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := do(i); err != nil {
					once.Do(func() { first = err })
					next.Store(int64(n))
				}
			}
		})
	}
	group.Wait()
	return first
}

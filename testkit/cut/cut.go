// Package cut is a network link that a test can cut, one way or both, slow down, or reset. It forwards TCP on loopback, so it needs no
// privileges. It does not drop single packets: TCP repeats those, and programs see loss as delay, which Lose makes.
package cut

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// A Direction is a way that bytes take. Directions may be combined.
type Direction uint8

// The directions, as the client sees them.
const (
	ToServer Direction = 1 << iota
	ToClient
	Both = ToServer | ToClient
)

const (
	dialTimeout = 5 * time.Second
	repeatTime  = 200 * time.Millisecond // after which TCP sends again at the soonest what was lost
)

// A Link forwards connections to one server. It is safe for concurrent use, and ends with its test.
type Link struct {
	// Address is where clients connect, host:port.
	Address string

	target string

	mu      sync.Mutex
	cut     Direction
	delay   time.Duration
	loss    float64
	changed chan struct{} // closed and replaced at each change
	conns   map[net.Conn]struct{}
	closed  bool
}

// New returns a link to a server at host:port. The server need not exist yet.
func New(tb testing.TB, target string) *Link {
	tb.Helper()
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("listen for a link to %s: %v", target, err)
	}
	l := &Link{Address: listener.Addr().String(), target: target, changed: make(chan struct{}), conns: map[net.Conn]struct{}{}}
	var pipes sync.WaitGroup
	pipes.Go(func() { l.accept(listener, &pipes) })
	tb.Cleanup(func() {
		_ = listener.Close()
		l.set(func() { l.closed = true })
		l.Reset()
		pipes.Wait()
	})
	return l
}

// Cut stops bytes in these directions, in addition to those that are cut already. The bytes are not lost: as in a cut network they arrive
// after Heal, unless an end gives up before. A connection that is made meanwhile is accepted and stays silent.
func (l *Link) Cut(d Direction) { l.set(func() { l.cut |= d }) }

// Heal lets bytes through again, at once, without delay or loss.
func (l *Link) Heal() { l.set(func() { l.cut, l.delay, l.loss = 0, 0, 0 }) }

// Delay holds each piece of data back for a time, in both directions.
func (l *Link) Delay(d time.Duration) { l.set(func() { l.delay = d }) }

// Lose makes each piece of data be lost with a probability, in both directions, and arrive when it is sent again.
func (l *Link) Lose(probability float64) { l.set(func() { l.loss = probability }) }

// Reset ends every open connection. Both ends see a reset.
func (l *Link) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for conn := range l.conns {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
	}
	clear(l.conns)
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *Link) set(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *Link) accept(listener net.Listener, pipes *sync.WaitGroup) {
	for {
		near, err := listener.Accept()
		if err != nil {
			return
		}
		pipes.Go(func() { l.connect(near, pipes) })
	}
}

// connect waits until the link is open before it dials: a cut link reaches no server.
func (l *Link) connect(near net.Conn, pipes *sync.WaitGroup) {
	if !l.track(near) || !l.pass(near, ToServer) {
		_ = near.Close()
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	far, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.target)
	if err != nil || !l.track(far) {
		l.drop(near)
		if err == nil {
			_ = far.Close()
		}
		return
	}
	pipes.Go(func() { l.pipe(near, far, ToServer) })
	l.pipe(far, near, ToClient)
}

// track records a connection. It returns false when the link has ended.
func (l *Link) track(conn net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.conns[conn] = struct{}{}
	}
	return !l.closed
}

func (l *Link) drop(conns ...net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, conn := range conns {
		_ = conn.Close()
		delete(l.conns, conn)
	}
}

// pass waits until a direction is open and its delay is over. It returns false when the connection was reset meanwhile.
func (l *Link) pass(conn net.Conn, d Direction) bool {
	var waited <-chan time.Time
	luck := rand.Float64()
	for {
		l.mu.Lock()
		_, alive := l.conns[conn]
		blocked, delay, changed := l.cut&d != 0, l.delay, l.changed
		if luck < l.loss {
			delay += repeatTime
		}
		l.mu.Unlock()
		switch {
		case !alive:
			return false
		case blocked:
			<-changed
			continue
		case delay == 0:
			return true
		case waited == nil:
			waited = time.After(delay)
		}
		select {
		case <-waited:
			return true
		case <-changed:
		}
	}
}

func (l *Link) pipe(from, to net.Conn, d Direction) {
	defer l.drop(from, to)
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if !l.pass(from, d) {
				return
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			// The end of a connection travels like its bytes.
			l.pass(from, d)
			return
		}
	}
}

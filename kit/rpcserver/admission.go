package rpcserver

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc/credentials"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/identity"
	"github.com/silverback-gateway/silverback/kit/revocation"
)

// An admission counts the connections and calls of a server, by their owner. It is both the listener and the credentials of the server: a
// connection counts from its acceptance until its end, and for an identity from when its certificate is known.
type admission struct {
	net.Listener
	log         *slog.Logger
	trustDomain string
	now         func() time.Time
	connections int           // the limit of connections at once
	shaking     chan struct{} // holds one element for each connection in its handshake
	closed      chan struct{}
	close       sync.Once
	revoked     *revocation.List

	mu         sync.Mutex
	open       int
	admitted   map[*countedConn]*caller
	holds      map[string]share // what each identity uses now
	lastLogged time.Time        // when a refusal was last logged
}

func newAdmission(l net.Listener, trustDomain string, log *slog.Logger, revoked *revocation.List) *admission {
	d := &admission{
		Listener: l, log: log, trustDomain: trustDomain, now: time.Now, connections: maxConnections,
		shaking: make(chan struct{}, maxHandshakes), closed: make(chan struct{}), holds: map[string]share{},
		revoked: revoked, admitted: map[*countedConn]*caller{},
	}
	revoked.OnChange(d.evict)
	return d
}

// A caller is the identity that opened a connection, and when its certificate was issued.
type caller struct {
	who    identity.Identity
	issued time.Time
	out    bool // the certificate is revoked; the connection was accepted to report that
}

// A holder is the owner of a connection or call. Owners with a revoked certificate have a share of their own, so that a thief cannot use up
// the share of the owner of the new certificate.
type holder struct {
	who identity.Identity
	out bool
}

// String returns the holder for logs.
func (h holder) String() string {
	if h.out {
		return "revoked " + h.who.String()
	}
	return h.who.String()
}

const (
	// lastAnswer is how long a connection stays open after its certificate was revoked: a caller that revokes its own certificate still gets
	// the answer.
	lastAnswer = 250 * time.Millisecond
	// outTime is how long a connection stays open that was opened with a revoked certificate. Its calls are refused. The next connection may
	// use a new certificate.
	outTime = 10 * time.Second
)

// evict ends the connections whose certificates have been revoked, with all their calls.
func (d *admission) evict() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for conn, c := range d.admitted {
		was := c.out
		c.out = d.revoked.Holds(c.who, c.issued)
		if c.out && !was {
			time.AfterFunc(lastAnswer, func() { _ = conn.Close() })
		}
	}
}

// Accept waits while too many connections have not finished their handshake. It closes a connection over the limit at once.
func (d *admission) Accept() (net.Conn, error) {
	for {
		select {
		case d.shaking <- struct{}{}:
		case <-d.closed:
			return nil, net.ErrClosed
		}
		conn, err := d.Listener.Accept()
		if err != nil {
			<-d.shaking
			return nil, err
		}
		d.mu.Lock()
		full := d.open >= d.connections
		if !full {
			d.open++
		}
		d.mu.Unlock()
		if !full {
			return &countedConn{Conn: conn, admission: d}, nil
		}
		_ = conn.Close()
		<-d.shaking
		d.refuse("this replica has reached its limit of connections", "limit", d.connections)
	}
}

// Close closes the listener.
func (d *admission) Close() error {
	d.close.Do(func() { close(d.closed) })
	return d.Listener.Close()
}

// refuse logs a refusal, once a minute at most, because a refused caller tries again.
func (d *admission) refuse(message string, facts ...any) {
	d.mu.Lock()
	now := d.now()
	due := now.Sub(d.lastLogged) >= time.Minute
	if due {
		d.lastLogged = now
	}
	d.mu.Unlock()
	if due {
		d.log.Warn("connection refused", append([]any{"why", message}, facts...)...)
	}
}

// take counts against the share of an identity. It returns false when the share is used up.
func (d *admission) take(by holder, more share) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.taken(by, more)
}

// taken is take with the lock held.
func (d *admission) taken(by holder, more share) bool {
	key, limit := by.String(), shareOf(by.who.Kind)
	h := d.holds[key]
	h.connections, h.calls = h.connections+more.connections, h.calls+more.calls
	if h.connections > limit.connections || h.calls > limit.calls {
		return false
	}
	d.holds[key] = h
	return true
}

// leave removes a connection from the counts.
func (d *admission) leave(g *countedConn, by holder) {
	d.mu.Lock()
	delete(d.admitted, g)
	d.mu.Unlock()
	d.giveBack(by, share{connections: 1})
}

// isOut reports whether a connection with a revoked certificate is open.
func (d *admission) isOut(g *countedConn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	c, open := d.admitted[g]
	return open && c.out
}

// giveBack reverses a take.
func (d *admission) giveBack(by holder, less share) {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := by.String()
	h := d.holds[key]
	h.connections, h.calls = h.connections-less.connections, h.calls-less.calls
	if h == (share{}) {
		delete(d.holds, key)
		return
	}
	d.holds[key] = h
}

// enter counts a call of a caller until leave. It returns a fault of kind Busy at the limit. Unauthenticated callers are bounded by their
// connections.
func (d *admission) enter(ctx context.Context) (leave func(), err error) {
	who := identity.Caller(ctx)
	if who.Kind == identity.Nobody {
		return func() {}, nil
	}
	by := holder{who: who}
	if !d.take(by, share{calls: 1}) {
		return nil, fault.New(fault.Busy, "TOO_MANY_CALLS", "%s has %d calls in progress at this replica, which is the limit", who,
			shareOf(who.Kind).calls)
	}
	return func() { d.giveBack(by, share{calls: 1}) }, nil
}

// countedConn is a connection that counts against the limits.
type countedConn struct {
	net.Conn
	admission *admission
	known     sync.Once
	once      sync.Once

	mu     sync.Mutex
	ended  bool
	holder *holder     // whom it is counted for
	expiry *time.Timer // ends it when its certificate expires
}

// shown is called when the identity of the connection is known, or never will be.
func (g *countedConn) shown() { g.known.Do(func() { <-g.admission.shaking }) }

// admit counts the connection for the identity of its certificate. The connection ends when the certificate expires.
func (g *countedConn) admit(info credentials.AuthInfo) error {
	tls, ok := info.(credentials.TLSInfo)
	if !ok || len(tls.State.PeerCertificates) == 0 {
		return nil // callers are not authenticated here
	}
	certificate := tls.State.PeerCertificates[0]
	who, err := identity.FromCertificate(g.admission.trustDomain, certificate)
	if err != nil {
		who = identity.Identity{} // the first call returns the error
	}
	d := g.admission
	d.mu.Lock()
	by := holder{who: who, out: d.revoked.Holds(who, certificate.NotBefore)}
	taken := d.taken(by, share{connections: 1})
	if taken {
		d.admitted[g] = &caller{who: who, issued: certificate.NotBefore, out: by.out}
	}
	d.mu.Unlock()
	if !taken {
		limit := shareOf(who.Kind).connections
		d.refuse("its certificate has reached the limit of connections to this replica", "caller", by.String(), "limit", limit)
		return fmt.Errorf("%s has %d connections to this replica, which is the limit", by, limit)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		d.leave(g, by)
		return net.ErrClosed
	}
	g.holder = &by
	g.expiry = time.AfterFunc(certificate.NotAfter.Sub(d.now()), func() { _ = g.Close() })
	if by.out {
		time.AfterFunc(outTime, func() {
			if d.isOut(g) {
				_ = g.Close()
			}
		})
	}
	return nil
}

// Close closes the connection and removes it from the counts.
func (g *countedConn) Close() error {
	g.once.Do(func() {
		g.shown()
		g.mu.Lock()
		g.ended = true
		holder := g.holder
		if g.expiry != nil {
			g.expiry.Stop()
		}
		g.mu.Unlock()
		if holder != nil {
			g.admission.leave(g, *holder)
		}
		g.admission.mu.Lock()
		g.admission.open--
		g.admission.mu.Unlock()
	})
	return g.Conn.Close()
}

// admissionCredentials admit a connection after its handshake.
type admissionCredentials struct {
	credentials.TransportCredentials
}

// ServerHandshake implements credentials.TransportCredentials.
func (c admissionCredentials) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := c.TransportCredentials.ServerHandshake(raw)
	g, ok := raw.(*countedConn)
	if !ok {
		return conn, info, err
	}
	g.shown()
	if err != nil {
		_ = g.Close()
		return nil, nil, err
	}
	if err := g.admit(info); err != nil {
		_ = g.Close()
		return nil, nil, err
	}
	return conn, info, nil
}

// Clone implements credentials.TransportCredentials.
func (c admissionCredentials) Clone() credentials.TransportCredentials {
	return admissionCredentials{c.TransportCredentials.Clone()}
}

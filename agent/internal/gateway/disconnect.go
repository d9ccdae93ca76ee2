package gateway

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// Disconnected is sent to when a kept connection to the Status API, or to the Admin API without one, was closed: the gateway
// was stopped, killed or reloaded, or closed an idle connection. It has one receiver, who then observes the gateway. It costs
// nothing while nothing happens, because an observation leaves its connection open.
func (g *Gateway) Disconnected() <-chan struct{} { return g.disconnected }

// watched makes every connection of a transport report that it was closed, by either side.
func (g *Gateway) watched(t *http.Transport) *http.Transport {
	ring := func() {
		select {
		case g.disconnected <- struct{}{}:
		default: // already signalled
		}
	}
	for _, dial := range []*func(context.Context, string, string) (net.Conn, error){&t.DialContext, &t.DialTLSContext} {
		inner := *dial
		if inner == nil && dial == &t.DialContext {
			inner = (&net.Dialer{}).DialContext
		}
		if inner == nil {
			continue
		}
		*dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := inner(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &watchedConn{Conn: conn, ring: sync.OnceFunc(ring)}, nil
		}
	}
	return t
}

// watchedConn is closed by its transport as soon as the other side closes it, even when it is idle.
type watchedConn struct {
	net.Conn
	ring func()
}

// Close closes the connection and rings.
func (c *watchedConn) Close() error {
	defer c.ring()
	return c.Conn.Close()
}

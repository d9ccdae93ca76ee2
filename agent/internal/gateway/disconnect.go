package gateway

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// Disconnected rings when a kept connection to the Status API, or to the Admin API where there is none, has ended: the gateway
// was stopped, killed, reloaded, or had enough of an idle connection. It is for one listener, who looks then. It costs nothing
// while nothing happens: a look leaves its connection open, and the system says when the other side is gone.
func (g *Gateway) Disconnected() <-chan struct{} { return g.disconnected }

// watched has every connection of a transport ring when it is closed, by whomever.
func (g *Gateway) watched(t *http.Transport) *http.Transport {
	ring := func() {
		select {
		case g.disconnected <- struct{}{}:
		default: // it rings already
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

// watchedConn is closed by its transport as soon as that reads the end of it, also while nobody uses it.
type watchedConn struct {
	net.Conn
	ring func()
}

// Close closes the connection and rings.
func (c *watchedConn) Close() error {
	defer c.ring()
	return c.Conn.Close()
}

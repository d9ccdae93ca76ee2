package etcdtest

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
)

// A Cut is a way to a server that can be severed: a client behind it then reaches nothing, and gets no reset either.
type Cut struct {
	endpoints []string
	mu        sync.Mutex
	severed   bool
	conns     map[net.Conn]bool
}

// Cut returns a new way to the server.
func (s *Server) Cut(tb testing.TB) *Cut {
	tb.Helper()
	c := &Cut{conns: map[net.Conn]bool{}}
	for _, target := range s.Endpoints {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			tb.Fatalf("listen: %v", err)
		}
		c.endpoints = append(c.endpoints, l.Addr().String())
		go c.accept(l, target)
		tb.Cleanup(func() { _ = l.Close(); c.closeAll() })
	}
	return c
}

// Client returns a client whose every byte goes this way.
func (c *Cut) Client(tb testing.TB) *clientv3.Client {
	tb.Helper()
	client, err := etcdkv.Dial(etcdkv.Config{Endpoints: c.endpoints})
	if err != nil {
		tb.Fatalf("connect to etcd: %v", err)
	}
	tb.Cleanup(func() { _ = client.Close() })
	return client
}

// Sever stops all bytes in both directions.
func (c *Cut) Sever() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.severed = true
}

// Mend lets new connections through again and ends the ones that were severed.
func (c *Cut) Mend() {
	c.mu.Lock()
	c.severed = false
	c.mu.Unlock()
	c.closeAll()
}

func (c *Cut) isSevered() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.severed
}

func (c *Cut) track(conns ...net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range conns {
		c.conns[conn] = true
	}
}

func (c *Cut) closeAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		_ = conn.Close()
	}
	clear(c.conns)
}

func (c *Cut) accept(l net.Listener, target string) {
	dialer := net.Dialer{Timeout: 5 * time.Second}
	for {
		near, err := l.Accept()
		if err != nil {
			return
		}
		far, err := dialer.DialContext(context.Background(), "tcp", target)
		if err != nil {
			_ = near.Close()
			continue
		}
		c.track(near, far)
		go c.pipe(near, far)
		go c.pipe(far, near)
	}
}

// pipe copies until severed; from then on it swallows what comes.
func (c *Cut) pipe(from, to net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && !c.isSevered() {
			if _, err := to.Write(buffer[:n]); err != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	if !c.isSevered() {
		_ = from.Close()
		_ = to.Close()
		return
	}
	_, _ = io.Copy(io.Discard, from)
}

package etcdtest

import (
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/testkit/cut"
)

// A Cut is a connection to a server that can be cut. A client behind it then reaches nothing, and gets no reset either.
type Cut struct {
	Endpoints []string // client addresses, host:port
	links     []*cut.Link
}

// Cut returns a new connection to the server that can be cut.
func (s *Server) Cut(tb testing.TB) *Cut {
	tb.Helper()
	c := &Cut{}
	for _, target := range s.Endpoints {
		link := cut.New(tb, target)
		c.links = append(c.links, link)
		c.Endpoints = append(c.Endpoints, link.Address)
	}
	return c
}

// Client returns a client whose every byte takes this connection.
func (c *Cut) Client(tb testing.TB) *clientv3.Client {
	tb.Helper()
	client, err := etcdkv.Dial(etcdkv.Config{Endpoints: c.Endpoints})
	if err != nil {
		tb.Fatalf("connect to etcd: %v", err)
	}
	tb.Cleanup(func() { _ = client.Close() })
	return client
}

// Sever stops all bytes in the given direction, or in both when none is given.
func (c *Cut) Sever(directions ...cut.Direction) {
	d := cut.Both
	if len(directions) > 0 {
		d = 0
	}
	for _, each := range directions {
		d |= each
	}
	for _, link := range c.links {
		link.Cut(d)
	}
}

// Mend lets bytes through again and ends the connections that were cut.
func (c *Cut) Mend() {
	for _, link := range c.links {
		link.Reset()
		link.Heal()
	}
}

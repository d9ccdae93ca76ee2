// Package port finds loopback addresses for listeners that are started after they were named: processes, and servers that a test
// stops and starts again. A server that is started once should listen on port 0 instead.
package port

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// Ports below what Linux gives to outgoing connections. One of those would be taken by a stranger while a killed process is away; and a
// client that keeps dialling a dead loopback port in that range at last reaches itself.
const (
	lowest  = 11000
	highest = 32000
	tries   = 200
)

// kept are the marks of Free. A mark that nobody holds on to is closed with the next garbage, and its port given again.
var (
	mu   sync.Mutex
	kept []net.PacketConn
)

// Free returns a loopback address whose port nobody uses, and that is given to nobody else who asks here, in any process, while this
// process lives.
func Free() (string, error) {
	address, held, err := take()
	if err != nil {
		return "", err
	}
	mu.Lock()
	defer mu.Unlock()
	kept = append(kept, held)
	return address, nil
}

// Address is Free until the test ends.
func Address(tb testing.TB) string {
	tb.Helper()
	address, held, err := take()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = held.Close() })
	return address
}

// take finds an address, and marks it.
func take() (string, net.PacketConn, error) {
	for range tries {
		address := fmt.Sprintf("127.0.0.1:%d", lowest+rand.IntN(highest-lowest))
		if held := hold(address); held != nil {
			return address, held, nil
		}
	}
	return "", nil, fmt.Errorf("no free port from %d to %d on loopback", lowest, highest)
}

// hold marks an address as taken. Between the look at a port and the start of its listener others look too, so the mark is the UDP port
// of the same number, which this project has no other use for: only one can have it, and it goes with the process.
func hold(address string) net.PacketConn {
	held, err := new(net.ListenConfig).ListenPacket(context.Background(), "udp4", address)
	if err != nil {
		return nil
	}
	l, err := net.Listen("tcp4", address)
	if err != nil {
		_ = held.Close()
		return nil
	}
	_ = l.Close()
	return held
}

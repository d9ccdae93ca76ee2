package process

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// Ports below what Linux gives to outgoing connections. One of those would be taken by a stranger while a killed process is away; and a
// client that keeps dialling a dead loopback port in that range at last reaches itself.
const (
	lowestPort  = 11000
	highestPort = 32000
)

// Address returns a loopback address whose port nobody uses.
func Address(tb testing.TB) string {
	tb.Helper()
	address, err := FreeAddress()
	if err != nil {
		tb.Fatal(err)
	}
	return address
}

// FreeAddress is Address for what is not a test.
func FreeAddress() (string, error) {
	for range 200 {
		address := fmt.Sprintf("127.0.0.1:%d", lowestPort+rand.IntN(highestPort-lowestPort))
		if l, err := net.Listen("tcp", address); err == nil {
			_ = l.Close()
			return address, nil
		}
	}
	return "", fmt.Errorf("no free port from %d to %d on loopback", lowestPort, highestPort)
}

package process

import (
	"testing"

	"github.com/silverback-gateway/silverback/testkit/port"
)

// Address returns a loopback address that is this test's alone until the test ends.
func Address(tb testing.TB) string {
	tb.Helper()
	return port.Address(tb)
}

// FreeAddress is Address for what is not a test.
func FreeAddress() (string, error) { return port.Free() }

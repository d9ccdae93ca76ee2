// Package leak fails the tests of a package that leave goroutines behind.
package leak

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is for goroutines that are about to end. goleak's own is half a second, in which a busy machine may not even have closed the
// connections of the last test.
const patience = time.Minute

// Main is the whole of a TestMain: it runs the tests, then looks whether all goroutines have ended, cleans up, and exits.
func Main(m *testing.M, clean ...func()) {
	code := m.Run()
	if code == 0 {
		if err := wait(patience); err != nil {
			fmt.Fprintf(os.Stderr, "the tests passed and left goroutines behind: %v\n", err)
			code = 1
		}
	}
	for _, f := range clean {
		f()
	}
	os.Exit(code)
}

// wait returns nil when all goroutines have ended, and which have not when it took too long.
func wait(within time.Duration) error {
	over := time.Now().Add(within)
	for {
		err := goleak.Find()
		if err == nil || !time.Now().Before(over) {
			return err
		}
	}
}

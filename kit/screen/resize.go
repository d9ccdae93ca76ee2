//go:build unix

package screen

import (
	"os"
	"os/signal"
	"syscall"
)

// Resized returns a channel that receives when the size of the process's terminal changes, until stop is called.
func Resized() (changed <-chan os.Signal, stop func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGWINCH)
	return c, func() { signal.Stop(c) }
}

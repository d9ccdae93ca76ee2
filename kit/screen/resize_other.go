//go:build !unix

package screen

import "os"

// Resized returns a channel that never says anything: a new size is seen when something is drawn.
func Resized() (changed <-chan os.Signal, stop func()) { return nil, func() {} }

//go:build !unix

package screen

import "os"

// Resized returns a channel that never receives. Here a new size takes effect at the next drawing.
func Resized() (changed <-chan os.Signal, stop func()) { return nil, func() {} }

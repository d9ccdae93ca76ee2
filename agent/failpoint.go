//go:build failpoints

package agent

import (
	"os"
	"path/filepath"
	"time"
)

// failpoint stops the agent at each step for which the folder SILVERBACK_FAILPOINTS holds a file of that name. The agent renames the
// file to step.reached, and goes on when a file step.go exists. It serves tests that end a process at a chosen line, and is not part
// of the shipped binaries.
func failpoint() func(step string) {
	dir := os.Getenv("SILVERBACK_FAILPOINTS")
	if dir == "" {
		return nil
	}
	return func(step string) {
		at := filepath.Join(dir, step)
		if os.Rename(at, at+".reached") != nil {
			return
		}
		for {
			if os.Remove(at+".go") == nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
}

//go:build failpoints

package agent

import (
	"os"
	"path/filepath"
	"time"
)

// failpoint makes the agent stop at a step for which the folder that SILVERBACK_FAILPOINTS names holds a file: the file gets
// the name step.reached, and the agent goes on when there is one of the name step.go. It is for tests that end a process at a
// chosen line, and is not in the binaries that are shipped.
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

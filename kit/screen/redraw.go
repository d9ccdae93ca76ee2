package screen

import (
	"context"
	"time"
)

// Redraw calls draw repeatedly until ctx ends, and at once when the size of the process's terminal changes.
func Redraw(ctx context.Context, every time.Duration, draw func()) {
	resized, stop := Resized()
	defer stop()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-resized:
		case <-tick.C:
		}
		draw()
	}
}

package screen

import (
	"context"
	"time"
)

// Redraw calls draw again and again until ctx ends, and at once when the terminal of this process got another size.
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

package leak

import (
	"testing"
	"time"
)

func TestMain(m *testing.M) { Main(m) }

func TestAGoroutineThatStaysIsFound(t *testing.T) {
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() { defer close(ended); <-stop }()
	if wait(0) == nil {
		t.Error("a goroutine that waits was not seen")
	}
	// Longer than one look takes.
	time.AfterFunc(2*time.Second, func() { close(stop) })
	if err := wait(patience); err != nil {
		t.Errorf("one that ended was not waited for: %v", err)
	}
	<-ended
}

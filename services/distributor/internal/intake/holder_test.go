package intake_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/distributor/internal/intake"
	"github.com/silverback-gateway/silverback/services/distributor/internal/worldtest"
)

// A name belongs to the agent that is enrolled for as long as it renews, also while rollouts go on without the node. Only who is out of contact
// leaves it to whoever comes.
func TestANameIsHeldForAsLongAsItsAgentRenews(t *testing.T) {
	world := worldtest.Start(t)
	world.Group("g", nil)
	w := intake.NewWorld(world.Translator(), world.Registry(), nobody{}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = w.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	held := func(what, want string) {
		t.Helper()
		deadline := time.After(time.Minute)
		for {
			boot, changed := w.Holder("g", "n")
			if boot == want {
				return
			}
			select {
			case <-changed:
			case <-deadline:
				t.Fatalf("%s: the name is held by %q, want %q", what, boot, want)
			}
		}
	}
	world.Enrol("g", "n", "first")
	held("enrolled", "first")
	world.Node("g", "n", registryv1.Node_STATE_UNREACHABLE)
	held("out of contact", "")
	world.Enrol("g", "n", "second")
	held("enrolled again", "second")
	world.Sick("g", "n", "DistributorUnreachable")
	world.Enrol("g", "m", "third") // events come in order: once this one is there the others are
	for boot := ""; boot != "third"; boot, _ = w.Holder("g", "m") {
		time.Sleep(time.Millisecond)
	}
	held("cut off from distributors", "second")
	world.Quarantine("g", "n", true)
	world.Enrol("g", "m", "fourth")
	for boot := ""; boot != "fourth"; boot, _ = w.Holder("g", "m") {
		time.Sleep(time.Millisecond)
	}
	held("in quarantine too", "second")
}

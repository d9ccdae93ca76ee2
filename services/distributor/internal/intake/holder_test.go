package intake_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/distributor/internal/intake"
	"github.com/silverback-gateway/silverback/services/distributor/internal/worldtest"
)

// A name belongs to the agent that is enrolled for as long as it renews, also while rollouts go on without the node. Only who is out of
// contact leaves it to whoever comes.
func TestANameIsHeldForAsLongAsItsAgentRenews(t *testing.T) {
	world := worldtest.Start(t)
	world.Group("g", nil)
	w := intake.NewWorld(world.Translator(), world.Registry(), nobody{}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = w.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	heldBy := func(what, want string, node fleet.NodeID) {
		t.Helper()
		deadline := time.After(time.Minute)
		for {
			boot, changed := w.Holder("g", node)
			if boot == want {
				return
			}
			select {
			case <-changed:
			case <-deadline:
				t.Fatalf("%s: the name %s is held by %q, want %q", what, node, boot, want)
			}
		}
	}
	held := func(what, want string) { t.Helper(); heldBy(what, want, "n") }
	world.Enrol("g", "n", "first")
	held("enrolled", "first")
	world.Node("g", "n", registryv1.Node_STATE_UNREACHABLE)
	held("out of contact", "")
	world.Enrol("g", "n", "second")
	held("enrolled again", "second")
	world.Sick("g", "n", "DistributorUnreachable")
	world.Enrol("g", "m", "third") // events come in order: once this one is there the others are
	heldBy("enrolled", "third", "m")
	held("cut off from distributors", "second")
	world.Quarantine("g", "n", true)
	world.Enrol("g", "m", "fourth")
	heldBy("enrolled again", "fourth", "m")
	held("in quarantine too", "second")
}

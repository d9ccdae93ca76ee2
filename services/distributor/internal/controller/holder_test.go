package controller_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/distributor/internal/controller"
	"github.com/silverback-gateway/silverback/services/distributor/internal/upstreamtest"
)

// A name belongs to the enrolled agent while it sends heartbeats, also while rollouts leave the node out. When the agent is out of contact,
// any agent may take the name.
func TestAnAgentHoldsItsNameWhileItSendsHeartbeats(t *testing.T) {
	upstream := upstreamtest.Start(t)
	upstream.Group("g", nil)
	c := controller.NewCache(upstream.Translator(), upstream.Registry(), nobody{}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = c.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	heldBy := func(what, want string, node fleet.NodeID) {
		t.Helper()
		deadline := time.After(time.Minute)
		for {
			boot, changed := c.Holder("g", node)
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
	upstream.Enrol("g", "n", "first")
	held("enrolled", "first")
	upstream.Node("g", "n", registryv1.Node_STATE_UNREACHABLE)
	held("out of contact", "")
	upstream.Enrol("g", "n", "second")
	held("enrolled again", "second")
	upstream.Sick("g", "n", "DistributorUnreachable")
	upstream.Enrol("g", "m", "third") // events come in order: once this one is there the others are
	heldBy("enrolled", "third", "m")
	held("cut off from distributors", "second")
	upstream.Quarantine("g", "n", true)
	upstream.Enrol("g", "m", "fourth")
	heldBy("enrolled again", "fourth", "m")
	held("in quarantine too", "second")
}

package distributor

import (
	"context"
	"log/slog"
	"testing"

	"github.com/silverback-gateway/silverback/services/distributor/internal/store"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// A stopping replica answers calls that need nothing but its cache.
func TestAStoppingReplicaAnswersFromItsCache(t *testing.T) {
	d := &Distributor{view: store.NewView(slog.New(slog.DiscardHandler)), draining: make(chan struct{}), outage: newOutage()}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	client := etcdtest.Client(t)
	go func() { defer close(ended); _ = d.view.Run(ctx, client) }()
	defer func() { cancel(); <-ended }()
	<-d.view.Synced()
	close(d.draining)
	for range 100 {
		if err := (ledger{d}).Ready(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

package etcdkv_test

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// TestEveryMemberTellsItsSize: one that does not answer is absent, and the others are told.
func TestEveryMemberTellsItsSize(t *testing.T) {
	t.Parallel()
	const quota = 64 << 20
	server := etcdtest.StartBounded(t, quota, time.Hour)
	client, err := etcdkv.Dial(etcdkv.Config{Endpoints: append([]string{"127.0.0.1:1"}, server.Endpoints...), Prefix: "/p/"})
	if err != nil {
		t.Fatal(err)
	}
	probe := etcdkv.NewSizeProbe(client, 1)
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(probe)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = probe.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; _ = client.Close() })
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(time.Minute); len(probe.Sizes()) == 0; {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("no member told its size")
		}
	}
	sizes := probe.Sizes()
	if m := sizes[0]; len(sizes) != 1 || m.Endpoint != server.Endpoints[0] || m.Quota != quota || m.InUse <= 0 || m.File < m.InUse {
		t.Errorf("got %+v", sizes)
	}
	if n, err := testutil.GatherAndCount(metrics); err != nil || n != 3 {
		t.Errorf("%d metrics, %v", n, err)
	}
}

package resource

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/forecast"
	"github.com/silverback-gateway/silverback/kong/cost"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// measuredNode is a node in contact that loaded 10,000 routes in so long.
func measuredNode(name string, took time.Duration) *registryv1.Node {
	return &registryv1.Node{Name: name, State: registryv1.Node_STATE_READY, Capabilities: &fleetv1.Capabilities{Workers: 2},
		Status: &fleetv1.NodeStatus{RecentLoads: []*fleetv1.LoadSample{{Routes: 10_000, Entities: 20_000, Bytes: 3_000_000, Workers: 2,
			ServingTime: durationpb.New(took), MemoryGrowthBytes: 120_000_000}}}}
}

func TestTheStatusSaysWhatALoadTakes(t *testing.T) {
	var b strings.Builder
	gone := measuredNode("gone", time.Hour)
	gone.State = registryv1.Node_STATE_UNREACHABLE
	s := groupStatus{
		group:    &registryv1.Group{Name: "edge"},
		nodes:    []*registryv1.Node{measuredNode("gw-1", 6*time.Second), measuredNode("gw-2", 8*time.Second), gone},
		revision: &translatorv1.Revision{Number: 1, SizeBytes: 3_000_000, Entities: map[string]int64{"routes": 10_000, "services": 10_000}},
	}
	if err := s.print(&app.App{Out: &b, Now: time.Now}); err != nil {
		t.Fatal(err)
	}
	const want = "  a load    about 8s on 2 gateways (slowest: gw-2; 2 of them measured), and 400 MB more memory for a while\n"
	if !strings.Contains(b.String(), want) {
		t.Errorf("the status lacks %q:\n%s", want, b.String())
	}
	if got := forecast.Notable(cost.Size{Routes: 3, Entities: 9, Bytes: 900}, s.nodes); got != "" {
		t.Errorf("of a small configuration it says %q", got)
	}
	if got := forecast.Load(cost.Size{}, s.nodes); got != "" {
		t.Errorf("of an unknown size it says %q", got)
	}
	if got := forecast.Load(cost.Size{Routes: 1}, nil); got != "" {
		t.Errorf("without gateways it says %q", got)
	}
}

func TestANodeIsDescribedWithItsLoads(t *testing.T) {
	var b strings.Builder
	printNode(&app.App{Out: &b, Now: time.Now}, measuredNode("gw-1", 6*time.Second))
	for _, want := range []string{
		"Measured:    6s to serve 10000 routes (2.9 MiB) on 2 workers, 120 MB more in the workers after it\n",
		"A load:      about 6s (from 1 measured loads), and 400 MB more memory for a while\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("it lacks %q:\n%s", want, b.String())
		}
	}
}

package wire_test

import (
	"reflect"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/silverback-gateway/silverback/kit/wire"
	"github.com/silverback-gateway/silverback/kong/cost"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
)

func TestLoadsAreConvertedThereAndBack(t *testing.T) {
	var samples []cost.Sample
	for i := range cost.MaxSamples {
		samples = append(samples, cost.Sample{Size: cost.Size{Routes: 1, Entities: 2, Bytes: 3}, Digest: "sha256:x", Workers: i,
			Posted: time.Second, Serving: 2 * time.Second, Memory: 4, Growth: 5})
	}
	c := &fleetv1.Capabilities{Workers: 2, LoadTimeout: durationpb.New(time.Minute), MemoryLimitBytes: 1 << 30}
	got := wire.Gateway(c, &fleetv1.NodeStatus{RecentLoads: wire.LoadSamples(append([]cost.Sample{{Workers: 99}}, samples...))})
	want := cost.Gateway{Workers: 2, LoadTimeout: time.Minute, MemoryLimit: 1 << 30, Samples: samples}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestNumbersThatCannotBeAreZero(t *testing.T) {
	hostile := &fleetv1.NodeStatus{RecentLoads: []*fleetv1.LoadSample{{Routes: -1, Entities: -1, Bytes: -1, Workers: -1,
		PostTime: durationpb.New(-time.Second), ServingTime: durationpb.New(-time.Second), MemoryBytes: -1, MemoryGrowthBytes: -1}}}
	got := wire.Gateway(&fleetv1.Capabilities{Workers: -2, LoadTimeout: durationpb.New(-1), MemoryLimitBytes: -1}, hostile)
	if !reflect.DeepEqual(got, cost.Gateway{Samples: []cost.Sample{{}}}) {
		t.Errorf("got %+v", got)
	}
}

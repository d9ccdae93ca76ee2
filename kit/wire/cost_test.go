package wire_test

import (
	"math"
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

// The largest numbers that a node can report do not make a forecast overflow.
func TestAbsurdNumbersAreBounded(t *testing.T) {
	absurd := &fleetv1.LoadSample{Routes: math.MaxInt64, Entities: math.MaxInt64, Bytes: math.MaxInt64, Workers: math.MaxInt32,
		ServingTime: durationpb.New(math.MaxInt64), MemoryBytes: math.MaxInt64, MemoryGrowthBytes: math.MaxInt64}
	g := wire.Gateway(&fleetv1.Capabilities{Workers: math.MaxInt32, MemoryLimitBytes: math.MaxInt64},
		&fleetv1.NodeStatus{RecentLoads: []*fleetv1.LoadSample{absurd, absurd}})
	size := cost.Size{Routes: 10_000, Entities: 20_000, Bytes: 3_000_000}
	usual := cost.Forecast(size, g.Workers)
	load, measured := g.Forecast(size)
	if measured != 2 || load.Serving < usual.Serving/8 || load.Serving > 8*usual.Serving || load.Memory < usual.Memory ||
		load.Memory > 8*usual.Memory {
		t.Errorf("the forecast is %+v by %d loads, and without them %+v", load, measured, usual)
	}
	if _, strain := g.Strain(); !(strain >= 0 && strain < 1000) {
		t.Errorf("the strain is %g", strain)
	}
}

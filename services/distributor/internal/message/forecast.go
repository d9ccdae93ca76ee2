package message

import (
	"google.golang.org/protobuf/types/known/durationpb"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/kong/cost"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
)

// Forecast writes a forecast; nil stays nil.
func Forecast(f *rollout.Forecast) *distributorv1.LoadForecast {
	if f == nil {
		return nil
	}
	return &distributorv1.LoadForecast{
		ServingTime: durationpb.New(cost.Rough(f.Load.Serving)), SlowestNode: f.Load.Slowest, MemoryBytes: f.Load.Memory,
		LargestNode: f.Load.Largest, Gateways: int32(f.Load.Gateways), Measured: int32(f.Load.Measured),
		RemainingTime: durationpb.New(cost.Rough(f.Left)),
	}
}

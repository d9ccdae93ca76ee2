package rollout

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
)

func TestTheZerosOfAnIDMayBeLeftOut(t *testing.T) {
	for given, want := range map[string]string{"": "", "8": "00000008", "0008": "00000008", "00000008": "00000008", "123456789": "123456789",
		"r-8": "r-8", "-8": "-8"} {
		if got := ID(given); got != want {
			t.Errorf("%q is taken for %q, want %q", given, got, want)
		}
	}
}

func TestARolloutIsDescribedWithItsForecast(t *testing.T) {
	described := func(f *distributorv1.LoadForecast) string {
		var b strings.Builder
		r := moving(7, progressing)
		r.Forecast = f
		Describe(&app.App{Out: &b, Now: time.Now}, r)
		return b.String()
	}
	got := described(&distributorv1.LoadForecast{ServingTime: durationpb.New(5 * time.Second), SlowestNode: "gw-7", MemoryBytes: 400_000_000,
		LargestNode: "gw-8", Gateways: 12, Measured: 11, RemainingTime: durationpb.New(3 * time.Minute)})
	for _, want := range []string{
		"A load:     about 5s on 12 gateways (slowest: gw-7; 11 of them measured), and 400 MB more memory for a while\n",
		"Left:       about 3m0s\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("it lacks %q:\n%s", want, got)
		}
	}
	if got := described(nil); strings.Contains(got, "A load:") {
		t.Errorf("without a forecast it says\n%s", got)
	}
}

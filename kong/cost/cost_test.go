package cost

import (
	"math"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// services returns the size of a configuration of services with one route each, about 300 bytes for both.
func services(routes int64) Size {
	return Size{Routes: routes, Entities: 2 * routes, Bytes: 300 * routes}
}

// The figures of fact F47.
func TestTheForecastIsNearWhatWasMeasured(t *testing.T) {
	for _, m := range []struct {
		routes  int64
		workers int
		cpu     float64
	}{
		{100, 1, 0.16}, {100, 2, 0.18}, {1000, 1, 0.42}, {1000, 2, 0.63}, {10_000, 1, 2.3}, {10_000, 2, 2.7}, {30_000, 1, 7.6},
		{30_000, 2, 10.7},
	} {
		if got := Forecast(services(m.routes), m.workers).CPU.Seconds(); math.Abs(got-m.cpu) > m.cpu/3 {
			t.Errorf("%d routes on %d workers: forecast %.2f CPU s, measured %.2f", m.routes, m.workers, got, m.cpu)
		}
	}
	load := Forecast(services(10_000), 2)
	if load.Serving < 3*time.Second || load.Serving > 8*time.Second {
		t.Errorf("10,000 routes are forecast to be served after %s, and it took 3 to 8 s", load.Serving)
	}
	if load.Memory != 400_000_000 {
		t.Errorf("10,000 routes are forecast to take %d bytes more, and it was from 380 to 780 MB", load.Memory)
	}
}

func TestWhatMakesALoadMoreExpensive(t *testing.T) {
	base := services(5000)
	load := Forecast(base, 2)
	for name, more := range map[string]Load{
		"more routes": Forecast(services(6000), 2), "other entities": Forecast(Size{Routes: 5000, Entities: 30_000, Bytes: base.Bytes}, 2),
		"more bytes": Forecast(Size{Routes: 5000, Entities: 10_000, Bytes: 20 << 20}, 2),
	} {
		if more.CPU <= load.CPU || more.Serving <= load.Serving {
			t.Errorf("%s: forecast %+v, without %+v", name, more, load)
		}
	}
	four := Forecast(base, 4)
	if four.CPU <= load.CPU || four.Memory != 2*load.Memory || four.Serving != load.Serving {
		t.Errorf("four workers: forecast %+v, two %+v", four, load)
	}
	if Forecast(base, 0) != load {
		t.Error("an unknown number of workers is not taken for two")
	}
}

func TestSizeOf(t *testing.T) {
	got := SizeOf(map[string]int64{"routes": 3, "services": 2, "plugins": 1}, 900)
	if want := (Size{Routes: 3, Entities: 6, Bytes: 900}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if (Size{}).IsZero() != true || got.IsZero() {
		t.Error("only the zero size is unknown")
	}
}

func TestTheDefaultInterval(t *testing.T) {
	for load, want := range map[time.Duration]time.Duration{
		0: 0, 999 * time.Millisecond: 0, time.Second: 9 * time.Second, 5 * time.Second: 45 * time.Second, time.Hour: MaxInterval,
	} {
		if got := Interval(load); got != want {
			t.Errorf("after a load of %s: got %s, want %s", load, got, want)
		}
	}
}

func took(routes int64, digest fleet.Digest, times float64) Sample {
	s := services(routes)
	return Sample{Size: s, Digest: digest, Workers: 2, Serving: time.Duration(float64(Forecast(s, 2).Serving) * times)}
}

func TestAForecastIsCorrectedByTheMedianOfMeasurements(t *testing.T) {
	for name, tt := range map[string]struct {
		samples  []Sample
		ratio    float64
		measured int
	}{
		"nothing measured":                  {nil, 1, 0},
		"one load":                          {[]Sample{took(10_000, "", 2)}, 2, 1},
		"one of three is an outlier":        {[]Sample{took(10_000, "", 1.5), took(10_000, "", 40), took(9000, "", 1.6)}, 1.6, 3},
		"the mean of the middle two":        {[]Sample{took(10_000, "", 1), took(10_000, "", 3)}, 2, 2},
		"small loads say nothing":           {[]Sample{took(100, "", 7), took(10_000, "", 2)}, 2, 1},
		"a load that was not measured":      {[]Sample{{Size: services(10_000), Workers: 2}}, 1, 0},
		"an absurd report is bounded":       {[]Sample{took(10_000, "", 1e6)}, mostRatio, 1},
		"and one that is too good likewise": {[]Sample{took(10_000, "", 1e-6)}, 1.0 / mostRatio, 1},
	} {
		t.Run(name, func(t *testing.T) {
			g := Gateway{Workers: 2, Samples: tt.samples}
			load, measured := g.Forecast(services(10_000))
			want := Forecast(services(10_000), 2).Serving.Seconds() * tt.ratio
			if measured != tt.measured || math.Abs(load.Serving.Seconds()-want) > want/1000 {
				t.Errorf("got %s of %d loads, want %.2f s of %d", load.Serving, measured, want, tt.measured)
			}
		})
	}
}

// A measurement raises the forecast of memory, and does not lower it.
func TestMemoryIsLearntUpwards(t *testing.T) {
	base := Forecast(services(10_000), 2).Memory
	for name, tt := range map[string]struct {
		growth int64
		routes int64
		want   int64
	}{
		"more than forecast": {3 * base, 10_000, 3 * base}, "less than forecast": {base / 3, 10_000, base},
		"absurd": {base << 20, 10_000, mostRatio * base}, "of a small load": {base, 100, base}, "not measured": {0, 10_000, base},
	} {
		x := took(tt.routes, "", 1)
		x.Growth = tt.growth
		if got, _ := (Gateway{Workers: 2, Samples: []Sample{x}}).Forecast(services(10_000)); got.Memory != tt.want {
			t.Errorf("%s: got %d, want %d", name, got.Memory, tt.want)
		}
	}
}

func TestSamplesAreBounded(t *testing.T) {
	var all []Sample
	for i := range 3 * MaxSamples {
		before := len(all)
		next := Remember(all, Sample{Workers: i})
		if len(all) != before {
			t.Fatal("the argument was modified")
		}
		all = next
	}
	if len(all) != MaxSamples || all[MaxSamples-1].Workers != 3*MaxSamples-1 {
		t.Errorf("got %+v", all)
	}
}

func TestStrain(t *testing.T) {
	for name, tt := range map[string]struct {
		samples []Sample
		want    float64
	}{
		"nothing measured":               {nil, 0},
		"nothing to compare with":        {[]Sample{took(10_000, "new", 5)}, 0},
		"three times as long as before":  {[]Sample{took(10_000, "old", 2), took(10_000, "new", 6)}, 3},
		"as before, of another size":     {[]Sample{took(10_000, "old", 2), took(20_000, "new", 2)}, 1},
		"a load under a second is quick": {[]Sample{took(1000, "old", 0.1), took(1000, "new", 0.9)}, 0},
	} {
		digest, got := Gateway{Workers: 2, Samples: tt.samples}.Strain()
		if math.Abs(got-tt.want) > 0.01 || len(tt.samples) > 0 && digest != "new" {
			t.Errorf("%s: got %.2f of %s, want %.2f", name, got, digest, tt.want)
		}
	}
}

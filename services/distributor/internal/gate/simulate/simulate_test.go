package simulate

import "testing"

// The pages promise that at most one healthy rollout of a thousand is stopped. The command gatesim plays many more.
func TestHealthyRolloutsAreNotStopped(t *testing.T) {
	const rollouts = 4000
	errors, latency := Healthy(rollouts, 1, DefaultLimits)
	if errors+latency > rollouts/1000 {
		t.Errorf("of %d healthy rollouts %d were stopped by failures and %d by latency", rollouts, errors, latency)
	}
}

func TestHarmIsFound(t *testing.T) {
	for _, tt := range []struct {
		name                string
		rate, fails, slower float64
		within              int
	}{
		{"everything fails at 20 requests a second", 20, 1, 1, 3},
		{"half fails", 20, 0.5, 1, 5},
		{"one of twenty fails, at 200 requests a second", 200, 0.05, 1, 20},
		{"five times as slow", 20, 0, 5, 15},
	} {
		d := Detect(100, 1, tt.rate, tt.fails, tt.slower, DefaultLimits)
		if d.Missed > 0 || d.P95 > tt.within {
			t.Errorf("%s: %+v, want 95 of 100 within %d s", tt.name, d, tt.within)
		}
	}
	if d := Detect(100, 1, 200, 0.005, 1, DefaultLimits); d.Missed < 99 {
		t.Errorf("half a percent is within the limit: %+v", d)
	}
}

func TestTheSamplersHaveTheirMeans(t *testing.T) {
	traffic := Random(newRand(7))
	for _, tt := range []struct {
		name string
		mean float64
		draw func() float64
	}{
		{"poisson 3", 3, func() float64 { return float64(traffic.poisson(3)) }},
		{"poisson 300", 300, func() float64 { return float64(traffic.poisson(300)) }},
		{"binomial 20, 0.1", 2, func() float64 { return float64(traffic.binomial(20, 0.1)) }},
		{"binomial 20, 0.9", 18, func() float64 { return float64(traffic.binomial(20, 0.9)) }},
		{"binomial 1000, 0.3", 300, func() float64 { return float64(traffic.binomial(1000, 0.3)) }},
		{"gamma 0.5", 0.5, func() float64 { return traffic.gamma(0.5) }},
		{"gamma 4", 4, func() float64 { return traffic.gamma(4) }},
	} {
		sum := 0.0
		const draws = 50_000
		for range draws {
			sum += tt.draw()
		}
		if got := sum / draws; got < 0.97*tt.mean || got > 1.03*tt.mean {
			t.Errorf("%s has the mean %v", tt.name, got)
		}
	}
}

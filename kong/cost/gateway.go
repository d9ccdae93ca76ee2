package cost

import (
	"slices"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// A Sample is one load that an agent measured.
type Sample struct {
	Size
	Digest  fleet.Digest  `json:"digest,omitempty"`
	Workers int           `json:"workers,omitempty"`
	Posted  time.Duration `json:"posted,omitempty"`  // until Kong answered the post
	Serving time.Duration `json:"serving,omitempty"` // until every worker was proven to serve it
	Memory  int64         `json:"memory,omitempty"`  // bytes that the workers' Lua VMs had after it
	Growth  int64         `json:"growth,omitempty"`  // bytes that they had more than before it
}

// MaxSamples is how many loads of a gateway are remembered.
const MaxSamples = 5

// Remember returns the samples with one more, without the oldest beyond MaxSamples. It does not modify its argument.
func Remember(samples []Sample, next Sample) []Sample {
	all := append(slices.Clone(samples), next)
	return all[max(0, len(all)-MaxSamples):]
}

// A Gateway is what is known about the loads of one gateway.
type Gateway struct {
	Workers     int           // 0: unknown
	Samples     []Sample      // the last loads, the oldest first
	LoadTimeout time.Duration // of its agent, for a post; 0: unknown
	MemoryLimit int64         // of the gateway; 0: unknown
}

const (
	// mostRatio bounds how far measurements correct a forecast, so that one absurd report does not stop a group.
	mostRatio = 8
	// comparable excludes loads of less than a tenth of the size: these measure the fixed cost of a load.
	comparable = 10
)

// Ratio returns the median of measured and forecast time of the loads that can be compared with a size, and how many these are. Without any
// it is 1.
func (g Gateway) Ratio(s Size) (ratio float64, measured int) {
	all, least := make([]float64, 0, MaxSamples), s.weight()/comparable
	for _, x := range g.Samples {
		if x.Serving > 0 && x.weight() >= least {
			all = append(all, float64(x.Serving)/float64(Forecast(x.Size, x.Workers).Serving))
		}
	}
	if len(all) == 0 {
		return 1, 0
	}
	return min(max(median(all), 1.0/mostRatio), mostRatio), len(all)
}

// Serving returns how long a load of that size takes on this gateway.
func (g Gateway) Serving(s Size) time.Duration {
	ratio, _ := g.Ratio(s)
	return time.Duration(float64(Forecast(s, g.Workers).Serving) * ratio)
}

// weight is the part of a forecast that depends on the size.
func (s Size) weight() time.Duration { return Forecast(s, 1).Serving - Forecast(Size{}, 1).Serving }

// Forecast returns the cost of a load of that size on this gateway, and how many measured loads correct it.
func (g Gateway) Forecast(s Size) (Load, int) {
	load := Forecast(s, g.Workers)
	ratio, measured := g.Ratio(s)
	load.CPU = time.Duration(float64(load.CPU) * ratio)
	load.Serving = time.Duration(float64(load.Serving) * ratio)
	load.Memory = int64(float64(load.Memory) * g.growth(s))
	return load, measured
}

// growth returns the factor for a forecast of memory: the median of measured and forecast growth, at least 1. Agents see only the memory of
// Lua VMs, and only after a load, so a measurement never lowers a forecast.
func (g Gateway) growth(s Size) float64 {
	var all []float64
	for _, x := range g.Samples {
		if forecast := Forecast(x.Size, x.Workers).Memory; x.Growth > 0 && forecast > 0 && x.weight() >= s.weight()/comparable {
			all = append(all, float64(x.Growth)/float64(forecast))
		}
	}
	if len(all) == 0 {
		return 1
	}
	return min(max(median(all), 1), mostRatio)
}

// Strain returns the digest of the last load, and how many times longer it took than the earlier loads suggest. It is 0 without loads to
// compare with, and for a load under a second.
func (g Gateway) Strain() (fleet.Digest, float64) {
	if len(g.Samples) == 0 {
		return "", 0
	}
	last := g.Samples[len(g.Samples)-1]
	before := Gateway{Workers: last.Workers, Samples: g.Samples[:len(g.Samples)-1]}
	expected, measured := before.Forecast(last.Size)
	if measured == 0 || last.Serving < quick {
		return last.Digest, 0
	}
	return last.Digest, float64(last.Serving) / float64(expected.Serving)
}

func median(all []float64) float64 {
	slices.Sort(all)
	n := len(all)
	if n%2 == 1 {
		return all[n/2]
	}
	return (all[n/2-1] + all[n/2]) / 2
}

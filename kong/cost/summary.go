package cost

import (
	"fmt"
	"time"
)

// A Named is a gateway with its name.
type Named struct {
	Name string
	Gateway
}

// A Summary is the cost of a load on the gateways of a group.
type Summary struct {
	Gateways int
	Measured int           // of these, how many measured a load that can be compared
	Serving  time.Duration // on the slowest
	Slowest  string
	Memory   int64 // on the gateway that needs most
	Largest  string
}

// Summarize returns the cost of a load of that size on gateways.
func Summarize(s Size, gateways []Named) Summary {
	sum := Summary{Gateways: len(gateways)}
	for _, g := range gateways {
		load, measured := g.Forecast(s)
		if measured > 0 {
			sum.Measured++
		}
		if load.Serving > sum.Serving {
			sum.Serving, sum.Slowest = load.Serving, g.Name
		}
		if load.Memory > sum.Memory {
			sum.Memory, sum.Largest = load.Memory, g.Name
		}
	}
	return sum
}

// String returns the summary as one line.
func (s Summary) String() string {
	text := fmt.Sprintf("about %s", Rough(s.Serving))
	if s.Gateways > 1 {
		text += fmt.Sprintf(" on %d gateways (slowest: %s; %d of them measured)", s.Gateways, s.Slowest, s.Measured)
	} else if s.Measured == 0 {
		text += " (not measured yet)"
	} else {
		text += " (measured)"
	}
	return text + fmt.Sprintf(", and %s more memory for a while", RoughBytes(s.Memory))
}

// Rough rounds a forecast time.
func Rough(d time.Duration) time.Duration {
	switch {
	case d < time.Second:
		return d.Round(100 * time.Millisecond)
	case d < 10*time.Second:
		return d.Round(500 * time.Millisecond)
	case d < 2*time.Minute:
		return d.Round(time.Second)
	}
	return d.Round(10 * time.Second)
}

// RoughBytes formats a forecast number of bytes.
func RoughBytes(n int64) string {
	const mega = 1_000_000
	switch {
	case n < mega:
		return "under 1 MB"
	case n < 1000*mega:
		return fmt.Sprintf("%d MB", n/mega)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/(1000*mega))
}

// Package cost forecasts what a load costs a gateway: Kong without a database builds its whole configuration anew for every load, in every
// worker. A forecast is corrected by what the gateway's agent measured. The package is pure.
package cost

import "time"

// A Size is the size of a snapshot.
type Size struct {
	Routes   int64 `json:"routes,omitempty"`
	Entities int64 `json:"entities,omitempty"` // of all kinds, routes included
	Bytes    int64 `json:"bytes,omitempty"`    // in canonical form
}

// IsZero reports whether the size is not known.
func (s Size) IsZero() bool { return s == Size{} }

// SizeOf returns the size of a snapshot with so many entities of each kind.
func SizeOf(entities map[string]int64, bytes int64) Size {
	s := Size{Bytes: max(bytes, 0)}
	for kind, n := range entities {
		s.Entities += max(n, 0)
		if kind == "routes" {
			s.Routes = max(n, 0)
		}
	}
	return s
}

// A Load is the cost of one load.
type Load struct {
	CPU     time.Duration // of all workers
	Serving time.Duration // from the first byte of the post until every worker routes by the new configuration
	Memory  int64         // bytes beyond what the gateway has, for a while
}

// The coefficients are of Kong 3.9.3 on two cores, loaded with services of one route each (fact F47). CPU seconds with one and two workers:
//
//	100 routes 0.16 and 0.18; 1,000 0.42 and 0.63; 10,000 2.3 and 2.7; 30,000 7.6 and 10.7
//
// That is a fixed cost, 0.13 ms a route for one worker to read, check and store it with its service, and 0.1 ms a route for every worker to
// build its router. The forecast is within a third of each of these figures.
const (
	fixed      = 150 * time.Millisecond
	storeRoute = 130 * time.Microsecond
	buildRoute = 100 * time.Microsecond
	// storeOther is for each entity beyond one for each route. It was not measured apart: it is half of what a route and its service take.
	storeOther = 65 * time.Microsecond
	// storeByte is for configurations whose bytes are in few entities. 10,000 routes with their services are 3 MB in canonical form.
	storeByte = 430 * time.Nanosecond
	// contention is how much longer a load takes than its longest chain of work, because gateways forward requests meanwhile and workers
	// switch one after the other. 10,000 routes on two workers were served by both after 3 to 8 s; the forecast is 4.9 s.
	contention = 2
	// memoryRoute is for each worker. 10,000 routes on two workers took 380 MB after the first load, and 780 MB after the next ones: the old
	// and the new configuration are in memory at once.
	memoryRoute = 20_000
	// memoryByte is for configurations whose bytes are in few entities, for each worker.
	memoryByte = 20
)

// UnknownWorkers is assumed for a gateway that does not report its number of workers.
const UnknownWorkers = 2

// Forecast returns the cost of a load of that size on a gateway with a number of workers.
func Forecast(s Size, workers int) Load {
	if workers <= 0 {
		workers = UnknownWorkers
	}
	others := max(s.Entities-2*s.Routes, 0)
	store := max(times(s.Routes, storeRoute)+times(others, storeOther), times(s.Bytes, storeByte))
	build := times(s.Routes, buildRoute)
	return Load{
		CPU:     fixed + store + build*time.Duration(workers),
		Serving: contention * (fixed + store + build),
		Memory:  int64(workers) * max(s.Routes*memoryRoute, s.Bytes*memoryByte),
	}
}

func times(n int64, each time.Duration) time.Duration { return time.Duration(n) * each }

// shareOfLoads is the part of the time that a gateway may spend on loads by default: one tenth.
const shareOfLoads = 10

const (
	// quick is the longest load that needs no interval.
	quick = time.Second
	// MaxInterval bounds the default interval.
	MaxInterval = 5 * time.Minute
)

// Interval returns the default interval between two loads of a gateway: none after a quick load, or else so long that loads take at most a
// tenth of the time.
func Interval(load time.Duration) time.Duration {
	if load < quick {
		return 0
	}
	return min(load*(shareOfLoads-1), MaxInterval).Round(time.Second)
}

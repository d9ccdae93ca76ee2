package health

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// A Sample is what Kong has counted up to a moment, over all its routes.
type Sample struct {
	At       time.Time
	Counted  bool // the counters below are there: the prometheus plugin is configured, and something was proxied since
	Requests float64
	Errors   float64  // of them, those with a status from 500 up
	Refused  float64  // those with a status from 400 to 499 that the gateway gave itself
	Upstream float64  // those with the status 502, 503 or 504 that the gateway gave itself
	Buckets  []Bucket // by their bound; empty when latency is not measured
}

// A Bucket counts the requests that took at most so long.
type Bucket struct {
	Bound float64 // milliseconds; +Inf in the last
	Count float64
}

func byBound(a, b Bucket) int { return cmp.Compare(a.Bound, b.Bound) }

// A Step is what Kong counted between two samples: from From until At.
type Step struct {
	From time.Time
	Sample
}

// Between returns what happened between two samples. A gateway that restarted counts from zero: whatever it has counted happened since.
func Between(before, after Sample) Step {
	if after.reset(before) {
		before = Sample{At: before.At}
	}
	step := Step{before.At, Sample{At: after.At, Counted: after.Counted}}
	if !after.Counted {
		return step
	}
	step.Requests, step.Errors = after.Requests-before.Requests, after.Errors-before.Errors
	step.Refused, step.Upstream = after.Refused-before.Refused, after.Upstream-before.Upstream
	for _, b := range after.Buckets {
		step.Buckets = append(step.Buckets, Bucket{b.Bound, b.Count - count(before.Buckets, b.Bound)})
	}
	return step
}

func (s Sample) reset(before Sample) bool {
	return s.Requests < before.Requests || s.Errors < before.Errors || s.Refused < before.Refused || s.Upstream < before.Upstream ||
		slices.ContainsFunc(s.Buckets, func(b Bucket) bool { return b.Count < count(before.Buckets, b.Bound) })
}

func count(buckets []Bucket, bound float64) float64 {
	for _, b := range buckets {
		if b.Bound == bound {
			return b.Count
		}
	}
	return 0
}

// Join adds up steps that follow on each other. They must not be empty; Counted is that of the last.
func Join(steps []Step) Step {
	last := steps[len(steps)-1]
	all := Step{steps[0].From, Sample{At: last.At, Counted: last.Counted}}
	for _, s := range steps {
		all.Requests += s.Requests
		all.Errors += s.Errors
		for _, b := range s.Buckets {
			at := slices.IndexFunc(all.Buckets, func(have Bucket) bool { return have.Bound == b.Bound })
			if at < 0 {
				all.Buckets = append(all.Buckets, b)
				continue
			}
			all.Buckets[at].Count += b.Count
		}
	}
	slices.SortFunc(all.Buckets, byBound)
	return all
}

// Quantile returns how long the share q of the requests took at most, evenly spread within the bucket it falls into; false without
// requests. What is beyond the last bound is that bound.
func (s Step) Quantile(q float64) (time.Duration, bool) {
	if len(s.Buckets) == 0 {
		return 0, false
	}
	total := s.Buckets[len(s.Buckets)-1].Count
	if total <= 0 {
		return 0, false
	}
	rank, below, lower := q*total, 0.0, 0.0
	for _, b := range s.Buckets {
		if b.Count >= rank && !math.IsInf(b.Bound, 1) {
			within := 1.0
			if b.Count > below {
				within = (rank - below) / (b.Count - below)
			}
			return milliseconds(lower + (b.Bound-lower)*within), true
		}
		if !math.IsInf(b.Bound, 1) {
			below, lower = b.Count, b.Bound
		}
	}
	return milliseconds(lower), true
}

func milliseconds(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

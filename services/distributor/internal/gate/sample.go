package gate

import "slices"

// A Sample is what one gateway has counted, over a window or since its agent started. Samples of windows that follow on each other are
// added up by Add. Numbers only grow; Since takes one that happens to be smaller for a fresh start. The zero value has counted nothing.
type Sample struct {
	CountsRequests   bool      `json:"counts_requests,omitempty"`   // Requests and Failed are there
	CountsUpstream   bool      `json:"counts_upstream,omitempty"`   // UpstreamFailures is there
	MeasuresLatency  bool      `json:"measures_latency,omitempty"`  // Latency is there
	CountsWorkers    bool      `json:"counts_workers,omitempty"`    // WorkerErrors is there
	Requests         uint64    `json:"requests,omitempty"`          // requests of clients
	Failed           uint64    `json:"failed,omitempty"`            // of them, those that failed
	UpstreamFailures uint64    `json:"upstream_failures,omitempty"` // of them, those that could not be passed on
	WorkerErrors     uint64    `json:"worker_errors,omitempty"`     // workers that died or failed
	Latency          Histogram `json:"latency,omitzero"`
	Probes           []Probe   `json:"probes,omitempty"`
}

// A Histogram counts requests by latency. Counts[i] is how many took more than Bounds[i-1] and at most Bounds[i] milliseconds; the last
// count, one more than there are bounds, is over all bounds. The bounds ascend.
type Histogram struct {
	Bounds []float64 `json:"bounds,omitempty"`
	Counts []uint64  `json:"counts,omitempty"`
}

// A Probe counts the answers to one probe.
type Probe struct {
	Name   string `json:"name"` // the path, and the host when there is one
	Sent   uint64 `json:"sent,omitempty"`
	Failed uint64 `json:"failed,omitempty"`
	Reason string `json:"reason,omitempty"` // of the last failure
}

// A Node is a node with what it counted since it serves the candidate, or for a control since the wave's first node does.
type Node struct {
	ID     string  `json:"id"`
	Now    Sample  `json:"now"`
	Before *Sample `json:"before,omitempty"` // the minutes before the wave; nil when nothing is known of them
}

// Add returns the sum of two samples. A signal is there when it is in one of them.
func (s Sample) Add(o Sample) Sample {
	sum := s
	sum.CountsRequests = s.CountsRequests || o.CountsRequests
	sum.CountsUpstream = s.CountsUpstream || o.CountsUpstream
	sum.MeasuresLatency = s.MeasuresLatency || o.MeasuresLatency
	sum.CountsWorkers = s.CountsWorkers || o.CountsWorkers
	sum.Requests += o.Requests
	sum.Failed += o.Failed
	sum.UpstreamFailures += o.UpstreamFailures
	sum.WorkerErrors += o.WorkerErrors
	sum.Latency = s.Latency.Add(o.Latency)
	sum.Probes = slices.Clone(s.Probes)
	for _, p := range o.Probes {
		at := slices.IndexFunc(sum.Probes, func(have Probe) bool { return have.Name == p.Name })
		if at < 0 {
			sum.Probes = append(sum.Probes, p)
			continue
		}
		sum.Probes[at].Sent += p.Sent
		sum.Probes[at].Failed += p.Failed
		if p.Reason != "" {
			sum.Probes[at].Reason = p.Reason
		}
	}
	return sum
}

// Since returns what was counted after an earlier sample of the same node. Which signals are there is as it is now. A signal whose number
// became smaller started from zero in between.
func (s Sample) Since(earlier Sample) Sample {
	d := s
	if s.Requests >= earlier.Requests && s.Failed >= earlier.Failed && s.UpstreamFailures >= earlier.UpstreamFailures {
		d.Requests -= earlier.Requests
		d.Failed -= earlier.Failed
		d.UpstreamFailures -= earlier.UpstreamFailures
	}
	d.WorkerErrors = less(s.WorkerErrors, earlier.WorkerErrors)
	d.Latency = s.Latency.since(earlier.Latency)
	d.Probes = slices.Clone(s.Probes)
	for i, p := range d.Probes {
		if before, ok := earlier.probe(p.Name); ok && before.Sent <= p.Sent && before.Failed <= p.Failed {
			d.Probes[i].Sent -= before.Sent
			d.Probes[i].Failed -= before.Failed
		}
		if d.Probes[i].Failed == 0 {
			d.Probes[i].Reason = ""
		}
	}
	return d
}

func less(now, earlier uint64) uint64 {
	if now < earlier {
		return now
	}
	return now - earlier
}

func (s Sample) probe(name string) (Probe, bool) {
	for _, p := range s.Probes {
		if p.Name == name {
			return p, true
		}
	}
	return Probe{}, false
}

// valid reports whether the counts fit the bounds.
func (h Histogram) valid() bool { return len(h.Bounds) > 0 && len(h.Counts) == len(h.Bounds)+1 }

// Add returns the sum. Histograms with different bounds keep the bounds that they share. One without bounds adds nothing.
func (h Histogram) Add(o Histogram) Histogram {
	switch {
	case !o.valid():
		return h
	case !h.valid():
		return Histogram{o.Bounds, slices.Clone(o.Counts)}
	}
	if !slices.Equal(h.Bounds, o.Bounds) {
		var shared []float64
		for _, b := range h.Bounds {
			if slices.Contains(o.Bounds, b) {
				shared = append(shared, b)
			}
		}
		if len(shared) == 0 {
			return Histogram{}
		}
		h, o = h.coarser(shared), o.coarser(shared)
	}
	sum := Histogram{h.Bounds, slices.Clone(h.Counts)}
	for i, n := range o.Counts {
		sum.Counts[i] += n
	}
	return sum
}

func (h Histogram) since(earlier Histogram) Histogram {
	d := Histogram{h.Bounds, slices.Clone(h.Counts)}
	if !slices.Equal(h.Bounds, earlier.Bounds) || len(h.Counts) != len(earlier.Counts) {
		return d
	}
	for i, n := range earlier.Counts {
		if d.Counts[i] < n {
			return Histogram{h.Bounds, slices.Clone(h.Counts)}
		}
	}
	for i, n := range earlier.Counts {
		d.Counts[i] -= n
	}
	return d
}

// coarser joins buckets to those of a subset of the bounds.
func (h Histogram) coarser(bounds []float64) Histogram {
	c := Histogram{bounds, make([]uint64, len(bounds)+1)}
	for i, n := range h.Counts {
		at := len(bounds)
		if i < len(h.Bounds) {
			at, _ = slices.BinarySearch(bounds, h.Bounds[i])
		}
		c.Counts[at] += n
	}
	return c
}

// total returns how many requests were counted.
func (h Histogram) total() (n uint64) {
	for _, c := range h.Counts {
		n += c
	}
	return n
}

// over returns how many requests took longer than ms, those of one bucket spread evenly in it. All of the last bucket are over its bound
// and over nothing more.
func (h Histogram) over(ms float64) float64 {
	above, lower := 0.0, 0.0
	for i, n := range h.Counts {
		if i == len(h.Bounds) {
			if ms <= lower {
				above += float64(n)
			}
			break
		}
		upper := h.Bounds[i]
		switch {
		case ms <= lower:
			above += float64(n)
		case ms < upper:
			above += float64(n) * (upper - ms) / (upper - lower)
		}
		lower = upper
	}
	return above
}

// quantile returns how long the share q of the requests took at most; what is over the last bound is that bound.
func (h Histogram) quantile(q float64) float64 {
	rank, below, lower := q*float64(h.total()), 0.0, 0.0
	for i, upper := range h.Bounds {
		n := float64(h.Counts[i])
		if below+n >= rank && n > 0 {
			return lower + (upper-lower)*(rank-below)/n
		}
		below, lower = below+n, upper
	}
	return lower
}

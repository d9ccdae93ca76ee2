package simulate

// A Case is a harm and the limits that are to find it.
type Case struct {
	Name   string
	Limit  string
	Limits Limits
	Harm   Harm
	Alone  bool // in a group of one
}

// Cases returns the harms whose detection is published.
func Cases() []Case {
	errors := func(limit float64) Limits { return Limits{Errors: limit} }
	latency := func(q, factor float64) Limits { return Limits{Quantile: q, Slower: factor} }
	return []Case{
		{"1 % errors", "errors +0.2 %", errors(0.002), Harm{Errors: 0.01}, false},
		{"5 % errors", "errors +1 %", errors(0.01), Harm{Errors: 0.05}, false},
		{"50 % errors", "errors +1 %", errors(0.01), Harm{Errors: 0.5}, false},
		{"100 % errors", "errors +1 %", errors(0.01), Harm{Errors: 1}, false},
		{"latency x1.5", "p50 +20 %", latency(0.5, 1.2), Harm{Slower: 1.5}, false},
		{"latency x1.5", "p99 +20 %", latency(0.99, 1.2), Harm{Slower: 1.5}, false},
		{"latency x5", "p50 +50 %", latency(0.5, 1.5), Harm{Slower: 5}, false},
		{"latency x5", "p99 +50 %", latency(0.99, 1.5), Harm{Slower: 5}, false},
		{"50 % errors", "errors +1 %", errors(0.01), Harm{Errors: 0.5}, true},
		{"100 % errors", "errors +1 %", errors(0.01), Harm{Errors: 1}, true},
	}
}

// Setting returns the fleet of the case: 12 nodes, or one, with so many requests a second each. They differ a little and have noise, and
// their p99 is near 90 ms.
func (c Case) Setting(rate float64) Setting {
	nodes := 12
	if c.Alone {
		nodes = 1
	}
	return Setting{
		Nodes: nodes, Known: c.Alone, Rate: rate, Errors: 0.001, NodeError: 0.2, Noise: 0.2, Median: 28, Width: 0.5, NodeSlow: 0.03, Clumps: true,
	}
}

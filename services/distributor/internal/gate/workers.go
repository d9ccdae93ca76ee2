package gate

// workerClump is how many workers of a gateway fail together.
const workerClump = 4

// workers compares how often Kong's workers failed, for as long as was watched on each side. Given their number, each failure falls on the
// wave with the share of the time that was watched there, when the candidate is not to blame.
func (j judge) workers() Result {
	r := Result{Gate: GateWorkers, Window: j.look.Window}
	var treated []tally
	for i := range j.treatment {
		if n := &j.treatment[i]; n.Now.CountsWorkers {
			treated = append(treated, tally{n.ID, float64(n.Now.WorkerErrors), 1})
		}
	}
	if len(treated) == 0 {
		return j.notMeasured(r, "an agent that counts workers")
	}
	x, _ := sum(treated)
	r.Treated = Figure{Nodes: len(treated), Count: x}
	for i := range j.control {
		if n := &j.control[i]; n.Now.CountsWorkers {
			r.Compared.Nodes++
			r.Compared.Count += float64(n.Now.WorkerErrors)
		}
	}
	share := 1.0
	if r.Compared.Nodes > 0 {
		share = float64(r.Treated.Nodes) / float64(r.Treated.Nodes+r.Compared.Nodes)
	} else {
		r.Reference = Nothing
		for i := range j.treatment {
			if n := &j.treatment[i]; n.Before != nil && n.Before.CountsWorkers {
				r.Compared.Nodes++
				r.Compared.Count += float64(n.Before.WorkerErrors)
			}
		}
		if r.Compared.Nodes == len(treated) && j.look.Before > 0 {
			r.Reference = Before
			share = j.look.Window.Seconds() / (j.look.Window + j.look.Before).Seconds()
		}
	}
	switch {
	case exceeds(x/workerClump, (x+r.Compared.Count)/workerClump, share, j.alpha):
		r.Outcome, r.Nodes = Fail, worst(treated)
	case x == 0 || r.Reference != Nothing:
		r.Outcome = Pass
	}
	return r
}

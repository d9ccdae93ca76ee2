package gate

import (
	"cmp"
	"time"
)

// beforeWeight is how many requests before the wave a node must have so that its own share of then counts as much as the control's.
const beforeWeight = 50

// halfFails is the share that fails when there is nothing to compare with.
const halfFails = 0.5

// weaker is by what the prior grows in a comparison over different times.
const weaker = 1.5

// excusedOutage is how long all requests may fail in a comparison over different times: an outage of what is behind all gateways is not
// the candidate's fault, and only a control of the same minutes would show that. Never more than halfFails of the window is excused.
const excusedOutage = 5 * time.Second

// outage returns the share of the requests that an excused outage makes up.
func (j judge) outage(reference Reference) float64 {
	if reference == Control || j.look.Window <= 0 {
		return 0
	}
	return min(halfFails, excusedOutage.Seconds()/j.look.Window.Seconds())
}

// share compares a share of the requests.
func (j judge) share(name string, limit Share, read signal) Result {
	r := Result{Gate: name, Limit: limit.MaxIncrease, Window: j.look.Window}
	treated := now(j.treatment, read)
	if len(treated) == 0 {
		return j.notMeasured(r, "the Prometheus plugin with status_code_metrics")
	}
	var compared []tally
	r.Reference, compared = j.reference(read)
	r.Treated, r.Compared = figure(treated), figure(compared)
	x, n := sum(treated)
	if r.Reference == Nothing {
		r.Allowed = halfFails
		if exceeds(x/clump, n/clump, halfFails, j.alpha) {
			r.Outcome, r.Nodes = Fail, worst(treated)
		}
		return r
	}
	if r.Treated.Value > r.Compared.Value+limit.MaxIncrease {
		r.Allowed = j.allowedShare(r, compared, before(j.treatment, read))
		if exceeds(x/clump, n/clump, r.Allowed, j.alpha) {
			r.Outcome, r.Nodes = Fail, worst(treated)
			return r
		}
	}
	least := cmp.Or(limit.MinRequests, DefaultMinRequests)
	if r.Treated.Of >= least && r.Compared.Of >= least {
		r.Outcome = Pass
	}
	return r
}

// allowedShare returns the share up to which the wave counts as no worse: the upper bound of the control's, and what the limit or the
// differences between nodes allow on top.
func (j judge) allowedShare(r Result, compared, own []tally) float64 {
	x, n := sum(compared)
	mean := (x + 0.1) / (n + 1)
	xs, ns := make([]float64, len(compared)), make([]float64, len(compared))
	for i, t := range compared {
		xs[i], ns[i] = t.x, t.n
	}
	prior := nodePrior
	if r.Reference != Control {
		prior *= weaker
	}
	apart := sharesApart(xs, ns, prior)
	odds := mean / (1 - mean) * apart.factor(r.Treated.Nodes, r.Compared.Nodes, j.alpha)
	gap := max(r.Limit, odds/(1+odds)-mean, j.outage(r.Reference))
	if r.Reference != Before {
		xb, nb := sum(own)
		gap += max(0, (xb+mean*beforeWeight)/(nb+beforeWeight)-mean)
	}
	return upper(x/clump, n/clump, j.alpha) + gap
}

// notMeasured says which signal is missing. The gate is inconclusive when the nodes of the wave would measure it and are not there.
func (j judge) notMeasured(r Result, needs string) Result {
	if len(j.treatment) == 0 {
		r.Reference, r.Detail = Nothing, "no node of the wave has evidence"
		return r
	}
	r.Reference, r.Outcome, r.Detail = Nothing, NotMeasured, needs
	return r
}

// Package gate decides whether the nodes of a wave fare worse than others: than the nodes outside of it over the same time, or, when none
// has traffic, than the same nodes before. It is pure, and keeps nothing between two looks.
//
// # The test
//
// A wave is looked at each second while it soaks, and one failure takes the candidate back. A test for one look, repeated 60 times, would
// raise many false alarms. Every bound here is therefore a confidence sequence: it holds at all looks at once, however many there are and
// whenever one stops. It comes from a mixture of likelihood ratios. For a share x of n with mean q and any number l
//
//	exp(l*x - n*log(1 + q*(exp(l)-1)))
//
// is a nonnegative supermartingale that starts at 1, also when the mean changes from request to request and q is its running average
// (Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence sequences", 2021). So is the average over
// a fixed grid of l. By Ville's inequality it ever reaches 1/alpha with a probability of at most alpha. It needs the counts of now alone,
// so a new leader judges as the old one did. A group-sequential bound would need the number of looks and the traffic in advance.
//
// Worse fails a wave whose share has a lower bound over the upper bound for the others by more than the limit. SlowerBy fails a wave of
// which a greater share than 1-q is over the limit times an upper bound of the others' quantile q. Within a bucket of a histogram requests
// count as spread evenly. That makes each of them a number from 0 to 1, for which the bounds hold as well.
//
// # Correlated requests
//
// Requests are not independent. Clients repeat, so counts are divided by clump before they are tested. Nodes differ, because one has a bad
// backend or another mix of traffic, and that does not average out in time. The others show by how much: the variance between them, less
// what chance explains, is joined with a prior (nodePrior, latencyPrior, which weigh as priorNodes nodes) and gives Student's prediction
// bound, on a logarithmic scale, for the mean of as many nodes as the wave has. A difference within it is no failure, also above the
// limit. With few others the prior decides. A node that was worse before the rollout may stay so.
//
// # The promise
//
// At most Promise of the healthy rollouts are stopped. It is divided by the number of waves and of gates, and within a gate by its three
// bounds: of the wave, of the others, and of the nodes. The first two are exact for clumps of requests; the last rests on the prior and on
// differences that are about log-normal. Package simulate measures what comes of it.
//
// # Without others
//
// The last wave and a group of one have no others over the same time. The same nodes before the rollout are a weaker comparison: an outage
// of what is behind all gateways looks like the candidate's fault. The prior is wider then, and an outage of all requests for
// excusedOutage is excused. Without any comparison a wave fails when more than half of its requests do.
package gate

import "time"

// Promise is the share of healthy rollouts that gates may stop.
const Promise = 0.001

// bounds is by how many bounds one gate can be wrong.
const bounds = 3

// halfFails is the share that must fail when there is nothing to compare with, and the most that an outage excuses.
const halfFails = 0.5

// excusedOutage is how long all requests may fail, or be slow, in a comparison over different times.
const excusedOutage = 5 * time.Second

// weaker is by what the prior grows in a comparison over different times.
const weaker = 1.5

// beforeWeight is how many requests before the rollout make a node's own share count as much as that of the others.
const beforeWeight = 50

// A Look is what a comparison needs to know beside the counts.
type Look struct {
	Waves  int           // of the rollout; 0 is 1
	Gates  int           // that compare traffic; 0 is 1
	Window time.Duration // how long the wave was watched
	Before bool          // the others are the same nodes before the rollout
}

// alpha is the level of one bound.
func (l Look) alpha() float64 { return Promise / float64(max(1, l.Waves)*max(1, l.Gates)*bounds) }

// prior returns a prior as wide as the comparison needs it.
func (l Look) prior(of float64) float64 {
	if l.Before {
		return of * weaker
	}
	return of
}

// excused returns the share of the requests that an excused outage makes up.
func (l Look) excused() float64 {
	if !l.Before || l.Window <= 0 {
		return 0
	}
	return min(halfFails, excusedOutage.Seconds()/l.Window.Seconds())
}

// A Count is how many of how many requests.
type Count struct{ Hits, Of float64 }

// Plus adds two counts.
func (c Count) Plus(other Count) Count { return Count{c.Hits + other.Hits, c.Of + other.Of} }

// Share returns the share; 0 of nothing.
func (c Count) Share() float64 {
	if c.Of <= 0 {
		return 0
	}
	return c.Hits / c.Of
}

// exceeds reports whether there is evidence, at all looks together, that the share is over q.
func (c Count) exceeds(q, alpha float64) bool { return exceeds(c.Hits/clump, c.Of/clump, q, alpha) }

// Sum adds counts up.
func Sum(nodes []Count) (all Count) {
	for _, c := range nodes {
		all = all.Plus(c)
	}
	return all
}

// Worse reports whether the share of the wave is higher than that of the others by more than a limit and than nodes differ. Each count is
// of one node, since the wave began. Own is what the nodes of the wave counted before the rollout, as far as it is known.
func Worse(wave, others, own []Count, limit float64, look Look) bool {
	w, o, alpha := Sum(wave), Sum(others), look.alpha()
	if o.Of == 0 {
		return w.exceeds(halfFails, alpha)
	}
	if w.Share() <= o.Share()+limit {
		return false
	}
	mean := (o.Hits + 0.1) / (o.Of + 1)
	apart := sharesApart(others, look.prior(nodePrior)).factor(len(wave), len(others), alpha)
	gap := max(limit, times(mean, apart)-mean, look.excused())
	if was := Sum(own); !look.Before {
		share := (was.Hits + mean*beforeWeight) / (was.Of + beforeWeight)
		gap = max(gap, times(share, spread{timePrior, priorFreedom}.factor(len(wave), 0, alpha))-mean)
	}
	return w.exceeds(upper(o.Hits/clump, o.Of/clump, alpha)+gap, alpha)
}

// times multiplies the odds of a share, which thereby stays under 1.
func times(share, factor float64) float64 {
	odds := share / (1 - share) * factor
	return odds / (1 + odds)
}

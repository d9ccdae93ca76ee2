// Package gate judges whether the nodes of a rollout's wave are worse than the nodes that are not in it yet, over the same minutes.
// It is pure: Judge takes what gateways counted and returns a verdict with its evidence. It reads no clock, keeps nothing between two
// looks and knows nothing of rollouts; what follows from a verdict is decided elsewhere.
//
// # The test
//
// A wave is looked at every second or two while it soaks, and one failure takes the candidate back. A test for one look, repeated 60
// times, would raise many false alarms. Every bound here is therefore a confidence sequence: it holds at all looks at once, however many
// there are and whenever one stops. It comes from a mixture of likelihood ratios. For a share x of n with mean q and any λ
//
//	exp(λx - n·log(1 + q·(exp(λ)-1)))
//
// is a nonnegative supermartingale that starts at 1, also when the mean changes from request to request and q is its running average
// (Howard, Ramdas, McAuliffe and Sekhon, 2021: "Time-uniform, nonparametric, nonasymptotic confidence sequences"). So is the average
// over a fixed grid of λ. By Ville's inequality it reaches 1/α at any time with a probability of α at most. It needs the counts of now
// alone, so a new leader judges as the old one did. A group-sequential bound was not chosen because it needs to know the number of looks
// and the traffic between them in advance.
//
// The error ratio fails when the lower bound of the wave's share exceeds the upper bound of the control's share by more than the limit.
// Latency fails when more requests of the wave than 1-q exceed (1 + limit) times the upper bound of the control's quantile q. Within a
// bucket of a histogram requests count as spread evenly; that makes each a number from 0 to 1, for which the bounds hold as well.
//
// # Correlated requests
//
// Requests are not independent. Clients repeat, so counts are divided by clump before they are tested. Nodes differ, because one has a
// bad backend or another mix of traffic, and this does not average out in time. The control nodes show how much: the variance between
// them, less what chance explains, is joined with a prior (nodePrior, latencyPrior, which weigh as priorNodes nodes) and gives a Student
// prediction bound, on a logarithmic scale, for the mean of as many nodes as the wave has. A difference within it is not a failure, even
// above the limit. With one node in the wave and few in the control the prior decides. A node that was worse than the control before the
// wave reached it is compared with itself.
//
// # The promise
//
// At most Promise of the healthy rollouts are stopped by the gates of traffic. It is divided by the number of waves and gates, and
// within a gate by its three bounds. The first two parts are exact for clumps of requests; the part of nodes rests on the prior and on
// node-to-node differences that are about log-normal. Package simulate measures the rate, and the times to detect errors.
//
// # Without a control
//
// The last wave of a group and a group of one have no control with traffic. Then the wave is compared with the control as it was frozen
// when the wave before ended (Look.Frozen), or else with the same nodes before the rollout (Node.Before). Both are weaker, because the
// time of day is not taken out; the evidence names them. The prior is wider then, and an outage of all requests of excusedOutage is
// excused, for it may be one of what is behind the gateways. Without any, only failures of more than half of all requests count.
package gate

package rollout

import (
	"cmp"
	"maps"
	"slices"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// smallSteps is the share of a group, in percent, that a step of a choosing policy includes at least while others load: each step is a
// write of all that was chosen.
const smallSteps = 1

// chooses reports whether the waves of a policy choose their nodes one by one: by labels, or spread over the values of a label. Others are
// a threshold in the hash order.
func (p Policy) chooses() bool {
	return p.Spread != nil || slices.ContainsFunc(p.waves(), func(w Wave) bool { return w.Label != "" })
}

// named reports whether a node has the label of a wave.
func named(n Node, w Wave) bool {
	return w.Label != "" && fleet.HasLabel(n.Labels, w.Label)
}

// rank returns the first label wave that names a node, or the number of waves.
func (p Policy) rank(n Node) int {
	waves := p.waves()
	if at := slices.IndexFunc(waves, func(w Wave) bool { return named(n, w) }); at >= 0 {
		return at
	}
	return len(waves)
}

// spreadOf returns the value of a node by which loads are spread.
func (p Policy) spreadOf(n Node) string {
	if p.Spread == nil {
		return ""
	}
	return n.Labels[p.Spread.Label]
}

// order sorts nodes as waves take them: those that an earlier label wave names first, then the values of the spread's label in turn, then
// by the hash order of the group.
func (p Policy) order(nodes []Node) []Node {
	type place struct {
		rank, turn int
		node       Node
	}
	type part struct {
		rank  int
		value string
	}
	slices.SortFunc(nodes, func(x, y Node) int { return cmp.Compare(x.Position, y.Position) })
	turns := map[part]int{}
	places := make([]place, len(nodes))
	for i, n := range nodes {
		in := part{p.rank(n), p.spreadOf(n)}
		places[i] = place{in.rank, turns[in], n}
		turns[in]++
	}
	slices.SortStableFunc(places, func(x, y place) int { return cmp.Or(cmp.Compare(x.rank, y.rank), cmp.Compare(x.turn, y.turn)) })
	for i, at := range places {
		nodes[i] = at.node
	}
	return nodes
}

// lacking returns the nodes that the present wave of a choosing policy still lacks, in the order in which they are taken. Waves by count
// take nodes that are fit; a wave by label takes all fit nodes with the label, and those of the label waves before it.
func (c counts) lacking(r Rollout, a Assignment) []Node {
	fit := Positions(c.fit)
	var left []Node
	for _, n := range c.nodes {
		if n.Online && fit.has(n.Position) && !a.Has(n.Position) {
			left = append(left, n)
		}
	}
	left = r.Policy.order(left)
	wave, over := max(r.Wave, 1), r.tookFrom(a)
	switch {
	case wave >= r.Policy.WaveCount():
		return left
	case r.Policy.waves()[wave-1].Label != "":
		return slices.DeleteFunc(left, func(n Node) bool { return r.Policy.rank(n) >= wave && !over.Has(n.Position) })
	}
	more := r.Policy.size(wave, len(c.fit)) - a.count(c.fit)
	of := func(n Node) bool { more--; return more < 0 && !over.Has(n.Position) }
	return slices.DeleteFunc(left, of)
}

// wanted returns how many fit nodes the present wave of a policy by count includes.
func (c counts) wanted(r Rollout, a Assignment) int {
	return max(r.Policy.size(r.Wave, len(c.fit)), c.upTo(r.tookFrom(a)))
}

// upTo returns how many fit nodes there are up to the last one of a reach, in hash order.
func (c counts) upTo(reach Reach) int {
	for n := len(c.fit); n > 0; n-- {
		if reach.Has(c.fit[n-1]) {
			return n
		}
	}
	return 0
}

// tookFrom returns the nodes that a rollout which took over must take on in its first wave, whoever joined since: those that the rollouts
// before it reached. All others run the same content, which is the stable one or that of a hold on everybody.
func (r Rollout) tookFrom(a Assignment) (before Reach) {
	if !r.TookOver || r.Wave > 1 {
		return before
	}
	for _, h := range a.Held {
		if h.Threshold < fleet.MaxPosition {
			before.Threshold = max(before.Threshold, h.Threshold)
			before = before.plus(h.Chosen)
		}
	}
	return before
}

// firstWave reports whether the first wave of a new rollout takes on every fit node of a reach.
func (p Policy) firstWave(c counts, reach Reach) bool {
	if !p.chooses() {
		return p.size(1, len(c.fit)) >= c.upTo(reach)
	}
	next := Rollout{Policy: p, Wave: 1}
	var first Reach
	for _, n := range c.lacking(next, Assignment{}) {
		first.Chosen = append(first.Chosen, n.Position)
	}
	slices.Sort(first.Chosen)
	return !slices.ContainsFunc(c.fit, func(position uint64) bool { return reach.Has(position) && !first.Has(position) })
}

// nobody reports whether a wave by label, and all before it, found no node at all. The rollout waits for one.
func (c counts) nobody(r Rollout, a Assignment) bool {
	return r.Policy.chooses() && c.InWave == 0 && c.Online > 0 && r.Wave < r.Policy.WaveCount() && len(c.lacking(r, a)) == 0
}

// choose returns the reach with as many more nodes of the wave as may load now.
func choose(r Rollout, a Assignment, c counts, waited bool) Reach {
	lacking := c.lacking(r, a)
	limit := c.atOnce(r)
	loading := c.held() - c.excused(r, waited)
	free := limit - loading - len(c.loadingOffline)
	take := c.admitted(r, lacking, free, waited)
	enough := min(limit/4, len(c.fit)*smallSteps/100)
	switch {
	case free <= 0:
		return a.Reach
	case len(take) == len(lacking) && r.Wave == r.Policy.WaveCount():
		return whole
	case loading > 0 && len(take) < len(lacking) && len(take) < enough:
		return a.Reach
	}
	return a.plus(take)
}

// admitted returns the positions of the nodes that may load beside those that load now, at most free.
func (c counts) admitted(r Rollout, lacking []Node, free int, waited bool) (take []uint64) {
	spread := r.Policy.Spread
	busy, size := c.spread(r, waited)
	for _, n := range lacking {
		if len(take) >= free {
			break
		}
		value := r.Policy.spreadOf(n)
		if spread != nil && !admits(*spread, busy, value, size[value]) {
			continue
		}
		busy[value]++
		take = append(take, n.Position)
	}
	return take
}

// admits reports whether one more node with a value may load.
func admits(s fleet.Spread, busy map[string]int, value string, size int) bool {
	if s.MaxLoading > 0 && busy[value] >= max(1, size*s.MaxLoading/100) {
		return false
	}
	others := len(busy)
	if busy[value] > 0 {
		others--
	}
	return s.MaxValuesLoading <= 0 || others < s.MaxValuesLoading
}

// spread counts the nodes that load, and the fit ones, by the value of the spread's label. Failures that the policy excuses do not load.
func (c counts) spread(r Rollout, waited bool) (busy, size map[string]int) {
	busy, size = map[string]int{}, map[string]int{}
	if r.Policy.Spread == nil {
		return busy, size
	}
	loads := c.silent.merge(c.loadingOffline)
	switch tolerated := c.tolerated(r); {
	case waited && c.held() <= tolerated:
		loads = c.loadingOffline
	case c.Failed > tolerated:
		loads = loads.merge(c.failing)
	}
	fit := Positions(c.fit)
	for _, n := range c.nodes {
		value := r.Policy.spreadOf(n)
		if fit.has(n.Position) {
			size[value]++
		}
		if loads.has(n.Position) {
			busy[value]++
		}
	}
	maps.DeleteFunc(busy, func(_ string, n int) bool { return n == 0 })
	return busy, size
}

package rollout

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// truth is what the invariants remember of a run.
type truth struct {
	obeyed    map[string]bool         // orders
	withdrawn map[fleet.Revision]bool // refused or rolled back
	pinned    fleet.Revision          // the newest revision with a pin
	wave      time.Time               // when the wave began or began again, by the true time
	soaked    time.Time               // when the soak began
	loaded    time.Time               // when nodes were last told to load
	excused   time.Time               // when a rollout last began that needs no distance from the loads before it, or was taken back
	least     time.Duration           // the shortest load interval so far
	policies  int                     // how many there were
	// At the beginning of the newest rollout and of the one before it.
	began, before struct{ nodes, policies int }
}

func newTruth() truth {
	return truth{obeyed: map[string]bool{}, withdrawn: map[fleet.Revision]bool{}}
}

// maxRecord bounds the record of a rollout and an assignment, apart from what they say of each node.
const maxRecord = 24 << 10

// plan asks Plan. It modifies nothing, says the same twice, and no decision rests on the time.
func (w *world) plan(now time.Time, in Input) Decision {
	if !w.chance(100) {
		return Plan(now, in)
	}
	before := text(in)
	d := Plan(now, in)
	if after := text(in); before != after {
		w.broken("Plan modified its input from %s to %s", before, after)
	}
	if again := Plan(now, in); !reflect.DeepEqual(d, again) {
		w.broken("Plan decided %s, and then %s", text(d), text(again))
	}
	later := Plan(now.Add(3*time.Hour), in)
	if len(in.ahead()) == 0 && outline(d) != outline(later) {
		w.broken("Plan decided %s, and three hours later %s", outline(d), outline(later))
	}
	if size := len(text(d)); size > maxRecord+64*len(in.Nodes) {
		w.broken("the decision takes %d bytes: %s", size, text(d))
	}
	return d
}

func text(v any) string {
	all, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(all)
}

// outline is a decision without its times.
func outline(d Decision) string {
	said := fmt.Sprint(d.Wait)
	for _, r := range []*Rollout{d.Ended, d.Rollout} {
		if r != nil {
			said += fmt.Sprintf(" %s %s wave %d %s", r.ID, r.State, r.Wave, r.Reason)
		}
	}
	return said + text(d.Assignment)
}

// check is of every decision that is written.
func (w *world) check(was Input, d Decision) {
	r, old := d.Rollout, was.Rollout
	if r != nil && (old == nil || r.ID != old.ID) {
		w.checkBegin(was, d)
	}
	w.checkDue(was, d)
	w.checkRevisions(d)
	w.checkPaused(was, d)
	w.checkEnd(was, d)
	w.checkTimes(was, d)
	w.checkTargets(was, d)
	w.checkReach(was, d)
	w.checkSpread(was, d)
	w.checkServing(was, d)
	w.checkLoading(was, d)
	w.checkSize(d)
	w.witness(was, d)
}

// checkDue is of what Plan must not leave undone, also when it decides nothing.
func (w *world) checkDue(was Input, d Decision) {
	w.checkOrders(was, d)
	w.checkRefusals(was, d)
	w.checkGates(was, d)
}

// begins reports whether a rollout begins with a decision.
func begins(was Input, d Decision) bool {
	return d.Rollout != nil && (was.Rollout == nil || was.Rollout.ID != d.Rollout.ID)
}

// checkBegin is of a rollout that begins: it is to the newest revision, not while the group is frozen or paused or sources are to be
// pinned, not without the pins, and not to what was taken back, unless an operator orders it.
func (w *world) checkBegin(was Input, d Decision) {
	r, old := d.Rollout, was.Rollout
	retried := len(r.Orders) == 1 && r.Orders[0].Verb == Retry && old != nil && r.Orders[0].Rollout == old.ID
	hurried := len(r.Orders) == 1 && r.Orders[0].Begin && old != nil && r.Orders[0].Rollout == old.ID
	if hurried {
		w.seen.hurried++
	}
	routine := w.checkAtOnce(was, *r)
	w.checkDistance(was, d, retried || hurried)
	number := "00000001"
	var paused bool
	if old != nil {
		n := 0
		_, _ = fmt.Sscanf(string(old.ID), "%d", &n)
		number = fmt.Sprintf("%08d", n+1)
		paused = old.Paused && old.State.Open()
	}
	switch {
	case string(r.ID) != number:
		w.broken("rollout %s follows, and should be %s", r.ID, number)
	case !r.Candidate.Same(was.Newest):
		w.broken("a rollout to revision %d began, and the newest is %d", r.Candidate.Revision, was.Newest.Revision)
	case was.Orders.Frozen() != nil:
		w.broken("a rollout began in a frozen group")
	case old != nil && old.Pinning.Due():
		w.broken("a rollout began while sources are to be pinned")
	case r.Candidate.Revision < w.truth.pinned:
		w.broken("a rollout to revision %d began, and the pins are in %d", r.Candidate.Revision, w.truth.pinned)
	case was.Closed != (Closed{}) && old != nil && !retried && !hurried && !routine:
		w.broken("a rollout began while no change window was open")
	case len(r.Orders) > 0 && !retried && !hurried:
		w.broken("a rollout began with orders of another: %+v", r.Orders)
	case retried && (old.State.Open() || old.State == Completed):
		w.broken("a rollout that is %s was retried", old.State)
	case !retried && w.truth.withdrawn[r.Candidate.Revision]:
		w.broken("revision %d was taken back, and a rollout to it began", r.Candidate.Revision)
	case !retried && r.Candidate.Revision <= handled(was):
		w.broken("a rollout to revision %d began, and %d was decided on", r.Candidate.Revision, handled(was))
	case (d.Ended != nil) != (old != nil && old.State.Open()) || d.Ended != nil && (d.Ended.State != Superseded || d.Ended.ID != old.ID):
		w.broken("a rollout began, and the one before is %+v", d.Ended)
	case paused && !slices.ContainsFunc(was.Orders.pending(*old), func(o Order) bool { return o.Verb == Resume || o.Verb == Promote }):
		w.broken("a rollout took the place of one that is paused")
	case was.Assignment != nil && r.Stable != was.Assignment.Stable && was.Assignment.Epoch == was.Epoch:
		w.broken("a rollout from %+v began, and stable is %+v", r.Stable, was.Assignment.Stable)
	}
}

// targetsMoved returns how many of a hundred targets moved at most between two revisions; false when anything else changed in between.
func (w *world) targetsMoved(from, to fleet.Revision) (sum float64, only bool) {
	for _, moved := range w.moved[from:to] {
		if moved < 0 {
			return 0, false
		}
		sum += moved
	}
	return min(sum, allTargets), true
}

// checkAtOnce is of a rollout that begins: it has no waves if and only if nothing but targets changed, within the bound, against all that
// the group may run, and the rollout before completed or reached nobody. It needs no change window then, which it returns.
func (w *world) checkAtOnce(was Input, r Rollout) (may bool) {
	old, a := was.Rollout, was.Assignment
	may = was.Policy.TargetsAtOnce > 0 && a != nil && old != nil && !a.Stable.IsZero() && a.Epoch == was.Epoch &&
		(old.State == Completed || old.State.Open() && a.Rollout == old.ID && a.Reach.IsZero())
	if may {
		all := []Target{a.Stable}
		for _, h := range a.Held {
			all = append(all, h.Target)
		}
		for _, t := range all {
			sum, only := w.targetsMoved(t.Revision, r.Candidate.Revision)
			may = may && only && sum <= float64(was.Policy.TargetsAtOnce)
		}
	}
	same := a != nil && a.without().runs(r.Candidate.Digest, whole)
	switch {
	case r.AtOnce != (may && !same):
		w.broken("targets may go at once: %t, and the rollout began with %t: %+v", may, r.AtOnce, r)
	case r.AtOnce && (len(r.Policy.Waves) != 1 || r.Policy.Waves[0] != Wave{Percent: 100}):
		w.broken("targets go at once, in the waves %+v", r.Policy.Waves)
	case r.AtOnce:
		if w.seen.atOnce++; was.Closed != (Closed{}) {
			w.seen.unwindowed++
		}
	}
	return may
}

// unwatched reports whether the watch of a rollout may end early: it goes at once, and so may the newest revision after it.
func (w *world) unwatched(was Input, r Rollout) bool {
	if !r.AtOnce || was.Newest.Revision <= r.Candidate.Revision || was.Orders.Frozen() != nil {
		return false
	}
	sum, only := w.targetsMoved(r.Candidate.Revision, was.Newest.Revision)
	return only && sum <= float64(was.Policy.TargetsAtOnce)
}

// interval is the load interval of a policy in the simulation, where no size is known.
func (p Policy) interval() time.Duration {
	if p.LoadInterval == nil {
		return 0
	}
	return *p.LoadInterval
}

// checkDistance is of a rollout that begins: it keeps its distance from the loads before it. Excused is what follows a halt or a rollback,
// what an operator wants now, what loads nothing, and what takes the place of a rollout in the middle of a wave.
func (w *world) checkDistance(was Input, d Decision, wanted bool) {
	r, old := d.Rollout, was.Rollout
	w.truth.before, w.truth.began = w.truth.began, struct{ nodes, policies int }{len(was.Nodes), w.truth.policies}
	excused := wanted || old == nil || old.LoadTime.IsZero() || old.State == Halted || old.State == RolledBack || r.Ahead > 0 ||
		d.Ended != nil && (!r.TookOver || Count(was).InWave == 0) ||
		was.Assignment != nil && was.Assignment.without().runs(r.Candidate.Digest, whole)
	if excused {
		w.truth.excused = w.now
		return
	}
	if gap := w.now.Sub(w.truth.loaded); gap < was.Policy.interval() {
		w.broken("a rollout begins %s after the last load of the one before, and the interval is %s", gap, was.Policy.interval())
	}
}

// checkInterval is of a node that is about to load: in a group with which nothing is wrong it has not loaded within the interval.
func (w *world) checkInterval(m *machine) {
	if m.runs.IsZero() {
		return // it has just joined, or has not loaded anything yet
	}
	gap := w.now.Sub(m.loaded)
	known := !m.loaded.IsZero() && w.healthy && w.seen.recovered == 0
	m.loaded = w.now
	if !known || w.truth.least == 0 || w.now.Sub(w.truth.excused) < w.truth.least+gap {
		return
	}
	if w.seen.spaced++; gap < w.truth.least {
		w.broken("a node loads %s after its last load, and the interval was never less than %s", gap, w.truth.least)
	}
}

// checkRevisions is of a rollout that took over at the end of a wave: after its first wave the group is on two revisions.
func (w *world) checkRevisions(d Decision) {
	r, a := d.Rollout, d.Assignment
	if r == nil || a == nil || !r.State.Open() || !r.TookOver || r.Wave < 2 || !w.healthy {
		return
	}
	now := struct{ nodes, policies int }{len(w.in.Nodes), w.truth.policies}
	if w.truth.before.nodes != now.nodes || w.truth.began.policies != w.truth.before.policies {
		return
	}
	distinct := map[fleet.Revision]bool{}
	for _, n := range w.in.Nodes {
		distinct[a.Target(n.Position).Revision] = true
	}
	if w.seen.twoRevisions++; len(distinct) > 2 {
		w.broken("wave %d of a rollout that took over, and the nodes are to run %v: %+v", r.Wave, distinct, a)
	}
}

// checkOrders is of orders: each is obeyed at once, unless the rollout ends or waits for the ledger, and only once.
func (w *world) checkOrders(was Input, d Decision) {
	r, old := d.Rollout, was.Rollout
	if r != nil {
		for _, o := range r.Orders {
			if old != nil && old.Has(o.ID) && old.ID == r.ID {
				continue
			}
			if w.truth.obeyed[o.ID] {
				w.broken("order %s was obeyed twice", o.ID)
			}
			w.truth.obeyed[o.ID] = true
		}
	}
	if old == nil || !old.State.Open() || len(was.ahead()) > 0 || was.Assignment == nil || was.Assignment.Rollout != old.ID {
		return
	}
	if begins(was, d) {
		r = d.Ended
	} else if r == nil {
		r = old
	}
	if r.State == Halted || r.State == RolledBack {
		return
	}
	for _, o := range was.Orders.pending(*old) {
		if o.Refuses(*old) == "" && o.Verb != Retry && !r.Has(o.ID) {
			w.broken("order %s, %s, was not obeyed: %+v", o.ID, o.Verb, r)
		}
	}
}

// checkPaused is of a rollout that an operator paused: nobody is moved, until it ends.
func (w *world) checkPaused(was Input, d Decision) {
	r := d.Rollout
	if r == nil || begins(was, d) || !r.Paused || !r.State.Open() || d.Assignment == nil || was.Assignment == nil {
		return
	}
	if !d.Assignment.equal(was.Assignment.Reach) {
		w.broken("the rollout is paused, and its reach went from %+v to %+v", was.Assignment.Reach, d.Assignment.Reach)
	}
}

// checkEnd is of a rollout that ends without being completed: there is no candidate any more, and where it is withdrawn no node is left
// with it.
func (w *world) checkEnd(was Input, d Decision) {
	r := d.Rollout
	if r == nil || r.State != Halted && r.State != RolledBack {
		return
	}
	if r.Pinning != nil && r.Pinning.Done {
		return // only that is recorded
	}
	if d.Assignment == nil || !d.Assignment.Candidate.IsZero() || d.Assignment.Rollout != "" || r.Reason == "" {
		w.broken("the rollout is %s %q, with %+v", r.State, r.Reason, d.Assignment)
	}
	if r.State == Halted && len(r.Refusals) == 0 {
		return
	}
	if (r.State == RolledBack || r.Policy.OnReject == fleet.RejectPins) != r.Pinning.Due() {
		w.broken("the rollout is %s with %+v", r.State, r.Pinning)
	}
	for _, n := range was.Nodes {
		to := d.Assignment.Target(n.Position)
		if to.Revision == r.Candidate.Revision {
			w.broken("the rollout is %s, and node %s is left with the candidate", r.State, n.Name)
		}
		if r.State == RolledBack && to.IsZero() && was.Assignment.Includes(n.Position) {
			w.broken("the rollout is %s, and node %s has nothing to go back to", r.State, n.Name)
		}
	}
	if aborted := slices.ContainsFunc(r.Orders, func(o Order) bool { return o.Verb == Abort }); r.State == RolledBack && !aborted &&
		failedGate(r.Gates) == nil {
		w.broken("the rollout is rolled back for no reason: %+v", r)
	}
}

// checkRefusals is of a refusal: the first one halts the rollout, paused or not.
func (w *world) checkRefusals(was Input, d Decision) {
	old := was.Rollout
	if old == nil || !old.State.Open() || was.Assignment == nil || was.Assignment.Rollout != old.ID || len(was.ahead()) > 0 {
		return
	}
	refused := func(t Tally) bool { return t.Refused > 0 }
	if slices.ContainsFunc(was.Tallies, refused) && (d.Rollout == nil || d.Rollout.ID != old.ID || d.Rollout.State != Halted) {
		w.broken("a node refused the candidate, and the decision is %+v", d.Rollout)
	}
}

// checkGates is of a gate that failed: it ends the rollout, unless an operator promoted the wave, or somebody pauses it.
func (w *world) checkGates(was Input, d Decision) {
	old := was.Rollout
	if old == nil || !old.State.Open() || was.Assignment == nil || was.Assignment.Rollout != old.ID || !fleet.Policy(old.Policy).HasGates() {
		return
	}
	if old.Paused || old.promoted() || len(was.Orders.pending(*old)) > 0 || len(was.ahead()) > 0 || Count(was).Online == 0 {
		return
	}
	failed := failedGate(was.judge(*old))
	if failed == nil || d.Ended != nil {
		return
	}
	if d.Rollout == nil || d.Rollout.State.Open() || d.Rollout.State == Completed {
		w.broken("gate %s failed (%s), and the decision is %+v", failed.Gate, failed.Evidence, d.Rollout)
	}
	rollsBack := old.Policy.OnUnhealthy != fleet.UnhealthyHalts && !old.Stable.IsZero() && Count(was).Refused == 0
	if rollsBack != (d.Rollout.State == RolledBack) {
		w.broken("gate %s failed, and the rollout is %s", failed.Gate, d.Rollout.State)
	}
}

// soakOf is how long a wave is to be watched.
func soakOf(p Policy, wave int) time.Duration {
	var soak time.Duration
	if len(p.Waves) > 0 {
		soak = p.Waves[wave-1].Soak
	}
	if soak == 0 && (p.ErrorRatio != nil || p.Latency != nil || len(p.Probes) > 0) {
		soak = 10 * time.Second
	}
	return soak
}

// passed returns the waves that a decision lets pass: from, up to and without the second.
func passed(was Input, d Decision) (from, to int) {
	r, old := d.Rollout, was.Rollout
	if r == nil || old == nil || r.ID != old.ID {
		return 0, 0
	}
	if from, to = max(old.Wave, 1), max(r.Wave, 1); r.State == Completed && old.State.Open() {
		to++
	}
	return from, to
}

// checkTimes is of waves and soaks, which no foreign clock may make shorter. A wave is passed once it has soaked, unless it was promoted.
func (w *world) checkTimes(was Input, d Decision) {
	r, old := d.Rollout, was.Rollout
	if r == nil {
		return
	}
	same := !begins(was, d)
	from, to := passed(was, d)
	for wave := from; wave < to; wave++ {
		soak := soakOf(r.Policy, wave)
		if soak == 0 || wave <= r.Promoted {
			continue
		}
		if w.unwatched(was, *r) {
			w.seen.unwatched++
			continue
		}
		if wave != old.Wave || old.SettleTime.IsZero() || w.now.Sub(w.truth.soaked) < soak {
			w.broken("wave %d is to soak for %s, and passed after %s: from %+v to %+v", wave, soak, w.now.Sub(w.truth.soaked), old, r)
		}
	}
	if same && r.State == Halted && strings.Contains(r.Reason, "did not end within") && w.now.Sub(w.truth.wave) < r.Policy.deadline() {
		w.broken("halted at the deadline after %s: %+v", w.now.Sub(w.truth.wave), r)
	}
	if !r.SettleTime.IsZero() && (!same || !old.SettleTime.Equal(r.SettleTime)) {
		w.truth.soaked = w.now
	}
	if !same || r.Wave != old.Wave || !r.WaveTime.Equal(old.WaveTime) {
		w.truth.wave = w.now
	}
}

// checkTargets is of what nodes are to run. It goes forward, but for a candidate that is withdrawn: then a node that it reached
// returns to exactly what it had. Nothing is withdrawn that is proven well; a halt is nothing to a node that the candidate had not reached.
// Nobody outside of the waves has the candidate.
func (w *world) checkTargets(was Input, d Decision) {
	if d.Assignment == nil {
		return
	}
	next := *d.Assignment
	for i := 1; i < len(next.Held); i++ {
		if next.Held[i-1].covers(next.Held[i].Reach) {
			w.broken("holds are out of order: %+v", next.Held)
		}
	}
	if was.Assignment == nil || was.Assignment.Epoch != was.Epoch {
		return // a recovery forgets what the ledger is not sure of
	}
	before := *was.Assignment
	without := before.without()
	ends := d.Rollout != nil && (d.Rollout.State == Halted || d.Rollout.State == RolledBack)
	c := Count(was)
	for _, n := range was.Nodes {
		from, to := before.Target(n.Position), next.Target(n.Position)
		if ends && !before.Includes(n.Position) && !from.Same(to) && from.Revision != before.Candidate.Revision {
			w.broken("a halt moved node %s, which the candidate had not reached, from %+v to %+v", n.Name, from, to)
		}
		if !next.Candidate.IsZero() && !next.Has(n.Position) && to.Revision == next.Candidate.Revision && from.Revision != to.Revision {
			w.broken("node %s is outside of the waves, and is given the candidate", n.Name)
		}
		if to.Revision >= from.Revision {
			continue
		}
		had := without.Target(n.Position)
		again := ends && from.Revision == before.Candidate.Revision && had.Revision == from.Revision // retried, and held from before
		recovered := ends && had.IsZero() && to.Same(was.Rollout.Stable)                             // the assignment is without stable
		if !again && !recovered && (!before.Includes(n.Position) || !to.Same(had)) {
			w.broken("node %s was sent from %+v to %+v", n.Name, from, to)
		}
		back := ends && d.Rollout.State == RolledBack ||
			d.Ended != nil && (was.Newest.Digest == before.Stable.Digest || was.Newest.Digest == to.Digest)
		if !back && c.Refused == 0 && (2*c.Serving > c.InWave || c.InWave == 0 && was.Rollout.Wave > 1) {
			w.broken("a candidate that is proven was withdrawn: %+v, %+v", c, d)
		}
	}
	if !next.Stable.Same(before.Stable) && (d.Rollout == nil || d.Rollout.State != Completed || !next.Stable.Same(d.Rollout.Candidate)) {
		w.broken("stable went from %+v to %+v, and no rollout completed", before.Stable, next.Stable)
	}
}

// checkReach is of the waves: within a rollout they only grow, not while nodes are ahead of the ledger, and a raise includes no more
// nodes than are in the wave.
func (w *world) checkReach(was Input, d Decision) {
	r, a := d.Rollout, d.Assignment
	if a == nil {
		return
	}
	if len(was.ahead()) > 0 {
		w.broken("nodes are ahead of the ledger, and it decided %+v", a)
	}
	var from Reach
	var leftOut Positions
	if b := was.Assignment; b != nil && a.Rollout != "" && b.Rollout == a.Rollout {
		if from = b.Reach; !a.covers(from) {
			w.broken("the reach fell from %+v to %+v", from, a.Reach)
		}
		leftOut = was.Rollout.LeftOut
	}
	if r == nil || from.covers(a.Reach) || r.Wave == r.Policy.WaveCount() {
		return
	}
	if a.Threshold == fleet.MaxPosition {
		w.broken("wave %d of %d is everybody", r.Wave, r.Policy.WaveCount())
	}
	in, all, fresh, over := 0, 0, false, takenOver(was, *r, *a)
	for _, alone := range []bool{false, true} { // when all are left out nobody is
		for _, n := range was.Nodes {
			sick := n.Sick != "" || r.Suspects.has(n.Position)
			out := leftOut.has(n.Position) || sick && !from.Has(n.Position)
			if !n.Online || !alone && (out || r.LeftOut.has(n.Position)) {
				continue
			}
			if all++; a.Has(n.Position) && !over(n.Position) {
				in++
				fresh = fresh || !from.Has(n.Position)
			}
		}
		if all > 0 {
			break
		}
	}
	wave := Wave{Nodes: 1}
	if len(r.Policy.Waves) > 0 {
		wave = r.Policy.Waves[r.Wave-1]
	}
	if wave.Label != "" {
		w.checkLabels(was, from, *a, *r)
		return
	}
	if size := max(wave.Nodes, (all*wave.Percent+99)/100); fresh && in > size {
		w.broken("wave %d of %+v includes %d of %d nodes: %+v", r.Wave, r.Policy.Waves, in, all, a)
	}
}

// takenOver says which nodes the first wave of a rollout that took over may include beyond its size: what the one before had reached. Waves
// by count take whole prefixes of the hash order.
func takenOver(was Input, r Rollout, a Assignment) func(position uint64) bool {
	var reached []Reach
	if b := was.Assignment; b != nil && r.TookOver && r.Wave <= 1 {
		if b.Rollout != a.Rollout {
			reached = append(reached, b.Reach)
		}
		for _, h := range b.Held {
			reached = append(reached, h.Reach)
		}
	}
	return func(position uint64) bool {
		return slices.ContainsFunc(reached, func(reach Reach) bool {
			if chosen := reach.Chosen; a.Threshold > 0 && len(chosen) > 0 && position <= slices.Max(chosen) {
				return true
			}
			return reach.Threshold < fleet.MaxPosition && reach.Has(position)
		})
	}
}

// checkLabels is of a wave by label: it reaches for nodes that this label or one before names, and for no others.
func (w *world) checkLabels(was Input, from Reach, a Assignment, r Rollout) {
	over := takenOver(was, r, a)
	for _, n := range was.Nodes {
		named := false
		for _, wave := range r.Policy.Waves[:r.Wave] {
			for key, value := range n.Labels {
				named = named || wave.Label == key+"="+value
			}
		}
		if a.Has(n.Position) && !from.Has(n.Position) && !named && !over(n.Position) {
			w.broken("wave %d of %+v reached for node %s with the labels %v", r.Wave, r.Policy.Waves, n.Name, n.Labels)
		}
	}
}

// checkSpread is of the nodes by which a reach grew just now: they bring no more values of the label into flight than may load at once, and
// no more nodes with the same value.
func (w *world) checkSpread(was Input, d Decision) {
	a, r := d.Assignment, d.Rollout
	if a == nil || a.Rollout == "" || r == nil || r.Policy.Spread == nil || r.Policy.MaxFailedPercent > 0 {
		return
	}
	var from Reach
	if was.Assignment != nil && was.Assignment.Rollout == a.Rollout {
		from = was.Assignment.Reach
	}
	s := *r.Policy.Spread
	old, fresh, loading, size := map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}
	for _, n := range was.Nodes {
		m := w.machines[n.Name]
		if m == nil || !n.Online {
			continue
		}
		value := n.Labels[s.Label]
		if size[value]++; r.LeftOut.has(n.Position) || !a.Includes(n.Position) {
			continue
		}
		switch {
		case !from.Has(n.Position):
			fresh[value]++
			loading[value]++
		case m.runs.Digest != a.Candidate.Digest && m.served != r.ID:
			old[value]++
			loading[value]++
		}
	}
	for value, n := range fresh {
		if s.MaxLoading > 0 && n > max(1, size[value]*s.MaxLoading/100) {
			w.broken("%d of %d nodes with %s=%q were taken at once: %+v", n, size[value], s.Label, value, r.Policy)
		}
		if s.MaxValuesLoading > 0 && old[value] == 0 && len(loading) > s.MaxValuesLoading {
			w.broken("nodes with %d values of %s load at once: %v before, %v more: %+v", len(loading), s.Label, old, fresh, r.Policy)
		}
	}
}

// checkServing is of a wave that passes: every node of it has served the candidate, unless it is left out or the policy tolerates it.
func (w *world) checkServing(was Input, d Decision) {
	from, to := passed(was, d)
	if from >= to || d.Rollout.Policy.MaxFailedPercent > 0 {
		return
	}
	for _, n := range was.Nodes {
		m := w.machines[n.Name]
		if n.Online && m != nil && was.Assignment.Includes(n.Position) && m.served != d.Rollout.ID && !was.Rollout.LeftOut.has(n.Position) &&
			!d.Rollout.LeftOut.has(n.Position) && d.Rollout.State != Completed {
			w.broken("wave %d passed, and node %s has not served the candidate", from, n.Name)
		}
	}
}

// checkLoading is of what was raised just now: it does not bring more nodes into flight than may load at once. Nodes that came back on
// their own, or after the threshold was set, are not the plan's doing.
func (w *world) checkLoading(was Input, d Decision) {
	a, r := d.Assignment, d.Rollout
	if a == nil || a.Rollout == "" || r == nil || was.Assignment != nil && was.Assignment.Rollout == a.Rollout &&
		was.Assignment.covers(a.Reach) {
		return
	}
	loading, online, sick := 0, 0, 0
	for _, n := range was.Nodes {
		m := w.machines[n.Name] // nil of a node that was deleted since: the decision counted it
		if !n.Online || r.LeftOut.has(n.Position) {
			continue // it takes no place of others
		}
		if online++; n.Sick != "" || r.Suspects.has(n.Position) {
			sick++
		}
		if m != nil && a.Includes(n.Position) && m.runs.Digest != a.Candidate.Digest && m.served != r.ID {
			loading++
		}
	}
	// What the policy excuses takes nobody's place. Where all are left out nobody is.
	s := strainOf(was.Nodes, a.Candidate.Digest)
	limit := max(s.ease(r.Policy.maxLoading(online)), s.ease(r.Policy.maxLoading(online-sick))) + online*r.Policy.MaxFailedPercent/100
	if s.median >= strained {
		w.seen.eased++
	}
	if online > 0 && loading > limit {
		w.broken("%d nodes load at once, %d may: %+v", loading, limit, a)
	}
}

// checkSize bounds what is written.
func (w *world) checkSize(d Decision) {
	for _, r := range []*Rollout{d.Ended, d.Rollout} {
		if r != nil && (len(r.Orders) > MaxOrders || len(r.Refusals) > MaxRefusals || len(r.Absentees) > MaxAbsentees || len(r.Gates) > 4 ||
			len(r.Reason) > 1024) {
			w.broken("the record is too large: %+v", r)
		}
	}
	if a := d.Assignment; a != nil && (len(a.Held) > maxHolds+1 || len(a.Held) > maxHolds && d.Ended != nil) {
		w.broken("%d holds", len(a.Held))
	}
}

// witness remembers what a decision did.
func (w *world) witness(was Input, d Decision) {
	s, r := &w.seen, d.Rollout
	before := Assignment{}
	if was.Assignment != nil {
		before = *was.Assignment
	}
	if a := d.Assignment; a != nil && !a.Reach.IsZero() && (a.Rollout != before.Rollout || !before.covers(a.Reach)) {
		// A recovery drops what nodes run from the assignment; they run it all the same, or had it before the candidate that is taken back.
		ran := func(withdrawn bool) bool {
			return Assignment{Stable: before.Stable, Held: before.left(withdrawn)}.runs(a.Candidate.Digest, whole)
		}
		forgotten := before.Epoch != was.Epoch && (ran(false) || ran(true))
		if !forgotten && !a.without().runs(a.Candidate.Digest, whole) {
			w.truth.loaded = w.now
		}
	}
	if d.Ended != nil {
		s.superseded++
	}
	if r == nil {
		return
	}
	if p := r.Pinning; p != nil && p.Done {
		w.truth.pinned = max(w.truth.pinned, p.Revision)
		return
	}
	if r.State == Halted || r.State == RolledBack {
		w.truth.excused = w.now // the way back
	}
	harm := w.contents[r.Candidate.Digest].fault
	switch r.State {
	case Completed:
		s.completed++
		if soakOf(r.Policy, r.Policy.WaveCount()) > 0 {
			s.baked++
		}
		if covers(r.Policy, harm) && w.measured && w.rate >= 100 && r.Promoted == 0 && !r.AtOnce && w.contents[r.Stable.Digest].fault == isGood {
			s.slipped++
		}
	case RolledBack:
		s.rolledBack++
		w.truth.withdrawn[r.Candidate.Revision] = true
		if covers(r.Policy, harm) {
			s.caught++
		}
	case Halted:
		s.halted++
		w.truth.withdrawn[r.Candidate.Revision] = true
		if len(d.Assignment.Held) > 0 {
			s.kept++
		}
		if strings.Contains(r.Reason, "inconclusive") {
			s.inconclusive++
		}
	}
	if w.healthy && w.busy == 0 && (r.State == Halted || r.State == RolledBack) {
		w.broken("nothing is wrong, and the rollout is %s: %s", r.State, r.Reason)
	}
	if strings.HasPrefix(r.Reason, "gate ") && !strings.Contains(r.Reason, "inconclusive") {
		s.gateFailed++
	}
	for _, o := range r.Orders {
		if was.Rollout != nil && was.Rollout.ID == r.ID && was.Rollout.Has(o.ID) {
			continue
		}
		switch o.Verb {
		case Retry:
			s.retried++
		case Abort:
			s.aborted++
		case Pause:
			s.paused++
		case Promote:
			s.promoted++
		}
	}
}

// covers reports whether a policy has the gate that sees a fault.
func covers(p Policy, f fault) bool {
	switch f {
	case hasErrors:
		return p.ErrorRatio != nil
	case isSlow:
		return p.Latency != nil
	case isDead:
		return len(p.Probes) > 0
	case crashes:
		return fleet.Policy(p).HasGates()
	}
	return false
}

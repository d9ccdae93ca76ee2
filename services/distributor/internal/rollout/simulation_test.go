package rollout

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/target"
)

// The simulation runs Plan in virtual time against a group of random size and policy, and checks the invariants of invariants_test.go after
// each decision. One seed is one run; the same seed gives the same run. SILVERBACK_ROLLOUT_RUNS, _SEED (of the first run) and _FOR (a
// duration) change how many there are.
const ordinaryRuns = 10_000

const (
	replicas = 3 // of the distributor; a node at one beyond them has no stream
	sources  = 3
	// addresses is the source that has the targets of upstreams, and nothing else; allTargets is how many there are.
	addresses  = sources - 1
	allTargets = 100
	// calmSteps and calmTime bound how long a group takes to come to its newest revision once nothing is wrong any more.
	calmSteps = 4000
	calmTime  = 3 * time.Hour
)

// A fault is what is wrong with a version of a source.
type fault int

const (
	isGood    fault = iota
	isRefused       // by every gateway
	isPicky         // refused by some gateways
	hasErrors       // half of the requests fail
	isSlow          // latency is ten times as high
	isDead          // its probe fails
	crashes         // worker processes die
	faultCount
)

// A content is what one revision holds: a version of each source.
type content struct {
	versions [sources]int
	digest   fleet.Digest
	fault    fault
}

// A machine is a gateway and its agent.
type machine struct {
	at                         int // the replica that holds its stream
	online, hangs, fails, keep bool
	picky                      bool
	loading, runs              Target
	ready                      time.Time // when it has loaded
	since                      time.Time // it runs that
	loaded                     time.Time // it began to load something last
	served                     fleet.RolloutID
}

// said is the last word of a replica, true or not any more.
type said struct {
	rollout fleet.RolloutID
	tally   Tally
	at      time.Time
}

// A view is what a leader knows, which may be old.
type view struct {
	in      Input
	version int // of the newest rollout's record
	at      time.Time
}

// A world is a group in virtual time, with everything around it that Plan knows of.
type world struct {
	rng      *rand.Rand
	logf     func(string, ...any) // nil: nobody reads it
	now      time.Time
	in       Input
	version  int
	machines map[fleet.NodeID]*machine
	crew     []*machine // the same, in the order of in.Nodes
	spare    []Node     // that may still join
	said     [replicas]said
	evidence struct {
		rollout fleet.RolloutID
		wave    int
		since   time.Time
	}
	watch     Stopwatch
	opens     time.Time     // when a change window opens
	clock     time.Duration // how far the leader's clock is ahead
	past      view
	known     Target        // the newest revision, as far as the leader knows
	wait      time.Duration // as Plan said last
	late      bool          // a replica has not counted yet
	healthy   bool          // nothing is wrong with any node or any content
	calmed    bool
	busy      int // how many of a thousand events are orders
	rate      uint64
	measured  bool
	away      bool    // the translator
	slow      float64 // by how many times longer than before some loads take
	contents  map[fleet.Digest]content
	revisions []content // the first is revision 1
	moved     []float64 // how many targets each of them moved; less than 0 when it changed more
	rolling   bool      // most submissions change targets
	faultOf   []fault   // by version
	restored  map[fleet.RolloutID]Decision
	orders    int
	truth     truth
	seen      tallyOfRuns
}

// tallyOfRuns says what happened, to know that the simulation shows enough.
type tallyOfRuns struct {
	completed, baked, halted, kept, rolledBack, superseded, pinned, retried, aborted, paused, promoted, gateFailed, inconclusive, lost,
	stale, recovered, caught, slipped, hurried, spaced, twoRevisions, eased, atOnce, unwindowed, unwatched, decisions int
}

func (s *tallyOfRuns) each() map[string]*int {
	return map[string]*int{
		"completed": &s.completed, "baked": &s.baked, "halted": &s.halted, "halted with holds": &s.kept, "rolled back": &s.rolledBack,
		"superseded": &s.superseded, "pinned": &s.pinned, "retried": &s.retried, "aborted": &s.aborted, "paused": &s.paused,
		"promoted": &s.promoted, "gate failed": &s.gateFailed, "inconclusive": &s.inconclusive, "decisions lost": &s.lost,
		"decisions of an old view": &s.stale, "recovered": &s.recovered, "harm caught": &s.caught, "harm completed": &s.slipped,
		"begun by promote": &s.hurried, "loads an interval apart": &s.spaced, "took over, and two revisions are left": &s.twoRevisions,
		"fewer load at once": &s.eased, "targets went at once": &s.atOnce, "targets went outside of a window": &s.unwindowed,
		"targets ended a watch": &s.unwatched,
		"decisions":             &s.decisions,
	}
}

// violation is what a broken invariant panics with.
type violation string

func (w *world) broken(format string, args ...any) { panic(violation(fmt.Sprintf(format, args...))) }

func (w *world) log(format string, args ...any) {
	if w.logf != nil {
		w.logf("%8.1fs "+format, append([]any{w.now.Sub(start).Seconds()}, args...)...)
	}
}

// population are nodes to choose from. Their places are those of real names.
var population = sync.OnceValue(func() (all []Node) {
	for i := range 5000 {
		name := fleet.NodeID(fmt.Sprint("node-", i))
		n := Node{Name: name, Position: fleet.Position("g", name), Online: true, Labels: map[string]string{"zone": string(rune('a' + i%3))}}
		switch {
		case i%7 == 0:
			n.Labels["canary"] = "true"
		case i%5 == 0:
			n.Labels = nil
		}
		all = append(all, n)
	}
	return all
})

func (w *world) chance(of int) bool { return w.rng.IntN(of) == 0 }

func oneOf[T any](w *world, all ...T) T { return all[w.rng.IntN(len(all))] }

func (w *world) seconds(most int) time.Duration {
	return time.Duration(w.rng.IntN(most*1000)) * time.Millisecond
}

func newWorld(seed uint64, logf func(string, ...any)) *world {
	w := &world{
		rng: rand.New(rand.NewPCG(seed, 1)), logf: logf, now: start, machines: map[fleet.NodeID]*machine{},
		contents: map[fleet.Digest]content{}, restored: map[fleet.RolloutID]Decision{}, faultOf: []fault{isGood}, truth: newTruth(),
	}
	w.healthy, w.measured = w.chance(4), !w.chance(6)
	w.busy = oneOf(w, 0, 30, 60, 60, 400)
	size := 2 + w.rng.IntN(oneOf(w, 8, 8, 20, 49))
	if w.chance(2000) {
		size = 1000 + w.rng.IntN(2000)
	}
	w.slow, w.rolling = oneOf(w, 1, 1, 3, 8.0), w.chance(2)
	w.rate = oneOf[uint64](w, 0, 1, 100, 100)
	if w.healthy {
		w.rate, w.measured = 100, true
	}
	first := w.rng.IntN(len(population()) - size - 20)
	w.in = Input{Group: "g", Nodes: slices.Clone(population()[first : first+size])}
	w.spare = slices.Clone(population()[first+size : first+size+20])
	for _, n := range w.in.Nodes {
		w.add(n)
	}
	w.policy()
	w.submit(1 + w.rng.IntN(sources))
	w.past = w.view()
	return w
}

// add adds the machine of a node.
func (w *world) add(n Node) {
	m := &machine{at: w.rng.IntN(replicas), online: true, picky: w.chance(3)}
	w.machines[n.Name], w.crew = m, append(w.crew, m)
}

func (w *world) view() view {
	in := w.in
	in.Nodes = slices.Clone(in.Nodes)
	return view{in, w.version, w.now}
}

// policy gives the group another policy.
func (w *world) policy() {
	soak := func() time.Duration { return oneOf(w, 0, time.Duration(5+w.rng.IntN(20))*time.Second) }
	p := Policy{
		MaxLoading: oneOf(w, 0, 10, 30, 60, 100), MaxFailedPercent: oneOf(w, 0, 0, 20),
		Deadline: oneOf(w, nil, new(time.Minute), new(3*time.Minute)),
		OnReject: fleet.OnReject(w.rng.IntN(3)), OnUnhealthy: fleet.OnUnhealthy(w.rng.IntN(3)),
		OnInconclusive: fleet.OnInconclusive(w.rng.IntN(4)),
		LoadInterval:   oneOf(w, nil, nil, nil, nil, new(time.Duration(0)), new(w.seconds(60)), new(w.seconds(60)), new(10*time.Minute)),
		Waves: oneOf(w, nil, []Wave{{Nodes: 1, Soak: soak()}, {Percent: 100}}, []Wave{{Percent: 30, Soak: soak()}, {Percent: 100, Soak: soak()}},
			[]Wave{{Nodes: 1}, {Percent: 60, Soak: soak()}, {Percent: 100, Soak: soak()}},
			[]Wave{{Nodes: 2, Soak: soak()}, {Percent: 25, Soak: soak()}, {Percent: 50}, {Percent: 100, Soak: soak()}}),
	}
	if w.chance(4) {
		p.Waves = oneOf(w, []Wave{{Label: "canary=true", Soak: soak()}, {Percent: 100}},
			[]Wave{{Label: "canary=true"}, {Label: "zone=a", Soak: soak()}, {Percent: 50}, {Percent: 100, Soak: soak()}},
			[]Wave{{Nodes: 1, Soak: soak()}, {Label: "zone=b"}, {Label: "zone=nowhere", Soak: soak()}, {Percent: 100}},
			[]Wave{{Nodes: 2}, {Percent: 30}, {Label: "canary=true", Soak: soak()}, {Percent: 100}})
	}
	if w.chance(4) {
		p.Spread = &fleet.Spread{Label: "zone", MaxLoading: oneOf(w, 0, 20, 50), MaxValuesLoading: oneOf(w, 0, 1, 2)}
	}
	if !w.chance(3) {
		if w.chance(2) {
			p.ErrorRatio = &fleet.ErrorRatioGate{MaxIncreasePercent: oneOf(w, 1, 5.0)}
		}
		if w.chance(3) {
			p.Latency = &fleet.LatencyGate{QuantilePercent: 99, MaxIncreasePercent: 50}
		}
		if w.chance(2) {
			p.Probes = []fleet.Probe{{Path: "/"}}
		}
	}
	p.TargetsAtOnce = oneOf(w, 0, 10, 100, 100)
	if w.healthy && p.OnInconclusive == fleet.InconclusiveHalts {
		p.OnInconclusive = fleet.InconclusiveContinues // an old view may lack evidence
	}
	if w.slow >= strained && p.Deadline != nil {
		p.Deadline = new(3 * time.Minute) // a wave that strained loads slow down has no longer deadline
	}
	w.in.Policy = p
	if w.truth.least = min(w.truth.least, p.interval()); len(w.revisions) == 0 {
		w.truth.least = p.interval()
	}
	w.truth.policies++
}

// submit changes so many sources, and makes a revision of that.
func (w *world) submit(changes int) {
	next := w.newest()
	for range changes {
		source := w.rng.IntN(sources)
		often := 3
		if w.rolling && !w.chance(6) {
			source, often = addresses, 20
		}
		if versions := w.rng.IntN(4); versions == 0 && len(w.revisions) > 0 {
			next.versions[source] = w.revisions[w.rng.IntN(len(w.revisions))].versions[source] // back to what it was
			continue
		}
		f := isGood
		if !w.healthy && w.chance(often) {
			f = fault(1 + w.rng.IntN(int(faultCount)-1))
		}
		next.versions[source] = w.newVersion(f)
	}
	w.commit(next)
}

func (w *world) newVersion(f fault) int {
	w.faultOf = append(w.faultOf, f)
	return len(w.faultOf) - 1
}

func (w *world) newest() (c content) {
	if len(w.revisions) > 0 {
		c = w.revisions[len(w.revisions)-1]
	}
	return c
}

// commit makes a revision, unless it is as the one before.
func (w *world) commit(c content) {
	last := w.newest()
	if len(w.revisions) > 0 && last.versions == c.versions {
		return
	}
	number, moved := fleet.Revision(len(w.revisions)+1), -1.0
	streak := target.Streak{Since: number, Of: allTargets}
	if len(w.revisions) > 0 && slices.Equal(last.versions[:addresses], c.versions[:addresses]) {
		moved = oneOf(w, 1, 1, 5, 30.0)
		streak = w.in.Newest.Streak
		streak.Moved += moved
	}
	text := []byte("sha256:")
	c.fault = isGood
	for _, v := range c.versions {
		text = append(strconv.AppendInt(text, int64(v), 10), '.')
		if c.fault == isGood || w.faultOf[v] == isRefused {
			c.fault = w.faultOf[v]
		}
	}
	c.digest = fleet.Digest(text)
	w.contents[c.digest] = c
	w.revisions = append(w.revisions, c)
	w.moved = append(w.moved, moved)
	w.in.Newest = Target{Revision: number, Digest: c.digest, Streak: streak}
	w.log("revision %d is %s, fault %d", w.in.Newest.Revision, c.digest, c.fault)
}

func (w *world) refuses(m *machine, d fleet.Digest) bool {
	f := w.contents[d].fault
	return f == isRefused || f == isPicky && m.picky
}

// step is a moment of a group in which much goes wrong.
func (w *world) step() {
	switch {
	case w.chance(2):
		w.now = w.now.Add(w.soonest(30 * time.Second))
	case !w.healthy && w.chance(10):
		w.now = w.now.Add(w.seconds(200))
	default:
		w.now = w.now.Add(w.seconds(2))
	}
	for range 1 + w.rng.IntN(3) {
		if x := w.rng.IntN(1000); x < w.busy {
			w.order()
		} else {
			w.event(w.rng.IntN(1000))
		}
	}
	w.tick()
}

func (w *world) event(x int) {
	i := w.rng.IntN(len(w.in.Nodes))
	m := w.crew[i]
	switch {
	case x < 40:
		w.submit(1 + w.rng.IntN(2))
	case x >= 700 && w.rolling:
		w.submit(1)
	case x < 50:
		for range 2 + w.rng.IntN(4) {
			w.submit(1)
		}
	case x < 55:
		w.policy()
	case x == 55 || x < 62 && w.rolling:
		w.opens = w.now.Add(w.seconds(200))
		w.log("the change window is closed")
	case x < 70:
		w.watch, w.clock = Stopwatch{}, time.Duration(w.rng.IntN(120)-60)*time.Minute // another leader
	case x < 100:
		w.past = w.view()
	case x < 140:
		w.stale()
	case x < 150:
		w.away = !w.away
	case x < 165 && len(w.spare) > 0:
		w.join()
	case x < 190:
		m.at = w.rng.IntN(replicas)
	case w.healthy:
	case x < 250:
		m.online = !m.online
	case x < 260:
		m.at = replicas
	case x < 275:
		m.hangs = w.chance(2)
	case x < 290:
		m.fails = w.chance(2)
		if w.in.Nodes[i].Sick = ""; m.fails && w.chance(2) {
			w.in.Nodes[i].Sick = "its gateway does not answer"
		}
	case x < 295:
		m.keep = w.chance(2)
	case x < 305:
		m.runs, m.loading = Target{}, Target{} // it restarts
	case x < 310 && len(w.in.Nodes) > 1:
		delete(w.machines, w.in.Nodes[i].Name)
		w.in.Nodes, w.crew = slices.Delete(slices.Clone(w.in.Nodes), i, i+1), slices.Delete(w.crew, i, i+1)
	case x < 313 && w.in.Assignment != nil:
		w.in.Nodes[i].Followed = fleet.Stamp{Epoch: w.in.Epoch, Decision: w.in.Assignment.Decision + 1000}
		w.log("%s is ahead", w.in.Nodes[i].Name)
	case x < 320:
		w.recover()
	}
}

func (w *world) recover() {
	w.in.Epoch++
	w.seen.recovered++
	w.log("epoch %d", w.in.Epoch)
}

func (w *world) join() {
	n := w.spare[0]
	w.spare = w.spare[1:]
	w.add(n)
	w.in.Nodes = append(slices.Clip(w.in.Nodes), n)
}

// order is an operator's.
func (w *world) order() {
	w.orders++
	o := Order{ID: strconv.Itoa(w.orders), Reason: "because", Author: "ann", Time: w.now, Full: w.chance(4),
		Verb: oneOf(w, Pause, Pause, Resume, Resume, Promote, Abort, Retry, Freeze, Unfreeze, Unfreeze)}
	if w.busy > 100 {
		o.Verb = oneOf(w, o.Verb, Pause, Resume) // it plays
	}
	if _, held := Held(w.in); held && w.chance(3) {
		o.Verb = Promote
	}
	if o.Verb == Freeze || o.Verb == Unfreeze {
		w.give(o)
		return
	}
	// The replica that takes it may know an older state.
	known := oneOf(w, w.in, w.past.in)
	if o.Verb == Promote && known.Rollout != nil {
		_, o.Begin = Held(known)
	}
	if known.Rollout == nil || o.Refuses(*known.Rollout) != "" || o.Verb == Retry && known.Orders.Frozen() != nil {
		return
	}
	o.Rollout = known.Rollout.ID
	w.give(o)
}

func (w *world) give(o Order) {
	w.in.Orders = w.in.Orders.With(o)
	w.log("order %s: %s of %s, full %t", o.ID, o.Verb, o.Rollout, o.Full)
}

// act has each node do what it is told to.
func (w *world) act() {
	a := w.in.Assignment
	if a == nil {
		return
	}
	for i, n := range w.in.Nodes {
		m := w.crew[i]
		if !m.online || m.hangs || m.at == replicas {
			continue
		}
		target := a.Target(n.Position)
		if !target.IsZero() && m.loading.Digest != target.Digest {
			m.loading, m.ready = target, w.now
			if m.runs.Digest != target.Digest {
				w.checkInterval(m)
				m.ready = w.now.Add(100*time.Millisecond + w.seconds(2))
			}
		}
		loaded := m.loading.Digest != m.runs.Digest && !m.ready.After(w.now)
		if loaded && !m.fails && !m.keep && !w.refuses(m, m.loading.Digest) {
			m.runs, m.since = m.loading, w.now
			if w.chance(2) { // its report arrives
				w.in.Nodes[i].Loaded, w.in.Nodes[i].Strain = m.loading.Digest, oneOf(w, 0, 1, w.slow, w.slow)
			}
		}
	}
}

// soonest is how long nothing happens but by itself: a node loads, or Plan wants to be asked. It is at most as long as said.
func (w *world) soonest(most time.Duration) time.Duration {
	if w.wait > 0 {
		most = min(most, w.wait)
	}
	if w.late {
		most = min(most, time.Second)
	}
	if w.in.Assignment == nil {
		return most
	}
	for _, m := range w.crew {
		if left := m.ready.Sub(w.now); left > 0 && m.online && !m.hangs && m.at < replicas {
			most = min(most, left)
		}
	}
	return most
}

// count lets each replica tally its sessions, or not: what it said before then stands, as that of a killed one does.
func (w *world) count() {
	w.in.Tallies, w.late = nil, false
	for i, m := range w.crew {
		if w.calmed || w.healthy || !w.chance(4) {
			w.in.Nodes[i].Online = m.online
		}
	}
	a := w.in.Assignment
	if a == nil || a.Rollout == "" {
		return
	}
	for replica := range replicas {
		was := &w.said[replica]
		late := w.healthy && w.now.Sub(was.at) > 5*time.Second
		if w.calmed || late || was.rollout != a.Rollout || !w.chance(4) {
			*was = said{a.Rollout, w.tally(replica), w.now}
		} else {
			w.late = true
		}
		w.in.Tallies = append(w.in.Tallies, w.said[replica].tally)
	}
}

func (w *world) tally(replica int) Tally {
	var n Nodes
	var refusals []Refusal
	a := *w.in.Assignment
	for i, node := range w.in.Nodes {
		m := w.crew[i]
		if !m.online || m.at != replica || !a.Includes(node.Position) {
			continue
		}
		into := &n.Loading
		switch loaded := m.loading.Digest == a.Candidate.Digest && !m.ready.After(w.now) && !m.hangs; {
		case loaded && w.refuses(m, a.Candidate.Digest):
			into = &n.Refused
			if len(refusals) < MaxRefusals {
				refusals = append(refusals, Refusal{Node: node.Name})
			}
		case m.runs.Digest == a.Candidate.Digest:
			into = &n.Serving
			m.served = a.Rollout
		case loaded && m.keep:
			into, n.Kept = &n.Failed, append(n.Kept, node.Position)
		case loaded && m.fails:
			into = &n.Failed
		}
		*into = append(*into, node.Position)
	}
	for _, p := range []Positions{n.Serving, n.Loading, n.Refused, n.Failed, n.Kept} {
		slices.Sort(p)
	}
	t := counted(n)
	t.Decision, t.Refusals = a.Decision, refusals
	return t
}

// observe lets the replicas say what traffic sees, or not.
func (w *world) observe() {
	r, a := w.in.Rollout, w.in.Assignment
	if r == nil || a == nil || !r.State.Open() || a.Rollout != r.ID || r.Wave == 0 || !fleet.Policy(r.Policy).HasGates() {
		w.in.Evidence = nil
		return
	}
	was := &w.evidence
	if was.rollout != r.ID {
		w.in.Evidence = nil
	}
	if was.rollout != r.ID || was.wave != r.Wave {
		was.rollout, was.wave, was.since = r.ID, r.Wave, w.now
	} else if !w.calmed && !w.healthy && w.chance(3) {
		return
	}
	e := Evidence{Wave: r.Wave, Bounds: []float64{10, 50, 100, 500, 1000}}
	for i, n := range w.in.Nodes {
		switch m := w.crew[i]; {
		case !m.online || m.at == replicas || m.runs.IsZero():
		case !a.Includes(n.Position):
			e.Out = added(e.Out, w.cell(n.Name, m.runs.Digest, w.now.Sub(was.since)))
		case m.runs.Digest == a.Candidate.Digest:
			e.In = added(e.In, w.cell(n.Name, m.runs.Digest, w.now.Sub(m.since)))
			e.Before = added(e.Before, w.cell(n.Name, a.Stable.Digest, time.Minute))
		}
	}
	w.in.Evidence = []Evidence{e}
}

// added is cells with one more, up to a number that suffices.
func added(cells []Cell, c Cell) []Cell {
	const enough = 8
	if len(cells) >= enough {
		return cells
	}
	return append(cells, c)
}

// cell is what a node that runs some content sees in a while.
func (w *world) cell(name fleet.NodeID, digest fleet.Digest, long time.Duration) Cell {
	n, sent := w.rate*uint64(long.Milliseconds())/1000, uint64(long.Seconds()/2)
	c := Cell{Node: name, Window: long, Requests: n, Failed: n / 200, Probes: []ProbeCell{{Name: "/", Sent: sent}}}
	f := w.contents[digest].fault
	switch f {
	case hasErrors:
		c.Failed = n / 2
	case isDead:
		c.Probes[0].Failed = sent
	case crashes:
		c.Restarts = sent
	}
	if c.Counts = w.measured; !w.measured {
		c.Failed = 0
		return c
	}
	c.Latency = []uint64{0, n - n/10, n / 10, 0, 0, 0}
	if f == isSlow {
		c.Latency = []uint64{0, 0, 0, 0, n, 0}
	}
	return c
}

// tick has everybody act, and the leader decide until it rests.
func (w *world) tick() {
	w.in.Closed = Closed{}
	if w.now.Before(w.opens) {
		w.in.Closed = ClosedUntil(w.now, w.opens)
	}
	w.act()
	w.count()
	w.observe()
	// Nodes that run the candidate already are reached one after the other at once, when a spread has them reached so.
	for range 2*w.in.Policy.WaveCount() + 12 + len(w.in.Nodes) {
		if w.calmed || !w.chance(4) {
			w.known = w.in.Newest
		}
		in, now := w.in, w.now.Add(w.clock)
		in.Newest = w.known
		in.Ages = w.watch.Measure(now, in.Rollout, Count(in).Serving)
		d := w.plan(now, in)
		if w.wait = d.Wait; d.IsZero() {
			w.checkDue(in, d)
			if d = w.pin(in); d.IsZero() {
				return
			}
		}
		if !w.calmed && w.chance(20) {
			w.seen.lost++
			w.wait = time.Second // then it tries again
			w.log("a decision was lost")
			return
		}
		w.decide(view{in, w.version, w.now}, d)
		w.act()
		if !w.calmed && w.chance(3) {
			w.wait = time.Second // nobody has counted yet what that changed
			return
		}
		w.count()
		w.observe()
	}
	w.broken("the plan never comes to rest: %+v", w.in.Rollout)
}

// stale lets a leader decide by an old view. What has changed since is a conflict, as in the store.
func (w *world) stale() {
	old := w.past
	if w.healthy && w.now.Sub(old.at) > 5*time.Second {
		return
	}
	now, watch := w.now.Add(w.clock), w.watch
	old.in.Ages = watch.Measure(now, old.in.Rollout, Count(old.in).Serving)
	if d := w.plan(now, old.in); !d.IsZero() && w.decide(old, d) {
		w.seen.stale++
	}
}

// pin is what the controller does when pins are due. The translator answers a repeated call as it did the first one.
func (w *world) pin(in Input) Decision {
	if in.Rollout == nil || !in.Rollout.Pinning.Due() || w.away {
		return Decision{}
	}
	r := *in.Rollout
	d, done := w.restored[r.ID]
	if !done {
		next, from, to := w.newest(), w.revisions[r.Candidate.Revision-1], content{}
		if !r.Stable.IsZero() {
			to = w.revisions[r.Stable.Revision-1]
		}
		var pinned []fleet.SourceID
		for s := range sources {
			if from.versions[s] != to.versions[s] && next.versions[s] == from.versions[s] {
				next.versions[s] = to.versions[s]
				pinned = append(pinned, fleet.SourceID(strconv.Itoa(s)))
			}
		}
		w.commit(next)
		d = Pinned(r, pinned, w.in.Newest.Revision, "")
		w.restored[r.ID] = d
		w.seen.pinned++
	}
	return d
}

// decide does what the store does with a decision. It is false when that was made by an old view.
func (w *world) decide(v view, d Decision) bool {
	records := d.Rollout != nil || d.Ended != nil
	if v.in.Epoch != w.in.Epoch || decisionOf(v.in) != decisionOf(w.in) || records && v.version != w.version {
		return false
	}
	w.seen.decisions++
	if d.Rollout != nil {
		w.log("rollout %s: revision %d, %s, wave %d, orders %d %s", d.Rollout.ID, d.Rollout.Candidate.Revision, d.Rollout.State, d.Rollout.Wave,
			len(d.Rollout.Orders), d.Rollout.Reason)
	}
	if d.Assignment != nil {
		w.log("assignment: stable %d, candidate %d to %x, %d holds", d.Assignment.Stable.Revision, d.Assignment.Candidate.Revision,
			d.Assignment.Threshold, len(d.Assignment.Held))
	}
	w.check(v.in, d)
	if d.Rollout != nil {
		if begins(w.in, d) {
			w.in.Tallies, w.in.Evidence = nil, nil // they are of the rollout before
		}
		w.in.Rollout = d.Rollout
		w.version++
	}
	if d.Assignment != nil {
		a := *d.Assignment
		a.Decision, a.Epoch = decisionOf(w.in)+1, w.in.Epoch
		w.in.Assignment = &a
	}
	return true
}

func decisionOf(in Input) fleet.Decision {
	if in.Assignment == nil {
		return 0
	}
	return in.Assignment.Decision
}

// forLabel reports whether the rollout waits for a node with the label of its first wave.
func (w *world) forLabel() bool {
	r := w.in.Rollout
	return r.State == Waiting && r.Ahead == 0 && w.in.Assignment != nil && w.in.Assignment.Rollout == r.ID
}

// calm ends all that is wrong, submits something good, and waits for it. From then on Plan is asked only when something happened, or when
// it wants to be.
func (w *world) calm() {
	w.log("calm")
	w.calmed, w.away, w.rate, w.measured = true, false, 100, true
	for i := range w.in.Nodes {
		n := &w.in.Nodes[i]
		n.Sick, n.Followed = "", fleet.Stamp{}
		m := w.crew[i]
		m.at, m.online, m.hangs, m.fails, m.keep = i%replicas, true, false, false, false
	}
	w.give(Order{ID: "unfreeze", Verb: Unfreeze})
	next := w.newest()
	for s := range sources {
		next.versions[s] = w.newVersion(isGood)
	}
	w.commit(next)
	want, until := w.in.Newest, w.now.Add(calmTime)
	for range calmSteps {
		if r := w.in.Rollout; r != nil && r.Paused {
			w.orders++
			w.give(Order{ID: strconv.Itoa(w.orders), Verb: Resume, Rollout: r.ID})
		}
		if r := w.in.Rollout; r != nil && w.forLabel() && len(w.in.Orders.pending(*r)) == 0 {
			w.orders++
			w.give(Order{ID: strconv.Itoa(w.orders), Verb: Promote, Rollout: r.ID})
		}
		w.tick()
		r := w.in.Rollout
		switch {
		case r.Candidate.Revision >= want.Revision && (r.State == Halted || r.State == RolledBack):
			w.broken("nothing is wrong, and the rollout of revision %d is %s: %s", want.Revision, r.State, r.Reason)
		case r.State == Completed && w.in.Assignment.Stable.Same(w.in.Newest) && w.allRun(w.in.Newest.Digest):
			return
		case w.now.After(until):
			w.broken("nothing is wrong, and after %s the rollout is %+v", calmTime, r)
		}
		most := time.Hour
		if r.State.Open() && fleet.Policy(r.Policy).HasGates() {
			most = 3 * time.Second // then there is new evidence
		}
		if r.State.Open() && r.Paused || w.forLabel() {
			most = time.Second // then an operator resumes or promotes it
		}
		after := w.soonest(most)
		if after == time.Hour {
			w.broken("nothing is to happen any more, and the rollout is %+v", r)
		}
		w.now = w.now.Add(max(after, 200*time.Millisecond)) // what happens until then happens together
	}
	w.broken("nothing is wrong, and after %d steps the rollout is %+v", calmSteps, w.in.Rollout)
}

func (w *world) allRun(d fleet.Digest) bool {
	for _, m := range w.crew {
		if m.runs.Digest != d {
			return false
		}
	}
	return true
}

// simulate runs one seed. It returns what was broken; empty when nothing was.
func simulate(seed uint64, logf func(string, ...any)) (seen tallyOfRuns, broken string) {
	w := newWorld(seed, logf)
	defer func() {
		seen = w.seen
		switch p := recover().(type) {
		case nil:
		case violation:
			broken = string(p)
		default:
			broken = fmt.Sprintf("panic: %v", p)
		}
	}()
	for range 20 + w.rng.IntN(50) {
		w.step()
	}
	w.calm()
	return seen, broken
}

// number reads a setting of the environment.
func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

func TestSimulation(t *testing.T) {
	runs, first := number(t, "SILVERBACK_ROLLOUT_RUNS", ordinaryRuns), number(t, "SILVERBACK_ROLLOUT_SEED", 0)
	most := 24 * time.Hour
	if text := os.Getenv("SILVERBACK_ROLLOUT_FOR"); text != "" {
		var err error
		if most, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	var next, done, failed atomic.Uint64
	var mu sync.Mutex
	var all tallyOfRuns
	var workers sync.WaitGroup
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	began := time.Now()
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			var mine tallyOfRuns
			for failed.Load() == 0 && time.Since(began) < most {
				n := next.Add(1) - 1
				if n >= runs {
					break
				}
				seen, broken := simulate(first+n, nil)
				done.Add(1)
				to := mine.each()
				for name, count := range seen.each() {
					*to[name] += *count
				}
				if broken != "" && failed.Add(1) == 1 {
					explain(t, first+n, broken)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			to := all.each()
			for name, count := range mine.each() {
				*to[name] += *count
			}
		})
	}
	workers.Wait()
	took := time.Since(began)
	t.Logf("%d runs in %s, %.0f a second: %+v", done.Load(), took.Round(time.Second), float64(done.Load())/took.Seconds(), all)
	if done.Load() < ordinaryRuns || t.Failed() {
		return
	}
	for name, count := range all.each() {
		least := 100
		if count == &all.unwatched { // rare: gates, targets within the bound, and more of them within ten seconds
			least = 20
		}
		if *count < least && count != &all.slipped {
			t.Errorf("the simulation shows too little: %d %s", *count, name)
		}
	}
	if all.slipped*5 > all.caught {
		t.Errorf("gates caught %d harmful revisions, and %d completed", all.caught, all.slipped)
	}
}

// explain repeats a run that broke an invariant, and tells how it came to that.
func explain(t *testing.T, seed uint64, broken string) {
	t.Helper()
	const told = 40
	var lines []string
	simulate(seed, func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) })
	t.Errorf("seed %d: %s\n%s\nrepeat it: SILVERBACK_ROLLOUT_SEED=%d SILVERBACK_ROLLOUT_RUNS=1 go test -run TestSimulation "+
		"./services/distributor/internal/rollout", seed, broken, strings.Join(lines[max(0, len(lines)-told):], "\n"), seed)
}

package rollout

import (
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/target"
)

// soaking is a policy with a soak of an hour, which lets a fifth of the targets go at once.
func soaking() Policy {
	return Policy{Waves: []Wave{{Nodes: 1, Soak: time.Hour}, {Percent: 100, Soak: time.Hour}}, TargetsAtOnce: 20, Deadline: new(2 * time.Hour)}
}

// retarget submits a revision that moves so many of a hundred targets and changes nothing else.
func (d *drive) retarget(moved float64) Target {
	streak := d.in.Newest.Streak
	streak.Moved += moved
	d.revise()
	d.in.Newest.Streak = streak
	return d.in.Newest
}

// more submits a revision that changes something else.
func (d *drive) more() {
	d.revise()
	d.in.Newest.Streak = target.Streak{Since: d.in.Newest.Revision, Of: 100}
}

// settled is a group of four whose nodes run revision 2, after which only targets change.
func settled(t *testing.T, p Policy) *drive {
	d := driven(t, 4, Policy{})
	d.in.Policy = p
	d.more()
	d.run(3 * time.Hour)
	d.want(2, 2, 2, 2)
	d.state(Completed)
	return d
}

func TestChangedTargetsSkipWaves(t *testing.T) {
	d := settled(t, soaking())
	for i := range 5 {
		d.retarget(15) // five times as much as the bound, each against the one before
		d.run(time.Second)
		at := fleet.Revision(i + 3)
		d.want(at, at, at, at)
	}
	r := d.in.Rollout
	if d.state(Completed); !r.AtOnce || r.Policy.WaveCount() != 1 || !strings.Contains(r.Reason, "at most 15 % of the group's") {
		t.Errorf("the rollout is %+v", r)
	}
}

func TestWhatHasItsWavesAllTheSame(t *testing.T) {
	for name, submit := range map[string]func(*drive){
		"more than the bound":                     func(d *drive) { d.retarget(21) },
		"more than the bound in two revisions":    func(d *drive) { d.retarget(11); d.retarget(11) },
		"something else":                          func(d *drive) { d.more() },
		"targets after something else":            func(d *drive) { d.more(); d.retarget(1) },
		"a translator that does not say":          func(d *drive) { d.revise() },
		"a stable revision of an older version":   func(d *drive) { d.in.Assignment.Stable.Streak = target.Streak{}; d.retarget(1) },
		"the policy lets none go":                 func(d *drive) { d.in.Policy.TargetsAtOnce = 0; d.retarget(1) },
		"nodes are held at something else":        func(d *drive) { d.hold(); d.retarget(1) },
		"the rollout before was rolled back":      func(d *drive) { d.ends(RolledBack); d.retarget(1) },
		"the rollout before halted":               func(d *drive) { d.ends(Halted); d.retarget(1) },
		"a recovery forgot what the group runs":   func(d *drive) { d.in.Epoch++; d.retarget(1) },
		"a revision that an operator had retried": func(d *drive) { d.ends(Halted); d.retry() },
	} {
		t.Run(name, func(t *testing.T) {
			d := settled(t, soaking())
			submit(d)
			d.run(time.Minute)
			if r := d.in.Rollout; r.AtOnce || r.State != Soaking || r.Policy.WaveCount() != 2 {
				t.Errorf("the rollout is %+v", r)
			}
		})
	}
}

// ends has a revision of targets end so.
func (d *drive) ends(state State) {
	d.retarget(1)
	r := *d.in.Rollout
	r.State, r.Candidate = state, d.in.Newest
	d.in.Rollout = &r
}

func (d *drive) retry() {
	d.in.Orders = d.in.Orders.With(Order{ID: "r", Verb: Retry, Rollout: d.in.Rollout.ID})
}

// hold leaves a node at a revision that changed something else.
func (d *drive) hold() {
	a := *d.in.Assignment
	a.Held = []Hold{{Target: Target{Revision: 1, Digest: "sha256:1"}, Reach: Reach{Threshold: d.in.Nodes[0].Position + 1}}}
	d.in.Assignment = &a
}

func TestChangedTargetsDoNotDisturbARollout(t *testing.T) {
	d := settled(t, soaking())
	d.more()
	d.run(time.Minute)
	d.retarget(1)
	d.run(30 * time.Minute)
	if r := d.in.Rollout; r.Candidate.Revision != 3 || r.State != Soaking {
		t.Errorf("the rollout is %+v", r)
	}
	d.run(5 * time.Hour) // it took over at the gate, with all waves of the revision that it brings along
	d.want(4, 4, 4, 4)
	if d.in.Rollout.AtOnce {
		t.Error("the change of another revision went without waves")
	}
}

func TestLoadsOfTargetsKeepTheirIntervalAndNumber(t *testing.T) {
	p := soaking()
	p.LoadInterval, p.MaxLoading = new(30*time.Second), 25
	d := settled(t, p)
	d.run(time.Minute)
	counts := d.loads(func() {
		if d.in.Newest.Revision < 30 {
			d.retarget(0.5)
		}
		if loading := Count(d.in).Loading; loading > 1 {
			t.Errorf("%d of 4 load at once, and a quarter may", loading)
		}
	})
	for _, n := range counts {
		if n != 2 {
			t.Errorf("28 revisions in 3 s were %v loads, want the first and the last", counts)
		}
	}
	d.hangs[2] = true
	d.retarget(1)
	d.run(40 * time.Second)
	if c := Count(d.in); c.Loading != 1 {
		t.Errorf("while one hangs, the others are %+v", c)
	}
}

func TestARefusalHaltsChangedTargets(t *testing.T) {
	d := settled(t, soaking())
	d.bad = d.retarget(1).Digest
	d.run(time.Minute)
	d.state(Halted)
	d.want(2, 2, 2, 2)
	d.retarget(1)
	d.run(time.Minute)
	if r := d.in.Rollout; r.AtOnce || r.State != Soaking {
		t.Errorf("after the halt the rollout is %+v", r)
	}
}

func TestChangedTargetsNeedNoWindowAndObeyAFreeze(t *testing.T) {
	d := settled(t, soaking())
	d.in.Closed = ClosedUntil(d.now, d.now.Add(24*time.Hour))
	d.retarget(1)
	d.run(time.Second)
	d.want(3, 3, 3, 3)
	d.in.Orders = d.in.Orders.With(Order{ID: "f", Verb: Freeze})
	d.retarget(1)
	d.run(time.Minute)
	d.want(3, 3, 3, 3)
	d.in.Orders = d.in.Orders.With(Order{ID: "u", Verb: Unfreeze})
	d.more()
	d.run(time.Minute)
	d.want(3, 3, 3, 3)
}

// A watch of gates ends when the next targets wait, and not for anything else.
func TestTargetsDoNotWaitForAWatch(t *testing.T) {
	p := soaking()
	p.Probes = []fleet.Probe{{Path: "/"}}
	d := settled(t, p)
	for i := range 3 {
		d.retarget(1)
		d.run(3 * time.Second)
		at := fleet.Revision(i + 3)
		if d.want(at, at, at, at); d.in.Rollout.State != Soaking {
			t.Errorf("the rollout is %+v", d.in.Rollout)
		}
	}
	d.more()
	d.run(3 * time.Second)
	d.want(5, 5, 5, 5)
	d.run(5 * time.Second)
	if d.in.Rollout.Candidate.Revision != 6 {
		t.Errorf("after the watch the rollout is %+v", d.in.Rollout)
	}
}

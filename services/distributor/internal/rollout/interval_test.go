package rollout

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/cost"
)

// loads counts how often each node was given something new.
func (d *drive) loads(each func()) []int {
	counts := make([]int, len(d.runs))
	before := d.revisions()
	for range 1000 {
		each()
		d.run(100 * time.Millisecond)
		for i, r := range d.revisions() {
			if r != before[i] {
				counts[i]++
			}
		}
		before = d.revisions()
	}
	return counts
}

// Twenty submissions of 300 ms each are the first and the last one on each gateway.
func TestABurstIsTwoLoadsOfEachGateway(t *testing.T) {
	for name, policy := range map[string]Policy{
		"one node, then all": {LoadInterval: new(30 * time.Second)},
		"waves that soak": {LoadInterval: new(30 * time.Second),
			Waves: []Wave{{Nodes: 1, Soak: time.Second}, {Percent: 50, Soak: time.Second}, {Percent: 100}}},
	} {
		t.Run(name, func(t *testing.T) {
			d := driven(t, 4, policy)
			d.run(time.Minute)
			n := 0
			counts := d.loads(func() {
				if n++; n%3 == 0 && n <= 60 {
					d.revise()
				}
			})
			if want := []int{2, 2, 2, 2}; !slices.Equal(counts, want) {
				t.Errorf("20 revisions were %v loads, want %v", counts, want)
			}
			d.want(21, 21, 21, 21)
			if len(d.began) != 2 {
				t.Errorf("rollouts began to %v", d.began)
			}
		})
	}
}

func TestWithoutAnIntervalABurstIsManyLoads(t *testing.T) {
	d := driven(t, 4, Policy{LoadInterval: new(time.Duration(0))})
	for range 20 {
		d.revise()
		d.run(300 * time.Millisecond)
	}
	if len(d.began) != 20 {
		t.Errorf("rollouts began to %v; the test of the interval shows nothing", d.began)
	}
}

// The next load of a gateway comes no sooner than the interval after the last load of the rollout before, and it comes.
func TestTheIntervalIsBetweenLoads(t *testing.T) {
	d := driven(t, 3, Policy{LoadInterval: new(30 * time.Second), Waves: []Wave{{Nodes: 1, Soak: 10 * time.Second}, {Percent: 100}}})
	d.run(time.Minute)
	d.revise()
	d.run(11 * time.Second) // all serve it since a second
	d.want(2, 2, 2)
	d.revise()
	d.run(28 * time.Second)
	d.want(2, 2, 2)
	until, held := Held(d.in)
	if !held || until.Sub(d.in.Rollout.LoadTime) != 30*time.Second {
		t.Errorf("held %t until %s, and the last load was at %s", held, until, d.in.Rollout.LoadTime)
	}
	if wait := Plan(d.now, d.in).Wait; wait <= 0 || wait > 3*time.Second {
		t.Errorf("Plan asks to be asked again after %s", wait)
	}
	d.run(2 * time.Second)
	d.want(3, 2, 2)
	if _, held := Held(d.in); held {
		t.Error("a rollout is under way, and the revision is held")
	}
}

func TestTheDefaultIntervalFollowsTheForecast(t *testing.T) {
	large := cost.Size{Routes: 10_000, Entities: 20_000, Bytes: 3 << 20}
	slow := cost.Gateway{Workers: 2, Samples: []cost.Sample{{Size: large, Workers: 2, Serving: 10 * time.Second}}}
	for name, tt := range map[string]struct {
		size    cost.Size
		gateway cost.Gateway
		offline bool
		policy  *time.Duration
		want    time.Duration
	}{
		"a small configuration":     {size: cost.Size{Routes: 100, Entities: 200}},
		"an unknown size":           {gateway: slow},
		"10,000 routes":             {size: large, want: 45 * time.Second},
		"a slow gateway":            {size: large, gateway: slow, want: 90 * time.Second},
		"a slow gateway is offline": {size: large, gateway: slow, offline: true, want: 45 * time.Second},
		"the policy":                {size: large, policy: new(5 * time.Second), want: 5 * time.Second},
		"the policy is none":        {size: large, policy: new(time.Duration(0))},
	} {
		in := Input{Newest: Target{Revision: 1, Size: tt.size}, Nodes: nodes(2, 0), Policy: Policy{LoadInterval: tt.policy}}
		in.Nodes[0].Gateway, in.Nodes[0].Online = tt.gateway, !tt.offline
		if got := in.LoadInterval(); got != tt.want {
			t.Errorf("%s: got %s, want %s", name, got, tt.want)
		}
	}
}

func TestWhatDoesNotWaitForTheInterval(t *testing.T) {
	held := func(t *testing.T) *drive {
		d := driven(t, 3, Policy{LoadInterval: new(time.Hour)})
		d.run(2 * time.Hour)
		d.revise()
		d.run(10 * time.Second)
		d.want(2, 2, 2)
		return d
	}
	t.Run("what waits", func(t *testing.T) {
		d := held(t)
		d.revise()
		d.run(time.Minute)
		d.want(2, 2, 2)
	})
	t.Run("what follows a refusal", func(t *testing.T) {
		d := driven(t, 3, Policy{LoadInterval: new(time.Hour)})
		d.run(2 * time.Hour)
		d.bad = d.revise().Digest
		d.run(10 * time.Second)
		if d.in.Rollout.State != Halted {
			t.Fatalf("the rollout is %+v", d.in.Rollout)
		}
		d.revise()
		d.run(10 * time.Second)
		d.want(3, 3, 3)
	})
	t.Run("content that the group runs already", func(t *testing.T) {
		d := held(t)
		same := d.in.Newest.Digest
		d.in.Newest.Revision++
		d.run(time.Second)
		if a := d.in.Assignment; a.Stable.Revision != 3 || a.Stable.Digest != same {
			t.Errorf("stable is %+v", a.Stable)
		}
		// Nothing was loaded for it: the interval still counts from the load before.
		d.revise()
		d.run(time.Hour - 5*time.Minute)
		d.want(3, 3, 3)
		d.run(10 * time.Minute)
		d.want(4, 4, 4)
	})
	t.Run("an operator's promote", func(t *testing.T) {
		d := held(t)
		d.revise()
		d.run(time.Second)
		d.in.Orders = d.in.Orders.With(Order{ID: "o", Verb: Promote, Begin: true, Full: true, Rollout: d.in.Rollout.ID})
		d.run(time.Second)
		d.want(3, 3, 3)
		if r := d.in.Rollout; !r.Has("o") || r.Promoted != r.Policy.WaveCount() {
			t.Errorf("the rollout is %+v", r)
		}
		d.revise()
		d.run(time.Minute)
		d.want(3, 3, 3) // it was for one rollout
	})
	t.Run("but a freeze keeps a promoted one from beginning", func(t *testing.T) {
		d := held(t)
		d.revise()
		d.in.Orders = d.in.Orders.With(Order{ID: "f", Verb: Freeze}).With(
			Order{ID: "o", Verb: Promote, Begin: true, Rollout: d.in.Rollout.ID})
		d.run(time.Second)
		d.want(2, 2, 2)
	})
}

// A leader does not know when its predecessor's nodes loaded by its own clock: it waits for the whole interval again, and no longer.
func TestAnotherLeaderWaitsForTheIntervalAgain(t *testing.T) {
	d := driven(t, 3, Policy{LoadInterval: new(30 * time.Second)})
	d.run(time.Minute)
	d.revise()
	d.run(20 * time.Second)
	d.revise()
	d.watch, d.clock = Stopwatch{}, 5*time.Hour
	d.run(29 * time.Second)
	d.want(2, 2, 2)
	d.run(3 * time.Second)
	d.want(3, 3, 3)
}

// A group is on three revisions for no longer than the first wave of a rollout that took over.
func TestATakeOverAtTheEndOfAWaveLeavesTwoRevisions(t *testing.T) {
	three := []Wave{{Nodes: 1, Soak: 10 * time.Second}, {Percent: 50, Soak: 10 * time.Second}, {Percent: 100}}
	for name, tt := range map[string]struct {
		after time.Duration // the newer revision comes
		then  []Wave        // the policy at that time
		want  State         // of the rollout before
	}{
		"after the first wave":                   {after: 5 * time.Second, want: Superseded},
		"after the second wave it waits":         {after: 15 * time.Second, want: Completed},
		"the first wave has become large enough": {after: 15 * time.Second, then: []Wave{{Percent: 50}, {Percent: 100}}, want: Superseded},
	} {
		t.Run(name, func(t *testing.T) {
			d := driven(t, 6, Policy{Waves: three})
			d.revise()
			d.run(tt.after)
			d.revise()
			if tt.then != nil {
				d.in.Policy.Waves = tt.then
			}
			for range 600 {
				d.run(100 * time.Millisecond)
				distinct := map[fleet.Revision]bool{}
				for _, n := range d.in.Nodes {
					distinct[d.in.Assignment.Target(n.Position).Revision] = true
				}
				if len(distinct) > 2 {
					t.Fatalf("wave %d of revision %d, and the nodes are to run %v", d.in.Rollout.Wave, d.in.Rollout.Candidate.Revision, distinct)
				}
			}
			d.want(3, 3, 3, 3, 3, 3)
			if d.ended[0].State != tt.want {
				t.Errorf("the rollout of revision 2 is %s, want %s", d.ended[0].State, tt.want)
			}
		})
	}
}

// The first wave of a rollout that took over takes on the nodes of the wave before it, also those that lost its label since.
func TestATakeOverTakesOnTheNodesBeforeIt(t *testing.T) {
	for name, wave := range map[string]Wave{
		"by label": {Label: "canary=true", Soak: 10 * time.Second},
		"by count": {Nodes: 2, Soak: 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			canaries := func(d *drive, all ...int) {
				for i := range d.in.Nodes {
					d.in.Nodes[i].Labels = map[string]string{"canary": fmt.Sprint(slices.Contains(all, i))}
				}
			}
			d := driven(t, 6, Policy{})
			d.in.Policy = Policy{MaxLoading: 17, Waves: []Wave{wave, {Label: "canary=true"}, {Percent: 100}}}
			canaries(d, 4, 5)
			d.revise()
			d.run(5 * time.Second)
			d.want(1, 1, 1, 1, 2, 2)
			d.revise()
			d.hangs[4], d.hangs[0] = true, true
			d.run(10 * time.Second)
			if r := d.in.Rollout; !r.TookOver || r.Wave != 1 {
				t.Fatalf("the rollout is %+v", r)
			}
			canaries(d, 3, 4)
			delete(d.hangs, 4)
			d.run(30 * time.Second)
			if r := d.in.Rollout; r.Wave != 3 {
				t.Fatalf("the rollout is %+v", r)
			}
			for i, n := range d.in.Nodes {
				if to := d.in.Assignment.Target(n.Position); to.Revision == 2 {
					t.Errorf("node %d is left on the revision before", i)
				}
			}
			delete(d.hangs, 0)
			d.run(time.Minute)
			d.want(3, 3, 3, 3, 3, 3)
		})
	}
}

// What a waiting revision costs each time that the leader looks at a group of 10,000 nodes that measured five loads each.
func BenchmarkPlanWhileARevisionWaits(b *testing.B) {
	size := cost.Size{Routes: 10_000, Entities: 20_000, Bytes: 3 << 20}
	var samples []cost.Sample
	for range cost.MaxSamples {
		samples = append(samples, cost.Sample{Size: size, Workers: 2, Serving: 5 * time.Second})
	}
	in := Input{Group: "g", Newest: Target{Revision: 2, Digest: "sha256:two", Size: size}, Nodes: nodes(10_000, 0),
		Assignment: &Assignment{Stable: one}, Rollout: &Rollout{ID: "00000001", State: Completed, Candidate: one, LoadTime: start}}
	for i := range in.Nodes {
		in.Nodes[i].Gateway = cost.Gateway{Workers: 2, Samples: samples}
	}
	for b.Loop() {
		if d := Plan(start, in); d.Wait == 0 || !d.IsZero() {
			b.Fatalf("decided %+v", d)
		}
	}
}

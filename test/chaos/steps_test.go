package chaos_test

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/test/chaos/check"
	"github.com/silverback-gateway/silverback/test/process"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// A step is a write to etcd by which a bad change is taken back: rollout is the rollout that was written, if it is one, and failed the one
// that has failed since the bad change came.
type step struct {
	name string
	is   func(c check.Change, rollout check.RolloutRecord, failed string) bool
}

var steps = []step{
	{"the rollout begins", func(_ check.Change, r check.RolloutRecord, _ string) bool { return r.ID != "" }},
	{"the rollout has failed", func(_ check.Change, r check.RolloutRecord, failed string) bool { return r.ID != "" && r.ID == failed }},
	{"the source is pinned, and the answer is under way", func(c check.Change, _ check.RolloutRecord, failed string) bool {
		return failed != "" && strings.HasPrefix(c.Key, "desired/revisions/") && strings.Contains(string(c.Value), `"restored_revision"`)
	}},
	{"the pin is recorded", func(_ check.Change, r check.RolloutRecord, failed string) bool {
		return failed != "" && r.ID == failed && r.Pinning != nil && r.Pinning.Done
	}},
	{"the next rollout begins", func(_ check.Change, r check.RolloutRecord, failed string) bool { return failed != "" && r.ID > failed }},
	{"the next rollout is complete", func(_ check.Change, r check.RolloutRecord, failed string) bool {
		return failed != "" && r.ID > failed && r.State == "completed"
	}},
}

// killAt kills a replica when a step is seen, and returns a channel that is closed then.
func (d *delivery) killAt(t *testing.T, s step, victim *process.Service) <-chan struct{} {
	came, killed := make(chan struct{}, 1), make(chan struct{})
	failed := ""
	d.watched.tellOf(func(c check.Change) {
		var record struct{ Value check.RolloutRecord }
		if strings.HasPrefix(c.Key, "decided/rollouts/") && !c.Deleted {
			if err := json.Unmarshal(c.Value, &record); err != nil {
				t.Error(err)
			}
		}
		if state := record.Value.State; failed == "" && (state == "halted" || state == "rolled_back") {
			failed = record.Value.ID
		}
		if s.is(c, record.Value, failed) {
			select {
			case came <- struct{}{}:
			default:
			}
		}
	})
	go func() {
		select {
		case <-t.Context().Done():
			return
		case <-came:
		}
		victim.Kill()
		close(killed)
	}()
	return killed
}

// apply has a team's command submit the next number and wait.
func (d *delivery) apply(t *testing.T, x *team, k kind) *process.Command {
	t.Helper()
	x.tried++
	x.last = x.text(x.tried, k)
	cli, file := x.cli, x.name+".yaml"
	cli.Dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(cli.Dir, file), []byte(x.last), 0o600); err != nil {
		t.Fatal(err)
	}
	return cli.Start(t, nil, "apply", "-g", process.Group, "-s", x.name, "--wait", "--allow-shrink", file)
}

// ends waits for such a command, which must end with a code and say something, and notes what it submitted.
func (d *delivery) ends(t *testing.T, x *team, k *process.Command, code int, says ...string) {
	t.Helper()
	r := k.Wait()
	for _, text := range says {
		if !strings.Contains(r.Stdout+r.Stderr, text) {
			t.Errorf("%s is not told %q", x.name, text)
		}
	}
	found := committed.FindStringSubmatch(r.Stdout + r.Stderr)
	if r.Code != code || found == nil {
		t.Fatalf("%s: exit code %d, want %d:\n%s%s", x.name, r.Code, code, r.Stdout, r.Stderr)
	}
	revision, _ := strconv.ParseInt(found[1], 10, 64)
	x.number = x.tried
	d.acks.add(check.Ack{Verb: "apply", Writer: x.name, Number: x.number, Revision: revision})
}

// TestTheLeaderDiesAtEachStep has one of three teams submit what gateways refuse or what harms the traffic, in turn, and kills the leader
// at each step of what follows. The other teams' changes arrive, the source of the first is pinned, its owner reads why, and its fix ends
// the pin. The next of CHAOS_ROUNDS has the other harm at each step.
func TestTheLeaderDiesAtEachStep(t *testing.T) {
	etcd := etcdtest.Start(t)
	f := process.StartFleet(t, binaries, etcd.Endpoints, process.Config{
		Registries: 1, Translators: 1, Distributors: 3, Gateways: 3, DistributorFlags: []string{"--election-ttl=" + electionTTL.String()},
		GatewayFlags: []string{"-refuse-route=" + badRoute},
	})
	d := newDelivery(t, &arena{t: t, fleet: f, etcd: etcd})
	d.clients(t, "red")
	chance := rand.New(rand.NewPCG(0, 0))
	for round := range rounds() {
		for i, s := range steps {
			name, harm := "refused, "+s.name, refused
			if (i+round)%2 == 1 {
				name, harm = "harmful, "+s.name, harmful
			}
			if !t.Run(name, func(t *testing.T) { d.incident(t, s, harm, chance) }) {
				return
			}
		}
	}
	d.watched.judged(t)
}

// incident is one bad change of the first team, during which the leader dies.
func (d *delivery) incident(t *testing.T, s step, harm kind, chance *rand.Rand) {
	d.t, d.rec.tb = t, t
	start := d.rec.mark()
	victim := leader(t, d.fleet.Distributors)
	killed := d.killAt(t, s, victim)
	red, others := d.teams[0], d.teams[1:]
	bad := d.apply(t, red, harm)
	says := []string{`source "red" is pinned at its last good content`, "rolled back: gate error-ratio failed in wave 1 of 2"}
	if harm == refused {
		says = []string{`source "red" is pinned at its last good content`, `red.yaml:8 (source "red"): route "` + badRoute + `"`}
	} else {
		// A gate does not know whose change it was: all that came with it would be pinned.
		d.ends(t, red, bad, 2, says...)
	}
	var waiting []*process.Command
	for _, x := range others {
		waiting = append(waiting, d.apply(t, x, good))
	}
	if harm == refused {
		d.ends(t, red, bad, 2, says...)
	}
	for i, x := range others {
		d.ends(t, x, waiting[i], 0, "is served by every online gateway")
	}
	<-killed
	d.watched.tellOf(nil)
	victim.Restart()
	victim.WaitReady()
	d.settle(t, chance)
	d.judge(t, start)
	d.watched.upToNow(t)
	if pin := d.watched.sources()["red"].Pin; pin == nil || pin.Rollout == "" {
		t.Errorf("red is not pinned: %+v", d.watched.sources()["red"])
	}
	if r := red.cli.Run(t, "describe", "source", "red", "-g", process.Group); harm == refused && !strings.Contains(r.Stdout, "red.yaml:8") {
		t.Errorf("its owner reads:\n%s%s", r.Stdout, r.Stderr)
	}
	d.ends(t, red, d.apply(t, red, good), 0, "is served by every online gateway")
	d.watched.upToNow(t)
	for name, source := range d.watched.sources() {
		if source.Pin != nil {
			t.Errorf("%s is pinned after the fix: %+v", name, source.Pin)
		}
	}
	for _, g := range d.fleet.Gateways {
		for _, x := range d.teams {
			if err := answersWith(g, &writer{name: x.name, number: x.number}); err != nil {
				t.Errorf("%s: %v", g.Name, err)
			}
		}
	}
}

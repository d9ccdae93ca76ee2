package chaos_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/test/chaos/check"
	"github.com/silverback-gateway/silverback/test/process"
	"github.com/silverback-gateway/silverback/testkit/cut"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// sickTime is how long it may take until the rest of a fleet is served although a part of it is sick.
const sickTime = 40 * time.Second

// TestScenarios plays the faults that once broke a promise, each while writers submit, and judges what was recorded.
func TestScenarios(t *testing.T) {
	etcd := etcdtest.StartCluster(t, 3)
	f := process.StartFleet(t, binaries, etcd.Endpoints, process.Config{
		Registries: 2, Translators: 2, Distributors: 3, Gateways: 4, Links: true, SmallDisks: true,
		DistributorFlags: []string{"--election-ttl=2s"},
		GatewayFlags:     []string{"-refuse-route=" + badRoute},
	})
	p := newPlay(t, &arena{t: t, fleet: f, etcd: etcd})
	for _, scenario := range []struct {
		name string
		play func(*testing.T, *play)
	}{
		{"a burst of good changes, a hanging gateway, then a refusal", burstThenRefusal},
		{"a replica is cut off from etcd", cutReplica},
		{"a gateway is dead beside its agent", deadGateway},
		{"changes come faster than waves", fastChanges},
		{"a gateway hangs, and what it served comes back", swapUnderAHang},
		{"two agents have one name", twins},
		{"the disk of a gateway is full", fullDiskOfOne},
		{"the ledger is wronged, and is full", wrongedLedger},
		{"an agent is away for long, under leaders of foreign clocks", foreignLeaders},
	} {
		if !t.Run(scenario.name, func(t *testing.T) {
			p.t, p.rec.tb = t, t
			start := p.rec.mark()
			scenario.play(t, p)
			p.converge(t)
			p.rec.add(check.Event{Kind: check.Settled})
			p.rec.looks(2)
			p.list(t)
			for _, problem := range check.History(p.rec.since(start)) {
				t.Error(problem)
			}
		}) {
			break
		}
	}
}

// disturb makes a fault of one gateway, and returns how to end it.
func (p *play) disturb(g *process.Gateway, name string, begin, end func()) (over func()) {
	p.rec.add(check.Event{Kind: check.Disturbed, Node: g.Name, Text: name})
	begin()
	return sync.OnceFunc(func() {
		end()
		p.rec.add(check.Event{Kind: check.Disturbed, Node: g.Name, Text: name, Over: true})
	})
}

func (p *play) setFaults(g *process.Gateway, f process.Faults) func() {
	return func() {
		f.RefuseRoute = badRoute
		p.must(g.SetFaults(f))
	}
}

// writing has two writers submit until the returned function is called.
func (p *play) writing(pause time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(p.t.Context())
	var writers sync.WaitGroup
	for i, w := range p.writers {
		chance := rand.New(rand.NewPCG(uint64(i), 7))
		writers.Go(func() { p.must(w.write(ctx, chance, pause)) })
	}
	return func() { cancel(); writers.Wait() }
}

// othersServe waits until every gateway but one serves what every writer got accepted last.
func (p *play) othersServe(t *testing.T, but *process.Gateway) {
	t.Helper()
	for _, g := range p.fleet.Gateways {
		if g == but {
			continue
		}
		for _, w := range append(slices.Clone(p.writers), p.waiter, p.spoiler) {
			process.Eventually(t, sickTime, fmt.Sprintf("%s serves number %d of %s", g.Name, w.number, w.name),
				func() error { return answersWith(g, w) })
		}
	}
}

func answersWith(g *process.Gateway, w *writer) error {
	status, body, err := g.Route("/" + w.name)
	if err == nil && (status != 200 || !strings.HasSuffix(strings.Trim(body, "\"{}\n "), fmt.Sprintf("mark-%d", w.number))) {
		err = fmt.Errorf("%d %.80s", status, body)
	}
	return err
}

func burstThenRefusal(t *testing.T, p *play) {
	last := p.fleet.Gateways[3]
	over := p.disturb(last, "gateway hangs", p.setFaults(last, process.Faults{Hang: true}), p.setFaults(last, process.Faults{}))
	defer over()
	stop := p.writing(300 * time.Millisecond)
	<-time.After(3 * time.Second)
	stop()
	if _, err := p.spoiler.submit(t.Context(), 0, true); err != nil {
		t.Fatal(err)
	}
	refused := p.rec.mark()
	// The refusal may have to wait for its turn behind a rollout that the hanging gateway holds up.
	process.Eventually(t, convergeTime, "a gateway is given what is refused", func() error {
		for _, e := range p.rec.since(refused) {
			if e.Kind == check.Viewed && e.Wanted > 0 && e.Wanted == p.spoiled() {
				return nil
			}
		}
		// The halt may be quicker than the next look at the gateways.
		var known struct {
			Rollouts []struct {
				Candidate int64 `json:"candidate_revision"`
				Refusals  []json.RawMessage
			}
		}
		r := p.cli.Run(t, "get", "rollouts", "-g", process.Group, "-o", "json")
		if err := json.Unmarshal([]byte(r.Stdout), &known); err != nil {
			return fmt.Errorf("exit code %d: %s", r.Code, r.Stderr)
		}
		for _, rollout := range known.Rollouts {
			if rollout.Candidate == p.spoiled() && len(rollout.Refusals) > 0 {
				return nil
			}
		}
		return errors.New("not yet")
	})
	if _, err := p.spoiler.submit(t.Context(), 0, false); err != nil {
		t.Fatal(err)
	}
	over()
}

// spoiled is the revision of the spoiler's last submission.
func (p *play) spoiled() (revision int64) {
	for _, e := range p.rec.since(p.rec.mark()) {
		if e.Kind == check.Submitted && e.Writer == p.spoiler.name {
			revision = e.Revision
		}
	}
	return revision
}

func cutReplica(t *testing.T, p *play) {
	var follower *process.Service
	for _, d := range p.fleet.Distributors {
		if !leads(d) {
			follower = d
		}
	}
	cutAll(follower.ToEtcd, cut.ToClient)
	defer healAll(follower.ToEtcd)
	stop := p.writing(500 * time.Millisecond)
	process.Eventually(t, sickTime, follower.Name+" is not ready", func() error {
		if process.Ready("http://"+follower.HTTP+"/readyz") == nil {
			return errors.New("it is ready")
		}
		return nil
	})
	stop()
	p.othersServe(t, nil) // while it is cut off
}

func deadGateway(t *testing.T, p *play) {
	dead := p.fleet.Gateways[1]
	over := p.disturb(dead, "kill gateway", dead.Kong.Kill, dead.Kong.Restart)
	defer over()
	process.Eventually(t, sickTime, "the registry knows", func() error {
		r := p.cli.Run(t, "get", "nodes", "-g", process.Group)
		for line := range strings.Lines(r.Stdout) {
			if strings.Contains(line, dead.Name) && strings.Contains(line, "degraded") {
				return nil
			}
		}
		return errors.New("not yet")
	})
	stop := p.writing(500 * time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	p.applyAndWait(ctx)
	stop()
	p.othersServe(t, dead)
}

func fastChanges(t *testing.T, p *play) {
	if r := p.cli.Run(t, "update", "group", process.Group, "--waves=1:2s,100%"); r.Code != 0 {
		t.Fatalf("set waves: %+v", r)
	}
	w := p.writers[0]
	for range 14 {
		if _, err := w.submit(t.Context(), 0, false); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Second)
	}
	// Two soaks of two rollouts each, in which there were no more than ten changes.
	for _, g := range p.fleet.Gateways {
		_, body, err := g.Route("/" + w.name)
		found := marked.FindStringSubmatch(body)
		if err != nil || found == nil {
			t.Fatalf("%s: %s %v", g.Name, body, err)
		}
		if number := atoi(found[1]); number < w.number-10 {
			t.Errorf("%s serves number %d of %d: it waits behind the first wave", g.Name, number, w.number)
		}
	}
	if r := p.cli.Run(t, "update", "group", process.Group, "--waves=1,100%"); r.Code != 0 {
		t.Fatalf("set waves: %+v", r)
	}
}

func swapUnderAHang(t *testing.T, p *play) {
	w, g := p.waiter, p.fleet.Gateways[2]
	a, b := write(t, w.text(w.number, false)), write(t, w.text(w.number+1000, false))
	over := p.disturb(g, "gateway hangs", p.setFaults(g, process.Faults{Hang: true}), p.setFaults(g, process.Faults{}))
	defer over()
	apply := func(file string, more ...string) process.Result {
		return p.cli.Run(t, append([]string{"apply", "-g", process.Group, "-s", w.name, file}, more...)...)
	}
	before, err := g.Posts()
	if err != nil {
		t.Fatal(err)
	}
	if r := apply(b); r.Code != 0 {
		t.Fatalf("the other content: %+v", r)
	}
	// The phase "loading" may begin and end between two polls. The number of posts tells that the gateway was given the content.
	process.Eventually(t, convergeTime, g.Name+" is given it", func() error {
		if posts, err := g.Posts(); err != nil || posts == before {
			return errors.Join(fmt.Errorf("%d posts, %d before", posts, before), err)
		}
		return nil
	})
	if r := apply(a, "--wait", "--wait-timeout=4s"); r.Code == 0 && !slices.Contains(leftOut(r.Stderr+r.Stdout), g.Name) {
		t.Errorf("--wait ended well, while %s is in the middle of a load: %+v", g.Name, r)
	}
	over()
	if r := apply(a, "--wait"); r.Code != 0 {
		t.Errorf("once the gateway answers: %+v", r)
	}
}

func twins(t *testing.T, p *play) {
	first := p.fleet.Gateways[0]
	twin := p.fleet.Twin(first)
	defer func() { twin.Agent.Kill(); twin.Kong.Kill() }()
	stop := p.writing(500 * time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	p.applyAndWait(ctx)
	stop()
	status, body, err := process.Get("http://" + twin.HTTP + "/readyz")
	if err != nil || status != 503 || !strings.Contains(string(body), "another agent is enrolled under the node's name") {
		t.Errorf("the twin's /readyz: %d %s %v", status, body, err)
	}
	if v, err := twin.View(); err != nil || v.Revision != 0 {
		t.Errorf("the twin was given revision %d (%v)", v.Revision, err)
	}
	p.othersServe(t, nil)
}

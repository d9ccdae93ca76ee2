package chaos_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/test/chaos/check"
	"github.com/silverback-gateway/silverback/test/process"
	"github.com/silverback-gateway/silverback/testkit/cut"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

const (
	awayTime = 40 * time.Second // long enough to be offline, and to have every connection given up
	soakTime = 6 * time.Second  // longer than it takes until another replica leads
)

// goOn waits until writers have got n more submissions accepted.
func (p *play) goOn(t *testing.T, n int) {
	t.Helper()
	from := p.rec.submissions()
	process.Eventually(t, convergeTime, "writers go on", func() error {
		if accepted := p.rec.submissions() - from; accepted < n {
			return fmt.Errorf("%d submissions were accepted", accepted)
		}
		return nil
	})
}

// delete takes keys out of etcd, as somebody with etcdctl would.
func (p *play) delete(t *testing.T, client *clientv3.Client, keys string) {
	t.Helper()
	answer, err := client.Delete(t.Context(), ledgerPrefix+keys, clientv3.WithPrefix())
	if err != nil || answer.Deleted == 0 {
		t.Fatalf("delete %s: %+v, %v", keys, answer, err)
	}
	t.Logf("deleted %d keys of %s", answer.Deleted, keys)
}

// wrongedLedger deletes from under writers what etcd holds of nodes, of the group's head and of content, and then has etcd be full.
func wrongedLedger(t *testing.T, p *play) {
	client := p.etcd.Client(t)
	p.ops.reset()
	head := p.waiter.newest(t.Context())
	// Content is deleted between rollouts: a candidate that most gateways cannot be given is taken back from the others, as one that fails.
	for _, keys := range []string{"content/manifests/", "content/chunks/"} {
		p.delete(t, client, keys)
	}
	stop := p.writing(300 * time.Millisecond)
	p.goOn(t, 3)
	for _, keys := range []string{
		"desired/heads/" + process.Group, "desired/sources/" + process.Group + "/" + p.spoiler.name, "identity/nodes/", "identity/sessions/",
	} {
		p.delete(t, client, keys)
		p.goOn(t, 3)
	}
	stop()
	p.othersServe(t, nil)
	process.Eventually(t, convergeTime, "every node is back", func() error {
		r := p.cli.Run(t, "get", "nodes", "-g", process.Group)
		for _, g := range p.fleet.Gateways {
			if !slices.ContainsFunc(strings.Split(r.Stdout, "\n"), func(line string) bool {
				return strings.Contains(line, g.Name) && strings.Contains(line, "ready")
			}) {
				return fmt.Errorf("%s is not ready: %s%s", g.Name, r.Stdout, r.Stderr)
			}
		}
		return nil
	})

	stop = p.writing(300 * time.Millisecond)
	p.goOn(t, 2)
	etcdtest.RaiseAlarm(t, client)
	before := p.waiter.newest(t.Context())
	r := p.cli.Run(t, "apply", "-g", process.Group, "-s", "another", write(t, document(0)))
	if r.Code == 0 || !strings.Contains(r.Stderr, "etcd has no space left") || !strings.Contains(r.Stderr, "etcdctl alarm disarm") {
		t.Errorf("apply to a full etcd: %+v", r)
	}
	for _, s := range p.fleet.Services() {
		process.Eventually(t, convergeTime, s.Name+" says that etcd is full", func() error { return saysOfEtcd(s, true) })
	}
	if now := p.waiter.newest(t.Context()); now != before {
		t.Errorf("revision %d is the newest, and it was %d when etcd was full already", now, before)
	}
	etcdtest.MakeRoom(t, client)
	p.goOn(t, 3)
	stop()
	for _, s := range p.fleet.Services() {
		process.Eventually(t, convergeTime, s.Name+" says nothing of etcd any more", func() error { return saysOfEtcd(s, false) })
	}
	p.othersServe(t, nil)
	if err := check.Linear(p.ops.take(), head, linearTime); err != nil {
		t.Error(err)
	}
}

// saysOfEtcd is nil when a replica is ready, and says or does not say that etcd is full.
func saysOfEtcd(s *process.Service, full bool) error {
	status, body, err := process.Get("http://" + s.HTTP + "/readyz")
	if err == nil && (status != http.StatusOK || strings.Contains(string(body), "LEDGER_FULL") != full) {
		err = fmt.Errorf("it says %d %q", status, body)
	}
	return err
}

// foreignLeaders cuts an agent off for long, while leaders whose wall clocks are wrong, each in its own way, follow one another.
func foreignLeaders(t *testing.T, p *play) {
	foreign := foreignClock(t)
	away := p.fleet.Gateways[2]
	links := slices.Concat(away.ToRegistry, away.ToDistributor)
	over := p.disturb(away, "cut agent off", func() { cutAll(links, cut.Both) }, func() { healAll(links) })
	defer over()
	healing := time.After(awayTime)
	waves := func(text string) {
		if r := p.cli.Run(t, "update", "group", process.Group, "--waves="+text); r.Code != 0 {
			t.Fatalf("set waves: %+v", r)
		}
	}
	waves("1:" + soakTime.String() + ",100%")
	from := p.rec.mark()
	stop := p.writing(time.Second)
	for _, ahead := range clocks {
		first := leader(t, p.fleet.Distributors)
		for _, d := range p.fleet.Distributors {
			if d != first {
				foreign.Set(d.Process, ahead)
				d.WaitReady()
			}
		}
		// The first wave soaks when its leader dies, and a clock that is ahead of its own goes on with it.
		process.Eventually(t, sickTime, "a rollout soaks", func() error {
			if r := p.cli.Run(t, "rollout", "status", "-g", process.Group); !strings.Contains(r.Stdout, "soaking") {
				return errors.New(r.Stdout + r.Stderr)
			}
			return nil
		})
		first.Kill()
		first.Restart()
	}
	stop()
	p.othersServe(t, away)
	for _, problem := range check.Soaked(p.rec.since(from), soakTime*3/4) {
		t.Error(problem)
	}
	if r := p.cli.Run(t, "get", "rollouts", "-g", process.Group); strings.Contains(r.Stdout, "deadline") {
		t.Errorf("a rollout ran out of time: %s", r.Stdout)
	}
	process.Eventually(t, sickTime, "the registry has given the agent up", func() error {
		r := p.cli.Run(t, "get", "nodes", "-g", process.Group)
		for line := range strings.Lines(r.Stdout) {
			if strings.Contains(line, away.Name) && strings.Contains(line, "unreachable") {
				return nil
			}
		}
		return errors.New(r.Stdout)
	})
	for _, d := range p.fleet.Distributors {
		foreign.Set(d.Process, 0)
	}
	leader(t, p.fleet.Distributors)
	waves("1,100%")
	<-healing
	over()
	away.WaitJoined(t)
}

// fullDiskOfOne leaves a gateway and its agent no byte to write, and has the others go on.
func fullDiskOfOne(t *testing.T, p *play) {
	full := p.fleet.Gateways[3]
	if full.NoDisk != nil {
		t.Fatalf("no disk to fill, which takes a mount namespace of the tests' own: %v", full.NoDisk)
	}
	empty := func() { p.must(full.EmptyDisk()) }
	over := p.disturb(full, "the disk is full", func() { p.must(full.FillDisk()) }, empty)
	defer over()
	stop := p.writing(500 * time.Millisecond)
	process.Eventually(t, sickTime, "the registry says it", func() error {
		r := p.cli.Run(t, "describe", "node", full.Name, "-g", process.Group)
		if !strings.Contains(r.Stdout, "no space left on device") {
			return fmt.Errorf("%s%s", r.Stdout, r.Stderr)
		}
		return nil
	})
	p.goOn(t, 4)
	stop()
	p.othersServe(t, full)
}

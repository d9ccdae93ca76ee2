package chaos_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/test/chaos/check"
	"github.com/silverback-gateway/silverback/test/process"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// shake sends etcd back in time between two lives of the services, as a restore does: to a backup, or to nothing when that is empty.
func shake(t *testing.T, f *process.Fleet, etcd *etcdtest.Server, backup string) {
	t.Helper()
	for _, s := range f.Services() {
		s.Kill()
	}
	etcd.Restore(t, backup)
	again(t, f)
}

// again starts all services, and waits until they and the agents are at work.
func again(t *testing.T, f *process.Fleet) {
	t.Helper()
	for _, s := range f.Services() {
		s.Restart()
	}
	for _, s := range f.Services() {
		s.WaitReady()
	}
	for _, g := range f.Gateways {
		g.WaitJoined(t)
	}
}

// unmoved fails the test unless every gateway serves a round, of an epoch.
func unmoved(t *testing.T, f *process.Fleet, round int, epoch int64) {
	t.Helper()
	for _, g := range f.Gateways {
		if status, body, err := g.Route(fmt.Sprintf("/round-%d", round)); err != nil || status != 200 {
			t.Errorf("%s does not serve round %d any more: %d %s %v", g.Name, round, status, body, err)
		}
		if v, err := g.View(); err != nil || v.Epoch != epoch || !v.Proven {
			t.Errorf("%s is %+v, %v", g.Name, v, err)
		}
	}
}

// tells waits until a command names the ledger, and the remedy.
func tells(t *testing.T, cli process.CLI, more string, args ...string) {
	t.Helper()
	process.Eventually(t, convergeTime, strings.Join(args, " ")+" names the ledger", func() error {
		r := cli.Run(t, args...)
		if said := r.Stdout + r.Stderr; r.Code != 2 || !strings.Contains(said, "silverback recover") || !strings.Contains(said, more) {
			return fmt.Errorf("it ended with %d and said %s", r.Code, said)
		}
		return nil
	})
}

// recovered recovers the ledger, and waits until every agent follows its epoch.
func recovered(t *testing.T, f *process.Fleet, epoch int64, more ...string) {
	t.Helper()
	r := f.CLI().Run(t, append([]string{"recover", "--reason", "restored in a test", "--yes"}, more...)...)
	if r.Code != 0 || !strings.Contains(r.Stdout, fmt.Sprintf("the ledger is in epoch %d", epoch)) {
		t.Fatalf("recover ended with %+v", r)
	}
	t.Logf("silverback recover\n%s%s", r.Stderr, r.Stdout)
	for _, g := range f.Gateways {
		process.Eventually(t, convergeTime, fmt.Sprintf("%s follows epoch %d", g.Name, epoch), func() error {
			v, err := g.View()
			if err == nil && v.Epoch != epoch {
				err = fmt.Errorf("it is in epoch %d", v.Epoch)
			}
			return err
		})
	}
}

// An etcd that was restored from a backup of before the newest revision. Nobody follows it, everybody is told, no gateway changes; then an
// operator says so, and all follow, twice.
func TestARestoredLedgerIsToldAndRecovered(t *testing.T) {
	etcd := etcdtest.Start(t)
	f := process.StartFleet(t, binaries, etcd.Endpoints, process.Config{Registries: 1, Translators: 1, Distributors: 2, Gateways: 2})
	cli := f.CLI()
	apply := func(round int, more ...string) process.Result {
		return cli.Run(t, append([]string{"apply", "-g", process.Group, write(t, document(round))}, more...)...)
	}
	if r := apply(1, "--wait"); r.Code != 0 {
		t.Fatalf("the first apply: %+v", r)
	}
	backup := etcd.Backup(t)
	// The services live through that, and find back by themselves.
	process.Eventually(t, convergeTime, "the second round is served", func() error {
		if r := apply(2, "--wait"); r.Code != 0 {
			return fmt.Errorf("apply ended with %+v", r)
		}
		return nil
	})
	shake(t, f, etcd, backup)
	tells(t, cli, "2 nodes are ahead of it", "status")
	tells(t, cli, "DecisionStale", "status")
	tells(t, cli, "2 gateways of the group", "rollout", "status", "-g", process.Group)
	if r := cli.Run(t, "status"); r.Code == 2 {
		t.Logf("silverback status\n%s%s", r.Stdout, r.Stderr)
	}
	unmoved(t, f, 2, 0)
	// The files are applied again: that is committed, waits, and says at once for what.
	r := apply(2, "--wait", "--wait-timeout=5s")
	if r.Code != 2 || !strings.Contains(r.Stderr, "gw-1, gw-2: ahead of the ledger") || !strings.Contains(r.Stderr, "silverback recover") {
		t.Errorf("apply --wait ended with %+v", r)
	}
	t.Logf("silverback apply --wait\n%s%s", r.Stdout, r.Stderr)
	unmoved(t, f, 2, 0)
	recovered(t, f, 1)
	serving(t, f, 2, 2)
	if r := cli.Run(t, "recover", "--reason", "again", "--yes"); r.Code != 1 || !strings.Contains(r.Stderr, "no node is ahead of the ledger") {
		t.Errorf("a second recovery ended with %+v", r)
	}
	recovered(t, f, 2, "--force")
	if r := apply(3, "--wait"); r.Code != 0 {
		t.Fatalf("the first apply of the new epoch: %+v", r)
	}
	serving(t, f, 3, 3)
	unmoved(t, f, 3, 2)
}

// An etcd that was lost, and made anew without a backup, under two gateways. Their agents come back by themselves, and follow nothing of it
// before the recovery, whose epoch is above the one that was lost.
func TestALostLedgerIsToldAndRecovered(t *testing.T) {
	etcd := etcdtest.Start(t)
	f := process.StartFleet(t, binaries, etcd.Endpoints, process.Config{Registries: 1, Translators: 1, Distributors: 1, Gateways: 2})
	cli := f.CLI()
	file := write(t, document(1))
	if r := cli.Run(t, "apply", "-g", process.Group, "--wait", file); r.Code != 0 {
		t.Fatalf("the first apply: %+v", r)
	}
	recovered(t, f, 1, "--force") // so that the epoch is lost too
	// Nobody stopped the services: each finds out, and ends, for what it remembers is of before. Whoever watches over it starts it again.
	etcd.Restore(t, "")
	for _, s := range f.Services() {
		process.Eventually(t, convergeTime, s.Name+" ends by itself", func() error {
			if s.Running() {
				return errors.New("it runs")
			}
			return nil
		})
		if !strings.Contains(s.Log(), "etcd went back in time") {
			t.Errorf("%s ended with %s", s.Name, s.Log())
		}
	}
	again(t, f)
	tells(t, cli, "2 nodes are ahead of it", "status")
	if r := cli.Run(t, "apply", "-g", process.Group, file); r.Code != 0 {
		t.Fatalf("the apply to an empty ledger: %+v", r)
	}
	tells(t, cli, "waiting", "rollout", "status", "-g", process.Group)
	unmoved(t, f, 1, 1)
	recovered(t, f, 2)
	serving(t, f, 1, 1)
}

// TestALedgerGoesBackUnderWriters restores etcd to a backup while writers submit, and lets them go on submitting to what was restored: its
// numbers grow, and nothing of it may reach a gateway before somebody says so.
func TestALedgerGoesBackUnderWriters(t *testing.T) {
	etcd := etcdtest.Start(t)
	f := process.StartFleet(t, binaries, etcd.Endpoints, process.Config{
		Registries: 1, Translators: 1, Distributors: 2, Gateways: 3, DistributorFlags: []string{"--election-ttl=2s"},
		GatewayFlags: []string{"-refuse-route=" + badRoute},
	})
	p := newPlay(t, &arena{t: t, fleet: f, etcd: etcd})
	first := p.rec.mark()
	backup := etcd.Backup(t)
	stop := p.writing(300 * time.Millisecond)
	p.goOn(t, 8)
	stop()
	p.converge(t)
	p.rec.add(check.Event{Kind: check.Settled})
	p.rec.looks(2)
	for _, problem := range check.History(p.rec.since(first)) {
		t.Error(problem)
	}
	for _, s := range f.Services() {
		s.Kill()
	}
	still := p.rec.mark()
	etcd.Restore(t, backup)
	again(t, f)
	stop = p.writing(100 * time.Millisecond)
	p.goOn(t, 40) // until the ledger's numbers are where they were, and beyond
	stop()
	p.rec.looks(2)
	for _, problem := range check.Still(p.rec.looked(still)) {
		t.Error(problem)
	}
	tells(t, p.cli, "3 nodes are ahead of it", "status")
	recovered(t, f, 1)
	after := p.rec.mark()
	stop = p.writing(300 * time.Millisecond)
	p.goOn(t, 6)
	stop()
	// What was submitted before the restore and is not in the backup is lost, which the writers submit again by going on.
	for _, g := range f.Gateways {
		for _, w := range p.writers {
			process.Eventually(t, convergeTime, g.Name+" serves what "+w.name+" submitted last", func() error { return answersWith(g, w) })
		}
	}
	p.rec.looks(2)
	if problems := check.History(p.rec.looked(after)); len(problems) > 0 {
		t.Errorf("after the recovery: %v", problems)
	}
}

package chaos_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/test/process"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// large is a document that takes a gateway a moment to load.
func large(round int) string {
	var b strings.Builder
	b.WriteString(document(round))
	for i := range 8000 {
		fmt.Fprintf(&b, "- {name: filler-%d-%05d, paths: [/filler/%d/%05d]}\n", round, i, round, i)
	}
	return b.String()
}

// TestAnAgentDiesWhileItLoads kills an agent that is in the middle of a load, and starts it again.
func TestAnAgentDiesWhileItLoads(t *testing.T) {
	chance := draw(t)
	etcd := etcdtest.Start(t)
	f := process.StartFleet(t, binaries, etcd.Endpoints, process.Config{Registries: 1, Translators: 1, Distributors: 1, Gateways: 3})
	cli := f.CLI()
	apply := []string{"apply", "-g", process.Group, "--wait", "--allow-shrink"}
	if r := cli.Run(t, append(apply, write(t, large(0)))...); r.Code != 0 {
		t.Fatalf("the first apply: %+v", r)
	}
	watch(t, f)
	caught := 0
	for round := 1; round <= 3*rounds(); round++ {
		victim := f.Gateways[chance.IntN(len(f.Gateways))]
		k := cli.Start(t, nil, append(apply, write(t, large(round)))...)
		loading := false
		process.Eventually(t, convergeTime, victim.Name+" loads", func() error {
			v, err := victim.View()
			loading = err == nil && v.Phase == "loading"
			if loading || err == nil && v.Revision == int64(round)+1 {
				return nil
			}
			return errors.New("not yet")
		})
		victim.Agent.Kill()
		if loading {
			caught++
		}
		// Kong dies with it, every other time: what it starts with is the last known good, or the new one.
		if chance.IntN(2) == 0 {
			victim.Kong.Kill()
			victim.Kong.Restart()
			process.Eventually(t, process.StartTime, "the gateway answers again", victim.KongReady)
		}
		victim.Agent.Restart()
		if r := k.Wait(); r.Code != 0 {
			t.Fatalf("round %d: apply ended with %+v", round, r)
		}
		serving(t, f, int64(round)+1, round)
		t.Logf("round %d: killed %s, loading: %v", round, victim.Agent.Name, loading)
	}
	if caught == 0 {
		t.Log("no agent was caught in the middle of a load; another seed may")
	}
}

// TestEverythingIsDead kills the control plane, etcd and the agents. The gateways serve on, also from a cold start; and when all is
// back, so is the fleet. Then etcd goes alone.
func TestEverythingIsDead(t *testing.T) {
	etcd := etcdtest.Start(t)
	f := process.StartFleet(t, binaries, etcd.Endpoints, process.Config{
		Registries: 2, Translators: 2, Distributors: 2, Gateways: 2, DistributorFlags: []string{"--election-ttl=2s"},
	})
	cli := f.CLI()
	apply := []string{"apply", "-g", process.Group, "--wait"}
	if r := cli.Run(t, append(apply, write(t, document(1)))...); r.Code != 0 {
		t.Fatalf("the first apply: %+v", r)
	}
	watch(t, f)
	for _, g := range f.Gateways {
		g.Agent.Kill()
	}
	for _, s := range f.Services() {
		s.Kill()
	}
	etcd.Stop(0)
	for _, g := range f.Gateways {
		if status, body, err := g.Route("/round-1"); err != nil || status != 200 {
			t.Errorf("%s, alone: %d %s %v", g.Name, status, body, err)
		}
		g.Kong.Kill()
		g.Kong.Restart()
		process.Eventually(t, process.StartTime, g.Name+" serves its last known good from a cold start", func() error {
			status, body, err := g.Route("/round-1")
			if err == nil && status != 200 {
				err = fmt.Errorf("%d %s", status, body)
			}
			return err
		})
	}
	for _, g := range f.Gateways {
		g.Agent.Restart() // an agent without a control plane leaves its gateway as it is
	}
	etcd.Restart(t, 0)
	for _, s := range f.Services() {
		s.Restart()
	}
	for _, s := range f.Services() {
		s.WaitReady()
	}
	for _, g := range f.Gateways {
		g.WaitJoined(t)
	}
	if r := cli.Run(t, append(apply, write(t, document(1)))...); r.Code != 0 || !strings.Contains(r.Stdout, "unchanged") {
		t.Errorf("the same apply after all came back: %+v", r)
	}
	if r := cli.Run(t, append(apply, write(t, document(2)))...); r.Code != 0 {
		t.Errorf("the next apply: %+v", r)
	}
	serving(t, f, 2, 2)

	// Once more etcd alone: who asks a service is told. All but distributors are ready all the same; these hear no decisions.
	etcd.Stop(0)
	remark := "etcd at " + etcd.Endpoints[0] + " has not answered for "
	for _, s := range f.Services() {
		process.Eventually(t, process.StartTime, s.Name+" says that etcd is away", func() error {
			status, body, err := process.Get("http://" + s.HTTP + "/readyz")
			want, says := http.StatusOK, "ok\n"+remark
			if s.Kind == "distributor" {
				want, says = http.StatusServiceUnavailable, remark
			}
			if err == nil && (status != want || !strings.HasPrefix(string(body), says)) {
				err = fmt.Errorf("it says %d %q", status, body)
			}
			return err
		})
	}
}

// TestAnEtcdMemberIsLost stops each member of three in turn, and applies with the two that are left.
func TestAnEtcdMemberIsLost(t *testing.T) {
	etcd := etcdtest.StartCluster(t, 3)
	f := process.StartFleet(t, binaries, etcd.Endpoints, process.Config{Registries: 1, Translators: 1, Distributors: 1, Gateways: 2})
	cli := f.CLI()
	if r := cli.Run(t, "apply", "-g", process.Group, "--wait", write(t, document(0))); r.Code != 0 {
		t.Fatalf("the first apply: %+v", r)
	}
	watch(t, f)
	for i := range 3 {
		round := i + 1
		etcd.Stop(i)
		start := time.Now()
		if r := cli.Run(t, "apply", "-g", process.Group, "--wait", write(t, document(round))); r.Code != 0 {
			t.Fatalf("without member %d: %+v", i, r)
		}
		serving(t, f, int64(round)+1, round)
		t.Logf("without member %d: served after %s", i, time.Since(start).Round(time.Millisecond))
		etcd.Restart(t, i)
	}
	history(t, cli, 4)
}

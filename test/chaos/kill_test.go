package chaos_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/test/process"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// A moment of an apply: wait returns when it has come, or when the apply has ended before.
type moment struct {
	name string
	wait func(k *process.Command, jitter time.Duration)
}

var moments = []moment{
	{"before the submit", nil},
	{"during the submit", func(_ *process.Command, jitter time.Duration) { <-time.After(jitter) }},
	{"once the submit is acknowledged", func(k *process.Command, _ time.Duration) { k.WaitFor("committed") }},
	{"while wave one loads", func(k *process.Command, _ time.Duration) { k.WaitFor("wave 1 of 2") }},
	{"between the waves", func(k *process.Command, _ time.Duration) { k.WaitFor("wave 2 of 2") }},
}

// TestKillAnyReplica kills each replica of each service at each moment of an apply, and starts it again.
func TestKillAnyReplica(t *testing.T) {
	chance := draw(t)
	etcd := etcdtest.Start(t)
	f := process.StartFleet(t, binaries, etcd.Endpoints, process.Config{
		Registries: 2, Translators: 2, Distributors: 3, Gateways: 3, DistributorFlags: []string{"--election-ttl=2s"},
	})
	cli := f.CLI()
	if r := cli.Run(t, "apply", "-g", process.Group, "--wait", write(t, document(0))); r.Code != 0 {
		t.Fatalf("the first apply: %+v", r)
	}
	watch(t, f)

	type attack struct {
		victim *process.Service
		moment moment
	}
	var attacks []attack
	for range rounds() {
		first := len(attacks)
		for _, s := range f.Services() {
			for _, m := range moments {
				attacks = append(attacks, attack{s, m})
			}
		}
		round := attacks[first:]
		chance.Shuffle(len(round), func(i, j int) { round[i], round[j] = round[j], round[i] })
	}
	for i, a := range attacks {
		round := i + 1
		jitter := time.Duration(chance.IntN(60)) * time.Millisecond
		name := fmt.Sprintf("%s %s", a.victim.Name, a.moment.name)
		start := time.Now()
		if a.moment.wait == nil {
			a.victim.Kill()
		}
		k := cli.Start(t, nil, "apply", "-g", process.Group, "--wait", "-m", name, write(t, document(round)))
		if a.moment.wait != nil {
			a.moment.wait(k, jitter)
			a.victim.Kill()
		}
		r := k.Wait()
		if r.Code != 0 {
			t.Fatalf("round %d, %s: apply ended with %d\n%s%s", round, name, r.Code, r.Stdout, r.Stderr)
		}
		// One submission is one revision: neither lost, nor made twice by a repeated call.
		if n := revision(t, r); n != int64(round)+1 {
			t.Fatalf("round %d, %s: revision %d", round, name, n)
		}
		serving(t, f, int64(round)+1, round)
		took := time.Since(start)
		a.victim.Restart()
		a.victim.WaitReady()
		t.Logf("round %d: %s: served after %s", round, name, took.Round(time.Millisecond))
	}
	for _, s := range f.Services() {
		s.WaitReady()
	}
	history(t, cli, len(attacks)+1)
	decisions(t, etcd)
}

// history fails the test unless every acknowledged revision is there.
func history(t *testing.T, cli process.CLI, n int) {
	t.Helper()
	r := cli.Run(t, "get", "revisions", "-g", process.Group, "-o", "json")
	var answer struct{ Revisions []struct{ Number int64 } }
	if err := json.Unmarshal([]byte(r.Stdout), &answer); err != nil {
		t.Fatalf("get revisions: %v: %+v", err, r)
	}
	there := map[int64]bool{}
	for _, r := range answer.Revisions {
		there[r.Number] = true
	}
	for i := max(1, n-40); i <= n; i++ { // the older ones may have been collected
		if !there[int64(i)] {
			t.Errorf("revision %d was acknowledged and is gone", i)
		}
	}
	if r := cli.Run(t, "status"); r.Code != 0 || !strings.Contains(r.Stdout, "in sync") {
		t.Errorf("status at the end: %+v", r)
	}
}

// TestATranslatorDiesUnderALargeSubmit kills the replicas in turn while a submission of several megabytes is on its way or being compiled.
// The command line must give it to the other one, and the group must get one revision of it.
func TestATranslatorDiesUnderALargeSubmit(t *testing.T) {
	chance := draw(t)
	etcd := etcdtest.Start(t)
	f := process.StartFleet(t, binaries, etcd.Endpoints, process.Config{Registries: 1, Translators: 2, Distributors: 1, Gateways: 1})
	cli := f.CLI()
	for round := 1; round <= 6*rounds(); round++ {
		victim := f.Translators[round%2]
		jitter := time.Duration(60+chance.IntN(300)) * time.Millisecond
		k := cli.Start(t, nil, "apply", "-g", process.Group, "--allow-shrink", write(t, large(round)))
		<-time.After(jitter)
		victim.Kill()
		r := k.Wait()
		if r.Code != 0 {
			t.Fatalf("round %d, %s killed after %s: apply ended with %d\n%s%s", round, victim.Name, jitter, r.Code, r.Stdout, r.Stderr)
		}
		if n := revision(t, r); n != int64(round) {
			t.Fatalf("round %d: revision %d", round, n)
		}
		victim.Restart()
		victim.WaitReady()
	}
}

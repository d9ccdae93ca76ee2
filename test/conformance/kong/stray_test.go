package kong_test

import (
	"fmt"
	"net/http"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/proof"
)

// told is what the reserved route answers over many fresh connections: digests by process.
func (k *target) told(t *testing.T) map[int]fleet.Digest {
	t.Helper()
	all := map[int]fleet.Digest{}
	for range 128 {
		got, err := k.askReserved(t)
		if err != nil || got.code != http.StatusOK {
			continue // a worker without the route
		}
		if a, err := proof.ParseAnswer(got.body); err == nil {
			all[a.Process] = a.Digest
		}
	}
	return all
}

// giveAnew loads also what is loaded already, and waits for nothing but the 201.
func (k *target) giveAnew(t *testing.T, snapshot []byte, of fleet.Digest) {
	t.Helper()
	posted, err := proof.Insert(snapshot, of, proof.Worker, proof.Options{Expressions: k.expressions(t)})
	if err != nil {
		t.Fatal(err)
	}
	if got := k.postAs(t, "text/yaml", string(posted), "flatten_errors=1"); got.code != http.StatusCreated {
		t.Fatalf("the same text once more: %s", got)
	}
}

// pause is what the agent leaves between loads. The gateway's clock is the machine's, so there is nothing else to wait for.
func pause(t *testing.T) {
	t.Helper()
	select {
	case <-time.After(time.Second):
	case <-t.Context().Done():
	}
}

// Whether a fast load leaves a worker behind is chance on a real gateway; that another load a second later brings it along, and that loads
// a second apart leave nobody behind, is not.
func TestF43_LoadsInQuickSuccessionLeaveWorkersBehindUntilTheNext(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		if !k.usable(t, proof.Worker) {
			return
		}
		k.give(t, canonical("plugins", keyAuth), digest('a'), proof.Worker, k.expressions(t))
		k.proven(t, digest('a'))
		if k.simulation != nil {
			k.simulation.LeaveStale(60)
		}
		marks := []byte("ab")
		behind := 0
		for i := range 60 {
			k.giveAnew(t, canonical("plugins", keyAuth), digest(marks[i%2]))
		}
		pause(t)
		for _, d := range k.told(t) {
			if d != digest('b') {
				behind++
			}
		}
		t.Logf("%d workers were behind after 60 loads in quick succession", behind)
		if k.simulation != nil && behind == 0 {
			t.Error("no worker of the simulation was left behind")
		}
		pause(t)
		k.giveAnew(t, canonical("plugins", keyAuth), digest('b'))
		k.proven(t, digest('b'))
		for i := range 4 {
			pause(t)
			k.give(t, canonical("plugins", keyAuth), digest(marks[i%2]), proof.Worker, k.expressions(t))
			k.proven(t, digest(marks[i%2]))
		}
	})
}

// wedging is a configuration of routes with four kinds of criteria and wildcards for hosts, that differ from load to load. Kong makes their
// priority a negative number, which its compiled and its interpreted code read as two.
func wedging(load int) string {
	list := []string{ending(fmt.Sprintf("load-%d", load), `"hosts":["wedge.test"],"paths":["/wedge"]`)}
	for i := range 8 {
		path := []string{"/", "/a", "/ab", "/a/b"}[(i+load)%4]
		fields := fmt.Sprintf(`"hosts":["*.w%d.test"],"paths":[%q],"methods":["GET"]`, i%3, path)
		if (i+load)%3 > 0 {
			fields += fmt.Sprintf(`,"headers":{"x-a":["%d"]}`, load%2)
		}
		list = append(list, ending(fmt.Sprintf("r%d", i), fields))
	}
	return routes(list...)
}

// Whether a load leaves a worker behind is chance on a real gateway. That no later load brings it along, and that a restart does, is not.
func TestARouterThatFailedHalfwayTakesNoLoadUntilARestart(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		k.restartable(t)
		if k.root(t).Configuration.Declarative != "" {
			return // F30 says what happens then
		}
		behind := func(load int) bool {
			k.load(t, wedging(load))
			if k.real {
				pause(t) // F26, F43
			}
			for range 32 {
				if got := get(t, k.proxy+"/wedge", "Host", "wedge.test"); got.message() != fmt.Sprintf("load-%d", load) {
					return true
				}
			}
			return false
		}
		if k.simulation != nil {
			k.load(t, wedging(0))
			k.served(t, "/wedge", 200, "load-0", "Host", "wedge.test")
			k.simulation.WedgeRouters()
		}
		load := 1
		for load <= 40 && !behind(load) {
			load++
		}
		t.Logf("a worker was behind after %d loads: %v", min(load, 40), load <= 40)
		if load > 40 {
			if k.simulation != nil {
				t.Error("no worker of the simulation was left behind")
			}
			return
		}
		for range 3 {
			if load++; !behind(load) {
				t.Errorf("load %d is served by all workers", load)
			}
		}
		if got := get(t, k.status+"/status/ready"); got.code != http.StatusOK {
			t.Errorf("readiness: %s", got)
		}
		k.restart(t)
		k.settled(t, md5Hex(wedging(load)))
		k.served(t, "/wedge", 200, fmt.Sprintf("load-%d", load), "Host", "wedge.test")
		k.load(t, routes(ending("after", `"paths":["/after"]`)))
		k.served(t, "/after", 200, "after")
	})
}

// killMaster ends nginx's master alone, and starts the gateway again. It returns the processes that were left behind.
func (k *target) killMaster(t *testing.T) (left []int) {
	t.Helper()
	r := k.root(t)
	for _, text := range r.PIDs.Workers {
		pid, err := strconv.Atoi(text.String())
		if err != nil {
			t.Fatalf("the gateway says that %q is a worker", text)
		}
		left = append(left, pid)
	}
	if k.simulation != nil {
		k.simulation.KillMaster()
		return left
	}
	t.Cleanup(func() { k.endOrphans(left) })
	if err := syscall.Kill(r.PIDs.Master, syscall.SIGKILL); err != nil {
		t.Fatalf("kill the master %d: %v", r.PIDs.Master, err)
	}
	k.restart(t)
	return left
}

func (k *target) endOrphans(left []int) {
	if k.simulation != nil {
		k.simulation.EndOrphans()
		return
	}
	for _, pid := range left {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may be gone
	}
}

func TestF48_WorkersOfAKilledMasterShareTheListener(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		k.restartable(t)
		if !k.usable(t, proof.Worker) || k.root(t).Configuration.Declarative != "" {
			return
		}
		k.give(t, canonical("plugins", keyAuth), digest('a'), proof.Worker, k.expressions(t))
		k.proven(t, digest('a'))
		left := k.killMaster(t)
		eventually(t, "old and new workers answer", func() error {
			if all := k.told(t); len(all) <= len(left) {
				return fmt.Errorf("processes %v", all)
			}
			return nil
		})
		pause(t)
		k.give(t, canonical("plugins", keyAuth), digest('b'), proof.Worker, k.expressions(t))
		eventually(t, "some turned, and some did not", func() error {
			found := map[fleet.Digest]bool{}
			all := k.told(t)
			for _, d := range all {
				found[d] = true
			}
			if !found[digest('a')] || !found[digest('b')] {
				return fmt.Errorf("processes %v", all)
			}
			return nil
		})
		k.endOrphans(left)
		pause(t)
		k.giveAnew(t, canonical("plugins", keyAuth), digest('b'))
		k.proven(t, digest('b'))
	})
}

// The agent says by name what happened to a gateway whose master was killed, acks nothing that only half of the requests get, and goes on
// when the orphans are gone.
func TestF48_AnAgentNamesStrayWorkers(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		k.restartable(t)
		if !k.usable(t, proof.Worker) || k.root(t).Configuration.Declarative != "" {
			return
		}
		upstream := echo(t)
		l := fleetOf(t, k)
		a := l.Gateways()[0].Agent
		give := func(path string) int64 {
			return submit(t, l, fmt.Sprintf("_format_version: \"3.0\"\nservices:\n- name: echo\n  url: %s\n  routes:\n  - name: echo\n    paths: "+
				"[%s]\n", upstream, path))
		}
		stray := func() (is bool) {
			for _, c := range a.Status().Conditions {
				is = is || c.Type == "StrayWorker"
			}
			return is
		}
		serving := func(revision int64) {
			eventually(t, fmt.Sprintf("revision %d is proven, and nothing else answers", revision), func() error {
				if v := a.Status(); v.Revision != revision || !v.Proven || stray() {
					return fmt.Errorf("%+v", v)
				}
				return nil
			})
		}
		first := give("/first")
		serving(first)
		left := k.killMaster(t)
		second := give("/second")
		eventually(t, "the stray workers are named", func() error {
			if v := a.Status(); !stray() {
				return fmt.Errorf("%+v", v)
			}
			return nil
		})
		if v := a.Status(); v.Revision == second && v.Proven && k.simulation != nil {
			t.Errorf("what half of the requests get is called proven: %+v", v)
		}
		k.endOrphans(left)
		serving(second)
		k.served(t, "/second/x", 200, "echo /x")
		k.served(t, "/first", 404, "no Route matched with those values")
	})
}

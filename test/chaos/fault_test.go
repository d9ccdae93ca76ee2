package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/test/process"
	"github.com/silverback-gateway/silverback/testkit/cut"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// A fault is something that goes wrong for a while. Victim is what it goes wrong with: no two faults at a time have the same.
type fault struct {
	name   string
	victim string
	node   string // the gateway, when it is one's
	begin  func()
	end    func()

	unable error // why it cannot be made here
	last   bool  // it ends when the fleet has converged, not before
}

// An arena is what faults are made in.
type arena struct {
	t     *testing.T
	fleet *process.Fleet
	etcd  *etcdtest.Server
}

// A maker draws the details of one kind of fault.
type maker func(a *arena, chance *rand.Rand) fault

// makers are all kinds of faults. A seed draws among them.
var makers = []maker{
	killService, freezeService, cutServiceFromEtcd, slowServiceToEtcd, killAgent, freezeAgent, killGateway, killGatewayAndAgent,
	cutAgentFromRegistry, cutAgentFromDistributors, cutAgentFromGateway, hangGateway, lyingGateway, slowGateway, failingGateway, loseMember,
	compact, twinAgent,
	fullEtcd, replaceMember, foreignClocks, fullDisk, lossyServiceToEtcd, lossyAgent,
}

func pick[T any](chance *rand.Rand, from []T) T { return from[chance.IntN(len(from))] }

var ways = []struct {
	name string
	way  cut.Direction
}{{"", cut.Both}, {", what it sends", cut.ToServer}, {", what it is sent", cut.ToClient}}

func (a *arena) must(err error) {
	if err != nil {
		a.t.Error(err)
	}
}

func killService(a *arena, chance *rand.Rand) fault {
	s := pick(chance, a.fleet.Services())
	return fault{name: "kill " + s.Name, victim: s.Name, begin: s.Kill, end: s.Restart}
}

func freezeService(a *arena, chance *rand.Rand) fault {
	s := pick(chance, a.fleet.Services())
	return fault{name: "freeze " + s.Name, victim: s.Name, begin: s.Freeze, end: s.Thaw}
}

func cutServiceFromEtcd(a *arena, chance *rand.Rand) fault {
	s, w := pick(chance, a.fleet.Services()), pick(chance, ways)
	return fault{name: "cut " + s.Name + " off from etcd" + w.name, victim: s.Name, begin: func() { cutAll(s.ToEtcd, w.way) },
		end: func() { healAll(s.ToEtcd) }}
}

func slowServiceToEtcd(a *arena, chance *rand.Rand) fault {
	s, delay := pick(chance, a.fleet.Services()), time.Duration(20+chance.IntN(300))*time.Millisecond
	return fault{name: fmt.Sprintf("delay %s to etcd by %s", s.Name, delay), victim: s.Name, begin: func() { delayAll(s.ToEtcd, delay) },
		end: func() { healAll(s.ToEtcd) }}
}

func killAgent(a *arena, chance *rand.Rand) fault {
	g := pick(chance, a.fleet.Gateways)
	return fault{name: "kill agent", victim: g.Name, node: g.Name, begin: g.Agent.Kill, end: g.Agent.Restart}
}

func freezeAgent(a *arena, chance *rand.Rand) fault {
	g := pick(chance, a.fleet.Gateways)
	return fault{name: "freeze agent", victim: g.Name, node: g.Name, begin: g.Agent.Freeze, end: g.Agent.Thaw}
}

func killGateway(a *arena, chance *rand.Rand) fault {
	g := pick(chance, a.fleet.Gateways)
	return fault{name: "kill gateway", victim: g.Name, node: g.Name, begin: g.Kong.Kill, end: g.Kong.Restart}
}

// killGatewayAndAgent starts the gateway alone: it must boot with its last known good configuration, and nobody helps.
func killGatewayAndAgent(a *arena, chance *rand.Rand) fault {
	g := pick(chance, a.fleet.Gateways)
	return fault{name: "kill gateway and agent, start the gateway alone", victim: g.Name, node: g.Name, begin: func() {
		g.Agent.Kill()
		g.Kong.Kill()
		g.Kong.Restart()
	}, end: g.Agent.Restart}
}

func cutAgentFromRegistry(a *arena, chance *rand.Rand) fault {
	g, w := pick(chance, a.fleet.Gateways), pick(chance, ways)
	return fault{name: "cut agent off from registries" + w.name, victim: g.Name, node: g.Name, begin: func() { cutAll(g.ToRegistry, w.way) },
		end: func() { healAll(g.ToRegistry) }}
}

func cutAgentFromDistributors(a *arena, chance *rand.Rand) fault {
	g, w := pick(chance, a.fleet.Gateways), pick(chance, ways)
	return fault{name: "cut agent off from distributors" + w.name, victim: g.Name, node: g.Name,
		begin: func() { cutAll(g.ToDistributor, w.way) }, end: func() { healAll(g.ToDistributor) }}
}

func cutAgentFromGateway(a *arena, chance *rand.Rand) fault {
	g, w := pick(chance, a.fleet.Gateways), pick(chance, ways)
	return fault{name: "cut agent off from its gateway's Admin API" + w.name, victim: g.Name, node: g.Name,
		begin: func() { cutAll(g.ToAdmin, w.way) }, end: func() { healAll(g.ToAdmin) }}
}

func (a *arena) faults(name string, chance *rand.Rand, f process.Faults) fault {
	g := pick(chance, a.fleet.Gateways)
	set := func(f process.Faults) func() {
		return func() {
			f.RefuseRoute = badRoute
			a.must(g.SetFaults(f))
		}
	}
	return fault{name: name, victim: g.Name, node: g.Name, begin: set(f), end: set(process.Faults{})}
}

func hangGateway(a *arena, chance *rand.Rand) fault {
	return a.faults("gateway hangs", chance, process.Faults{Hang: true})
}

func lyingGateway(a *arena, chance *rand.Rand) fault {
	return a.faults("gateway lies", chance, process.Faults{WorkersStuck: true})
}

func slowGateway(a *arena, chance *rand.Rand) fault {
	return a.faults("gateway is slow", chance, process.Faults{SlowMillis: 200 + chance.IntN(1500)})
}

func failingGateway(a *arena, chance *rand.Rand) fault {
	return a.faults("gateway fails", chance, process.Faults{FailNext: 1 + chance.IntN(3)})
}

func loseMember(a *arena, chance *rand.Rand) fault {
	i := chance.IntN(len(a.etcd.Endpoints))
	return fault{name: fmt.Sprintf("lose etcd member %d", i), victim: "etcd", begin: func() { a.etcd.Stop(i) },
		end: func() { a.etcd.Restart(a.t, i) }}
}

// compact forgets the history of etcd while a service that watches it cannot follow.
func compact(a *arena, chance *rand.Rand) fault {
	s := pick(chance, a.fleet.Services())
	return fault{name: "compact etcd while " + s.Name + " is frozen", victim: s.Name, begin: s.Freeze, end: func() {
		a.must(compactNow(a.etcd.Client(a.t)))
		s.Thaw()
	}}
}

func compactNow(client *clientv3.Client) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	answer, err := client.Get(ctx, "x")
	if err == nil {
		_, err = client.Compact(ctx, answer.Header.Revision)
	}
	if err != nil && !errors.Is(err, rpctypes.ErrCompacted) { // a full one is where it was when it was compacted last
		return fmt.Errorf("compact etcd: %w", err)
	}
	return nil
}

// twinAgent starts a second agent under the name of a first.
func twinAgent(a *arena, chance *rand.Rand) fault {
	g := pick(chance, a.fleet.Gateways)
	var twin *process.Gateway
	return fault{name: "twin agent", victim: g.Name, node: g.Name, begin: func() { twin = a.fleet.Twin(g) }, end: func() {
		twin.Agent.Kill()
		twin.Kong.Kill()
	}}
}

// fullEtcd has etcd take no writes, and then does what its runbook says.
func fullEtcd(a *arena, _ *rand.Rand) fault {
	return fault{name: "etcd is full", victim: "etcd", begin: func() { etcdtest.RaiseAlarm(a.t, a.etcd.Client(a.t)) }, end: func() {
		etcdtest.MakeRoom(a.t, a.etcd.Client(a.t))
	}}
}

// replaceMember loses a member and its disk, and has a new one join with nothing.
func replaceMember(a *arena, chance *rand.Rand) fault {
	i := chance.IntN(len(a.etcd.Endpoints))
	return fault{name: fmt.Sprintf("wipe etcd member %d", i), victim: "etcd", begin: func() { a.etcd.Stop(i) },
		end: func() { a.etcd.Replace(a.t, i) }}
}

// clocks are by how much the wall clocks of leaders are wrong: more and less than a deadline, and than a soak.
var clocks = []time.Duration{-31 * time.Minute, -11 * time.Minute, 11 * time.Minute, 31 * time.Minute}

// foreignClocks starts every distributor again on a wall clock of its own, so that whoever leads has a wrong one, until the fleet has
// converged.
func foreignClocks(a *arena, chance *rand.Rand) fault {
	foreign := foreignClock(a.t)
	ahead := map[*process.Service]time.Duration{}
	var text []string
	for _, d := range a.fleet.Distributors {
		ahead[d] = pick(chance, clocks)
		text = append(text, ahead[d].String())
	}
	set := func(wrong bool) {
		for _, d := range a.fleet.Distributors {
			if wrong {
				foreign.Set(d.Process, ahead[d])
			} else {
				foreign.Set(d.Process, 0)
			}
		}
	}
	return fault{name: "distributors on clocks ahead by " + strings.Join(text, ", "), victim: "clocks", last: true,
		begin: func() { set(true) }, end: func() { set(false) }}
}

func fullDisk(a *arena, chance *rand.Rand) fault {
	g := pick(chance, a.fleet.Gateways)
	return fault{
		name: "the disk is full", victim: g.Name, node: g.Name, unable: g.NoDisk,
		begin: func() { a.must(g.FillDisk()) }, end: func() { a.must(g.EmptyDisk()) },
	}
}

func lossyServiceToEtcd(a *arena, chance *rand.Rand) fault {
	s, loss := pick(chance, a.fleet.Services()), 0.05+0.4*chance.Float64()
	return fault{
		name: fmt.Sprintf("lose %.0f %% between %s and etcd", 100*loss, s.Name), victim: s.Name,
		begin: func() { loseAll(s.ToEtcd, loss) }, end: func() { healAll(s.ToEtcd) },
	}
}

func lossyAgent(a *arena, chance *rand.Rand) fault {
	g, loss := pick(chance, a.fleet.Gateways), 0.05+0.4*chance.Float64()
	links := slices.Concat(g.ToRegistry, g.ToDistributor, g.ToAdmin)
	return fault{
		name: fmt.Sprintf("lose %.0f %% between agent and all else", 100*loss), victim: g.Name, node: g.Name,
		begin: func() { loseAll(links, loss) }, end: func() { healAll(links) },
	}
}

func cutAll(links []*cut.Link, d cut.Direction) {
	for _, l := range links {
		l.Cut(d)
	}
}

func delayAll(links []*cut.Link, d time.Duration) {
	for _, l := range links {
		l.Delay(d)
	}
}

func loseAll(links []*cut.Link, probability float64) {
	for _, l := range links {
		l.Lose(probability)
	}
}

func healAll(links []*cut.Link) {
	for _, l := range links {
		l.Heal()
	}
}

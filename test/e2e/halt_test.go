package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/test/e2e/suite"
	"github.com/silverback-gateway/silverback/test/process"
	link "github.com/silverback-gateway/silverback/testkit/cut"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// A pack is a fleet of processes whose group has a policy, and a look at each gateway all the time.
type pack struct {
	*process.Fleet
	t     *testing.T
	cli   process.CLI
	falls []string
}

// packOf starts three gateways, in the hash order of their group, and gives them their first revision.
func packOf(t *testing.T, policy ...string) *pack {
	t.Helper()
	return packLike(t, process.Config{Registries: 1, Translators: 1, Distributors: 1, Gateways: 3}, policy...)
}

func packLike(t *testing.T, c process.Config, policy ...string) *pack {
	t.Helper()
	etcd := etcdtest.Start(t)
	p := &pack{t: t, Fleet: process.StartFleet(t, binaries, etcd.Endpoints, c)}
	p.cli = p.CLI()
	slices.SortFunc(p.Gateways, func(x, y *process.Gateway) int {
		if place(x) < place(y) {
			return -1
		}
		return 1
	})
	if len(policy) > 0 {
		suite.Want(t, p.cli.Run(t, append([]string{"update", "group", process.Group}, policy...)...), 0)
	}
	suite.Want(t, p.apply(1, "--wait"), 0)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() { defer close(stopped); p.watch(stop) }()
	t.Cleanup(func() {
		close(stop)
		<-stopped
		for _, fall := range p.falls {
			t.Error(fall)
		}
	})
	return p
}

func place(g *process.Gateway) uint64 { return fleet.Position(process.Group, fleet.NodeID(g.Name)) }

// watch notes each gateway that goes back behind a revision with which it was proven.
func (p *pack) watch(stop <-chan struct{}) {
	proven := map[string]int64{}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		for _, g := range p.Gateways {
			v, err := g.View()
			if err != nil || !v.Proven {
				continue
			}
			if v.Revision < proven[g.Name] {
				p.falls = append(p.falls, fmt.Sprintf("%s went from revision %d back to %d", g.Name, proven[g.Name], v.Revision))
			}
			proven[g.Name] = v.Revision
		}
	}
}

func (p *pack) document(text string) string {
	p.t.Helper()
	file := filepath.Join(p.t.TempDir(), "kong.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return file
}

func routes(names ...string) string {
	text := "_format_version: \"3.0\"\nroutes:\n"
	for _, name := range names {
		text += fmt.Sprintf("- {name: %s, paths: [/%s]}\n", name, name)
	}
	return text
}

// apply submits what makes a good revision with that number.
func (p *pack) apply(number int, flags ...string) process.Result {
	p.t.Helper()
	return p.cli.Run(p.t, append(append([]string{"apply", "-g", process.Group}, flags...),
		p.document(routes("orders", fmt.Sprint("edition-", number))))...)
}

// refused submits what every gateway refuses, and returns what apply said.
func (p *pack) refused() process.Result {
	p.t.Helper()
	return p.cli.Run(p.t, "apply", "-g", process.Group, "--wait", p.document(routes("orders", "refunds")))
}

func (p *pack) serves(revision int64, gateways ...*process.Gateway) {
	p.t.Helper()
	for _, g := range gateways {
		process.Eventually(p.t, suite.Patience, fmt.Sprintf("%s serves revision %d", g.Name, revision),
			func() error { return g.Serves(revision) })
	}
}

func (p *pack) faults(f process.Faults, gateways ...*process.Gateway) {
	p.t.Helper()
	for _, g := range gateways {
		if err := g.SetFaults(f); err != nil {
			p.t.Fatal(err)
		}
	}
}

// A burst of good revisions ends with one that gateways refuse: each serves on with the last good one that came to it.
func TestABurstEndsWithItsLastGoodRevision(t *testing.T) {
	p := packOf(t, "--waves=1,60%:2s,100%")
	p.faults(process.Faults{RefuseRoute: "refunds"}, p.Gateways...)
	pace := time.NewTicker(time.Second)
	defer pace.Stop()
	for number := 2; number <= 6; number++ {
		suite.Want(t, p.apply(number), 0, fmt.Sprint("revision ", number, " committed"))
		<-pace.C
	}
	suite.Want(t, p.refused(), 2, "revision 7 halted", `route "refunds"`)
	for _, g := range p.Gateways {
		process.Eventually(t, suite.Patience, g.Name+" serves a revision of the burst", func() error {
			v, err := g.View()
			if err == nil && (!v.Proven || v.Revision < 2 || v.Revision > 6) {
				err = fmt.Errorf("revision %d, proven: %v", v.Revision, v.Proven)
			}
			return err
		})
	}
}

// A gateway that never answers a load holds up one rollout for as long as its policy says, and takes nothing from the others.
func TestAHangingGatewayTakesNothingFromTheOthers(t *testing.T) {
	const deadline = 8 * time.Second
	p := packOf(t, fmt.Sprint("--deadline=", deadline))
	hung := p.Gateways[2]
	p.faults(process.Faults{Hang: true}, hung)
	r := p.apply(2, "--wait")
	suite.Want(t, r, 2, "revision 2 halted", "2 of 3 nodes serve the candidate", "the 2 that serve it keep it")
	p.serves(2, p.Gateways[:2]...)
	began := time.Now()
	suite.Want(t, p.apply(3, "--wait"), 0, "(2); 1 left out: "+hung.Name+" (")
	if took := time.Since(began); took > deadline {
		t.Errorf("the healthy gateways waited %s for the one that hangs", took)
	}
	p.serves(3, p.Gateways[:2]...)
	p.faults(process.Faults{RefuseRoute: "refunds"}, p.Gateways[:2]...)
	suite.Want(t, p.refused(), 2, "revision 4 halted", "the gateways serve revision 3")
	p.serves(3, p.Gateways[:2]...)
	p.faults(process.Faults{}, hung)
	p.serves(3, hung)
}

// A gateway that was dead before a rollout is left out of it by name, and caught up when it is back.
func TestADeadGatewayIsLeftOutAndCaughtUp(t *testing.T) {
	p := packOf(t)
	dead := p.Gateways[0] // the first wave is the next one
	dead.Kong.Kill()
	process.Eventually(t, suite.Patience, "the registry knows that the gateway is dead", func() error {
		if r := p.cli.Run(t, "describe", "node", dead.Name, "-g", process.Group); !strings.Contains(r.Stdout, "GatewayUnreachable") {
			return fmt.Errorf("describe node says %s%s", r.Stdout, r.Stderr)
		}
		return nil
	})
	suite.Want(t, p.apply(2, "--wait"), 0, "(2); 1 left out: "+dead.Name+" (GatewayUnreachable)")
	p.serves(2, p.Gateways[1:]...)
	suite.Want(t, p.cli.Run(t, "rollout", "status", "-g", process.Group), 0, "1 left out", dead.Name)
	dead.Kong.Restart()
	p.serves(2, dead)
	suite.Want(t, p.apply(3, "--wait"), 0)
	p.serves(3, p.Gateways...)
}

// A follower that hears nothing of etcd any more hands its agents over, and no gateway waits for longer than that takes.
func TestACutReplicaHoldsNobody(t *testing.T) {
	p := packLike(t, process.Config{Registries: 1, Translators: 1, Distributors: 2, Gateways: 3, Links: true})
	follower := p.Distributors[0]
	if leads(follower) {
		follower = p.Distributors[1]
	}
	for _, l := range follower.ToEtcd {
		l.Cut(link.ToClient)
	}
	suite.Want(t, p.apply(2, "--wait"), 0, "every online gateway")
	p.serves(2, p.Gateways...)
	for _, l := range follower.ToEtcd {
		l.Heal()
	}
	suite.Want(t, p.apply(3, "--wait"), 0)
	p.serves(3, p.Gateways...)
}

// An agent that renews at the registry and reaches no distributor is as good as offline: the others do not wait for it, and it is caught up
// later.
func TestACutAgentHoldsNobody(t *testing.T) {
	p := packLike(t, process.Config{Registries: 1, Translators: 1, Distributors: 1, Gateways: 3, Links: true})
	lost := p.Gateways[0] // the first wave is its
	for _, l := range lost.ToDistributor {
		l.Cut(link.Both)
	}
	suite.Want(t, p.apply(2, "--wait"), 0, "every online gateway")
	p.serves(2, p.Gateways[1:]...)
	for _, l := range lost.ToDistributor {
		l.Heal()
	}
	p.serves(2, lost)
	suite.Want(t, p.apply(3, "--wait"), 0)
	p.serves(3, p.Gateways...)
}

func leads(s *process.Service) bool {
	_, body, err := process.Get("http://" + s.HTTP + "/metrics")
	return err == nil && strings.Contains(string(body), "\nsilverback_leader 1\n")
}

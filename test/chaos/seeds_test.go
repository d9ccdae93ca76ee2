package chaos_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"

	"github.com/silverback-gateway/silverback/test/chaos/check"
	"github.com/silverback-gateway/silverback/test/process"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

const (
	seedTime  = 4 * time.Second // in which faults are made and writers write
	holdTime  = 2 * time.Second // at most, that a fault lasts
	maxFaults = 4
	// seedsAtOnce is how many seeds are played when nothing is said: enough to see that all of it works.
	seedsAtOnce = 5
	linearTime  = 20 * time.Second
)

// TestSeeds plays many short histories on one fleet: each seed draws a few faults while several writers submit, then all faults end, the
// fleet converges, and what was recorded is judged. CHAOS_SEEDS=n plays n of them, SEED=s begins with s.
func TestSeeds(t *testing.T) {
	first, count := seeds(t)
	etcd := etcdtest.StartCluster(t, 3)
	f := process.StartFleet(t, binaries, etcd.Endpoints, process.Config{
		Registries: 2, Translators: 2, Distributors: 3, Gateways: 4, Links: true, SmallDisks: true,
		DistributorFlags: []string{"--election-ttl=2s"},
		GatewayFlags:     []string{"-refuse-route=" + badRoute},
	})
	a := &arena{t: t, fleet: f, etcd: etcd}
	judged := watchLedger(t, etcd)
	p := newPlay(t, a)
	for i := range count {
		seed := first + uint64(i)
		if !t.Run(fmt.Sprintf("SEED=%d", seed), func(t *testing.T) { p.run(t, seed) }) {
			break // what follows would begin with a broken fleet
		}
	}
	judged(t)
}

// seeds returns the first seed to play and how many.
func seeds(t *testing.T) (first uint64, count int) {
	t.Helper()
	first, count = rand.Uint64N(1<<32), seedsAtOnce
	if text := os.Getenv("CHAOS_SEEDS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			t.Fatalf("CHAOS_SEEDS=%q is not a number from 1", text)
		}
		count = n
	}
	if seed, given := givenSeed(t); given {
		first = seed
		if os.Getenv("CHAOS_SEEDS") == "" {
			count = 1
		}
	}
	return first, count
}

// A play is a fleet and its writers, from seed to seed.
type play struct {
	*arena
	rec     *recorder
	writers []*writer
	ops     *ops
	cli     process.CLI
	waiter  *writer // its submissions are made by the command line, which waits
	spoiler *writer // what it submits is refused now and then
}

func newPlay(t *testing.T, a *arena) *play {
	names := []string{"alpha", "beta", "waiter", "spoiler"}
	p := &play{arena: a, rec: record(t, a.fleet, names...), cli: a.fleet.CLI()}
	all, ops := newWriters(t, a.fleet, p.rec, names...)
	p.ops, p.writers, p.waiter, p.spoiler = ops, all[:2], all[2], all[3]
	for _, w := range all {
		if _, err := w.submit(t.Context(), 0, false); err != nil {
			t.Fatal(err)
		}
	}
	p.converge(t)
	return p
}

func (p *play) run(t *testing.T, seed uint64) {
	chance := rand.New(rand.NewPCG(seed, 1))
	p.t = t
	p.rec.tb = t
	start := p.rec.mark()
	head := p.waiter.newest(t.Context())
	p.ops.reset()

	script, atLast := drawFaults(p.arena, p.rec, chance, seedTime, holdTime)
	ctx, cancel := context.WithTimeout(t.Context(), seedTime)
	defer cancel()
	var writing sync.WaitGroup
	for _, w := range p.writers {
		own := rand.New(rand.NewPCG(seed, uint64(w.client+2)))
		writing.Go(func() { p.must(w.write(ctx, own, 600*time.Millisecond)) })
	}
	writing.Go(func() { p.applyAndWait(ctx) })
	if chance.IntN(3) == 0 {
		writing.Go(func() { p.spoil(ctx) })
	}
	playFaults(script)
	writing.Wait()
	p.converge(t)
	for _, over := range atLast {
		over.do()
		p.converge(t)
	}
	p.rec.add(check.Event{Kind: check.Settled})
	for _, w := range append(slices.Clone(p.writers), p.waiter, p.spoiler) {
		p.must(w.repeat(t.Context(), false))
	}
	p.rec.looks(2)
	p.list(t)
	for _, problem := range check.History(p.rec.since(start)) {
		t.Error(problem)
	}
	if err := check.Linear(p.ops.take(), head, linearTime); err != nil {
		t.Error(err)
	}
}

// applyAndWait has the command line submit and wait, and writes down when it was told that every gateway serves it.
func (p *play) applyAndWait(ctx context.Context) {
	w := p.waiter
	for ctx.Err() == nil {
		number := w.number + 1
		call := p.rec.now()
		r := p.cli.Run(p.t, "apply", "-g", process.Group, "-s", w.name, "--allow-shrink", "--wait", "--wait-timeout=20s",
			write(p.t, w.text(number, false)))
		found := committed.FindStringSubmatch(r.Stdout + r.Stderr)
		if found == nil {
			// Whether it was committed nobody was told; the same once more, with a definite answer.
			answer, err := w.definite(context.WithoutCancel(ctx), w.text(number, false), 0, "")
			if err != nil {
				p.t.Error(err)
				return
			}
			found = []string{"", strconv.FormatInt(answer.GetRevision().GetNumber(), 10)}
			if answer.GetUnchanged() {
				found[1] = strconv.FormatInt(p.madeBy(w), 10)
			}
		}
		revision, _ := strconv.ParseInt(found[1], 10, 64)
		w.number = number
		p.ops.add(check.Op{Client: w.client, Call: call, Return: p.rec.now(), Got: revision})
		p.rec.add(check.Event{Kind: check.Submitted, Writer: w.name, Number: number, Revision: revision})
		if r.Code == 0 {
			p.rec.add(check.Event{Kind: check.Waited, Writer: w.name, Number: number, Excused: leftOut(r.Stderr + r.Stdout)})
		}
	}
}

// spoil submits what gateways refuse, and mends it a while later.
func (p *play) spoil(ctx context.Context) {
	if _, err := p.spoiler.submit(context.WithoutCancel(ctx), 0, true); err != nil {
		p.t.Error(err)
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(time.Second):
	}
	if _, err := p.spoiler.submit(context.WithoutCancel(ctx), 0, false); err != nil {
		p.t.Error(err)
	}
}

// converge waits until every gateway answers with what every writer got accepted last.
func (p *play) converge(t *testing.T) {
	t.Helper()
	for _, g := range p.fleet.Gateways {
		for _, w := range append(slices.Clone(p.writers), p.waiter, p.spoiler) {
			process.Eventually(t, convergeTime, fmt.Sprintf("%s serves number %d of %s", g.Name, w.number, w.name),
				func() error { return answersWith(g, w) })
		}
	}
}

// list writes down the newest revisions of the history.
func (p *play) list(t *testing.T) {
	t.Helper()
	for token := ""; ; {
		answer, err := p.waiter.api.ListRevisions(t.Context(), &translatorv1.ListRevisionsRequest{Group: process.Group, PageSize: 1000,
			PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range answer.GetRevisions() {
			p.rec.add(check.Event{Kind: check.Listed, Revision: r.GetNumber()})
		}
		if token = answer.GetNextPageToken(); token == "" {
			return
		}
	}
}

// madeBy returns the newest revision that a writer's submission made.
func (p *play) madeBy(w *writer) int64 {
	answer, err := w.api.ListRevisions(p.t.Context(), &translatorv1.ListRevisionsRequest{Group: process.Group, PageSize: 1000})
	if err != nil {
		p.t.Error(err)
	}
	for _, r := range answer.GetRevisions() {
		if r.GetSource() == w.name {
			return r.GetNumber()
		}
	}
	return 0
}

var nodeName = regexp.MustCompile(`gw-\d+`)

// leftOut returns the gateways that a command said it did not wait for.
func leftOut(output string) []string {
	_, after, _ := strings.Cut(output, "left out")
	return nodeName.FindAllString(after, -1)
}

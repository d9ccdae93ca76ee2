package chaos_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	clientv3 "go.etcd.io/etcd/client/v3"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"

	"github.com/silverback-gateway/silverback/test/chaos/check"
	"github.com/silverback-gateway/silverback/test/process"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

const (
	deliveryTime = 8 * time.Second // in which faults are made, teams submit and an operator gives orders
	clientTick   = 10 * time.Millisecond
	keptHistory  = 5             // revisions that are kept at least
	aheadTime    = 3 * time.Hour // by which the clock of one translator leaps in each seed: what was there before is old to it
)

// TestDeliverySeeds plays many short histories of a group with gates, pins and collections on one fleet. In each seed three teams submit
// good changes, changes that gateways refuse and changes that harm the traffic, an operator gives every order there is to any replica, and
// faults are made. Then all faults end and the operator ceases. What was recorded is judged, and so is every write to etcd. At last each
// team submits a good change, which must arrive everywhere.
func TestDeliverySeeds(t *testing.T) {
	first, count := seeds(t)
	clock := foreignTranslator(t)
	etcd := etcdtest.StartCluster(t, 3)
	f := process.StartFleet(t, binaries, etcd.Endpoints, process.Config{
		Registries: 2, Translators: 2, Distributors: 3, Gateways: 4, Links: true, SmallDisks: true,
		DistributorFlags: []string{"--election-ttl=2s", "--collect-interval=1s", "--keep-age=0s", fmt.Sprint("--keep-revisions=", keptHistory)},
		GatewayFlags:     []string{"-refuse-route=" + badRoute}, Label: zone,
	})
	d := newDelivery(t, &arena{t: t, fleet: f, etcd: etcd})
	d.clients(t, "red", "green", "blue")
	for i := range count {
		seed := first + uint64(i)
		leaps := f.Translators[i%2]
		clock.Set(leaps.Process, time.Duration(i+1)*aheadTime)
		leaps.WaitReady()
		if !t.Run(fmt.Sprintf("SEED=%d", seed), func(t *testing.T) { d.run(t, seed) }) {
			break // what follows would begin with a broken fleet
		}
	}
	d.watched.judged(t)
}

// A delivery is a fleet, its teams and its operator, from seed to seed.
type delivery struct {
	*arena
	rec      *recorder
	to       *replicas
	acks     *acks
	teams    []*team
	operator *operator
	watched  *ledgerWatch
}

func newDelivery(t *testing.T, a *arena) *delivery {
	t.Helper()
	names := []string{"red", "green", "blue"}
	d := &delivery{arena: a, rec: record(t, a.fleet, names...), to: dialEach(t, a.fleet), acks: &acks{}}
	d.watched = watchGroup(t, a.etcd)
	cli := a.fleet.CLI()
	must := func(args ...string) {
		if r := cli.Run(t, args...); r.Code != 0 {
			t.Fatalf("%v: %+v", args, r)
		}
	}
	must("update", "group", process.Group, "--on-reject=pin", "--on-unhealthy=rollback", "--gate=error-ratio=5%", "--waves=1:2s,100%",
		"--bake=1s")
	must("apply", "-g", process.Group, "-s", "platform", write(t, "_format_version: \"3.0\"\nplugins:\n- name: prometheus\n  config: "+
		"{status_code_metrics: true}\nupstreams:\n- name: pool\n  healthchecks: {passive: {unhealthy: {tcp_failures: 3}}}\n  targets:\n"+
		"  - target: "+strings.Join(pool, "\n  - target: ")+"\n"))
	start := d.rec.start.UnixNano()
	for _, name := range names {
		d.teams = append(d.teams, &team{name: name, to: d.to, acks: d.acks, rec: d.rec, start: start, cli: cli})
	}
	chance := rand.New(rand.NewPCG(0, 0))
	d.submitAll(t, chance)
	all := d.acks.list()
	d.operator = &operator{to: d.to, acks: d.acks, rec: d.rec, teams: d.teams, start: start, floor: all[len(all)-1].Revision,
		cli: cli, quarantined: map[string]bool{}}
	for _, g := range a.fleet.Gateways {
		d.operator.nodes = append(d.operator.nodes, g.Name)
	}
	return d
}

// zone is the label of an agent: two of four gateways are in each zone.
func zone(node string) string {
	if node <= "gw-2" {
		return "zone=a"
	}
	return "zone=b"
}

// clients ask every gateway for the routes of some teams, in turn, until the test ends: gates see what they see.
func (d *delivery) clients(t *testing.T, teams ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var asking sync.WaitGroup
	for _, g := range d.fleet.Gateways {
		asking.Go(func() {
			client := &http.Client{Transport: &http.Transport{}, Timeout: time.Second}
			defer client.CloseIdleConnections()
			ticks := time.NewTicker(clientTick)
			defer ticks.Stop()
			for i := 0; ctx.Err() == nil; i++ {
				<-ticks.C
				request, err := http.NewRequestWithContext(ctx, http.MethodGet, g.Proxy+"/"+teams[i%len(teams)], nil)
				if err != nil {
					continue
				}
				if answer, err := client.Do(request); err == nil { // a gateway may be dead
					_, _ = io.Copy(io.Discard, answer.Body)
					_ = answer.Body.Close()
				}
			}
		})
	}
	t.Cleanup(func() { cancel(); asking.Wait() })
}

// submitAll has every team submit a good change, and waits until every gateway answers with it.
func (d *delivery) submitAll(t *testing.T, chance *rand.Rand) {
	t.Helper()
	for _, x := range d.teams {
		if err := x.submit(t.Context(), chance, good, false); err != nil {
			t.Fatal(err)
		}
	}
	for _, g := range d.fleet.Gateways {
		for _, x := range d.teams {
			process.Eventually(t, convergeTime, fmt.Sprintf("%s serves number %d of %s", g.Name, x.number, x.name), func() error {
				return answersWith(g, &writer{name: x.name, number: x.number})
			})
		}
	}
}

func (d *delivery) run(t *testing.T, seed uint64) {
	chance := rand.New(rand.NewPCG(seed, 11))
	d.t, d.rec.tb = t, t
	start, answered, head := d.rec.mark(), len(d.acks.list()), d.watched.head()
	script, atLast := drawFaults(d.arena, d.rec, chance, deliveryTime, 3*time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), deliveryTime)
	defer cancel()
	var working sync.WaitGroup
	for i, x := range d.teams {
		own := rand.New(rand.NewPCG(seed, uint64(i+12)))
		working.Go(func() { d.must(x.work(ctx, own, t)) })
	}
	working.Go(func() { d.must(d.operator.work(ctx, rand.New(rand.NewPCG(seed, 20)))) })
	playFaults(script)
	working.Wait()
	for _, over := range atLast {
		over.do()
	}
	d.must(d.operator.cease(t.Context(), chance))
	d.settle(t, chance)

	d.judge(t, start)
	d.keptOut(t)
	d.restorable(t)
	if t.Failed() {
		d.tell(t, answered, head)
	}
	d.fix(t, chance)
}

// judge judges a fleet that has settled, by the history since a mark.
func (d *delivery) judge(t *testing.T, start int) {
	t.Helper()
	mark := d.rec.mark()
	d.rec.add(check.Event{Kind: check.Settled})
	d.rec.looks(2)
	d.watched.upToNow(t)
	history := d.rec.since(start)
	settled := slices.IndexFunc(history, func(e check.Event) bool { return e.Kind == check.Settled && e.At >= d.rec.at(mark) })
	labels := map[string]string{}
	for _, g := range d.fleet.Gateways {
		labels[g.Name] = zone(g.Name)
	}
	var teams []string
	for _, x := range d.teams {
		teams = append(teams, x.name)
	}
	for _, problem := range slices.Concat(d.watched.judge(history, d.acks.list(), teams, labels, settled), check.Turned(history)) {
		t.Error(problem)
	}
}

// keptOut waits until every gateway keeps out what it is to keep out, and nothing else, by its agent's word and by its own.
func (d *delivery) keptOut(t *testing.T) {
	t.Helper()
	version, names := d.watched.keptOut()
	for _, g := range d.fleet.Gateways {
		process.Eventually(t, convergeTime, fmt.Sprintf("%s keeps %d targets out", g.Name, len(names)), func() error {
			v, err := g.View()
			if n := int64(len(names)); err != nil || v.Targets.Version != version || v.Targets.Wanted != n || v.Targets.Out != n ||
				v.Targets.Releasing != 0 {
				return errors.Join(err, fmt.Errorf("its agent says %+v of version %d", v.Targets, version))
			}
			return d.health(g, names)
		})
	}
}

// health reports a target of the pool that a gateway uses and should not, or the other way round.
func (d *delivery) health(g *process.Gateway, out map[check.TargetName]bool) error {
	status, body, err := process.Get(g.Admin + "/upstreams/pool/health?size=1000")
	if err != nil || status != http.StatusOK {
		return errors.Join(err, fmt.Errorf("the health of the pool: %d", status))
	}
	var answer struct {
		Data []struct{ Target, Health string }
	}
	if err := json.Unmarshal(body, &answer); err != nil || len(answer.Data) != len(pool) {
		return errors.Join(err, fmt.Errorf("the health of the pool: %s", body))
	}
	for _, is := range answer.Data {
		if out[check.TargetName{Upstream: "pool", Target: is.Target}] != (is.Health == "UNHEALTHY") {
			return fmt.Errorf("%s is %s", is.Target, is.Health)
		}
	}
	return nil
}

// tell prints what was answered, and the history after a revision.
func (d *delivery) tell(t *testing.T, answered int, after int64) {
	t.Helper()
	all := d.acks.list()
	for _, a := range all[answered:] {
		t.Logf("%+v", a)
	}
	numbers := d.watched.numbers(all)
	for n := after + 1; n <= d.watched.head(); n++ {
		var holds []string
		for _, x := range d.teams {
			holds = append(holds, fmt.Sprint(x.name, " ", numbers[d.watched.revision(n).Fragment(x.name)]))
		}
		t.Logf("revision %d: %v: %+v", n, holds, d.watched.revision(n))
	}
}

// settle waits until the group moves no more: its newest rollout has ended and its agents serve what they were told to.
func (d *delivery) settle(t *testing.T, chance *rand.Rand) {
	t.Helper()
	process.Eventually(t, 2*convergeTime, "the group settles", func() error {
		answer, err := d.to.rollouts[0].GetRollout(t.Context(), &distributorv1.GetRolloutRequest{Group: process.Group})
		if err != nil {
			return err
		}
		r := answer.GetRollout()
		newest, err := d.to.translators[0].ListRevisions(t.Context(), &translatorv1.ListRevisionsRequest{Group: process.Group, PageSize: 1})
		if err != nil || len(newest.GetRevisions()) == 0 {
			return errors.Join(err, errors.New("no revision is listed"))
		}
		switch r.GetState() {
		case distributorv1.Rollout_STATE_PAUSED:
			return errors.Join(d.operator.order(t.Context(), chance, "resume"), errors.New("it was paused, and is resumed"))
		case distributorv1.Rollout_STATE_WAITING, distributorv1.Rollout_STATE_PROGRESSING, distributorv1.Rollout_STATE_SOAKING:
			return fmt.Errorf("rollout %s to revision %d is %s: %s", r.GetId(), r.GetCandidateRevision(), r.GetState(), r.GetNext())
		}
		if r.GetPinning() || r.GetCandidateRevision() < newest.GetRevisions()[0].GetNumber() {
			return fmt.Errorf("rollout %s has ended (%s), and revision %d waits: %s", r.GetId(), r.GetState(), newest.GetRevisions()[0].GetNumber(),
				r.GetNext())
		}
		decided, err := d.to.rollouts[0].GetAssignment(t.Context(), &distributorv1.GetAssignmentRequest{Group: process.Group})
		if err != nil {
			return err
		}
		for _, g := range d.fleet.Gateways {
			v, err := g.View()
			wants := append(r.GetFallbackRevisions(), decided.GetAssignment().GetStableRevision())
			if err != nil || !v.Proven || v.Revision != v.WantedRevision || !slices.Contains(wants, v.Revision) {
				return errors.Join(err, fmt.Errorf("%s: %+v, decided is %v", g.Name, v, decided.GetAssignment()))
			}
		}
		return nil
	})
}

// restorable asks for every revision that is listed: what it holds, and whether the group could go back to it.
func (d *delivery) restorable(t *testing.T) {
	t.Helper()
	api := d.to.translators[0]
	answer, err := api.ListRevisions(t.Context(), &translatorv1.ListRevisionsRequest{Group: process.Group, PageSize: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range answer.GetRevisions() {
		if err := d.restores(t, api, r.GetNumber()); err == nil {
			continue
		} else if d.watched.upToNow(t); d.watched.kept(r.GetNumber()) { // else it was collected since it was listed
			t.Errorf("revision %d is listed: %v", r.GetNumber(), err)
		}
	}
}

func (d *delivery) restores(t *testing.T, api translatorv1.TranslatorServiceClient, revision int64) error {
	t.Helper()
	text, err := snapshotOf(t.Context(), api, revision)
	if err != nil {
		return fmt.Errorf("its content is not there: %w", err)
	}
	numbers := d.watched.numbers(d.acks.list())
	for _, x := range d.teams {
		fragment := d.watched.revision(revision).Fragment(x.name)
		if n := numbers[fragment]; n > 0 && !bytes.Contains(text, fmt.Appendf(nil, "mark-%d\"", n)) {
			return fmt.Errorf("it has number %d of %s by the ledger, and does not hold it: %s", n, x.name, text)
		}
	}
	if _, err = api.RestoreSources(t.Context(), &translatorv1.RestoreSourcesRequest{Group: process.Group, ToRevision: revision, Force: true,
		Reason: "for the test", ValidateOnly: true, AllowShrink: true}); err != nil {
		return fmt.Errorf("it does not restore: %w", err)
	}
	return nil
}

// snapshotOf reads what a revision holds.
func snapshotOf(ctx context.Context, api translatorv1.TranslatorServiceClient, revision int64) (text []byte, err error) {
	stream, err := api.GetSnapshot(ctx, &translatorv1.GetSnapshotRequest{Group: process.Group, Revision: revision,
		Format: translatorv1.RenderConfigRequest_FORMAT_CANONICAL})
	for err == nil {
		var piece *translatorv1.GetSnapshotResponse
		if piece, err = stream.Recv(); err == nil {
			text = append(text, piece.GetContent()...)
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return text, err
}

// fix has every team submit a good change: it ends the pins of rollouts, and arrives everywhere.
func (d *delivery) fix(t *testing.T, chance *rand.Rand) {
	t.Helper()
	pins := 0
	for name, s := range d.watched.sources() {
		if s.Pin == nil {
			continue
		}
		if pins++; s.Pin.Rollout == "" {
			d.must(d.operator.unpin(t.Context(), chance, name))
		}
	}
	d.submitAll(t, chance)
	d.settle(t, chance)
	answer, err := d.to.translators[0].ListSources(t.Context(), &translatorv1.ListSourcesRequest{Group: process.Group})
	if status.Code(err) != codes.OK {
		t.Fatal(err)
	}
	for _, s := range answer.GetSources() {
		if s.GetPin() != nil {
			t.Errorf("%s is still pinned after its fix: %v", s.GetName(), s.GetPin())
		}
	}
	d.watched.upToNow(t)
	given := map[string]int{}
	for _, a := range d.acks.list() {
		if a.Refused == "" {
			given[a.Verb]++
		}
	}
	t.Logf("%d sources were pinned at the end; since the first seed %d revisions were collected, rollouts are %v, %d began with "+
		"a wave by label, acknowledged %v", pins, d.watched.collected(), d.watched.ended(), d.watched.labelled(), given)
}

// ledgerWatch replays every write to etcd as it comes.
type ledgerWatch struct {
	client *clientv3.Client

	mu      sync.Mutex
	ledger  *check.Ledger
	decided []change
	marks   map[string]bool
	broke   error
	made    int
	seen    func(check.Change) // told of every write
}

func watchGroup(t *testing.T, etcd *etcdtest.Server) *ledgerWatch {
	t.Helper()
	w := &ledgerWatch{client: etcd.Client(t), ledger: check.NewLedger(process.Group, keptHistory), marks: map[string]bool{}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for answer := range w.client.Watch(ctx, ledgerPrefix, clientv3.WithPrefix(), clientv3.WithRev(1)) {
			w.take(answer)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return w
}

// take replays the transactions of one answer.
func (w *ledgerWatch) take(answer clientv3.WatchResponse) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := answer.Err(); err != nil {
		w.broke = err
		return
	}
	var one []check.Change
	for i, e := range answer.Events {
		key := strings.TrimPrefix(string(e.Kv.Key), ledgerPrefix)
		c := check.Change{At: e.Kv.ModRevision, Key: key, Deleted: e.Type == clientv3.EventTypeDelete}
		switch {
		case strings.HasPrefix(string(e.Kv.Key), endKey):
			w.marks[key] = true
		case strings.HasPrefix(key, "desired/"), strings.HasPrefix(key, "decided/"):
			c.Value = e.Kv.Value
		}
		if full := string(e.Kv.Key); strings.HasPrefix(full, electionPrefix) || isDecision(full) {
			w.decided = append(w.decided, changeOf(e))
		}
		if w.seen != nil {
			w.seen(c)
		}
		if one = append(one, c); i+1 == len(answer.Events) || answer.Events[i+1].Kv.ModRevision != c.At {
			w.ledger.Apply(one)
			one = nil
		}
	}
}

// upToNow waits until every write up to now was replayed.
func (w *ledgerWatch) upToNow(t *testing.T) {
	t.Helper()
	w.made++
	key := fmt.Sprint(endKey, "-", w.made)
	if _, err := w.client.Put(t.Context(), key, ""); err != nil {
		t.Fatal(err)
	}
	process.Eventually(t, convergeTime, "the history of etcd was read", func() error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.broke != nil {
			return w.broke
		}
		if !w.marks[strings.TrimPrefix(key, ledgerPrefix)] {
			return errors.New("not yet")
		}
		return nil
	})
}

// tellOf has a function told of every write from now on; nil ends that.
func (w *ledgerWatch) tellOf(seen func(check.Change)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = seen
}

func (w *ledgerWatch) judge(history []check.Event, acks []check.Ack, teams []string, labels map[string]string,
	settled int) []check.Problem {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Concat(w.ledger.Problems(), w.ledger.FirstWaves(history, labels), w.ledger.Drained(acks), w.ledger.Quiet(),
		w.ledger.Acknowledged(acks), w.ledger.Followed(history),
		w.ledger.Serves(history, acks, teams, settled))
}

// judged fails the test when a decision was not that of the leader of its moment.
func (w *ledgerWatch) judged(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	report(t, w.decided)
}

func (w *ledgerWatch) keptOut() (version int64, names map[check.TargetName]bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ledger.KeptOut()
}

func (w *ledgerWatch) labelled() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ledger.Labelled()
}

func (w *ledgerWatch) numbers(acks []check.Ack) map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ledger.Numbers(acks)
}

func (w *ledgerWatch) revision(number int64) check.RevisionRecord {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ledger.Revision(number)
}

func (w *ledgerWatch) kept(number int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ledger.Kept(number)
}

func (w *ledgerWatch) head() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ledger.Head().Number
}

func (w *ledgerWatch) sources() map[string]check.SourceRecord {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := map[string]check.SourceRecord{}
	for name, s := range w.ledger.Sources() {
		all[name] = s
	}
	return all
}

func (w *ledgerWatch) ended() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ledger.Ended()
}

func (w *ledgerWatch) collected() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ledger.Collected()
}

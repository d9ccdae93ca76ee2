package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/types/known/durationpb"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/silverback-gateway/silverback/client"
	"github.com/silverback-gateway/silverback/kit/run"
	"github.com/silverback-gateway/silverback/lab"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/sources/kubernetes/delivery"
	"github.com/silverback-gateway/silverback/sources/kubernetes/manifest"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/status"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
	"github.com/silverback-gateway/silverback/testkit/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

const patience = 2 * time.Minute

// memory is a cluster that a test writes.
type memory struct {
	mu    sync.Mutex
	set   *object.Set
	ready error
	bell  chan struct{}
}

func newMemory() *memory { return &memory{set: &object.Set{}, bell: make(chan struct{}, 1)} }

func (m *memory) Ready() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ready
}

// unready makes the cluster one that is not read whole, or, with nil, one that is.
func (m *memory) unready(why error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ready = why
}

func (m *memory) Read() cluster {
	m.mu.Lock()
	defer m.mu.Unlock()
	return cluster{set: m.set.Without(func(object.Object) bool { return false })}
}

func (m *memory) Changed() <-chan struct{} { return m.bell }

// change writes the set and rings.
func (m *memory) change(write func(*object.Set)) {
	m.mu.Lock()
	next := m.set.Without(func(object.Object) bool { return false })
	write(next)
	m.set = next
	m.mu.Unlock()
	select {
	case m.bell <- struct{}{}:
	default:
	}
}

// apply adds the objects of manifests, or replaces them.
func (m *memory) apply(t testing.TB, texts ...string) {
	t.Helper()
	m.change(func(set *object.Set) {
		for _, text := range texts {
			if _, err := manifest.Read("test", strings.NewReader(text), set); err != nil {
				t.Fatal(err)
			}
		}
		manifest.FillDefaults(set)
	})
}

func (m *memory) remove(match func(object.Object) bool) {
	m.change(func(set *object.Set) { *set = *set.Without(match) })
}

// views keeps the newest view.
type views struct {
	mu   sync.Mutex
	set  *object.Set
	view delivery.View
}

func (v *views) Apply(_ context.Context, set *object.Set, view delivery.View) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.set, v.view = set, view
}

// programmed are the conditions of that type that a Gateway and its listeners would be given now.
func (w *world) programmed(name string) []meta.Condition {
	w.views.mu.Lock()
	defer w.views.mu.Unlock()
	if w.views.set == nil {
		return nil
	}
	options := status.Options{Translate: translate.Options{IngressClass: "kong", GatewayController: "example.com/controller", Attach: true}}
	var found []meta.Condition
	take := func(all []meta.Condition) {
		for _, c := range all {
			if c.Type == status.TypeProgrammed {
				found = append(found, c)
			}
		}
	}
	for _, update := range status.Plan(w.views.set, w.views.view, options).Updates {
		if update.Object.GetName() != name {
			continue
		}
		take(update.Status.Conditions)
		for _, listener := range update.Status.Listeners {
			take(listener.Conditions)
		}
	}
	return found
}

func (v *views) of(ref object.Ref) delivery.State {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.view.Objects[ref]
}

func (v *views) notice(reason delivery.NoticeReason) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, n := range v.view.Notices {
		if n.Reason == reason {
			return n.Message
		}
	}
	return ""
}

// world is a fleet with a controller over a cluster in memory.
type world struct {
	testing.TB
	lab     *lab.Lab
	client  *client.Client
	cluster *memory
	views   *views
	window  time.Duration // of endpoints
	sources string        // as --sources has it
	running *sources
	stop    func()
	log     *lines
}

type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

var errOver = errors.New("the test is over")

// newWorld starts a fleet of three simulated gateways and a controller over a cluster in memory.
func newWorld(t testing.TB) *world {
	t.Helper()
	w := newFleet(t)
	w.start()
	return w
}

// newFleet starts a fleet of three simulated gateways.
func newFleet(t testing.TB) *world {
	t.Helper()
	w := &world{TB: t, cluster: newMemory(), log: &lines{}}
	logger := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var err error
	if w.lab, err = lab.New(ctx, lab.Config{Dir: t.TempDir(), FreePorts: true, Log: logger}); err != nil {
		t.Fatal(err)
	}
	w.background(w.lab.Run)
	w.client, err = client.Dial(client.Config{Registry: w.lab.Registry(), Translator: w.lab.Translator(), Distributor: w.lab.Distributor()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.client.Close)
	t.Cleanup(func() {
		if t.Failed() {
			w.log.mu.Lock()
			text := w.log.text.String()
			w.log.mu.Unlock()
			t.Log(text[max(0, len(text)-8000):])
		}
	})
	w.eventually("every agent has joined", func() error {
		for _, m := range w.lab.Gateways() {
			if v := m.Agent.Status(); !v.Connected || !v.Enrolled {
				return errors.New(m.Name + " is not there")
			}
		}
		return nil
	})
	return w
}

// background runs a loop until the test ends; the returned function ends it earlier.
func (w *world) background(loop run.Loop) (stop func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- loop(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel(errOver)
		if err := <-ended; !errors.Is(err, errOver) {
			w.Errorf("a loop ended with %v", err)
		}
	})
	w.Cleanup(stop)
	return stop
}

// start starts a controller, as a new process would.
func (w *world) start() {
	c := Config{Group: lab.Group, Source: "kubernetes", Debounce: 20 * time.Millisecond, DebounceMax: 200 * time.Millisecond,
		EndpointWindow: w.window, DrainEndpoints: true}
	c.IngressClass, c.GatewayController, c.Attach, c.RemovableTargets = "kong", "example.com/controller", true, true
	w.views = &views{}
	logger := slog.New(slog.NewTextHandler(w.log, nil))
	c.Sources = w.sources
	w.running = newSources(c, logger, newMetrics(prometheus.NewRegistry()), &remote{Client: w.client, group: c.Group, source: c.Source},
		w.cluster, w.views)
	w.stop = w.background(w.running.Run)
}

// restart ends the controller and starts another one, which knows nothing.
func (w *world) restart() {
	w.stop()
	w.start()
}

func (w *world) eventually(what string, check func() error) {
	w.Helper()
	over := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-over:
			w.Fatalf("not within %s: %s: %v", patience, what, err)
		case <-tick.C:
		}
	}
}

// phase waits for the phase of an Ingress.
func (w *world) phase(name string, want delivery.Phase) delivery.State {
	w.Helper()
	w.eventually(name+" is "+string(want), func() error {
		if got := w.views.of(ingressRef(name)); got.Phase != want {
			return fmt.Errorf("it is %+v", got)
		}
		return nil
	})
	return w.views.of(ingressRef(name))
}

// newest is the newest revision of the group.
func (w *world) newest() *client.Revision {
	w.Helper()
	r, err := w.client.Translator().GetRevision(w.Context(), &translatorv1.GetRevisionRequest{Group: lab.Group})
	if err != nil {
		w.Fatal(err)
	}
	return r.GetRevision()
}

// served is what the source holds in the newest revision.
func (w *world) served() string {
	w.Helper()
	return w.heldBy(0)
}

// heldBy is what the source holds in a revision; 0 is the newest.
func (w *world) heldBy(revision int64) string {
	w.Helper()
	f := &remote{Client: w.client, group: lab.Group, source: "kubernetes"}
	held, err := f.content(w.Context(), revision)
	if err != nil {
		w.Fatal(err)
	}
	var text strings.Builder
	for _, e := range held.Entities() {
		fmt.Fprintf(&text, "%s %s\n", e.Kind, e.Line)
	}
	return text.String()
}

func ingressRef(name string) object.Ref {
	namespace, name, _ := strings.Cut(name, "/")
	return object.Ref{Group: networking.GroupName, Kind: "Ingress", Namespace: namespace, Name: name}
}

// ingress is a manifest of an Ingress with one path.
func ingress(name, path string, annotations ...string) string {
	namespace, name, _ := strings.Cut(name, "/")
	return fmt.Sprintf(`
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {namespace: %s, name: %s, annotations: {%s}}
spec:
  ingressClassName: kong
  rules: [{http: {paths: [{path: %s, pathType: Exact, backend: {service: {name: cart, port: {number: 80}}}}]}}]
`, namespace, name, strings.Join(annotations, ", "), path)
}

// service is a manifest of the Service of a namespace with its endpoints.
func service(namespace string, addresses ...string) string {
	return fmt.Sprintf(`
{apiVersion: v1, kind: Namespace, metadata: {name: %[1]s}}
---
{apiVersion: v1, kind: Service, metadata: {namespace: %[1]s, name: cart}, spec: {ports: [{port: 80}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: %[1]s, name: cart-1, labels: {kubernetes.io/service-name: cart}}
addressType: IPv4
endpoints: [{addresses: ["%[2]s"]}]
ports: [{port: 80}]
`, namespace, strings.Join(addresses, `"]}, {addresses: ["`))
}

func plugin(name, kind string) string {
	const form = "{apiVersion: configuration.konghq.com/v1, kind: KongPlugin, metadata: {namespace: web, name: %s}, plugin: %s}"
	return fmt.Sprintf(form, name, kind)
}

func TestObjectsAreServedAndARestartSubmitsNothing(t *testing.T) {
	w := newWorld(t)
	w.cluster.apply(t, service("web", "10.0.0.1"), ingress("web/shop", "/shop"))
	if got := w.phase("web/shop", delivery.Programmed); got.Serving != 3 || got.Online != 3 {
		t.Errorf("programmed: %+v", got)
	}
	first := w.newest()
	if !strings.Contains(first.GetMessage(), "the first configuration") || first.GetSource() != "kubernetes" {
		t.Errorf("revision %v", first)
	}
	w.restart()
	w.phase("web/shop", delivery.Programmed)
	w.cluster.apply(t, ingress("web/shop", "/bag"))
	w.eventually("the change is served", func() error {
		if got := w.views.of(ingressRef("web/shop")); got.Phase != delivery.Programmed || got.Revision == first.GetNumber() {
			return fmt.Errorf("%+v", got)
		}
		return nil
	})
	if got := w.newest(); got.GetNumber() != first.GetNumber()+1 || !strings.Contains(got.GetMessage(), "changed Ingress/web/shop") {
		t.Errorf("revision %d: %s", got.GetNumber(), got.GetMessage())
	}
}

// TestAnEmptyClusterHasGatewaysThatAreReady has a Gateway and no route: the gateways are given an empty configuration, and once they serve
// it the Gateway and its listener are programmed.
func TestAnEmptyClusterHasGatewaysThatAreReady(t *testing.T) {
	w := newFleet(t)
	w.cluster.apply(t, `
{apiVersion: gateway.networking.k8s.io/v1, kind: GatewayClass, metadata: {name: kong}, spec: {controllerName: example.com/controller}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {namespace: web, name: edge}
spec: {gatewayClassName: kong, listeners: [{name: http, port: 80, protocol: HTTP}]}
`)
	w.start()
	w.eventually("the Gateway is programmed", func() error {
		found := w.programmed("edge")
		if len(found) != 2 || slices.ContainsFunc(found, func(c meta.Condition) bool { return c.Status != meta.ConditionTrue }) {
			return fmt.Errorf("of the Gateway and its listener: %+v", found)
		}
		return nil
	})
	first := w.newest()
	if first.GetNumber() != 1 || len(first.GetEntities()) > 0 {
		t.Errorf("it is served by %v", first)
	}
	for _, m := range w.lab.Gateways() {
		if got := m.Agent.Status(); got.Revision != 1 {
			t.Errorf("%s serves revision %d", m.Name, got.Revision)
		}
	}

	// A new process has nothing to add, and a route is a change like any other.
	w.restart()
	w.eventually("the Gateway is known", func() error {
		if len(w.programmed("edge")) == 0 {
			return errors.New("it is not")
		}
		return nil
	})
	w.cluster.apply(t, service("web", "10.0.0.1"), ingress("web/shop", "/shop"))
	if got := w.phase("web/shop", delivery.Programmed); got.Revision != first.GetNumber()+1 {
		t.Errorf("the first route is in revision %d", got.Revision)
	}
}

func TestNothingIsSubmittedBeforeEverythingIsKnown(t *testing.T) {
	w := newWorld(t)
	w.cluster.apply(t, service("web", "10.0.0.1"), ingress("web/a", "/a"), ingress("web/b", "/b"))
	w.phase("web/b", delivery.Programmed)
	before := w.newest().GetNumber()
	w.stop()
	whole := w.cluster.Read().set
	w.cluster.unready(errors.New("objects are being read"))
	w.cluster.remove(func(o object.Object) bool { return o.GetName() == "a" }) // has not come yet
	w.start()
	w.cluster.apply(t, ingress("web/c", "/c"))
	<-time.After(time.Second) // longer than any debounce: that nothing happens is no event
	if got := w.newest().GetNumber(); got != before {
		t.Errorf("revision %d was made of a half of the objects", got)
	}
	w.cluster.unready(nil)
	w.cluster.change(func(set *object.Set) {
		for _, obj := range whole.All() {
			set.Add(obj)
		}
	})
	w.phase("web/c", delivery.Programmed)
	if text := w.served(); !strings.Contains(text, `~/a$`) || w.newest().GetChanges().GetRemoved() > 0 {
		t.Errorf("the newest revision holds %s", text)
	}
}

func TestWhatGatewaysRefuseCostsOnlyItself(t *testing.T) {
	w := newWorld(t)
	w.cluster.apply(t, service("web", "10.0.0.1"), ingress("web/shop", "/shop"), ingress("web/other", "/other"))
	w.phase("web/shop", delivery.Programmed)
	w.cluster.apply(t, plugin("bad", "not-installed"), ingress("web/shop", "/new", "konghq.com/plugins: bad"), ingress("web/other", "/moved"),
		ingress("web/fresh", "/fresh", "konghq.com/plugins: bad"))
	w.phase("web/other", delivery.Programmed)
	shop := w.phase("web/shop", delivery.Refused)
	if !shop.LastGood || !strings.Contains(shop.Reason, "KongPlugin/web/bad") || !strings.Contains(shop.Reason, "not-installed") {
		t.Errorf("the one that was good: %+v", shop)
	}
	if fresh := w.phase("web/fresh", delivery.Refused); fresh.LastGood {
		t.Errorf("the one that is new: %+v", fresh)
	}
	text := w.served()
	for what, want := range map[string]bool{`~/shop$`: true, `~/moved$`: true, `~/new$`: false, `~/fresh$`: false, "not-installed": false} {
		if strings.Contains(text, what) != want {
			t.Errorf("%s is served: %v", what, !want)
		}
	}

	// A controller that was restarted leaves it out without trying it again, and keeps the last good form.
	before := w.newest().GetNumber()
	w.restart()
	w.phase("web/shop", delivery.Refused)
	w.cluster.apply(t, ingress("web/other", "/again"))
	w.eventually("the other one is served", func() error {
		if got := w.views.of(ingressRef("web/other")); got.Phase != delivery.Programmed || got.Revision == before {
			return fmt.Errorf("%+v", got)
		}
		return nil
	})
	if text := w.served(); w.newest().GetNumber() != before+1 || !strings.Contains(text, `~/shop$`) {
		t.Errorf("revision %d after %d holds %s", w.newest().GetNumber(), before, text)
	}

	// Endpoints of what is kept go on to change.
	w.cluster.apply(t, service("web", "10.0.0.7"))
	w.eventually("the endpoint is there", func() error {
		if text := w.served(); !strings.Contains(text, "10.0.0.7:80") {
			return errors.New(text)
		}
		return nil
	})

	w.cluster.apply(t, plugin("bad", "cors"))
	w.phase("web/shop", delivery.Programmed)
	w.phase("web/fresh", delivery.Programmed)
}

// TestAHaltThatAControllerMissedIsLedBackToObjects has gateways refuse a revision while no controller runs. The next controller hears of
// that before it has read the objects, as it is with a real cluster, and of nothing afterwards.
func TestAHaltThatAControllerMissedIsLedBackToObjects(t *testing.T) {
	w := newFleet(t)
	freeze := &distributorv1.FreezeGroupRequest{Group: lab.Group, Reason: "test"}
	if _, err := w.client.Rollouts().FreezeGroup(t.Context(), freeze); err != nil {
		t.Fatal(err)
	}
	w.cluster.apply(t, plugin("bad", "not-installed"), service("web", "10.0.0.1"), ingress("web/other", "/other"),
		ingress("web/shop", "/shop", "konghq.com/plugins: bad"))
	w.start()
	w.eventually("it is submitted", func() error {
		if list, err := w.client.Translator().ListRevisions(t.Context(), &translatorv1.ListRevisionsRequest{Group: lab.Group}); err != nil ||
			len(list.GetRevisions()) == 0 {
			return fmt.Errorf("%v, %w", list, err)
		}
		return nil
	})
	w.stop()
	thaw := &distributorv1.UnfreezeGroupRequest{Group: lab.Group, Reason: "test"}
	if _, err := w.client.Rollouts().UnfreezeGroup(t.Context(), thaw); err != nil {
		t.Fatal(err)
	}
	w.eventually("gateways refuse it", func() error {
		list := w.rollouts()
		if len(list) == 0 || list[0].GetState() != distributorv1.Rollout_STATE_HALTED {
			return fmt.Errorf("%v", list)
		}
		return nil
	})
	w.cluster.unready(errors.New("objects are being read"))
	w.start()
	w.eventually("the halt is heard of", func() error {
		w.running.mu.Lock()
		defer w.running.mu.Unlock()
		if w.running.news.revision == nil || w.running.news.rollout.GetState() != distributorv1.Rollout_STATE_HALTED {
			return errors.New("it is not")
		}
		return nil
	})
	w.cluster.unready(nil)
	if got := w.phase("web/shop", delivery.Refused); !strings.Contains(got.Reason, "not-installed") {
		t.Errorf("refused: %+v", got)
	}
	w.phase("web/other", delivery.Programmed)
}

func TestARevisionThatIsTakenBackIsNotSubmittedAgain(t *testing.T) {
	w := newWorld(t)
	w.cluster.apply(t, service("web", "10.0.0.1"), ingress("web/shop", "/shop"), ingress("web/other", "/other"))
	w.phase("web/shop", delivery.Programmed)
	w.soak(time.Minute)
	w.cluster.apply(t, ingress("web/shop", "/worse"))
	w.phase("web/shop", delivery.Rolling)
	w.eventually("the rollout is aborted", func() error {
		_, err := w.client.Rollouts().AbortRollout(t.Context(), &distributorv1.AbortRolloutRequest{Group: lab.Group, Reason: "too slow"})
		return err
	})
	if got := w.phase("web/shop", delivery.RolledBack); !got.LastGood || !strings.Contains(got.Reason, "too slow") {
		t.Errorf("taken back: %+v", got)
	}
	w.soak(0)
	w.restart()
	w.phase("web/shop", delivery.RolledBack)
	w.cluster.apply(t, ingress("web/other", "/moved"))
	w.eventually("the other one goes on", func() error {
		text := w.served()
		if got := w.views.of(ingressRef("web/other")); got.Phase != delivery.Programmed || !strings.Contains(text, `~/moved$`) {
			return fmt.Errorf("%+v, %s", got, text)
		}
		return nil
	})
	if text := w.served(); !strings.Contains(text, `~/shop$`) || strings.Contains(text, "/worse") {
		t.Errorf("the newest revision holds %s", text)
	}
	w.cluster.apply(t, ingress("web/shop", "/better"))
	w.phase("web/shop", delivery.Programmed)
}

// soak sets how long the first wave of a rollout is watched.
func (w *world) soak(d time.Duration) {
	w.Helper()
	_, err := w.client.Registry().UpdateGroup(w.Context(), &registryv1.UpdateGroupRequest{Group: &registryv1.Group{Name: lab.Group,
		Policy: &fleetv1.RolloutPolicy{Waves: []*fleetv1.RolloutPolicy_Wave{
			{Size: &fleetv1.RolloutPolicy_Wave_Nodes{Nodes: 1}, Soak: durationpb.New(d)},
			{Size: &fleetv1.RolloutPolicy_Wave_Percent{Percent: 100}},
		}}}})
	if err != nil {
		w.Fatal(err)
	}
}

func TestEndpointsThatLeaveAreDrainedBeforeTheNextRevision(t *testing.T) {
	w := newWorld(t)
	w.cluster.apply(t, service("web", "10.0.0.1", "10.0.0.2"), ingress("web/shop", "/shop"))
	w.phase("web/shop", delivery.Programmed)
	w.cluster.apply(t, service("web", "10.0.0.1", "10.0.0.3"))
	drained := func() string {
		page, err := w.client.Targets().ListDrainedTargets(t.Context(), &distributorv1.ListDrainedTargetsRequest{Group: lab.Group})
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, target := range page.GetTargets() {
			names = append(names, target.GetTarget()+" for "+target.GetOwner())
		}
		return strings.Join(names, ", ")
	}
	w.eventually("the new endpoint is there", func() error {
		if text := w.served(); !strings.Contains(text, "10.0.0.3:80") {
			return errors.New(text)
		}
		return nil
	})
	w.stop()
	w.window = time.Hour
	w.start() // a process that did not submit anything itself, and keeps to the window of the one before
	w.phase("web/shop", delivery.Programmed)
	w.cluster.apply(t, service("web", "10.0.0.1"))
	w.eventually("the endpoint is drained", func() error {
		if got := drained(); got != "10.0.0.3:80 for kubernetes.kubernetes" {
			return errors.New(got)
		}
		return nil
	})
	if text := w.served(); !strings.Contains(text, "10.0.0.3:80") {
		t.Error("a revision came within the window")
	}
	w.phase("web/shop", delivery.Programmed)           // endpoints are no part of its form
	w.cluster.apply(t, ingress("web/other", "/other")) // takes them along
	w.phase("web/other", delivery.Programmed)
	w.eventually("nothing is drained any more", func() error {
		if got := drained(); got != "" || strings.Contains(w.served(), "10.0.0.3") {
			return errors.New(got)
		}
		return nil
	})
}

func TestTheShrinkGuardKeepsWhatIsServed(t *testing.T) {
	w := newWorld(t)
	w.cluster.apply(t, service("web", "10.0.0.1"), service("big", "10.0.1.1"), ingress("web/shop", "/shop"))
	for i := range 8 {
		w.cluster.apply(t, ingress(fmt.Sprintf("big/r%d", i), fmt.Sprintf("/big%d", i)))
	}
	w.phase("big/r7", delivery.Programmed)
	w.phase("web/shop", delivery.Programmed)
	w.cluster.remove(func(o object.Object) bool { return o.GetNamespace() == "big" || o.GetName() == "big" })
	w.eventually("the guard says so", func() error {
		if got := w.views.notice(delivery.ShrinkHeld); !strings.Contains(got, "namespace big") || !strings.Contains(got, AllowShrink) {
			return errors.New(got)
		}
		return nil
	})
	w.cluster.apply(t, ingress("web/shop", "/bag"))
	w.phase("web/shop", delivery.Programmed)
	w.eventually("the change is served and nothing is lost", func() error {
		if text := w.served(); !strings.Contains(text, `~/bag$`) || !strings.Contains(text, `~/big7$`) {
			return errors.New(text)
		}
		return nil
	})
	w.restart() // does not forget
	w.phase("web/shop", delivery.Programmed)
	w.cluster.change(func(set *object.Set) {
		set.Add(&networking.IngressClass{TypeMeta: meta.TypeMeta{Kind: "IngressClass", APIVersion: "networking.k8s.io/v1"},
			ObjectMeta: meta.ObjectMeta{Name: "kong", Annotations: map[string]string{AllowShrink: "big"}}})
	})
	w.eventually("it is gone", func() error {
		if text := w.served(); strings.Contains(text, "/big") || !strings.Contains(text, `~/bag$`) {
			return errors.New(text)
		}
		return nil
	})
}

func TestANamespaceThatEndsIsKeptFromItsFirstObjectOn(t *testing.T) {
	w := newWorld(t)
	w.cluster.apply(t, service("web", "10.0.0.1"), service("big", "10.0.1.1"), ingress("web/shop", "/shop"))
	for i := range 8 {
		w.cluster.apply(t, ingress(fmt.Sprintf("big/r%d", i), fmt.Sprintf("/big%d", i)))
	}
	w.phase("big/r7", delivery.Programmed)
	w.phase("web/shop", delivery.Programmed)
	before := w.served()
	w.cluster.change(func(set *object.Set) { // its Service goes first
		set.Add(&core.Namespace{TypeMeta: meta.TypeMeta{Kind: "Namespace", APIVersion: "v1"},
			ObjectMeta: meta.ObjectMeta{Name: "big", DeletionTimestamp: &meta.Time{Time: time.Now()}}})
		*set = *set.Without(func(o object.Object) bool {
			return object.RefOf(o) == object.Ref{Kind: "Service", Namespace: "big", Name: "cart"}
		})
	})
	w.eventually("the guard says so", func() error {
		if got := w.views.notice(delivery.ShrinkHeld); !strings.Contains(got, "of namespace big") {
			return errors.New(got)
		}
		return nil
	})
	if text := w.served(); !strings.Contains(text, `~/big0$`) || text != before {
		t.Errorf("it is served otherwise than before: %s", text)
	}
}

// TestChangedTargetsWaitForTheLoadInterval has a policy that lets gateways load once an hour, until it lets them load at any time.
func TestChangedTargetsWaitForTheLoadInterval(t *testing.T) {
	w := newFleet(t)
	w.interval(time.Hour)
	w.cluster.apply(t, service("web", "10.0.0.1"), ingress("web/shop", "/shop"))
	w.start()
	w.phase("web/shop", delivery.Programmed)
	before := w.newest().GetNumber()
	w.cluster.apply(t, service("web", "10.0.0.1", "10.0.0.2"))
	<-time.After(time.Second) // longer than the debounce: that nothing happens is no event
	if got := w.newest().GetNumber(); got != before {
		t.Fatalf("revision %d came within the load interval", got)
	}
	w.interval(0)
	w.eventually("the new endpoint is there", func() error {
		if text := w.served(); !strings.Contains(text, "10.0.0.2:80") {
			return errors.New(text)
		}
		return nil
	})
}

// interval sets the load interval of the group.
func (w *world) interval(d time.Duration) {
	w.Helper()
	_, err := w.client.Registry().UpdateGroup(w.Context(), &registryv1.UpdateGroupRequest{Group: &registryv1.Group{Name: lab.Group,
		Policy: &fleetv1.RolloutPolicy{LoadInterval: durationpb.New(d)}}})
	if err != nil {
		w.Fatal(err)
	}
}

func TestTheFirstTargetsOfAnUpstreamDoNotWait(t *testing.T) {
	w := newWorld(t)
	w.stop()
	w.window = time.Hour
	w.start()
	filled := service("web", "10.0.0.1")
	w.cluster.apply(t, strings.Replace(filled, `endpoints: [{addresses: ["10.0.0.1"]}]`, "endpoints: []", 1), ingress("web/shop", "/shop"))
	w.phase("web/shop", delivery.Programmed)
	if text := w.served(); strings.Contains(text, "10.0.0.1:80") {
		t.Fatal(text)
	}
	w.cluster.apply(t, filled)
	w.eventually("the endpoint is there", func() error {
		if text := w.served(); !strings.Contains(text, "10.0.0.1:80") {
			return errors.New(text)
		}
		return nil
	})
}

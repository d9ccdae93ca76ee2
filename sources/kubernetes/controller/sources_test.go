package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/silverback-gateway/silverback/lab"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/sources/kubernetes/delivery"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// byNamespace starts a fleet and a controller that has a source for each namespace.
func byNamespace(t *testing.T) *world {
	t.Helper()
	w := newFleet(t)
	w.sources = SourcesByNamespace
	w.start()
	return w
}

// held is what a source holds in the newest revision.
func (w *world) held(source string) string {
	w.Helper()
	held, err := (&remote{Client: w.client, group: lab.Group, source: source}).content(w.Context(), 0)
	if err != nil && !missing(err) {
		w.Fatal(err)
	}
	var text strings.Builder
	for _, e := range held.Entities() {
		fmt.Fprintf(&text, "%s %s\n", e.Kind, e.Line)
	}
	return text.String()
}

// names are the sources of the group.
func (w *world) names() []string {
	w.Helper()
	var names []string
	for _, s := range w.newest().GetSources() {
		names = append(names, s.GetName())
	}
	return names
}

// pinning has rollouts pin the source of a refused object.
func (w *world) pinning() {
	w.Helper()
	_, err := w.client.Registry().UpdateGroup(w.Context(), &registryv1.UpdateGroupRequest{Group: &registryv1.Group{Name: lab.Group,
		Policy: &fleetv1.RolloutPolicy{OnReject: fleetv1.RolloutPolicy_ON_REJECT_PIN, Deadline: durationpb.New(time.Minute)}}})
	if err != nil {
		w.Fatal(err)
	}
}

// revisionsOf are the newest revisions by the source that made them, the newest first; what a rollout put back has "restored" before it.
func (w *world) revisionsOf() []string {
	w.Helper()
	page, err := w.client.Translator().ListRevisions(w.Context(), &translatorv1.ListRevisionsRequest{Group: lab.Group, PageSize: 100})
	if err != nil {
		w.Fatal(err)
	}
	var list []string
	for _, r := range page.GetRevisions() {
		name := r.GetSource()
		if r.GetRestoredRevision() > 0 {
			name = "restored " + name
		}
		list = append(list, name)
	}
	return list
}

// TestARefusedObjectOfOneNamespaceHoldsNoOtherBack has a plugin that no gateway takes in one namespace, and changes in another one. That is
// what sources of namespaces are for.
func TestARefusedObjectOfOneNamespaceHoldsNoOtherBack(t *testing.T) {
	w := byNamespace(t)
	w.pinning()
	w.cluster.apply(t, service("web", "10.0.0.1"), ingress("web/shop", "/shop"), service("pay", "10.0.1.1"), ingress("pay/bill", "/bill"))
	w.phase("web/shop", delivery.Programmed)
	if got := w.phase("pay/bill", delivery.Programmed); got.Serving != 3 || got.Online != 3 {
		t.Errorf("programmed: %+v", got)
	}
	if got := w.names(); !slices.Equal(got, []string{"kubernetes.pay", "kubernetes.web"}) {
		t.Errorf("sources: %v", got)
	}
	w.cluster.apply(t, plugin("bad", "not-installed"), ingress("web/shop", "/new", "konghq.com/plugins: bad"), ingress("pay/bill", "/bills"))
	refused := w.phase("web/shop", delivery.Refused)
	if !refused.LastGood || !strings.Contains(refused.Reason, "not-installed") {
		t.Errorf("refused: %+v", refused)
	}
	w.phase("pay/bill", delivery.Programmed)
	w.eventually("both are as they should be", func() error {
		if web, pay := w.held("kubernetes.web"), w.held("kubernetes.pay"); !strings.Contains(web, `~/shop$`) || strings.Contains(web, "~/new$") ||
			!strings.Contains(pay, `~/bills$`) {
			return errors.New(web + pay)
		}
		return nil
	})
	for _, name := range w.revisionsOf() {
		if name == "restored kubernetes.pay" || name == "restored " {
			t.Errorf("more than the source of the refused object was put back: %v", w.revisionsOf())
		}
	}

	// What was there stays, and the other namespace goes on, also with another process.
	w.restart()
	w.phase("web/shop", delivery.Refused)
	w.cluster.apply(t, ingress("pay/bill", "/invoices"))
	w.eventually("the change is served", func() error {
		if text := w.held("kubernetes.pay"); !strings.Contains(text, `~/invoices$`) {
			return errors.New(text)
		}
		return nil
	})
	w.phase("pay/bill", delivery.Programmed)
	w.cluster.apply(t, plugin("bad", "cors"))
	w.phase("web/shop", delivery.Programmed)
}

// TestWhatNamespacesShareHasASourceOfItsOwn has a consumer to which a plugin of a route is bound, and replaces it.
func TestWhatNamespacesShareHasASourceOfItsOwn(t *testing.T) {
	w := byNamespace(t)
	w.cluster.apply(t, teams()...)
	w.phase("web/shop", delivery.Programmed)
	if got := w.names(); !slices.Equal(got, []string{"kubernetes", "kubernetes.pay", "kubernetes.web"}) {
		t.Errorf("sources: %v", got)
	}
	if text := w.held("kubernetes"); !strings.Contains(text, "anna") || strings.Contains(text, "services") {
		t.Errorf("common is %s", text)
	}
	before := w.newest().GetNumber()
	w.cluster.change(func(set *object.Set) {
		*set = *set.Without(func(o object.Object) bool { return o.GetName() == "anna" })
	})
	w.cluster.apply(t, strings.ReplaceAll(teams()[5], "anna", "bert"))
	w.eventually("the other consumer is there, and the first one is gone", func() error {
		common, web := w.held("kubernetes"), w.held("kubernetes.web")
		if !strings.Contains(common, "bert") || strings.Contains(common, "anna") || strings.Count(web, `"consumer":{`) != 1 {
			return errors.New(common + web)
		}
		return nil
	})
	w.phase("web/shop", delivery.Programmed)
	for _, r := range w.revisionsOf()[:w.newest().GetNumber()-before] {
		if r == "kubernetes.pay" {
			t.Error("a namespace that has nothing to do with it was submitted")
		}
	}
}

// TestANamespaceThatGoesTakesItsSourceWithIt wants a word for it, as for every loss.
func TestANamespaceThatGoesTakesItsSourceWithIt(t *testing.T) {
	w := byNamespace(t)
	w.cluster.apply(t, service("web", "10.0.0.1"), ingress("web/shop", "/shop"), service("pay", "10.0.1.1"), ingress("pay/bill", "/bill"),
		ingress("pay/cash", "/cash"))
	w.phase("pay/cash", delivery.Programmed)
	w.phase("web/shop", delivery.Programmed)
	before := w.held("kubernetes.pay")
	w.cluster.change(func(set *object.Set) {
		set.Add(&core.Namespace{TypeMeta: meta.TypeMeta{Kind: "Namespace", APIVersion: "v1"},
			ObjectMeta: meta.ObjectMeta{Name: "pay", DeletionTimestamp: &meta.Time{Time: time.Now()}}})
	})
	w.eventually("the guard says so", func() error {
		if got := w.views.notice(delivery.ShrinkHeld); !strings.Contains(got, "of namespace pay") {
			return errors.New(got)
		}
		return nil
	})
	w.cluster.remove(func(o object.Object) bool { return o.GetNamespace() == "pay" || o.GetName() == "pay" })
	w.cluster.apply(t, ingress("web/shop", "/bag"))
	w.eventually("the other namespace goes on", func() error {
		if text := w.held("kubernetes.web"); !strings.Contains(text, `~/bag$`) {
			return errors.New(text)
		}
		return nil
	})
	if text := w.held("kubernetes.pay"); text != before {
		t.Errorf("it is served otherwise than before: %s", text)
	}
	w.restart()
	w.eventually("the guard says so again", func() error {
		if got := w.views.notice(delivery.ShrinkHeld); !strings.Contains(got, "of namespace pay") {
			return errors.New(got)
		}
		return nil
	})
	w.cluster.change(func(set *object.Set) {
		set.Add(&networking.IngressClass{TypeMeta: meta.TypeMeta{Kind: "IngressClass", APIVersion: "networking.k8s.io/v1"},
			ObjectMeta: meta.ObjectMeta{Name: "kong", Annotations: map[string]string{AllowShrink: "pay"}}})
	})
	w.eventually("its source is gone", func() error {
		if got := w.names(); !slices.Equal(got, []string{"kubernetes.web"}) {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	w.phase("web/shop", delivery.Programmed)
}

// TestSwitchingTakesNothingAway changes what is a source, and back, with an object of which only its last good form is served. The
// configuration stays the same, byte by byte, and no gateway loads anything.
func TestSwitchingTakesNothingAway(t *testing.T) {
	w := newWorld(t)
	w.cluster.apply(t, teams()...)
	w.phase("web/shop", delivery.Programmed)
	w.cluster.apply(t, plugin("limit", "not-installed"))
	w.phase("web/shop", delivery.Refused)
	w.phase("pay/bill", delivery.Programmed)
	w.settled()
	digest, rollouts := w.newest().GetDigest(), w.rollouts()
	for _, step := range []struct {
		sources string
		want    []string
	}{
		{SourcesByNamespace, []string{"kubernetes", "kubernetes.pay", "kubernetes.web"}},
		{SourcesByCluster, []string{"kubernetes"}},
	} {
		w.stop()
		w.sources = step.sources
		w.start()
		w.eventually("the sources are others", func() error {
			if got := w.names(); !slices.Equal(got, step.want) {
				return fmt.Errorf("%v", got)
			}
			return nil
		})
		w.phase("pay/bill", delivery.Programmed)
		if got := w.phase("web/shop", delivery.Refused); !got.LastGood {
			t.Errorf("the last good form is gone: %+v", got)
		}
		w.settled()
		if got := w.newest().GetDigest(); got != digest {
			t.Errorf("%s: the configuration is another one", step.sources)
		}
	}
	for _, r := range w.rollouts()[:len(w.rollouts())-len(rollouts)] {
		if r.GetProgress().GetServing() == 0 && r.GetState() != distributorv1.Rollout_STATE_COMPLETED {
			t.Errorf("a rollout to %d: %v", r.GetCandidateRevision(), r.GetState())
		}
	}
}

// TestAMoveThatEndsInTheMiddleIsGoneOnWith has a process that ends after it froze the group and took entities out of their source.
func TestAMoveThatEndsInTheMiddleIsGoneOnWith(t *testing.T) {
	w := newWorld(t)
	w.cluster.apply(t, teams()...)
	w.phase("web/shop", delivery.Programmed)
	w.settled()
	digest := w.newest().GetDigest()
	w.stop()
	s := &sources{remote: &remote{Client: w.client, group: lab.Group, source: "kubernetes"}}
	request := &distributorv1.FreezeGroupRequest{Group: lab.Group, Reason: s.moveReason()}
	if _, err := w.client.Rollouts().FreezeGroup(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	if err := s.put(t.Context(), "kubernetes", nil, ""); err != nil {
		t.Fatal(err)
	}
	w.sources = SourcesByNamespace
	w.start()
	w.eventually("all is as it was", func() error {
		if got := w.newest().GetDigest(); got != digest || len(w.names()) != 3 {
			return fmt.Errorf("%v", w.names())
		}
		return nil
	})
	w.phase("web/shop", delivery.Programmed)
	w.settled()
}

// settled waits until the gateways serve the newest revision, and the group is not frozen.
func (w *world) settled() {
	w.Helper()
	w.eventually("the gateways serve the newest revision", func() error {
		newest, r := w.newest(), w.rollouts()
		if len(r) == 0 || r[0].GetState() != distributorv1.Rollout_STATE_COMPLETED || r[0].GetFrozen() != nil {
			return fmt.Errorf("%v", r)
		}
		served, err := w.client.Translator().GetRevision(w.Context(), &translatorv1.GetRevisionRequest{Group: lab.Group,
			Revision: r[0].GetCandidateRevision()})
		if err != nil || served.GetRevision().GetDigest() != newest.GetDigest() {
			return fmt.Errorf("%v, %w", r[0], err)
		}
		return nil
	})
}

// rollouts are those of the group, the newest first.
func (w *world) rollouts() []*distributorv1.Rollout {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), time.Minute)
	defer cancel()
	page, err := w.client.Rollouts().ListRollouts(ctx, &distributorv1.ListRolloutsRequest{Group: lab.Group, PageSize: 100})
	if err != nil {
		w.Fatal(err)
	}
	return page.GetRollouts()
}

func TestNamesOfSources(t *testing.T) {
	long := strings.Repeat("a", 63)
	for share, want := range map[string]string{common: "edge", "web": "edge.web"} {
		if got := sourceOf("edge", share); got != want {
			t.Errorf("%q: %s, want %s", share, got, want)
		}
	}
	a, b := sourceOf("edge", long), sourceOf("edge", long[:62]+"b")
	if a == b || len(a) != 63 || !strings.HasPrefix(a, "edge.aaa") {
		t.Errorf("%s and %s", a, b)
	}
}

package status_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/silverback-gateway/silverback/sources/kubernetes/delivery"
	"github.com/silverback-gateway/silverback/sources/kubernetes/manifest"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/status"
	"github.com/silverback-gateway/silverback/sources/kubernetes/testkit/apiserver"
)

// cluster is a real API server with the objects of the shop.
type cluster struct {
	*apiserver.Server
	client     dynamic.Interface
	kubeconfig string
}

func newCluster(t *testing.T) cluster {
	t.Helper()
	s := apiserver.New(t)
	client, err := dynamic.NewForConfig(s.Config())
	if err != nil {
		t.Fatal(err)
	}
	c := cluster{s, client, filepath.Join(t.TempDir(), "kubeconfig")}
	if err := s.Kubeconfig(c.kubeconfig, s.Address()); err != nil {
		t.Fatal(err)
	}
	namespaces := "apiVersion: v1\nkind: Namespace\nmetadata: {name: web}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: kong}\n"
	// The definitions ask for a section in each of several references to one parent.
	objects := strings.ReplaceAll(shop, "{name: edge, port: 81}", "{name: edge, sectionName: other}")
	for _, text := range []string{namespaces, objects} {
		if err := apiserver.Apply(t.Context(), s.Config(), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// read is what a cache would have.
func (c cluster) read(t *testing.T) *object.Set {
	t.Helper()
	set := &object.Set{}
	for _, resource := range append(statusResources(), schema.GroupVersionResource{Version: "v1", Resource: "services"}) {
		list, err := c.client.Resource(resource).List(t.Context(), meta.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range list.Items {
			text, err := item.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := manifest.Read(item.GetName(), bytes.NewReader(text), set); err != nil {
				t.Fatal(err)
			}
		}
	}
	return set
}

func statusResources() []schema.GroupVersionResource {
	var found []schema.GroupVersionResource
	for _, kind := range []schema.GroupVersionKind{
		{Group: "gateway.networking.k8s.io", Kind: "GatewayClass"}, {Group: "gateway.networking.k8s.io", Kind: "Gateway"},
		{Group: "gateway.networking.k8s.io", Kind: "HTTPRoute"}, {Group: "networking.k8s.io", Kind: "Ingress"},
		{Group: "configuration.konghq.com", Kind: "KongPlugin"}, {Group: "configuration.konghq.com", Kind: "KongConsumer"},
		{Group: "configuration.konghq.com", Kind: "KongUpstreamPolicy"},
	} {
		resource, _ := status.ResourceOf(kind)
		found = append(found, resource)
	}
	return found
}

func (c cluster) kubectl(t *testing.T, arguments ...string) (string, error) {
	t.Helper()
	kubectl, err := apiserver.Binary(t.Context(), "kubectl")
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), kubectl, append([]string{"--kubeconfig", c.kubeconfig, "--namespace", "web"}, arguments...)...)
	out, err := command.CombinedOutput()
	return string(out), err
}

// TestARealServerKeepsWhatIsWritten writes plans to an API server with the definitions of the Gateway API and of Kong's resources: what it
// stores needs no second plan, kubectl can wait for it, and what another controller writes meanwhile stays.
func TestARealServerKeepsWhatIsWritten(t *testing.T) {
	c := newCluster(t)
	options := settings()
	options.Publish, options.Addresses = nil, []string{"192.0.2.1", "lb.example.com"}
	w := status.NewWriter(c.client, status.WriterOptions{Controller: "silverback.example/kubernetes", Instance: "one", PerSecond: 1000})

	set := c.read(t)
	work := status.Plan(set, proven(set, options.Translate), options)
	outcome, err := w.Write(t.Context(), work)
	if err != nil || outcome.Written != len(work.Updates)+len(work.Events) || len(work.Updates) < 8 {
		t.Fatalf("%+v of %d and %d, %v", outcome, len(work.Updates), len(work.Events), err)
	}
	set = c.read(t)
	view := proven(set, options.Translate)
	for _, u := range status.Plan(set, view, options).Updates {
		t.Errorf("%s is planned again: %s", object.RefOf(u.Object), u.Patch)
	}
	t.Run("kubectl waits", func(t *testing.T) { c.wait(t) })
	t.Run("Events", func(t *testing.T) { c.events(t, w, work) })
	t.Run("a race", func(t *testing.T) { c.race(t, w, set, view, options) })
}

// wait runs the commands of docs/kubernetes.md.
func (c cluster) wait(t *testing.T) {
	t.Helper()
	const programmed = `{.status.parents[0].conditions[?(@.type=="Programmed")]`
	for _, arguments := range [][]string{
		{"wait", "--timeout=5s", "--for=condition=Programmed", "gateway/edge", "kongconsumer/anna"},
		{"wait", "--timeout=5s", "httproute/cart", "--for=jsonpath=" + programmed + ".status}=True"},
		{"wait", "--timeout=5s", "httproute/cart", "--for=jsonpath=" + programmed + ".observedGeneration}=1"},
		{"wait", "--timeout=5s", "ingress/shop", "--for=jsonpath={.status.loadBalancer.ingress}"},
	} {
		if out, err := c.kubectl(t, arguments...); err != nil {
			t.Errorf("kubectl %s: %v\n%s", strings.Join(arguments, " "), err, out)
		}
	}
	if out, err := c.kubectl(t, "wait", "--timeout=1s", "--for=condition=Programmed", "httproute/cart"); err == nil {
		t.Errorf("a route has conditions of its own now, so the docs are wrong: %s", out)
	}
}

// events reads what was written, and has the Writer say it again.
func (c cluster) events(t *testing.T, w *status.Writer, work status.Work) {
	t.Helper()
	if len(work.Events) == 0 {
		t.Fatal("no Events")
	}
	work.Updates = nil
	if _, err := w.Write(t.Context(), work); err != nil {
		t.Fatal(err)
	}
	out, err := c.kubectl(t, "get", "events.v1.events.k8s.io", "-o", "json")
	if err != nil {
		t.Fatal(out)
	}
	var list struct {
		Items []struct {
			Reason string
			Series struct{ Count int }
		}
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != len(work.Events) {
		t.Errorf("%d Events, want %d:\n%s", len(list.Items), len(work.Events), out)
	}
	for _, event := range list.Items {
		if event.Series.Count != 2 {
			t.Errorf("%s was counted %d times", event.Reason, event.Series.Count)
		}
	}
	if described, err := c.kubectl(t, "describe", "httproute", "mirrored"); err != nil || !strings.Contains(described, "has no equivalent") {
		t.Errorf("kubectl describe: %v\n%s", err, described)
	}
}

// race has another controller write into a route between the plan and the write.
func (c cluster) race(t *testing.T, w *status.Writer, set *object.Set, view delivery.View, options status.Options) {
	t.Helper()
	view.Objects[cart] = delivery.State{Phase: delivery.RolledBack, Revision: 8, Reason: "a probe failed"}
	options.Now = now.Add(time.Minute)
	work := status.Plan(set, view, options)
	work.Events = nil
	if len(work.Updates) != 1 {
		t.Fatalf("planned:\n%s", lines(work.Updates))
	}
	routes := c.client.Resource(httpRoutes).Namespace("web")
	live, err := routes.Get(t.Context(), "cart", meta.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	parents, _, _ := unstructured.NestedSlice(live.Object, "status", "parents")
	theirs := map[string]any{
		"controllerName": "example.com/theirs", "parentRef": map[string]any{"name": "foreign"}, "conditions": []any{map[string]any{
			"type": "Accepted", "status": "True", "reason": "Accepted", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z",
		}},
	}
	if err := unstructured.SetNestedSlice(live.Object, append(parents, theirs), "status", "parents"); err != nil {
		t.Fatal(err)
	}
	if _, err := routes.UpdateStatus(t.Context(), live, meta.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if outcome, err := w.Write(t.Context(), work); err != nil || outcome.Written != 1 {
		t.Fatalf("%+v, %v", outcome, err)
	}
	const shown = "jsonpath={.status.parents[*].controllerName} {.status.parents[*].conditions[*].reason}"
	out, err := c.kubectl(t, "get", "httproute", "cart", "-o", shown)
	if want := "example.com/theirs example.com/ours Accepted Accepted ResolvedRefs RolledBack"; err != nil || out != want {
		t.Errorf("%s, %v; want %s", out, err, want)
	}
	const ours = `{.status.parents[?(@.controllerName=="example.com/ours")].conditions[?(@.type=="Programmed")].reason}`
	if out, err := c.kubectl(t, "wait", "--timeout=5s", "httproute/cart", "--for=jsonpath="+ours+"=RolledBack"); err != nil {
		t.Errorf("kubectl wait for our entry: %v\n%s", err, out)
	}
}

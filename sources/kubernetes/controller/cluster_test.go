package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	core "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/lab"
	"github.com/silverback-gateway/silverback/sources/kubernetes/testkit/apiserver"
)

var (
	plugins   = schema.GroupVersionResource{Group: "configuration.konghq.com", Version: "v1", Resource: "kongplugins"}
	ingresses = schema.GroupVersionResource{Group: "networking.k8s.io", Version: "v1", Resource: "ingresses"}
)

// cluster is a real API server with a controller that submits to a fleet.
type realCluster struct {
	*world
	server *apiserver.Server
	rest   *rest.Config
}

// start runs a controller, with changed settings, and starts it again when it ends, as a kubelet does: one that loses its Lease ends.
func (c *realCluster) start(change ...func(*Config)) (stop func(), ready func() error) {
	c.Helper()
	config := Config{
		Group: lab.Group, Source: "kubernetes", Debounce: 50 * time.Millisecond, DebounceMax: time.Second, EndpointWindow: time.Second,
		DrainEndpoints: true, WriteStatus: true, PublishAddresses: []string{"192.0.2.1"}, LeaderElection: true, LeaderElectionName: "test",
		LeaderElectionNamespace: core.NamespaceDefault, Registry: c.lab.Registry(), Translator: c.lab.Translator(),
		Distributor: c.lab.Distributor(), TLS: rpc.ClientTLS{},
	}
	config.IngressClass, config.GatewayController, config.Attach, config.RemovableTargets = "kong", "example.com/controller", true, true
	for _, do := range change {
		do(&config)
	}
	var mu sync.Mutex
	var running *Controller
	stop = c.background(func(ctx context.Context) error {
		for ctx.Err() == nil {
			made, err := New(config, Deps{REST: c.rest, Metrics: prometheus.NewRegistry(), Log: slog.New(slog.NewTextHandler(c.log, nil))})
			if err != nil {
				return err
			}
			mu.Lock()
			running = made
			mu.Unlock()
			_ = made.Run(ctx)
		}
		return context.Cause(ctx)
	})
	return stop, func() error {
		mu.Lock()
		defer mu.Unlock()
		if running == nil {
			return errors.New("it does not run")
		}
		return running.Ready()
	}
}

func (c *realCluster) apply(texts ...string) {
	c.Helper()
	if err := apiserver.Apply(c.Context(), c.server.Config(), []byte(strings.Join(texts, "\n---\n"))); err != nil {
		c.Fatal(err)
	}
}

func (c *realCluster) get(of schema.GroupVersionResource, namespace, name string) *unstructured.Unstructured {
	c.Helper()
	client, err := dynamic.NewForConfig(c.server.Config())
	if err != nil {
		c.Fatal(err)
	}
	var got *unstructured.Unstructured
	if namespace == "" {
		got, err = client.Resource(of).Get(c.Context(), name, metav1.GetOptions{})
	} else {
		got, err = client.Resource(of).Namespace(namespace).Get(c.Context(), name, metav1.GetOptions{})
	}
	if err != nil {
		c.Fatal(err)
	}
	return got
}

// holds waits until the source holds every text, but for those that begin with "!".
func (c *realCluster) holds(texts ...string) {
	c.Helper()
	c.eventually(fmt.Sprintf("the source holds %q", texts), func() error {
		held := c.served()
		for _, text := range texts {
			without, not := strings.CutPrefix(text, "!")
			if strings.Contains(held, without) == not {
				return errors.New(held)
			}
		}
		return nil
	})
}

// condition is what a Programmed condition of an object says.
func condition(obj *unstructured.Unstructured) (status, message string) {
	list, _, _ := unstructured.NestedSlice(obj.Object, "status", "conditions")
	for _, one := range list {
		if c, ok := one.(map[string]any); ok && c["type"] == "Programmed" {
			return fmt.Sprint(c["status"]), fmt.Sprint(c["message"])
		}
	}
	return "", ""
}

// TestAClusterIsServed runs the controller on a real API server and walks through what happens to a cluster.
func TestAClusterIsServed(t *testing.T) {
	server := apiserver.New(t)
	c := &realCluster{world: newFleet(t), server: server, rest: server.Config()}
	c.apply("{apiVersion: v1, kind: Namespace, metadata: {name: web}}", "{apiVersion: v1, kind: Namespace, metadata: {name: big}}",
		"{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: kong}, spec: {controller: example.com/controller}}",
		service("web", "10.0.0.1"), ingress("web/shop", "/shop"))
	stop, _ := c.start()
	c.holds(`~/shop$`, "10.0.0.1:80")
	c.eventually("the Ingress has an address", func() error {
		list, _, _ := unstructured.NestedSlice(c.get(ingresses, "web", "shop").Object, "status", "loadBalancer", "ingress")
		if len(list) == 0 {
			return errors.New("it has none")
		}
		return nil
	})

	// A broken plugin costs only itself, and its status says so.
	c.apply(plugin("bad", "not-installed"), ingress("web/shop", "/new", "konghq.com/plugins: bad"), ingress("web/other", "/other"))
	c.holds(`~/shop$`, `~/other$`, "!not-installed", `!~/new$`)
	c.eventually("the plugin's status says so", func() error {
		if status, message := condition(c.get(plugins, "web", "bad")); status != "False" || !strings.Contains(message, "not-installed") {
			return errors.New(status + " " + message)
		}
		return nil
	})
	c.apply(plugin("bad", "cors"))
	c.holds(`~/new$`, `"cors"`)
	c.eventually("the plugin is programmed", func() error {
		if status, message := condition(c.get(plugins, "web", "bad")); status != "True" {
			return errors.New(status + " " + message)
		}
		return nil
	})

	// The API server restarts, and the controller does: nothing is submitted, and nothing is missed.
	before := c.newest().GetNumber()
	stop()
	if err := server.StopAPI(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	stop, ready := c.start()
	if ready() == nil {
		t.Error("it is ready without an API server")
	}
	if err := server.StartAPI(ctx); err != nil {
		t.Fatal(err)
	}
	c.eventually("it is ready", ready)
	c.apply(ingress("web/other", "/moved"))
	c.holds(`~/moved$`, `~/new$`)
	if got := c.newest().GetNumber(); got != before+1 {
		t.Errorf("the restarts made %d revisions besides", got-before-1)
	}

	// A namespace with most of the routes is deleted: the guard keeps it until it is allowed.
	c.apply(service("big", "10.0.1.1"))
	for i := range 8 {
		c.apply(ingress(fmt.Sprintf("big/r%d", i), fmt.Sprintf("/big%d", i)))
	}
	c.holds(`~/big7$`)
	client, err := dynamic.NewForConfig(server.Config())
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Resource(ingresses).Namespace("big").DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	c.apply(ingress("web/other", "/again"))
	c.holds(`~/again$`, `~/big0$`, `~/big7$`)
	c.eventually("the Namespace has an Event", func() error {
		events, err := client.Resource(schema.GroupVersionResource{Group: "events.k8s.io", Version: "v1", Resource: "events"}).
			List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, event := range events.Items {
			if event.Object["reason"] == "ShrinkHeld" {
				return nil
			}
		}
		return fmt.Errorf("%d Events, none says so", len(events.Items))
	})
	c.apply("{apiVersion: v1, kind: Namespace, metadata: {name: big, annotations: {" + AllowShrink + `: "true"}}}`)
	c.holds(`~/again$`, `!~/big0$`, `!~/big7$`)

	// The API server is killed under the controller.
	server.KillAPI()
	if err := server.StartAPI(ctx); err != nil {
		t.Fatal(err)
	}
	c.apply(ingress("web/other", "/last"))
	c.holds(`~/last$`, `~/new$`)
	stop()
}

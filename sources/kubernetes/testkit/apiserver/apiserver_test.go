package apiserver_test

import (
	"context"
	"errors"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/silverback-gateway/silverback/sources/kubernetes/testkit/apiserver"
	"github.com/silverback-gateway/silverback/testkit/cut"
)

var plugins = schema.GroupVersionResource{Group: "configuration.konghq.com", Version: "v1", Resource: "kongplugins"}

const manifest = `
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: limit, namespace: default}
plugin: rate-limiting
config: {minute: 5, limit_by: header, header_name: x-key, redis: null, list: [1, two]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: orders, namespace: default}
spec:
  parentRefs: [{name: edge}]
  rules: [{backendRefs: [{name: orders, port: 80}]}]
`

func TestServer(t *testing.T) {
	s := apiserver.New(t)
	t.Run("objects outlive the server", func(t *testing.T) { outlive(t, s) })
	t.Run("the definitions refuse what the controller refuses", func(t *testing.T) { refuse(t, s) })
	t.Run("a link stalls and breaks watches", func(t *testing.T) { stall(t, s) })
}

func outlive(t *testing.T, s *apiserver.Server) {
	t.Helper()
	if err := apiserver.Apply(t.Context(), s.Config(), []byte(manifest)); err != nil {
		t.Fatal(err)
	}
	if err := s.StopAPI(); err != nil {
		t.Fatal(err)
	}
	if _, err := client(t, s.Config()).Get(t.Context(), "limit", metav1.GetOptions{}); err == nil {
		t.Fatal("a server that was stopped answered")
	}
	if err := s.StartAPI(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := client(t, s.Config()).Get(t.Context(), "limit", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	config, _, _ := unstructured.NestedMap(got.Object, "config")
	if len(config) != 5 || config["minute"] != int64(5) || config["redis"] != nil {
		t.Errorf("the plugin has the configuration %v, want all that was applied", config)
	}
	if err := apiserver.Delete(t.Context(), s.Config(), []byte(manifest)); err != nil {
		t.Error(err)
	}
}

func refuse(t *testing.T, s *apiserver.Server) {
	t.Helper()
	for name, text := range map[string]string{
		"a plugin without a name": "apiVersion: configuration.konghq.com/v1\nkind: KongPlugin\nmetadata: {name: a}\nconfig: {}",
		"a list as configuration": "apiVersion: configuration.konghq.com/v1\nkind: KongPlugin\nmetadata: {name: a}\nplugin: a\nconfig: []",
		"a vault without a spec":  "apiVersion: configuration.konghq.com/v1alpha1\nkind: KongVault\nmetadata: {name: a}",
		"slots in words": "apiVersion: configuration.konghq.com/v1beta1\nkind: KongUpstreamPolicy\nmetadata: {name: a}\n" +
			"spec: {slots: many}",
	} {
		// Values of another kind are refused before the schema is asked.
		if err := apiserver.Apply(t.Context(), s.Config(), []byte(text)); !errors.As(err, new(apierrors.APIStatus)) {
			t.Errorf("%s: got %v, want the server to refuse it", name, err)
		}
	}
	stranger := s.Config()
	stranger.BearerToken = "guessed"
	if _, err := client(t, stranger).List(t.Context(), metav1.ListOptions{}); !apierrors.IsUnauthorized(err) {
		t.Errorf("a stranger got %v, want to be told that he is one", err)
	}
}

func stall(t *testing.T, s *apiserver.Server) {
	t.Helper()
	link, config := s.Link(t)
	watching, err := client(t, config).Watch(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer watching.Stop()
	link.Cut(cut.ToClient)
	if err := apiserver.Apply(t.Context(), s.Config(), []byte(manifest)); err != nil {
		t.Fatal(err)
	}
	select {
	case e := <-watching.ResultChan():
		t.Fatalf("through a cut link came %v", e)
	case <-time.After(300 * time.Millisecond):
	}
	link.Heal()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	select {
	case e := <-watching.ResultChan():
		if e.Type != "ADDED" {
			t.Errorf("after the cut came %v, want the plugin to be added", e)
		}
	case <-ctx.Done():
		t.Error("nothing came when the link was whole again")
	}
	link.Reset()
	select {
	case e, open := <-watching.ResultChan():
		if open && e.Type != "ERROR" {
			t.Errorf("after a reset came %v, want the end", e)
		}
	case <-ctx.Done():
		t.Error("the watch outlived its connection")
	}
}

func client(t *testing.T, c *rest.Config) dynamic.ResourceInterface {
	t.Helper()
	made, err := dynamic.NewForConfig(c)
	if err != nil {
		t.Fatal(err)
	}
	return made.Resource(plugins).Namespace("default")
}

package k8s_test

import (
	"errors"
	"io"
	"os"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
)

// A real API server takes every object, and keeps none: server-side apply as a dry run, which validates and defaults as the
// real thing does, and has nothing to warn of. Namespaced objects are tried in the namespace `default`, for a dry run makes no namespace of
// their own.
func TestServerTakesTheOverlays(t *testing.T) {
	if os.Getenv("KUBECONFIG") == "" {
		t.Skip("KUBECONFIG names no cluster whose API server could be asked")
	}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(clientcmd.NewDefaultClientConfigLoadingRules(), nil).ClientConfig()
	if err != nil {
		t.Fatal(err)
	}
	config.QPS, config.Burst = 50, 100
	heard := &warnings{}
	config.WarningHandler = heard
	finder, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	groups, err := restmapper.GetAPIGroupResources(finder)
	if err != nil {
		t.Fatal(err)
	}
	mapper := restmapper.NewDiscoveryRESTMapper(groups)
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range append([]string{"users"}, overlays...) {
		t.Run(folder, func(t *testing.T) {
			documents := yaml.NewYAMLReader(yamlBuffer(build(t, folder)))
			for {
				document, err := documents.Read()
				if errors.Is(err, io.EOF) {
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				object := &unstructured.Unstructured{}
				if err := yaml.Unmarshal(document, &object.Object); err != nil {
					t.Fatal(err)
				}
				kind := object.GroupVersionKind()
				mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
				if meta.IsNoMatchError(err) {
					t.Logf("%s %s was not asked about: the cluster does not have the kind", kind.Kind, object.GetName())
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				var target dynamic.ResourceInterface = client.Resource(mapping.Resource)
				if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
					object.SetNamespace(metav1.NamespaceDefault)
					target = client.Resource(mapping.Resource).Namespace(metav1.NamespaceDefault)
				}
				options := metav1.ApplyOptions{FieldManager: "silverback-test", Force: true, DryRun: []string{metav1.DryRunAll}}
				if _, err := target.Apply(t.Context(), object.GetName(), object, options); err != nil {
					t.Errorf("%s %s: %v", kind.Kind, object.GetName(), err)
				}
				for _, text := range heard.take() {
					t.Errorf("%s %s: the server warns: %s", kind.Kind, object.GetName(), text)
				}
			}
		})
	}
}

// warnings keeps what a server says beside an answer: a variable that is there twice, an API that will go.
type warnings struct {
	mu    sync.Mutex
	texts []string
}

func (w *warnings) HandleWarningHeader(_ int, _, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.texts = append(w.texts, text)
}

// take returns what was heard since it was asked last.
func (w *warnings) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	texts := w.texts
	w.texts = nil
	return texts
}

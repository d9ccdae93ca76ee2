package k8s_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	certmanager "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	admission "k8s.io/api/admissionregistration/v1"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	rbac "k8s.io/api/rbac/v1"
	scheduling "k8s.io/api/scheduling/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// overlays are the folders that are applied whole.
var overlays = []string{"overlays/lab", "overlays/production", "overlays/existing-etcd"}

// root is the folder with go.work.
func root(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			tb.Fatal("no go.work above the test")
		}
		dir = up
	}
}

func manifests(tb testing.TB) string { return filepath.Join(root(tb), "deploy", "k8s") }

var builds sync.Map // what was built already, by folder

// build returns what `kubectl apply -k` of a folder would apply.
func build(tb testing.TB, folder string) string {
	tb.Helper()
	if text, ok := builds.Load(folder); ok {
		return text.(string)
	}
	result, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(manifests(tb), folder))
	if err != nil {
		tb.Fatalf("build %s: %v", folder, err)
	}
	text, err := result.AsYaml()
	if err != nil {
		tb.Fatal(err)
	}
	builds.Store(folder, string(text))
	return string(text)
}

var decoder = func() runtime.Decoder {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		apps.AddToScheme, autoscaling.AddToScheme, core.AddToScheme, networking.AddToScheme, policy.AddToScheme, scheduling.AddToScheme,
		certmanager.AddToScheme, monitoring.AddToScheme, apiextensions.AddToScheme, admission.AddToScheme, rbac.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			panic(err)
		}
	}
	// Strict: a field that the type does not have, or has twice, is an error.
	return serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
}()

// decode reads documents into the types of their APIs.
func decode(text string) (objects []runtime.Object, err error) {
	documents := yaml.NewYAMLReader(yamlBuffer(text))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		object, kind, err := decoder.Decode(document, nil, nil)
		if err != nil {
			first, _, _ := strings.Cut(strings.TrimSpace(string(document)), "\n")
			return nil, fmt.Errorf("%v %s: %w", kind, first, err)
		}
		objects = append(objects, object)
	}
}

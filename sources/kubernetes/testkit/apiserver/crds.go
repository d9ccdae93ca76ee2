package apiserver

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

const (
	definitionKind = "CustomResourceDefinition"
	fieldManager   = "silverback-testkit"
	servedTime     = 60 * time.Second
)

// Install installs the definitions of custom resources that stand in folders (files *.yaml; what is no definition there is left alone), and
// returns when the server serves them.
func Install(ctx context.Context, c *rest.Config, folders ...string) error {
	var all []*unstructured.Unstructured
	for _, folder := range folders {
		found, err := definitions(folder)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return fmt.Errorf("no definitions of resources in %s", folder)
		}
		all = append(all, found...)
	}
	client, err := dynamic.NewForConfig(c)
	if err != nil {
		return fmt.Errorf("a client to install definitions: %w", err)
	}
	resource := client.Resource(schema.GroupVersionResource{
		Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions",
	})
	for _, d := range all {
		if _, err := resource.Apply(ctx, d.GetName(), d, metav1.ApplyOptions{FieldManager: fieldManager, Force: true}); err != nil {
			return fmt.Errorf("install %s: %w", d.GetName(), err)
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, servedTime, errors.New("a definition was not served in time"))
	defer cancel()
	for _, d := range all {
		if err := established(ctx, resource, d.GetName()); err != nil {
			return err
		}
	}
	return nil
}

// established waits until the server serves a definition.
func established(ctx context.Context, resource dynamic.ResourceInterface, name string) error {
	next := time.NewTicker(askEvery)
	defer next.Stop()
	for {
		got, err := resource.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("look at %s: %w", name, err)
		}
		conditions, _, _ := unstructured.NestedSlice(got.Object, "status", "conditions")
		if slices.ContainsFunc(conditions, func(c any) bool {
			fields, _ := c.(map[string]any)
			return fields["type"] == "Established" && fields["status"] == "True"
		}) {
			return nil
		}
		select {
		case <-next.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", name, context.Cause(ctx))
		}
	}
}

func definitions(folder string) ([]*unstructured.Unstructured, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", folder, err)
	}
	var all []*unstructured.Unstructured
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read a definition: %w", err)
		}
		found, err := Parse(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for _, o := range found {
			if o.GetKind() == definitionKind {
				all = append(all, o)
			}
		}
	}
	return all, nil
}

// Parse reads manifests that "---" divides.
func Parse(manifests []byte) ([]*unstructured.Unstructured, error) {
	var all []*unstructured.Unstructured
	reader := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifests), 4096)
	for {
		var o unstructured.Unstructured
		err := reader.Decode(&o.Object)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read a manifest: %w", err)
		}
		if len(o.Object) > 0 {
			all = append(all, &o)
		}
	}
}

// Apply creates the objects of manifests, or changes those that are there, by server-side apply, in their order.
func Apply(ctx context.Context, c *rest.Config, manifests []byte) error {
	return ApplyIn(ctx, c, metav1.NamespaceDefault, manifests)
}

// ApplyIn is Apply for manifests of which those that name no namespace belong into one.
func ApplyIn(ctx context.Context, c *rest.Config, namespace string, manifests []byte) error {
	return each(c, namespace, manifests, func(resource dynamic.ResourceInterface, o *unstructured.Unstructured) error {
		_, err := resource.Apply(ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: fieldManager, Force: true})
		return err
	})
}

// Delete deletes the objects of manifests, in their order.
func Delete(ctx context.Context, c *rest.Config, manifests []byte) error {
	return each(c, metav1.NamespaceDefault, manifests, func(resource dynamic.ResourceInterface, o *unstructured.Unstructured) error {
		return resource.Delete(ctx, o.GetName(), metav1.DeleteOptions{})
	})
}

func each(c *rest.Config, namespace string, manifests []byte, do func(dynamic.ResourceInterface, *unstructured.Unstructured) error) error {
	all, err := Parse(manifests)
	if err != nil {
		return err
	}
	finder, err := discovery.NewDiscoveryClientForConfig(c)
	if err != nil {
		return fmt.Errorf("a client to ask for kinds: %w", err)
	}
	client, err := dynamic.NewForConfig(c)
	if err != nil {
		return fmt.Errorf("a client for manifests: %w", err)
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(finder))
	for _, o := range all {
		kind := o.GroupVersionKind()
		mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
		if err != nil {
			return fmt.Errorf("find the resource of %s: %w", kind, err)
		}
		var resource dynamic.ResourceInterface = client.Resource(mapping.Resource)
		if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
			resource = client.Resource(mapping.Resource).Namespace(cmp.Or(o.GetNamespace(), namespace))
		}
		if err := do(resource, o); err != nil {
			return fmt.Errorf("%s %s/%s: %w", kind.Kind, o.GetNamespace(), o.GetName(), err)
		}
	}
	return nil
}

// Package standin does, for an API server without a cluster, what tests and labs need of a cluster's controllers and nodes. It is simple
// where the real ones are not: it is for clusters of some thousand objects that one test uses.
package standin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// pause is how long a stand-in waits after an error, and between two looks at what it waits for.
const pause = 200 * time.Millisecond

// Namespaces empties namespaces that are deleted, and lets them go, as the namespace controller of kube-controller-manager does. It runs
// until ctx ends, also while the API server is away.
func Namespaces(ctx context.Context, c *rest.Config) error {
	c = rest.CopyConfig(c)
	c.WarningHandler = rest.NoWarnings{} // it deletes also what is deprecated
	clients, err := kubernetes.NewForConfig(c)
	if err != nil {
		return fmt.Errorf("a client for namespaces: %w", err)
	}
	anything, err := dynamic.NewForConfig(c)
	if err != nil {
		return fmt.Errorf("a client for what is in namespaces: %w", err)
	}
	e := emptier{clients: clients, anything: anything}
	for ctx.Err() == nil {
		_ = e.round(ctx) // the server is away, or somebody else was quicker: the next round sees what is left
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
	return context.Cause(ctx)
}

type emptier struct {
	clients  kubernetes.Interface
	anything dynamic.Interface
}

// round lets go each namespace that is deleted.
func (e emptier) round(ctx context.Context) error {
	list, err := e.clients.CoreV1().Namespaces().List(ctx, meta.ListOptions{})
	if err != nil {
		return err
	}
	var all error
	for _, n := range list.Items {
		if n.DeletionTimestamp != nil {
			all = errors.Join(all, e.empty(ctx, n))
		}
	}
	return all
}

// empty deletes what is in a namespace. When nothing is left the namespace may go.
func (e emptier) empty(ctx context.Context, n core.Namespace) error {
	lists, err := e.clients.Discovery().ServerPreferredNamespacedResources()
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		return err
	}
	left := 0
	for _, list := range lists {
		group, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return err
		}
		for _, r := range list.APIResources {
			if !slices.Contains(r.Verbs, "deletecollection") || !slices.Contains(r.Verbs, "list") {
				continue
			}
			some, err := e.clear(ctx, group.WithResource(r.Name), n.Name)
			if err != nil {
				return err
			}
			left += some
		}
	}
	if left > 0 {
		return nil
	}
	n.Spec.Finalizers = slices.DeleteFunc(n.Spec.Finalizers, func(f core.FinalizerName) bool { return f == core.FinalizerKubernetes })
	_, err = e.clients.CoreV1().Namespaces().Finalize(ctx, &n, meta.UpdateOptions{})
	return err
}

// clear deletes all objects of a kind, and returns how many stay for now, since something holds them.
func (e emptier) clear(ctx context.Context, r schema.GroupVersionResource, namespace string) (int, error) {
	objects := e.anything.Resource(r).Namespace(namespace)
	list, err := objects.List(ctx, meta.ListOptions{})
	if err != nil || len(list.Items) == 0 {
		return 0, gone(err)
	}
	now := int64(0)
	if err := objects.DeleteCollection(ctx, meta.DeleteOptions{GracePeriodSeconds: &now}, meta.ListOptions{}); err != nil {
		return 0, gone(err)
	}
	list, err = objects.List(ctx, meta.ListOptions{})
	if err != nil {
		return 0, gone(err)
	}
	return len(list.Items), nil
}

// gone is nil where a kind went away, or cannot be asked for.
func gone(err error) error {
	if apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) {
		return nil
	}
	return err
}

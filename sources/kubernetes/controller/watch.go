package controller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	core "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networking "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	ctrl "sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/gateway-api/pkg/consts"

	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/sources/kubernetes/manifest"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

const (
	// discoverAgain is how often it is asked which kinds there are: the resources of the Gateway API and of Kong may come later.
	discoverAgain = 15 * time.Second
	discoverFirst = time.Second // after a failure, before the first success
)

// lastApplied is a copy of the object that kubectl keeps in it.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// newScheme knows the kinds that are read as they are. The others are read without their Go types, and decoded once.
func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	return scheme, errors.Join(core.AddToScheme(scheme), networking.AddToScheme(scheme), discoveryv1.AddToScheme(scheme))
}

// cacheOptions say what is watched, and in which form it is kept.
func (c *Config) cacheOptions(scheme *runtime.Scheme) (cache.Options, error) {
	options := cache.Options{Scheme: scheme, DefaultTransform: newTransformer(scheme).transform, ReaderFailOnMissingInformer: true}
	for _, namespace := range c.Namespaces {
		if options.DefaultNamespaces == nil {
			options.DefaultNamespaces = map[string]cache.Config{}
		}
		options.DefaultNamespaces[namespace] = cache.Config{}
	}
	options.ByObject = map[ctrl.Object]cache.ByObject{}
	for _, s := range []struct {
		of       ctrl.Object
		selector string
	}{{&core.Secret{}, c.SecretSelector}, {&core.ConfigMap{}, c.ConfigMapSelector}} {
		selector, err := labels.Parse(s.selector)
		if err != nil {
			return options, err
		}
		options.ByObject[s.of] = cache.ByObject{Label: selector}
	}
	return options, nil
}

// knowing is a mapper that knows the kinds with selectors by itself: the cache asks for them before the API server has to be there.
func knowing(mapper apimeta.RESTMapper) apimeta.RESTMapper {
	known := apimeta.NewDefaultRESTMapper(nil)
	known.Add(core.SchemeGroupVersion.WithKind("Secret"), apimeta.RESTScopeNamespace)
	known.Add(core.SchemeGroupVersion.WithKind("ConfigMap"), apimeta.RESTScopeNamespace)
	return apimeta.FirstHitRESTMapper{MultiRESTMapper: apimeta.MultiRESTMapper{known, mapper}}
}

// transformer makes the objects of informers those of a translation, without what nobody reads.
type transformer struct {
	scheme *runtime.Scheme
	kinds  map[schema.GroupKind]manifest.Kind
}

func newTransformer(scheme *runtime.Scheme) transformer {
	t := transformer{scheme: scheme, kinds: map[schema.GroupKind]manifest.Kind{}}
	for _, k := range manifest.Kinds() {
		t.kinds[k.GroupKind] = k
	}
	return t
}

// unread are the types of Secrets whose data no gateway gets. They are large, and many.
var unread = []core.SecretType{"helm.sh/release.v1", core.SecretTypeServiceAccountToken, core.SecretTypeDockerConfigJson,
	core.SecretTypeDockercfg, core.SecretTypeBootstrapToken}

// transform implements toolscache.TransformFunc. It may be called again with what it returned.
func (t transformer) transform(from any) (any, error) {
	switch obj := from.(type) {
	case *unstructured.Unstructured:
		return t.decode(obj), nil
	case runtime.Object:
		kinds, _, err := t.scheme.ObjectKinds(obj)
		if err != nil || len(kinds) == 0 {
			return from, nil //nolint:nilerr // not a kind of the translation
		}
		obj.GetObjectKind().SetGroupVersionKind(kinds[0]) // typed objects come without it
		if m, ok := from.(meta.Object); ok {
			slim(m)
		}
		if secret, ok := from.(*core.Secret); ok && slices.Contains(unread, secret.Type) {
			secret.Data = nil
		}
	}
	return from, nil
}

func (t transformer) decode(from *unstructured.Unstructured) any {
	kind, ok := t.kinds[from.GroupVersionKind().GroupKind()]
	if !ok {
		return from
	}
	slim(from)
	var obj object.Object
	text, err := from.MarshalJSON()
	if err == nil {
		obj, err = manifest.Decode(kind, text)
	}
	if err != nil {
		broken := &undecoded{why: err.Error()}
		broken.SetGroupVersionKind(from.GroupVersionKind())
		broken.Name, broken.Namespace, broken.UID = from.GetName(), from.GetNamespace(), from.GetUID()
		broken.ResourceVersion, broken.Generation = from.GetResourceVersion(), from.GetGeneration()
		return broken
	}
	return obj
}

// slim drops what the API server and kubectl note down for themselves.
func slim(obj meta.Object) {
	obj.SetManagedFields(nil)
	if annotations := obj.GetAnnotations(); annotations[lastApplied] != "" {
		delete(annotations, lastApplied)
		obj.SetAnnotations(annotations)
	}
}

// definitionPath is where an API server has the definition that says of which version those of the Gateway API are.
const definitionPath = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gatewayclasses.gateway.networking.k8s.io"

// watcher follows every kind that the API server has and the translation reads.
type watcher struct {
	*store
	cache     cache.Cache
	discovery discovery.DiscoveryInterface
	log       *slog.Logger

	mu      sync.Mutex
	known   bool // it is known which kinds there are
	watched map[schema.GroupKind]toolscache.ResourceEventHandlerRegistration
	problem error  // of the last discovery
	bundle  string // version of the Gateway API's definitions; empty is unknown
}

func newWatcher(c cache.Cache, d discovery.DiscoveryInterface, log *slog.Logger) *watcher {
	return &watcher{store: newStore(), cache: c, discovery: d, log: log,
		watched: map[schema.GroupKind]toolscache.ResourceEventHandlerRegistration{}}
}

// Ready is nil when every kind that there is was read whole.
func (w *watcher) Ready() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.known {
		return fmt.Errorf("it is not known yet which kinds the API server has: %w", errors.Join(w.problem))
	}
	for kind, registration := range w.watched {
		if !registration.HasSynced() {
			return fmt.Errorf("objects of kind %s are being read", kind)
		}
	}
	return nil
}

// Run asks which kinds there are and watches them, until ctx ends.
func (w *watcher) Run(ctx context.Context) error {
	for {
		err := w.discover(ctx)
		w.mu.Lock()
		w.problem = err
		w.known = w.known || err == nil
		pause := discoverAgain
		if !w.known {
			pause = discoverFirst
		}
		w.mu.Unlock()
		if err != nil && ctx.Err() == nil {
			w.log.Warn("the kinds of the API server are not known", telemetry.Err, err)
		}
		w.readVersion(ctx)
		if err := backoff.Sleep(ctx, backoff.Jitter(pause, 0.2)); err != nil {
			return err
		}
	}
}

// readVersion asks of which version the definitions of the Gateway API are. Without an answer what was known counts.
func (w *watcher) readVersion(ctx context.Context) {
	client := w.discovery.RESTClient()
	if client == nil {
		return
	}
	text, err := client.Get().AbsPath(definitionPath).Do(ctx).Raw()
	var definition meta.PartialObjectMetadata
	if err != nil || json.Unmarshal(text, &definition) != nil {
		return // there are none, or the account may not read them: nothing is said about them
	}
	version := definition.Annotations[consts.BundleVersionAnnotation]
	w.mu.Lock()
	changed := w.bundle != version
	w.bundle = version
	w.mu.Unlock()
	if changed {
		w.ring() // the status of GatewayClasses says it
	}
}

// Versions are those of the Gateway API's definitions, as far as they are known.
func (w *watcher) Versions() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.bundle == "" {
		return nil
	}
	return []string{w.bundle}
}

// discover watches the kinds that were not there before. A kind that goes stays watched: its objects go by events of their own.
func (w *watcher) discover(ctx context.Context) error {
	if err := w.serverReady(ctx); err != nil {
		return err
	}
	served, err := w.served(ctx)
	if err != nil {
		return err
	}
	for _, kind := range manifest.Kinds() {
		gvk, there := served[kind.GroupKind]
		w.mu.Lock()
		_, watched := w.watched[kind.GroupKind]
		w.mu.Unlock()
		if !there || watched {
			continue
		}
		informer, err := w.cache.GetInformer(ctx, prototype(kind, gvk), cache.BlockUntilSynced(false))
		if err != nil {
			return fmt.Errorf("watch %s: %w", gvk, err)
		}
		registration, err := informer.AddEventHandler(w.handler())
		if err != nil {
			return fmt.Errorf("watch %s: %w", gvk, err)
		}
		w.mu.Lock()
		w.watched[kind.GroupKind] = registration
		w.mu.Unlock()
		w.log.Debug("objects are watched", "kind", gvk.String())
	}
	return nil
}

// prototype is an object of a kind as the cache is asked for it.
func prototype(kind manifest.Kind, gvk schema.GroupVersionKind) ctrl.Object {
	switch kind.Group {
	case core.GroupName, networking.GroupName, discoveryv1.GroupName:
		if typed, ok := kind.New().(ctrl.Object); ok {
			return typed
		}
	}
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(gvk)
	return u
}

// serverReady is nil once the API server says that it is ready. Before, custom resources may be missing from what it lists.
func (w *watcher) serverReady(ctx context.Context) error {
	client := w.discovery.RESTClient()
	if client == nil {
		return nil
	}
	err := client.Get().AbsPath("/readyz").Do(ctx).Error()
	if apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) || apierrors.IsNotFound(err) {
		return nil // it may not be asked
	}
	if err != nil {
		return fmt.Errorf("the API server is not ready: %w", err)
	}
	return nil
}

// served lists the kinds that the API server has and that can be watched, each in the version that it prefers.
func (w *watcher) served(ctx context.Context) (map[schema.GroupKind]schema.GroupVersionKind, error) {
	groups := map[string]bool{}
	for _, kind := range manifest.Kinds() {
		groups[kind.Group] = true
	}
	list, err := w.discovery.ServerGroups()
	if err != nil {
		return nil, fmt.Errorf("list the groups of the API server: %w", err)
	}
	found := map[schema.GroupKind]schema.GroupVersionKind{}
	for _, group := range list.Groups {
		if !groups[group.Name] {
			continue
		}
		versions := []string{group.PreferredVersion.GroupVersion}
		for _, version := range group.Versions {
			if version.GroupVersion != group.PreferredVersion.GroupVersion {
				versions = append(versions, version.GroupVersion)
			}
		}
		for _, version := range versions {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			resources, err := w.discovery.ServerResourcesForGroupVersion(version)
			if isStatus(err, http.StatusNotFound) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("list the kinds of %s: %w", version, err)
			}
			addKinds(found, resources)
		}
	}
	return found, nil
}

func addKinds(found map[schema.GroupKind]schema.GroupVersionKind, resources *meta.APIResourceList) {
	version, err := schema.ParseGroupVersion(resources.GroupVersion)
	if err != nil {
		return
	}
	for _, resource := range resources.APIResources {
		kind := schema.GroupKind{Group: version.Group, Kind: resource.Kind}
		if strings.Contains(resource.Name, "/") || !slices.Contains(resource.Verbs, "watch") {
			continue
		}
		if _, already := found[kind]; !already {
			found[kind] = version.WithKind(resource.Kind)
		}
	}
}

func isStatus(err error, code int32) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && status.Status().Code == code
}

package controller

import (
	"context"
	"fmt"
	"sync"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/silverback-gateway/silverback/kit/run"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// Observer knows the objects of a cluster as the controller does. It submits nothing, writes nothing, and holds no Lease.
type Observer struct {
	cache   cache.Cache
	watcher *watcher

	mu  sync.Mutex
	set *object.Set // of the last read
}

// NewObserver returns an observer. It asks the API server nothing yet. Of the settings it takes those of what is watched and how.
func NewObserver(c Config, d Deps) (*Observer, error) {
	kubernetes, options, _, err := c.reading(d)
	if err != nil {
		return nil, err
	}
	client, err := rest.HTTPClientFor(kubernetes)
	if err != nil {
		return nil, fmt.Errorf("how to reach the API server: %w", err)
	}
	mapper, err := apiutil.NewDynamicRESTMapper(kubernetes, client)
	if err != nil {
		return nil, fmt.Errorf("how to reach the API server: %w", err)
	}
	options.HTTPClient, options.Mapper = client, knowing(mapper)
	objects, err := cache.New(kubernetes, options)
	if err != nil {
		return nil, fmt.Errorf("set up the watch of the cluster: %w", err)
	}
	discover, err := discovery.NewDiscoveryClientForConfigAndClient(kubernetes, client)
	if err != nil {
		return nil, err
	}
	return &Observer{cache: objects, watcher: newWatcher(objects, discover, d.Log)}, nil
}

// Run watches until ctx ends.
func (o *Observer) Run(ctx context.Context) error { return run.All(ctx, o.cache.Start, o.watcher.Run) }

// Ready is nil when every kind that there is was read whole.
func (o *Observer) Ready() error { return o.watcher.Ready() }

// Objects are those of the cluster: the same set until one of them changes in what it means. Nobody may change it or them. It fails while
// not everything was read.
func (o *Observer) Objects() (*object.Set, error) {
	if err := o.watcher.Ready(); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case <-o.watcher.Changed():
		o.set = nil
	default:
	}
	if o.set == nil {
		o.set = o.watcher.Read().set
	}
	return o.set, nil
}

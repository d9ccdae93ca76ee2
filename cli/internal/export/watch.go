package export

import (
	"context"
	"fmt"
	"time"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/watchcache"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// settle is how long changes are collected before the file is written, so that the start of a fleet is one change.
const settle = 300 * time.Millisecond

type key struct{ group, node string }

// watch keeps a file up to date until ctx ends. A write that fails is repeated at the next change.
func watch(ctx context.Context, a *app.App, o options, text render) error {
	registry := a.Registry()
	quiet := false // used by the cache's goroutine only
	cache := watchcache.New(open(registry, o.group, func() { quiet = false }), func(err error) {
		if !quiet && ctx.Err() == nil {
			fmt.Fprintf(a.Err, "the registry does not answer; %s is unchanged: %s\n", o.out, show.Clean(err.Error()))
		}
		quiet = true
	})
	ended := make(chan struct{})
	following, stop := context.WithCancel(ctx)
	go func() { defer close(ended); _ = cache.Run(following) }() // it ends only with its context, and has reported errors
	defer func() { stop(); <-ended }()
	select {
	case <-ctx.Done():
		return nil
	case <-cache.Synced():
	}
	for {
		changes := cache.Changes() // taken before reading, otherwise a change in between is missed
		var nodes []*registryv1.Node
		cache.Each(func(_ key, n *registryv1.Node) { nodes = append(nodes, n) })
		if err := put(a, o, nodes, text); err != nil {
			fmt.Fprintf(a.Err, "error: %s\n", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changes:
		}
		if backoff.Sleep(ctx, settle) != nil {
			return nil
		}
	}
}

// open opens the watch of nodes. answered is called at every message.
func open(registry registryv1.RegistryServiceClient, group string, answered func()) watchcache.Source[key, *registryv1.Node] {
	type event = watchcache.Event[key, *registryv1.Node]
	type item = watchcache.Item[key, *registryv1.Node]
	type message = *registryv1.WatchNodesResponse
	return watchcache.FromStream(func(ctx context.Context, token string) (watchcache.Stream[message], error) {
		return registry.WatchNodes(ctx, &registryv1.WatchNodesRequest{Group: group, ResumeToken: token})
	}, func(m message) event {
		answered()
		switch e := m.GetEvent().(type) {
		case *registryv1.WatchNodesResponse_Listing_:
			return event{Listing: true}
		case *registryv1.WatchNodesResponse_Upserted:
			return event{Put: []item{{Key: key{e.Upserted.GetGroup(), e.Upserted.GetName()}, Value: e.Upserted}}}
		case *registryv1.WatchNodesResponse_Deleted_:
			return event{Deleted: []item{{Key: key{e.Deleted.GetGroup(), e.Deleted.GetNode()}}}}
		case *registryv1.WatchNodesResponse_Synced_:
			return event{Synced: true, Token: e.Synced.GetResumeToken()}
		}
		return event{}
	})
}

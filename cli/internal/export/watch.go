package export

import (
	"context"
	"fmt"
	"time"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/kit/follow"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// settle is how long changes are collected before the file is written: a fleet that starts is one change, not a thousand.
const settle = 300 * time.Millisecond

type key struct{ group, node string }

// watch keeps a file up to date until ctx ends. What cannot be written is tried again at the next change.
func watch(ctx context.Context, a *app.App, o options, text render) error {
	registry := a.Registry()
	quiet := false // belongs to the table's one goroutine
	table := follow.NewTable(open(registry, o.group, func() { quiet = false }), func(err error) {
		if !quiet && ctx.Err() == nil {
			fmt.Fprintf(a.Err, "the registry does not answer; %s stays as it is: %s\n", o.out, show.Clean(err.Error()))
		}
		quiet = true
	})
	ended := make(chan struct{})
	following, stop := context.WithCancel(ctx)
	go func() { defer close(ended); _ = table.Run(following) }() // it ends with its context only, and has said what went wrong
	defer func() { stop(); <-ended }()
	select {
	case <-ctx.Done():
		return nil
	case <-table.Synced():
	}
	for {
		changes := table.Changes() // taken before reading, or a change in between would be missed
		var nodes []*registryv1.Node
		table.Each(func(_ key, n *registryv1.Node) { nodes = append(nodes, n) })
		if err := put(a, o, nodes, text); err != nil {
			fmt.Fprintf(a.Err, "error: %s\n", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changes:
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(settle):
		}
	}
}

// open opens the watch of nodes; heard is called with its first response.
func open(registry registryv1.RegistryServiceClient, group string, heard func()) follow.Open[key, *registryv1.Node] {
	type event = follow.Event[key, *registryv1.Node]
	return func(ctx context.Context, resume string) (func() (event, error), error) {
		stream, err := registry.WatchNodes(ctx, &registryv1.WatchNodesRequest{Group: group, ResumeToken: resume})
		if err != nil {
			return nil, err
		}
		return func() (event, error) {
			m, err := stream.Recv()
			if err == nil {
				heard()
			}
			switch e := m.GetEvent().(type) {
			case *registryv1.WatchNodesResponse_Listing_:
				return event{Listing: true}, err
			case *registryv1.WatchNodesResponse_Upserted:
				return event{Put: &follow.Pair[key, *registryv1.Node]{Key: key{e.Upserted.GetGroup(), e.Upserted.GetName()}, Value: e.Upserted}}, err
			case *registryv1.WatchNodesResponse_Deleted_:
				return event{Deleted: &key{e.Deleted.GetGroup(), e.Deleted.GetNode()}}, err
			case *registryv1.WatchNodesResponse_Synced_:
				return event{Synced: &e.Synced.ResumeToken}, err
			}
			return event{}, err
		}, nil
	}
}

package rollout

import (
	"context"
	"time"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/kit/backoff"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

const (
	registryTimeout = 3 * time.Second
	registryPause   = 100 * time.Millisecond
	registryPage    = 1000
)

// awaitRegistry waits up to registryTimeout until agents have reported the digest to the registry, so that silverback status after apply
// --wait agrees with the distributor. The rollout is complete without it. An unreachable registry or a large group ends the wait, not the
// command.
func awaitRegistry(ctx context.Context, a *app.App, group, digest string) {
	ctx, cancel := context.WithTimeout(ctx, registryTimeout)
	defer cancel()
	for {
		page, err := a.Registry().ListNodes(ctx, &registryv1.ListNodesRequest{Group: group, PageSize: registryPage})
		if err != nil || page.GetNextPageToken() != "" || allServe(page.GetNodes(), digest) || backoff.Sleep(ctx, registryPause) != nil {
			return
		}
	}
}

func allServe(nodes []*registryv1.Node, digest string) bool {
	for _, n := range nodes {
		switch n.GetState() {
		case registryv1.Node_STATE_UNREACHABLE, registryv1.Node_STATE_GONE:
		default:
			if n.GetStatus().GetUnmanaged().GetReason() != "" {
				continue // an unmanaged gateway keeps its configuration
			}
			if n.GetStatus().GetDigest() != digest {
				return false
			}
		}
	}
	return true
}

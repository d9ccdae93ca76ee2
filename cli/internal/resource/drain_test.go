package resource

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// asked answers GetNode with one node after another, and goes on with the last. A nil node is the error.
type asked struct {
	registryv1.RegistryServiceClient
	nodes []*registryv1.Node
	err   error
	times int
}

func (a *asked) GetNode(ctx context.Context, _ *registryv1.GetNodeRequest, _ ...grpc.CallOption) (*registryv1.GetNodeResponse, error) {
	if err := ctx.Err(); err != nil {
		return nil, status.FromContextError(err).Err()
	}
	n := a.nodes[min(a.times, len(a.nodes)-1)]
	a.times++
	if n == nil {
		return nil, a.err
	}
	return &registryv1.GetNodeResponse{Node: n}, nil
}

func TestWaitingForAnAgent(t *testing.T) {
	node := func(state registryv1.Node_State, ordered, says bool) *registryv1.Node {
		n := &registryv1.Node{Group: "g", Name: "n", State: state, Status: &fleetv1.NodeStatus{Draining: says}}
		if ordered {
			n.Drain = &registryv1.Drain{}
		}
		return n
	}
	ordered := node(registryv1.Node_STATE_READY, true, false)
	drained := node(registryv1.Node_STATE_DRAINING, true, true)
	for _, c := range []struct {
		name  string
		first *registryv1.Node
		then  []*registryv1.Node
		err   error
		want  string // of the error; empty is none
	}{
		{"it obeyed already", drained, nil, nil, ""},
		{"it obeys in time", ordered, []*registryv1.Node{ordered, ordered, drained}, nil, ""},
		{"the registry is away for a moment", ordered, []*registryv1.Node{nil, nil, drained}, status.Error(codes.Unavailable, "away"), ""},
		{"it never confirms", ordered, []*registryv1.Node{ordered}, nil, "did not confirm it within 1m0s"},
		{"its agent is away", node(registryv1.Node_STATE_UNREACHABLE, true, false), nil, nil, "is unreachable: it will obey when it is back"},
		{"its agent went away", ordered, []*registryv1.Node{node(registryv1.Node_STATE_GONE, true, false)}, nil, "is gone"},
		{"somebody undrained it", ordered, []*registryv1.Node{node(registryv1.Node_STATE_READY, false, false)}, nil, "the opposite"},
		{"somebody deleted it", ordered, []*registryv1.Node{nil}, status.Error(codes.NotFound, "no such node"), "deleted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &order{wait: time.Minute}
				_, err := o.await(t.Context(), &asked{nodes: c.then, err: c.err}, c.first, true)
				if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
					t.Errorf("got %v, want %q", err, c.want)
				}
			})
		})
	}
	t.Run("an interrupt ends it", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := (&order{wait: time.Minute}).await(ctx, &asked{}, ordered, true); err == nil ||
			!strings.Contains(err.Error(), "interrupted") {
			t.Errorf("got %v", err)
		}
	})
}

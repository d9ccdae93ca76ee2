package command_test

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/grpc"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// zones is a registry with nodes of two groups and zones, and a distributor with a rollout.
type zones struct {
	registryv1.UnimplementedRegistryServiceServer
	distributorv1.UnimplementedRolloutServiceServer
}

func (zones) ListNodes(context.Context, *registryv1.ListNodesRequest) (*registryv1.ListNodesResponse, error) {
	node := func(group, name, zone string, state registryv1.Node_State) *registryv1.Node {
		return &registryv1.Node{Group: group, Name: name, State: state, Labels: map[string]string{"zone": zone}}
	}
	return &registryv1.ListNodesResponse{Nodes: []*registryv1.Node{
		node("edge", "gw-10", "a", registryv1.Node_STATE_READY), node("edge", "gw-2", "a", registryv1.Node_STATE_DEGRADED),
		node("edge", "gw-3", "b", registryv1.Node_STATE_READY), node("shop", "gw-2", "b", registryv1.Node_STATE_READY),
	}}, nil
}

func (zones) ListRollouts(context.Context, *distributorv1.ListRolloutsRequest) (*distributorv1.ListRolloutsResponse, error) {
	return &distributorv1.ListRolloutsResponse{Rollouts: []*distributorv1.Rollout{{Group: "edge", Id: "00000007"},
		{Group: "edge", Id: "00000006"}}}, nil
}

func TestGetChooses(t *testing.T) {
	t.Parallel()
	address := serve(t, func(s *grpc.Server) {
		registryv1.RegisterRegistryServiceServer(s, zones{})
		distributorv1.RegisterRolloutServiceServer(s, zones{})
	})
	for _, tt := range []struct {
		args, want string // the first two columns of the rows
	}{
		{"get nodes", "edge gw-2, edge gw-3, edge gw-10, shop gw-2"},
		{"get nodes -l zone=a", "edge gw-2, edge gw-10"},
		{"get nodes -l zone=a --state degraded", "edge gw-2"},
		{"get nodes gw-2", "edge gw-2, shop gw-2"},
		{"get nodes --state unreachable", ""},
		{"get rollouts 6 -g edge", "edge 00000006"},
		{"get rollouts 00000006 -g edge", "edge 00000006"},
	} {
		code, out, errs := run("127.0.0.1:1", append(strings.Fields(tt.args), "--registry", address, "--distributor", address)...)
		var rows []string
		for _, line := range strings.Split(strings.TrimSpace(out), "\n")[1:] {
			rows = append(rows, strings.Join(strings.Fields(line)[:2], " "))
		}
		if got := strings.Join(rows, ", "); code != app.ExitDone || errs != "" || got != tt.want {
			t.Errorf("%s ended with %d, %q and\n%q, want\n%q", tt.args, code, errs, got, tt.want)
		}
	}
	for args, want := range map[string]string{
		"get nodes --state broken":  "error: --state \"broken\": choose among ",
		"get nodes -l =a":           "error: -l \"=a\": want a label such as ",
		"get revisions -g g -l a=b": "error: -l and --state choose nodes, not revisions",
	} {
		if code, _, errs := run("127.0.0.1:1", strings.Fields(args)...); code != app.ExitError || !strings.HasPrefix(errs, want) {
			t.Errorf("%s ended with %d and %q", args, code, errs)
		}
	}
}

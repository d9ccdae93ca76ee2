package command_test

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/command"
	"github.com/silverback-gateway/silverback/kit/fault"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// noon is when these tests happen.
var noon = time.Unix(1_700_000_000, 0)

// pool is a group whose gateways keep out what they are told, but for those that do not hear.
type pool struct {
	registryv1.UnimplementedRegistryServiceServer
	distributorv1.UnimplementedTargetServiceServer

	mu      sync.Mutex
	nodes   map[string]bool // whether they hear
	asked   []*distributorv1.UpdateDrainedTargetsRequest
	answer  *distributorv1.UpdateDrainedTargetsResponse
	refusal error
}

func (p *pool) UpdateDrainedTargets(_ context.Context, r *distributorv1.UpdateDrainedTargetsRequest) (
	*distributorv1.UpdateDrainedTargetsResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, r)
	if p.refusal != nil {
		return nil, fault.ToStatus(p.refusal).Err()
	}
	return p.answer, nil
}

func (p *pool) ListDrainedTargets(_ context.Context, r *distributorv1.ListDrainedTargetsRequest) (*distributorv1.ListDrainedTargetsResponse,
	error) {
	all := []*distributorv1.DrainedTarget{
		{Upstream: "pool", Target: "10.0.0.1:80", Owner: "operator", Author: "ann", Reason: "INC-42", CreateTime: timestamppb.New(noon),
			State: distributorv1.DrainedTarget_STATE_IN_USE},
		{Upstream: "pool", Target: "10.0.0.2:80", Owner: "k8s", Author: "controller", Reason: "not ready", CreateTime: timestamppb.New(noon),
			State: distributorv1.DrainedTarget_STATE_STALE},
	}
	answer := &distributorv1.ListDrainedTargetsResponse{Version: 9, TargetCount: 2, Targets: all[:1], NextPageToken: "next"}
	if r.GetPageToken() != "" {
		answer.Targets, answer.NextPageToken = all[1:], ""
	}
	return answer, nil
}

func (p *pool) ListNodes(context.Context, *registryv1.ListNodesRequest) (*registryv1.ListNodesResponse, error) {
	answer := &registryv1.ListNodesResponse{}
	for name, hears := range p.nodes {
		n := &registryv1.Node{Group: "edge", Name: name, State: registryv1.Node_STATE_READY, Status: &fleetv1.NodeStatus{}}
		if hears {
			n.Status.DrainedTargets = &fleetv1.DrainedTargets{Version: 9, WantedCount: 2, OutCount: 1, AbsentCount: 1}
		}
		answer.Nodes = append(answer.Nodes, n)
	}
	return answer, nil
}

func (p *pool) run(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	address := serve(t, func(s *grpc.Server) {
		registryv1.RegisterRegistryServiceServer(s, p)
		distributorv1.RegisterTargetServiceServer(s, p)
	})
	var stdout, stderr bytes.Buffer
	a := &app.App{Out: &stdout, Err: &stderr, Now: func() time.Time { return noon },
		LookupEnv: func(string) (string, bool) { return "", false }}
	code = command.Run(t.Context(), a, "test", append(append([]string{"target"}, args...), "-g", "edge", "--registry", address,
		"--distributor", address))
	return code, stdout.String(), stderr.String()
}

func TestTargetVerbs(t *testing.T) {
	t.Parallel()
	both := map[string]bool{"gw-1": true, "gw-2": true}
	for name, tt := range map[string]struct {
		args      []string
		nodes     map[string]bool
		answer    *distributorv1.UpdateDrainedTargetsResponse
		refusal   error
		code      int
		out, errs string
	}{
		"drained": {
			args: []string{"drain", "pool", "10.0.0.1:80", "10.0.0.2:80", "--reason", "INC-42"}, nodes: both,
			answer: &distributorv1.UpdateDrainedTargetsResponse{Version: 9, AddedCount: 2, Warnings: []string{"checks bring it back"}},
			out:    "2 targets are drained; 2 of 2 online gateways obey\n", errs: "warning: checks bring it back\n",
		},
		"one does not hear": {
			args: []string{"drain", "pool", "10.0.0.1:80", "--wait-timeout", "50ms"}, nodes: map[string]bool{"gw-1": true, "gw-2": false},
			answer: &distributorv1.UpdateDrainedTargetsResponse{Version: 9, AddedCount: 1}, code: app.ExitDifference,
			out:  "1 target is drained; 1 of 2 online gateways obey\n",
			errs: "error: the change is stored, and not confirmed within 50ms: not received yet, or the agent is too old: gw-2\n",
		},
		"nobody is waited for": {
			args: []string{"drain", "pool", "10.0.0.1:80", "--no-wait"}, nodes: map[string]bool{"gw-1": false},
			answer: &distributorv1.UpdateDrainedTargetsResponse{Version: 9, AddedCount: 1}, out: "1 target is drained; the change is stored\n",
		},
		"nobody is there": {
			args:   []string{"drain", "pool", "10.0.0.1:80"},
			answer: &distributorv1.UpdateDrainedTargetsResponse{Version: 9},
			out:    "nothing changes; no gateway is online; they obey when they come\n",
		},
		"another owner wants it": {
			args: []string{"undrain", "pool", "10.0.0.1:80"}, nodes: both,
			answer: &distributorv1.UpdateDrainedTargetsResponse{Version: 9, RemovedCount: 1, StillDrained: []*distributorv1.DrainedTarget{
				{Upstream: "pool", Target: "10.0.0.1:80", Owner: "k8s", Reason: "not ready", CreateTime: timestamppb.New(noon)}}},
			out: "1 target is undrained; 2 of 2 online gateways obey\n" +
				"target 10.0.0.1:80 of upstream pool stays out: drained by k8s, for 0s: not ready\n",
		},
		"refused": {
			args: []string{"drain", "pool", "10.0.0.1:80"}, code: app.ExitError,
			refusal: fault.New(fault.WrongState, "NO_HEALTH_CHECKS", "give the upstream health checks"),
			errs:    "error: give the upstream health checks\n",
		},
		"too few words": {
			args: []string{"drain", "pool"}, code: app.ExitError,
			errs: "error: want the name of an upstream, and at least one of its targets as host:port\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &pool{nodes: tt.nodes, answer: tt.answer, refusal: tt.refusal}
			code, out, errs := p.run(t, tt.args...)
			if code != tt.code || out != tt.out || errs != tt.errs {
				t.Errorf("it ended with %d and said\n%s%s\nwant %d and\n%s%s", code, out, errs, tt.code, tt.out, tt.errs)
			}
			if len(p.asked) > 0 && (p.asked[0].GetOwner() != "operator" || p.asked[0].GetReason() == "" || p.asked[0].GetRequestId() == "" ||
				p.asked[0].GetGroup() != "edge" || len(p.asked[0].GetAdd())+len(p.asked[0].GetRemove()) != strings.Count(strings.Join(tt.args, " "),
				":80")) {
				t.Errorf("it asked for %v", p.asked)
			}
		})
	}
}

func TestTargetList(t *testing.T) {
	t.Parallel()
	p := &pool{nodes: map[string]bool{"gw-1": true, "gw-2": false}}
	code, out, errs := p.run(t, "list")
	want := `UPSTREAM   TARGET        OWNER      BY           AGE   STATE    REASON
pool       10.0.0.1:80   operator   ann          0s    in-use   INC-42
pool       10.0.0.2:80   k8s        controller   0s    stale    not ready
1 of 2 online gateways obey
not received yet, or the agent is too old: gw-2
`
	if code != app.ExitDone || out != want || errs != "" {
		t.Errorf("it ended with %d and said\n%s%s", code, out, errs)
	}
	if code, out, _ := p.run(t, "list", "-o", "json"); code != app.ExitDone || strings.Count(out, `"upstream"`) != 2 {
		t.Errorf("it ended with %d and said\n%s", code, out)
	}
}

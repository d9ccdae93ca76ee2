package command_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/command"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/testkit/screentest"
)

func TestMain(m *testing.M) {
	time.Local = time.UTC // screens show times
	os.Exit(m.Run())
}

var update = flag.Bool("update", false, "write the golden screens anew")

var screenTime = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// screenFleet is the three services of a fleet of that many gateways, of which the third is unwell.
type screenFleet struct {
	registryv1.UnimplementedRegistryServiceServer
	translatorv1.UnimplementedTranslatorServiceServer
	distributorv1.UnimplementedRolloutServiceServer
	gateways int64
}

func screenAge(d time.Duration) *timestamppb.Timestamp { return timestamppb.New(screenTime.Add(-d)) }

const screenDigest = "sha256:76cd36626d1a76cd36626d1a76cd36626d1a76cd36626d1a76cd36626d1a76cd"

func (screenFleet) ListGroups(context.Context, *registryv1.ListGroupsRequest) (*registryv1.ListGroupsResponse, error) {
	return &registryv1.ListGroupsResponse{Groups: []*registryv1.Group{{Name: "default", CreateTime: screenAge(time.Hour),
		Description: "the gateways of the shop, in both zones, behind the same balancer"}}}, nil
}

func (f screenFleet) ListNodes(context.Context, *registryv1.ListNodesRequest) (*registryv1.ListNodesResponse, error) {
	answer := &registryv1.ListNodesResponse{}
	for i := range f.gateways {
		n := &registryv1.Node{
			Group: "default", Name: fmt.Sprintf("gw-%d", i+1), State: registryv1.Node_STATE_READY, StateTime: screenAge(8 * time.Second),
			Status:       &fleetv1.NodeStatus{Revision: 7, Digest: screenDigest, Proof: fleetv1.Proof_PROOF_WORKER},
			Capabilities: &fleetv1.Capabilities{KongVersion: "3.9.3", Workers: 2},
		}
		if i == 2 {
			n.State, n.Name = registryv1.Node_STATE_DEGRADED, "gw-3.zone-b.eu-west-1.shop.example"
			n.Status.Revision, n.Status.Digest = 6, "sha256:00"
			n.Status.Conditions = []*fleetv1.Condition{
				{Type: "GatewayNotReady", Message: "the gateway does not answer GET /status/ready: connection refused (127.0.0.1:7803)"},
				{Type: "DiskFull"},
			}
		}
		answer.Nodes = append(answer.Nodes, n)
	}
	return answer, nil
}

func (f screenFleet) revision() *translatorv1.Revision {
	return &translatorv1.Revision{Group: "default", Number: 7, Digest: screenDigest, Source: "default",
		Author: "spiffe://silverback/user/sam", CreateTime: screenAge(time.Minute)}
}

func (f screenFleet) GetRevision(context.Context, *translatorv1.GetRevisionRequest) (*translatorv1.GetRevisionResponse, error) {
	return &translatorv1.GetRevisionResponse{Revision: f.revision()}, nil
}

func (f screenFleet) SubmitConfig(context.Context, *translatorv1.SubmitConfigRequest) (*translatorv1.SubmitConfigResponse, error) {
	return &translatorv1.SubmitConfigResponse{Revision: f.revision(), Changes: &translatorv1.ChangeSummary{Changed: 1}}, nil
}

func (screenFleet) DiffConfig(context.Context, *translatorv1.DiffConfigRequest) (*translatorv1.DiffConfigResponse, error) {
	return &translatorv1.DiffConfigResponse{}, nil
}

func (f screenFleet) rollout(wave int32, serving, loading int64, state distributorv1.Rollout_State) *distributorv1.Rollout {
	in := f.gateways
	if wave == 1 {
		in = 1
	}
	return &distributorv1.Rollout{
		Group: "default", Id: "00000007", StableRevision: 6, StableDigest: screenDigest, CandidateRevision: 7, CandidateDigest: screenDigest,
		State: state, Wave: wave, WaveCount: 2,
		Policy:     &fleetv1.RolloutPolicy{Waves: []*fleetv1.RolloutPolicy_Wave{{Soak: durationpb.New(30 * time.Second)}, {}}},
		CreateTime: screenAge(time.Minute), Progress: &distributorv1.Progress{Online: f.gateways, InWave: in, Serving: serving, Loading: loading},
	}
}

func (f screenFleet) halted() *distributorv1.Rollout {
	r := f.rollout(2, f.gateways-1, 0, distributorv1.Rollout_STATE_HALTED)
	r.Reason = "node gw-3.zone-b.eu-west-1.shop.example could not load the candidate: the gateway does not answer"
	return r
}

func (f screenFleet) ListRollouts(context.Context, *distributorv1.ListRolloutsRequest) (*distributorv1.ListRolloutsResponse, error) {
	return &distributorv1.ListRolloutsResponse{Rollouts: []*distributorv1.Rollout{f.halted(),
		f.rollout(2, f.gateways, 0, distributorv1.Rollout_STATE_COMPLETED)}}, nil
}

func (f screenFleet) GetRollout(context.Context, *distributorv1.GetRolloutRequest) (*distributorv1.GetRolloutResponse, error) {
	return &distributorv1.GetRolloutResponse{Rollout: f.halted()}, nil
}

func (f screenFleet) GetLedger(context.Context, *distributorv1.GetLedgerRequest) (*distributorv1.GetLedgerResponse, error) {
	return &distributorv1.GetLedgerResponse{}, nil
}

func (f screenFleet) WatchRollouts(_ *distributorv1.WatchRolloutsRequest,
	stream grpc.ServerStreamingServer[distributorv1.WatchRolloutsResponse]) error {
	send := func(r *distributorv1.Rollout) error {
		return stream.Send(&distributorv1.WatchRolloutsResponse{Event: &distributorv1.WatchRolloutsResponse_Rollout{Rollout: r}})
	}
	all := []*distributorv1.Rollout{
		f.rollout(1, 0, 1, distributorv1.Rollout_STATE_PROGRESSING), f.rollout(1, 1, 0, distributorv1.Rollout_STATE_SOAKING),
	}
	for serving := range f.gateways {
		all = append(all, f.rollout(2, serving, f.gateways-serving, distributorv1.Rollout_STATE_PROGRESSING))
	}
	for _, r := range append(all, f.rollout(2, f.gateways, 0, distributorv1.Rollout_STATE_COMPLETED)) {
		if err := send(r); err != nil {
			return err
		}
	}
	<-stream.Context().Done()
	return stream.Context().Err()
}

// What a person sees is drawn by an emulator: a line that wrapped or was left behind would show.
func TestScreens(t *testing.T) {
	t.Parallel()
	config := file(t, "_format_version: '3.0'\n")
	for _, gateways := range []int64{3, 40} {
		fleet := screenFleet{gateways: gateways}
		address := serve(t, func(s *grpc.Server) {
			registryv1.RegisterRegistryServiceServer(s, fleet)
			translatorv1.RegisterTranslatorServiceServer(s, fleet)
			distributorv1.RegisterRolloutServiceServer(s, fleet)
		})
		for _, width := range []int{60, 80, 120} {
			for name, args := range map[string][]string{
				"apply":          {"apply", "-g", "default", "--wait", config},
				"status":         {"status"},
				"get-nodes":      {"get", "nodes"},
				"get-rollouts":   {"get", "rollouts"},
				"rollout-status": {"rollout", "status", "-g", "default"},
				"rollout-watch":  {"rollout", "status", "-g", "default", "--watch"},
			} {
				t.Run(fmt.Sprintf("%s-%d-%d", name, gateways, width), func(t *testing.T) {
					t.Parallel()
					terminal := screentest.New(width, 24)
					a := &app.App{
						In: strings.NewReader(""), Out: terminal, Err: terminal, LookupEnv: func(string) (string, bool) { return "", false },
						Now: func() time.Time { return screenTime }, Terminal: true, Size: terminal.Size,
					}
					command.Run(context.Background(), a, "test", append(args, "--registry", address, "--translator", address, "--distributor", address))
					golden(t, fmt.Sprintf("%s-%d-%d.txt", name, gateways, width), terminal.Screen())
					terminal.Fits(t)
				})
			}
		}
	}
}

// movingFleet serves one node more at each look, and ends the watch at the last one.
type movingFleet struct {
	screenFleet
	looks *atomic.Int64
	end   context.CancelFunc
}

func (f movingFleet) ListNodes(ctx context.Context, q *registryv1.ListNodesRequest) (*registryv1.ListNodesResponse, error) {
	answer, err := f.screenFleet.ListNodes(ctx, q)
	look := f.looks.Add(1)
	if look > f.gateways {
		f.end()
	}
	for i, n := range answer.GetNodes() {
		n.State = registryv1.Node_STATE_READY
		n.Status.Conditions = nil
		if n.Status.Revision, n.Status.Digest = 7, screenDigest; int64(i) >= look {
			n.State, n.Status.Digest = registryv1.Node_STATE_DEGRADED, ""
		}
	}
	return answer, err
}

// Three looks at a fleet leave one screen on a terminal, and three blocks elsewhere.
func TestStatusIsWatched(t *testing.T) {
	t.Parallel()
	watched := func(t *testing.T, a *app.App, args ...string) {
		t.Helper()
		ctx, end := context.WithCancel(t.Context())
		fleet := movingFleet{screenFleet: screenFleet{gateways: 3}, looks: &atomic.Int64{}, end: end}
		address := serve(t, func(s *grpc.Server) {
			registryv1.RegisterRegistryServiceServer(s, fleet)
			translatorv1.RegisterTranslatorServiceServer(s, fleet)
			distributorv1.RegisterRolloutServiceServer(s, fleet)
		})
		a.In, a.LookupEnv, a.Now = strings.NewReader(""), func(string) (string, bool) { return "", false }, func() time.Time { return screenTime }
		args = append(args, "--registry", address, "--translator", address, "--distributor", address)
		if code := command.Run(ctx, a, "test", args); code != app.ExitDone {
			t.Errorf("%v ended with %d", args, code)
		}
	}
	t.Run("terminal", func(t *testing.T) {
		t.Parallel()
		terminal := screentest.New(60, 24)
		watched(t, &app.App{Out: terminal, Err: terminal, Terminal: true, Size: terminal.Size}, "status", "--watch")
		golden(t, "status-watch-3-60.txt", terminal.Screen())
		terminal.Fits(t)
	})
	t.Run("elsewhere", func(t *testing.T) {
		t.Parallel()
		var out strings.Builder
		watched(t, &app.App{Out: &out, Err: io.Discard}, "status", "-w")
		for _, serving := range []string{"1", "2", "3"} {
			if n := strings.Count(out.String(), ", "+serving+" serving the newest revision"); n != 1 {
				t.Errorf("%s serving is told %d times in\n%s", serving, n, out.String())
			}
		}
	})
	t.Run("json", func(t *testing.T) {
		t.Parallel()
		var out strings.Builder
		watched(t, &app.App{Out: &out, Err: io.Discard}, "status", "-w", "-o", "json")
		if lines := strings.Split(strings.TrimSpace(out.String()), "\n"); len(lines) != 3 || !json.Valid([]byte(lines[2])) {
			t.Errorf("want three lines of JSON:\n%s", out.String())
		}
	})
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "screens", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: a person sees\n%s\nwant\n%s", name, got, want)
	}
}

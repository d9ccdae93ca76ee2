package command_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/command"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// restored is a control plane whose ledger went back to revision 5, with a gateway that serves revision 6.
type restored struct {
	registryv1.UnimplementedRegistryServiceServer
	translatorv1.UnimplementedTranslatorServiceServer
	distributorv1.UnimplementedRolloutServiceServer
	ledger    *distributorv1.Ledger
	recovered []*distributorv1.RecoverLedgerRequest
}

func (r *restored) ListGroups(context.Context, *registryv1.ListGroupsRequest) (*registryv1.ListGroupsResponse, error) {
	return &registryv1.ListGroupsResponse{Groups: []*registryv1.Group{{Name: "edge"}}}, nil
}

func (r *restored) ListNodes(context.Context, *registryv1.ListNodesRequest) (*registryv1.ListNodesResponse, error) {
	return &registryv1.ListNodesResponse{Nodes: []*registryv1.Node{{
		Group: "edge", Name: "gw-1", State: registryv1.Node_STATE_DEGRADED, Status: &fleetv1.NodeStatus{
			Revision: 6, Digest: "sha256:six", Decision: 57,
			Conditions: []*fleetv1.Condition{{Type: "DecisionStale", Message: "the control plane offers decision 31 of epoch 0, and this node " +
				"follows decision 57 of epoch 0"}},
		},
	}}}, nil
}

func (r *restored) GetRevision(context.Context, *translatorv1.GetRevisionRequest) (*translatorv1.GetRevisionResponse, error) {
	return &translatorv1.GetRevisionResponse{Revision: &translatorv1.Revision{Group: "edge", Number: 5, Digest: "sha256:five"}}, nil
}

func (r *restored) GetRollout(context.Context, *distributorv1.GetRolloutRequest) (*distributorv1.GetRolloutResponse, error) {
	return &distributorv1.GetRolloutResponse{Rollout: &distributorv1.Rollout{Group: "edge", CandidateRevision: 5,
		State: distributorv1.Rollout_STATE_COMPLETED}}, nil
}

func (r *restored) GetLedger(context.Context, *distributorv1.GetLedgerRequest) (*distributorv1.GetLedgerResponse, error) {
	return &distributorv1.GetLedgerResponse{Ledger: r.ledger}, nil
}

func (r *restored) RecoverLedger(_ context.Context, request *distributorv1.RecoverLedgerRequest) (*distributorv1.RecoverLedgerResponse,
	error) {
	r.recovered = append(r.recovered, request)
	return &distributorv1.RecoverLedgerResponse{Ledger: &distributorv1.Ledger{Epoch: r.ledger.GetNextEpoch()}}, nil
}

func behind() *distributorv1.Ledger {
	return &distributorv1.Ledger{NextEpoch: 1, AheadCount: 1, Ahead: []*distributorv1.Ledger_AheadNode{
		{Group: "edge", Node: "gw-1", Online: true, FollowedDecision: 57, Decision: 31},
	}}
}

// plane serves it, and runs a command against it, whose questions find an answer or nobody.
func (r *restored) run(t *testing.T, answer string, args ...string) (code int, out, errs string) {
	t.Helper()
	address := serve(t, func(s *grpc.Server) {
		registryv1.RegisterRegistryServiceServer(s, r)
		translatorv1.RegisterTranslatorServiceServer(s, r)
		distributorv1.RegisterRolloutServiceServer(s, r)
	})
	var stdout, stderr bytes.Buffer
	a := &app.App{
		In: strings.NewReader(answer), Out: &stdout, Err: &stderr, Asks: answer != "", Now: time.Now,
		LookupEnv: func(string) (string, bool) { return "", false },
	}
	code = command.Run(t.Context(), a, "test", append(args, "--registry", address, "--translator", address, "--distributor", address))
	return code, stdout.String(), stderr.String()
}

func TestRecoverSaysWhatItWillDoAndAsks(t *testing.T) {
	t.Parallel()
	plan := `The ledger is in epoch 0. 1 node is ahead of it: it was restored or lost, and its ` +
		`decisions are refused as older than those that are followed.
GROUP   NODE   ONLINE   FOLLOWS                  LEDGER HAS
edge    gw-1   true     decision 57 of epoch 0   decision 31 of epoch 0
Group edge: revision 6 (sha256:six), which 1 gateway serves, is not in the ledger.
Group edge: 1 gateway serves something else than revision 5, the newest that the ledger has, and will go ` +
		`to it. Apply newer files before, if there are any.
A recovery raises the epoch to 1: every node follows the ledger from then on, to the revisions that it has.
`
	for _, tt := range []struct {
		name, answer string
		more         []string
		code         int
		does         bool
		errs         string
	}{
		{name: "yes", answer: "y\n", does: true, errs: plan + "Recover the ledger? [y/N] "},
		{name: "no", answer: "n\n", code: app.ExitError, errs: plan + "Recover the ledger? [y/N] error: nothing was done\n"},
		{name: "no word", answer: "\n", code: app.ExitError, errs: plan + "Recover the ledger? [y/N] error: nothing was done\n"},
		{name: "nobody there", code: app.ExitError, errs: plan +
			"error: there is no terminal to ask for confirmation; --yes continues without it\n"},
		{name: "nobody asked", more: []string{"--yes"}, does: true, errs: plan},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &restored{ledger: behind()}
			code, out, errs := r.run(t, tt.answer, append([]string{"recover", "--reason", "disk"}, tt.more...)...)
			if code != tt.code || errs != tt.errs {
				t.Errorf("it ended with %d and said\n%s\nwant %d and\n%s", code, errs, tt.code, tt.errs)
			}
			if done := "the ledger is in epoch 1: nodes follow it from now on; silverback status shows them\n"; tt.does != (out == done) ||
				tt.does != (len(r.recovered) == 1) {
				t.Errorf("it said %q, and recovered %v", out, r.recovered)
			}
			if tt.does && (r.recovered[0].GetReason() != "disk" || r.recovered[0].GetRequestId() == "" || r.recovered[0].GetForce()) {
				t.Errorf("it asked for %v", r.recovered[0])
			}
		})
	}
}

func TestRecoverWithoutNeed(t *testing.T) {
	t.Parallel()
	r := &restored{ledger: &distributorv1.Ledger{Epoch: 3, NextEpoch: 4}}
	code, _, errs := r.run(t, "", "recover", "--reason", "x", "--yes")
	if code != app.ExitError || !strings.Contains(errs, "no node is ahead of the ledger, which is in epoch 3") || len(r.recovered) != 0 {
		t.Errorf("it ended with %d and said %q, recovered %v", code, errs, r.recovered)
	}
	code, out, _ := r.run(t, "", "recover", "--reason", "x", "--yes", "--force", "-o", "json")
	if code != app.ExitDone || len(r.recovered) != 1 || !r.recovered[0].GetForce() || !strings.Contains(out, `"epoch": 4`) {
		t.Errorf("it ended with %d and said %q, recovered %v", code, out, r.recovered)
	}
}

// A ledger that went back is named by whatever an operator looks at, though the rollout of before is complete.
func TestALedgerThatWentBackIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	r := &restored{ledger: behind()}
	for _, args := range [][]string{{"status"}, {"rollout", "status", "-g", "edge"}} {
		code, out, errs := r.run(t, "", args...)
		if said := out + errs; code != app.ExitDifference || !strings.Contains(said, "silverback recover") ||
			!strings.Contains(said, "restored or lost") {
			t.Errorf("%v ended with %d and said %q", args, code, said)
		}
	}
	const lost = "lost      revision 6 (sha256:six), which 1 gateway serves, is not in the ledger"
	if _, out, _ := r.run(t, "", "status"); !strings.Contains(out, lost) {
		t.Errorf("status does not name what is lost: %s", out)
	}
	for _, args := range [][]string{{"status"}, {"get", "nodes"}} {
		if _, out, _ := r.run(t, "", args...); !strings.Contains(out, "DecisionStale") {
			t.Errorf("%v said %q", args, out)
		}
	}
	if code, out, _ := r.run(t, "", "status", "-o", "json"); code != app.ExitDifference || !strings.Contains(out, `"ahead_count":`) {
		t.Errorf("status -o json ended with %d and said %q", code, out)
	}
}

package client_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/silverback-gateway/silverback/client"
	"github.com/silverback-gateway/silverback/kit/fault"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// fleet is a translator and a distributor in this process. It accepts documents without "bad", and its gateways serve them at once.
type fleet struct {
	translatorv1.UnimplementedTranslatorServiceServer
	distributorv1.UnimplementedRolloutServiceServer

	noLedger bool
	ids      []string // request ids of submissions
}

// doNotRetry is the metadata of a service that waited for etcd.
var doNotRetry = metadata.Pairs("grpc-retry-pushback-ms", "-1")

func (f *fleet) SubmitConfig(_ context.Context, r *client.SubmitRequest) (*client.SubmitResponse, error) {
	f.ids = append(f.ids, r.GetRequestId())
	d := r.GetDocuments()[0]
	if strings.Contains(string(d.GetContent()), "bad") {
		refusal := fault.New(fault.Invalid, "INVALID_CONFIG", "1 problem")
		refusal.Problems = []*client.Problem{{
			Document: d.GetName(), Line: 14, Kind: "route", Name: "orders", Field: "paths[0]", Message: "invalid regex",
		}}
		return nil, fault.ToStatus(refusal.With("problem_count", "3")).Err()
	}
	return &client.SubmitResponse{Revision: &client.Revision{Group: r.GetGroup(), Number: 7, Source: "default"}}, nil
}

func rolloutIn(state distributorv1.Rollout_State, serving int64) *client.Rollout {
	return &client.Rollout{
		Group: "edge", CandidateRevision: 7, State: state, Progress: &distributorv1.Progress{Online: 3, Serving: serving},
	}
}

func (f *fleet) WatchRollouts(_ *distributorv1.WatchRolloutsRequest, s distributorv1.RolloutService_WatchRolloutsServer) error {
	if f.noLedger {
		s.SetTrailer(doNotRetry)
		return fault.ToStatus(fault.NoLedger(nil)).Err()
	}
	for _, r := range []*client.Rollout{
		rolloutIn(distributorv1.Rollout_STATE_PROGRESSING, 1), rolloutIn(distributorv1.Rollout_STATE_COMPLETED, 3),
	} {
		if err := s.Send(&distributorv1.WatchRolloutsResponse{Event: &distributorv1.WatchRolloutsResponse_Rollout{Rollout: r}}); err != nil {
			return err
		}
	}
	<-s.Context().Done()
	return s.Context().Err()
}

func (f *fleet) GetRollout(ctx context.Context, _ *distributorv1.GetRolloutRequest) (*distributorv1.GetRolloutResponse, error) {
	if f.noLedger {
		_ = grpc.SetTrailer(ctx, doNotRetry)
		return nil, fault.ToStatus(fault.NoLedger(nil)).Err()
	}
	return &distributorv1.GetRolloutResponse{Rollout: rolloutIn(distributorv1.Rollout_STATE_COMPLETED, 3)}, nil
}

// serve serves a fleet on a free port until stop.
func serve(f *fleet) (address string, stop func()) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	server := grpc.NewServer()
	translatorv1.RegisterTranslatorServiceServer(server, f)
	distributorv1.RegisterRolloutServiceServer(server, f)
	go func() { _ = server.Serve(l) }()
	return l.Addr().String(), server.Stop
}

func dial(t *testing.T, translator string, distributors ...string) *client.Client {
	t.Helper()
	c, err := client.Dial(client.Config{Translator: []string{translator}, Distributor: distributors})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestSubmitAddsARequestID(t *testing.T) {
	f := &fleet{}
	address, stop := serve(f)
	defer stop()
	c := dial(t, address)
	for _, id := range []string{"", "mine"} {
		request := &client.SubmitRequest{Group: "edge", RequestId: id, Documents: []*client.Document{{Name: "a.yaml"}}}
		if _, err := c.Submit(t.Context(), request); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.ids) != 2 || f.ids[0] == "" || f.ids[1] != "mine" {
		t.Errorf("the request ids are %q", f.ids)
	}
}

// A replica without etcd refuses calls and watches. The client uses another one for both.
func TestAReplicaWithoutEtcdIsLeft(t *testing.T) {
	healthy, stop := serve(&fleet{})
	defer stop()
	broken, stopBroken := serve(&fleet{noLedger: true})
	defer stopBroken()
	for range 4 { // gRPC picks the first replica at random
		c := dial(t, healthy, broken, healthy)
		if _, err := c.Rollouts().GetRollout(t.Context(), &distributorv1.GetRolloutRequest{Group: "edge"}); err != nil {
			t.Error(err)
		}
		if _, err := c.Wait(t.Context(), &client.Revision{Group: "edge", Number: 7}, client.WaitOptions{}); err != nil {
			t.Error(err)
		}
	}
}

func TestErrorsAreTyped(t *testing.T) {
	address, stop := serve(&fleet{})
	defer stop()
	c := dial(t, address, "127.0.0.1:1")
	documents := []*client.Document{{Name: "a.yaml", Content: []byte("bad")}}
	_, err := c.Submit(t.Context(), &client.SubmitRequest{Group: "edge", Documents: documents})
	var refused *client.Error
	if !errors.As(err, &refused) || refused.Service != client.Translator || refused.Reason != "INVALID_CONFIG" || refused.ProblemCount != 3 ||
		len(refused.Problems) != 1 || refused.Problems[0].GetField() != "paths[0]" {
		t.Errorf("a refusal is %#v", err)
	}
	_, err = c.Rollouts().GetRollout(t.Context(), &distributorv1.GetRolloutRequest{Group: "edge"})
	if !errors.As(err, &refused) || refused.Service != client.Distributor || refused.Reason != "" || refused.Code.String() != "Unavailable" {
		t.Errorf("a replica that is away is %#v", err)
	}
	if _, err = c.Registry().GetGroup(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "no address of the registry is given") {
		t.Errorf("a service without addresses: %v", err)
	}
}

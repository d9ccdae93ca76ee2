package rollout

import (
	"bytes"
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/kit/fault"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// replica is a distributor of a test: what its watches and its calls are answered with. A watch that is answered with nothing stays open.
type replica struct {
	distributorv1.UnimplementedRolloutServiceServer
	watched func()
	rollout *distributorv1.Rollout
	current *distributorv1.Rollout // of GetRollout
	fail    error
}

func (r *replica) WatchRollouts(_ *distributorv1.WatchRolloutsRequest, s distributorv1.RolloutService_WatchRolloutsServer) error {
	if r.watched != nil {
		r.watched()
	}
	if r.fail != nil {
		return r.fail
	}
	if err := s.Send(&distributorv1.WatchRolloutsResponse{Event: &distributorv1.WatchRolloutsResponse_Rollout{
		Rollout: r.rollout}}); err != nil {
		return err
	}
	<-s.Context().Done()
	return s.Context().Err()
}

func (r *replica) GetRollout(context.Context, *distributorv1.GetRolloutRequest) (*distributorv1.GetRolloutResponse, error) {
	if r.fail != nil {
		return nil, r.fail
	}
	return &distributorv1.GetRolloutResponse{Rollout: r.current}, nil
}

// waitAmong waits with two replicas. The second one answers once the first was watched, so that the wait begins at the first.
func waitAmong(t *testing.T, timeout time.Duration, first, second *replica) error {
	t.Helper()
	var addresses []string
	var serve []func()
	for _, r := range []*replica{first, second} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server := grpc.NewServer()
		distributorv1.RegisterRolloutServiceServer(server, r)
		addresses = append(addresses, l.Addr().String())
		serve = append(serve, sync.OnceFunc(func() { go func() { _ = server.Serve(l) }() }))
		t.Cleanup(func() { server.Stop(); _ = l.Close() })
	}
	first.watched = serve[1]
	serve[0]()
	var out bytes.Buffer
	a := &app.App{Err: &out, Out: &out, Now: time.Now}
	a.Flags.Distributor = addresses
	t.Cleanup(a.Close)
	return Wait(context.Background(), a, "", &translatorv1.Revision{Group: "edge", Number: 7}, timeout)
}

func noLedger() error { return fault.ToStatus(fault.NoLedger(nil)).Err() }

// A replica that etcd does not answer refuses watches, and its connection is as good as any.
func TestWaitLeavesAReplicaWithoutEtcd(t *testing.T) {
	began := time.Now()
	err := waitAmong(t, 30*time.Second, &replica{fail: noLedger()}, &replica{rollout: moving(7, completed)})
	if err != nil || time.Since(began) > 15*time.Second {
		t.Errorf("Wait returned %v after %s", err, time.Since(began))
	}
}

// A replica that is behind and does not know it yet answers as if nothing had come of the revision.
func TestWaitAsksTheOtherReplicasBeforeItGivesUp(t *testing.T) {
	behind := &replica{rollout: moving(7, progressing), current: moving(7, progressing)}
	if err := waitAmong(t, 2*time.Second, behind, &replica{rollout: moving(7, completed), current: moving(7, completed)}); err != nil {
		t.Errorf("Wait returned %v", err)
	}
	err := waitAmong(t, 2*time.Second, behind, &replica{rollout: moving(7, progressing), current: moving(7, progressing)})
	if app.Code(err) != app.ExitDifference || !strings.Contains(err.Error(), "not converged") {
		t.Errorf("Wait returned %v when no replica knew of an end", err)
	}
}

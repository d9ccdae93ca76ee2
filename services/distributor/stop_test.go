package distributor_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// A stop waits for running calls, but not for calls that wait for the ledger.
func TestAStopEndsCallsThatWaitForTheLedger(t *testing.T) {
	server := etcdtest.Start(t)
	p := newControlPlaneAt(t, server.Client(t))
	server.Stop(0)
	r := p.replica("a")
	conn, err := rpc.Dial(rpc.ClientConfig{Addresses: []string{strings.TrimPrefix(r.conn.Target(), "dns:///")}}, grpc.WithDisableRetry())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	answered := make(chan error, 1)
	go func() {
		_, err := distributorv1.NewRolloutServiceClient(conn).GetRollout(context.Background(),
			&distributorv1.GetRolloutRequest{Group: "g", Revision: 1})
		answered <- err
	}()
	eventually(t, "the call is under way", func() bool { return r.counter(t, "grpc_server_started_total") > 0 })
	r.stop()
	var f *fault.Error
	if err := fault.FromStatus(<-answered); !errors.As(err, &f) || f.Reason != "STOPPING" {
		t.Errorf("the call was answered with %v", err)
	}
}

// A replica that is not ready names its reason.
func TestAReplicaReportsThatEtcdDoesNotAnswer(t *testing.T) {
	server := etcdtest.Start(t)
	p := newControlPlaneAt(t, server.Client(t))
	server.Stop(0)
	r := p.replica("a")
	eventually(t, "it says what it waits for", func() bool {
		err := r.Ready()
		return err != nil && strings.Contains(err.Error(), "etcd at "+server.Endpoints[0]+" has not answered")
	})
	server.Restart(t, 0)
	eventually(t, "it is ready", func() bool { return r.Ready() == nil })
	server.Stop(0)
	eventually(t, "it is not ready and says that etcd is away", func() bool {
		err := r.Ready()
		return err != nil &&
			strings.Contains(err.Error(), server.Endpoints[0])
	})
	server.Restart(t, 0)
	eventually(t, "it is ready again", func() bool { return r.Ready() == nil })
}

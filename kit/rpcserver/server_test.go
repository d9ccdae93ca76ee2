package rpcserver_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/kit/rpcserver"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// deaf is told that a call began that heeds nothing, and lets it end.
var deaf = make(chan struct{})

// registry answers GetGroup as its name says.
type registry struct {
	registryv1.UnimplementedRegistryServiceServer
}

func (registry) GetGroup(_ context.Context, r *registryv1.GetGroupRequest) (*registryv1.GetGroupResponse, error) {
	switch r.GetName() {
	case "panic":
		panic("password=hunter2")
	case "internal":
		return nil, errors.New("password=hunter2")
	case "missing":
		return nil, fault.New(fault.Missing, "NO_SUCH_GROUP", "there is no group %q", r.GetName())
	case "deaf":
		deaf <- struct{}{}
		<-deaf // whatever becomes of the call
	case "starting":
		return nil, fault.New(fault.Down, "STARTING", "this replica has not read the ledger yet")
	}
	return &registryv1.GetGroupResponse{Group: &registryv1.Group{Name: r.GetName()}}, nil
}

func (registry) WatchGroups(_ *registryv1.WatchGroupsRequest, s registryv1.RegistryService_WatchGroupsServer) error {
	_ = s.SendHeader(nil) // so that no client tries again by itself
	<-s.Context().Done()
	return s.Context().Err()
}

func start(t *testing.T, c rpcserver.Config) (client registryv1.RegistryServiceClient, health healthv1.HealthClient, logs *bytes.Buffer,
	stop func()) {
	t.Helper()
	logs = &bytes.Buffer{}
	c.Listen = "127.0.0.1:0"
	s, err := rpcserver.New(c, rpcserver.Deps{Log: slog.New(slog.NewTextHandler(logs, nil)), Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	registryv1.RegisterRegistryServiceServer(s, registry{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(ctx) }()
	// The first address answers nobody: the client must find the second.
	conn, err := rpc.Dial(rpc.ClientConfig{Addresses: []string{"127.0.0.1:1", s.Address()}})
	if err != nil {
		t.Fatal(err)
	}
	stop = func() { cancel(); <-done; _ = conn.Close() }
	return registryv1.NewRegistryServiceClient(conn), healthv1.NewHealthClient(conn), logs, stop
}

func TestFaultsTravel(t *testing.T) {
	client, _, logs, stop := start(t, rpcserver.Config{})
	for name, want := range map[string]fault.Kind{"missing": fault.Missing, "": fault.Invalid} {
		_, err := client.GetGroup(t.Context(), &registryv1.GetGroupRequest{Name: name})
		var got *fault.Error
		if !errors.As(fault.FromStatus(err), &got) || got.Kind != want {
			t.Errorf("GetGroup(%q) gave %v, want kind %v", name, err, want)
			continue
		}
		if want == fault.Invalid && (len(got.Violations) != 1 || got.Violations[0].Field != "name") {
			t.Errorf("violations %+v", got.Violations)
		}
	}
	for _, name := range []string{"panic", "internal"} {
		_, err := client.GetGroup(t.Context(), &registryv1.GetGroupRequest{Name: name})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("GetGroup(%q) gave %v", name, err)
		}
	}
	stop()
	if strings.Contains(logs.String(), "hunter2\"") && strings.Contains(logs.String(), "panic: password") {
		t.Error("the log holds a panic's text")
	}
}

// A client tries five times, and a fleet is many clients: the log says nothing of any of it.
func TestALogDoesNotRepeatThatAReplicaCannotAnswerNow(t *testing.T) {
	client, _, logs, stop := start(t, rpcserver.Config{})
	_, err := client.GetGroup(t.Context(), &registryv1.GetGroupRequest{Name: "starting"})
	if !errors.Is(fault.FromStatus(err), fault.Of(fault.Down)) {
		t.Errorf("got %v", err)
	}
	_, _ = client.GetGroup(t.Context(), &registryv1.GetGroupRequest{Name: "internal"})
	stop()
	if text := logs.String(); strings.Contains(text, "STARTING") || strings.Contains(text, "has not read") ||
		strings.Count(text, "finished call") != 1 {
		t.Errorf("the log says\n%s", text)
	}
}

func TestAMessageOverTheLimitNamesIt(t *testing.T) {
	client, _, _, stop := start(t, rpcserver.Config{MaxReceive: 1000})
	defer stop()
	_, err := client.GetGroup(t.Context(), &registryv1.GetGroupRequest{Name: strings.Repeat("x", 2000)})
	if err == nil || !strings.Contains(err.Error(), "1000") {
		t.Errorf("got %v", err)
	}
}

func TestStopDoesNotWaitForEver(t *testing.T) {
	client, health, _, stop := start(t, rpcserver.Config{StopTime: 50 * time.Millisecond})
	if answer, err := health.Check(t.Context(), &healthv1.HealthCheckRequest{}); err != nil ||
		answer.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		t.Fatalf("health is %v, %v", answer, err)
	}
	watch, err := client.WatchGroups(t.Context(), &registryv1.WatchGroupsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	stop()
	if _, err := watch.Recv(); err == nil {
		t.Error("the stream outlived its server")
	}
}

// A stream ends with the connection that has lasted its time; what is called next goes over a new one.
func TestAConnectionLastsItsTime(t *testing.T) {
	client, _, _, stop := start(t, rpcserver.Config{ConnectionAge: 500 * time.Millisecond})
	defer stop()
	watch, err := client.WatchGroups(t.Context(), &registryv1.WatchGroupsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watch.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("the stream ended with %v", err)
	}
	if _, err := client.GetGroup(t.Context(), &registryv1.GetGroupRequest{Name: "g"}); err != nil {
		t.Errorf("a call after it: %v", err)
	}
}

// TestAHandlerThatHeedsNothingDoesNotHoldUpTheStop, as one that computes for a long time would.
func TestAHandlerThatHeedsNothingDoesNotHoldUpTheStop(t *testing.T) {
	client, _, _, stop := start(t, rpcserver.Config{StopTime: 50 * time.Millisecond})
	answered := make(chan error, 1)
	go func() {
		_, err := client.GetGroup(t.Context(), &registryv1.GetGroupRequest{Name: "deaf"})
		answered <- err
	}()
	<-deaf
	stopped := make(chan struct{})
	go func() { defer close(stopped); stop() }()
	select {
	case <-stopped:
	case <-time.After(20 * time.Second):
		t.Error("the server waits for a call that does not end")
	}
	deaf <- struct{}{}
	<-stopped
	if err := <-answered; err == nil {
		t.Error("the call was answered")
	}
}

func TestListenersBeyondLoopbackNeedTLSOrAWord(t *testing.T) {
	c := rpcserver.Config{Listen: "0.0.0.0:0"}
	if err := c.Check(); err == nil || !strings.Contains(err.Error(), "--insecure") {
		t.Errorf("Check() = %v", err)
	}
	c.Insecure = true
	if err := c.Check(); err != nil {
		t.Errorf("Check() with Insecure = %v", err)
	}
}

package rpcserver_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/identity"
	"github.com/silverback-gateway/silverback/kit/revocation"
	"github.com/silverback-gateway/silverback/kit/rpcserver"
	"github.com/silverback-gateway/silverback/kit/tlsfiles"
	"github.com/silverback-gateway/silverback/kit/tlsfiles/tlstest"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// watching serves what registry does, and a watch of nodes that says nothing until its caller is gone.
type watching struct{ registry }

func (watching) WatchNodes(_ *registryv1.WatchNodesRequest, s registryv1.RegistryService_WatchNodesServer) error {
	if err := s.SendHeader(nil); err != nil {
		return err
	}
	<-s.Context().Done()
	return context.Cause(s.Context())
}

// keeping starts a server that keeps out what is on a list.
func keeping(t *testing.T, f tlsfiles.Files, list *revocation.List) string {
	t.Helper()
	s, err := rpcserver.New(
		rpcserver.Config{Listen: "127.0.0.1:0", CertFile: f.Cert, KeyFile: f.Key, ClientCAFile: f.CA, StopTime: time.Second},
		rpcserver.Deps{Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(), Revoked: list})
	if err != nil {
		t.Fatal(err)
	}
	registryv1.RegisterRegistryServiceServer(s, watching{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return s.Address()
}

// watch opens a stream, and returns what it ends with.
func watch(t *testing.T, c registryv1.RegistryServiceClient) <-chan error {
	t.Helper()
	stream, err := c.WatchNodes(t.Context(), &registryv1.WatchNodesRequest{})
	if err == nil {
		_, err = stream.Header()
	}
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { _, err := stream.Recv(); ended <- err }()
	return ended
}

func look(t *testing.T, c registryv1.RegistryServiceClient) error {
	t.Helper()
	_, err := c.GetGroup(t.Context(), &registryv1.GetGroupRequest{Name: "g"})
	return fault.FromStatus(err)
}

func revoked(err error) bool {
	return errors.Is(err, &fault.Error{Kind: fault.Denied, Reason: "CERTIFICATE_REVOKED"})
}

func TestARevokedCertificateIsCutOffAndKeptOut(t *testing.T) {
	ca, metrics := tlstest.New(t), prometheus.NewRegistry()
	list := revocation.NewList(metrics)
	list.Complete()
	address := keeping(t, ca.Issue("server", identity.Identity{Kind: identity.Service, Name: "registry"}.URI("silverback")), list)
	now := time.Now()
	ann := dial(t, address, ca.IssueAt(now.Add(-time.Minute), "ann", viewer("ann").URI("silverback")))
	bob := dial(t, address, ca.IssueAt(now.Add(-time.Minute), "bob", viewer("bob").URI("silverback")))
	annEnded, bobEnded := watch(t, ann), watch(t, bob)
	who := revocation.Of(viewer("ann"))
	list.Put(who, now.Add(-2*time.Minute))
	if err := look(t, ann); err != nil {
		t.Errorf("a certificate of after the revocation is refused: %v", err)
	}
	list.Put(who, now)
	select {
	case err := <-annEnded:
		if err == nil {
			t.Error("the stream told something")
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the stream that was open goes on")
	}
	if err := look(t, ann); !revoked(err) {
		t.Errorf("a call got %v", err)
	}
	if err := look(t, dial(t, address, ca.IssueAt(now.Add(-time.Minute), "ann",
		identity.Identity{Kind: identity.User, Name: "ann", Role: identity.Admin}.URI("silverback")))); !revoked(err) {
		t.Errorf("her certificate of another role got %v", err)
	}
	if err := look(t, dial(t, address, ca.IssueAt(now.Add(2*time.Second-time.Minute), "new", viewer("ann").URI("silverback")))); !revoked(
		err) {
		t.Errorf("another certificate of before got %v", err)
	}
	if n := testutil.CollectAndCount(metrics, "silverback_revocations"); n != 1 {
		t.Errorf("%d gauges", n)
	}
	// She has as many new certificates as she likes; whoever holds the old one takes nothing of theirs.
	list.Put(who, now.Add(-time.Second-time.Minute))
	if err := look(t, ann); err != nil {
		t.Errorf("once it is undone a call got %v", err)
	}
	if err := look(t, bob); err != nil {
		t.Errorf("somebody else got %v", err)
	}
	select {
	case err := <-bobEnded:
		t.Errorf("somebody else's stream ended: %v", err)
	default:
	}
}

func TestUsersOnlyLookBeforeTheListIsKnown(t *testing.T) {
	ca := tlstest.New(t)
	list := revocation.NewList(prometheus.NewRegistry())
	address := keeping(t, ca.Issue("server", identity.Identity{Kind: identity.Service, Name: "registry"}.URI("silverback")), list)
	admin := identity.Identity{Kind: identity.User, Name: "root", Role: identity.Admin}
	c := dial(t, address, ca.Issue("root", admin.URI("silverback")))
	change := func() error {
		_, err := c.DeleteGroup(t.Context(), &registryv1.DeleteGroupRequest{Name: "g"})
		return fault.FromStatus(err)
	}
	if err := look(t, c); err != nil {
		t.Errorf("to look got %v", err)
	}
	if err := change(); !errors.Is(err, &fault.Error{Kind: fault.Down, Reason: "REVOCATIONS_UNKNOWN"}) {
		t.Errorf("to change got %v", err)
	}
	list.Complete()
	if err := change(); errors.Is(err, fault.Of(fault.Down)) {
		t.Errorf("once the list is known got %v", err)
	}
}

func TestWhoStoleACertificateTakesNoneOfTheNewOnesConnections(t *testing.T) {
	ca := tlstest.New(t)
	list := revocation.NewList(prometheus.NewRegistry())
	now := time.Now()
	node := identity.Identity{Kind: identity.Node, Group: "g", Name: "n"}
	list.Put(revocation.Of(node), now.Add(-time.Minute))
	address := keeping(t, ca.Issue("server", identity.Identity{Kind: identity.Service, Name: "registry"}.URI("silverback")), list)
	stolen := ca.IssueAt(now.Add(-time.Hour), "stolen", node.URI("silverback"))
	renew := func(c registryv1.RegistryServiceClient) error {
		_, err := c.RenewNode(t.Context(), &registryv1.RenewNodeRequest{Group: "g", Node: "n", BootId: "b"})
		return fault.FromStatus(err)
	}
	for range 8 { // as many as a node may have
		if err := renew(dial(t, address, stolen)); !revoked(err) {
			t.Fatalf("the stolen one got %v", err)
		}
	}
	if err := renew(dial(t, address, ca.IssueAt(now, "new", node.URI("silverback")))); errors.Is(err, fault.Of(fault.Down)) || revoked(err) {
		t.Errorf("the new one got %v", err)
	}
}

func TestANewCertificateInTheSameFileIsTaken(t *testing.T) {
	ca := tlstest.New(t)
	list := revocation.NewList(prometheus.NewRegistry())
	now := time.Now()
	list.Put(revocation.Of(viewer("ann")), now.Add(-time.Minute))
	address := keeping(t, ca.Issue("server", identity.Identity{Kind: identity.Service, Name: "registry"}.URI("silverback")), list)
	c := dial(t, address, ca.IssueAt(now.Add(-time.Hour), "ann", viewer("ann").URI("silverback")))
	if err := look(t, c); !revoked(err) {
		t.Fatalf("the old certificate got %v", err)
	}
	ca.IssueAt(now, "ann", viewer("ann").URI("silverback"))
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(time.Minute); ; {
		err := look(t, c)
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("the same client with the new one still gets %v", err)
		}
	}
}

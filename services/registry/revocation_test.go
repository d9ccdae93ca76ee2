package registry_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/identity"
	"github.com/silverback-gateway/silverback/kit/revocation"
	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/kit/rpcserver"
	"github.com/silverback-gateway/silverback/kit/run"
	"github.com/silverback-gateway/silverback/kit/tlsfiles"
	"github.com/silverback-gateway/silverback/kit/tlsfiles/tlstest"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// secured runs a replica that tells its callers apart, and returns its address and how to stop it.
func secured(t *testing.T, etcd *clientv3.Client, f tlsfiles.Files) (address string, stop func()) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	svc, err := registry.New(registry.Config{SessionTTL: 10 * testTimeout, RenewInterval: 300 * time.Millisecond},
		registry.Deps{Etcd: etcd, Log: log, Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	server, err := rpcserver.New(
		rpcserver.Config{Listen: "127.0.0.1:0", CertFile: f.Cert, KeyFile: f.Key, ClientCAFile: f.CA},
		rpcserver.Deps{Log: log, Metrics: prometheus.NewRegistry(), Revoked: svc.Revoked()})
	if err != nil {
		t.Fatal(err)
	}
	svc.Register(server)
	server.OnDrain(svc.Drain)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = run.All(ctx, server.Serve, svc.Run) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return server.Address(), stop
}

func as(t *testing.T, address string, f tlsfiles.Files) *replica {
	t.Helper()
	conn, err := rpc.Dial(rpc.ClientConfig{Addresses: []string{address}, TLS: rpc.ClientTLS{CAFile: f.CA, CertFile: f.Cert, KeyFile: f.Key}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &replica{RegistryServiceClient: registryv1.NewRegistryServiceClient(conn)}
}

func reasoned(err error, kind fault.Kind, reason string) bool {
	return errors.Is(fault.FromStatus(err), &fault.Error{Kind: kind, Reason: reason})
}

func out(err error) bool { return reasoned(err, fault.Denied, "CERTIFICATE_REVOKED") }

func TestARevocationIsInForceAtEveryReplica(t *testing.T) {
	server, ca := etcdtest.Start(t), tlstest.New(t)
	f := ca.Issue("server", identity.Identity{Kind: identity.Service, Name: identity.RegistryService}.URI(identity.DefaultTrustDomain))
	issue := func(i identity.Identity, name string, ago time.Duration) tlsfiles.Files {
		return ca.IssueAt(time.Now().Add(-ago), name, i.URI(identity.DefaultTrustDomain))
	}
	first, _ := secured(t, server.Client(t), f)
	second, stop := secured(t, server.Client(t), f)
	root := issue(identity.Identity{Kind: identity.User, Name: "root", Role: identity.Admin}, "root", time.Minute)
	admin, node := as(t, first, root), identity.Identity{Kind: identity.Node, Group: "g", Name: "a"}
	eventually(t, "the replica is ready", func() bool {
		_, err := admin.ListGroups(t.Context(), &registryv1.ListGroupsRequest{})
		return err == nil
	})
	admin.group(t, "g")
	old := issue(node, "old", time.Minute)
	a, other := as(t, second, old), as(t, second, issue(identity.Identity{Kind: identity.Node, Group: "g", Name: "b"}, "other", time.Minute))
	eventually(t, "both nodes are enrolled", func() bool {
		return a.enrol("a", "1", serving()) == nil &&
			other.enrol("b", "1", serving()) == nil
	})

	answer, err := admin.RevokeNode(t.Context(), &registryv1.RevokeNodeRequest{Group: "g", Node: "a", Reason: "lost", RequestId: "1"})
	r := answer.GetRevocation()
	if err != nil || r.GetKind() != registryv1.Revocation_KIND_NODE || r.GetReason() != "lost" || r.GetRevokedBy() != "user root (admin)" ||
		r.GetIssuedUntil().AsTime().Sub(r.GetCreateTime().AsTime()) != revocation.Skew {
		t.Errorf("answered %v, %v", r, err)
	}
	if again, err := admin.RevokeNode(t.Context(), &registryv1.RevokeNodeRequest{Group: "g", Node: "a", RequestId: "1"}); err != nil ||
		!again.GetRevocation().GetIssuedUntil().AsTime().Equal(r.GetIssuedUntil().AsTime()) {
		t.Errorf("the same request again is answered %v, %v", again, err)
	}
	eventually(t, "the other replica refuses it", func() bool {
		_, err := a.renew("a", "1", nil)
		return out(err)
	})
	if err := as(t, first, old).enrol("a", "2", serving()); !out(err) {
		t.Errorf("an enrolment got %v", err)
	}
	if err := as(t, second, issue(node, "new", -revocation.Skew-2*time.Second)).enrol("a", "1", serving()); out(err) {
		t.Errorf("a new certificate got %v", err)
	}
	if _, err := other.renew("b", "1", nil); err != nil {
		t.Errorf("another node got %v", err)
	}
	if all, err := admin.ListRevocations(t.Context(), &registryv1.ListRevocationsRequest{}); err != nil || len(all.GetRevocations()) != 1 ||
		all.GetRevocations()[0].GetName() != "a" {
		t.Errorf("listed are %v, %v", all, err)
	}

	// It outlives a replica, and is undone.
	stop()
	third, _ := secured(t, server.Client(t), f)
	a = as(t, third, old)
	eventually(t, "a new replica refuses it", func() bool {
		_, err := a.renew("a", "1", nil)
		return out(err)
	})
	if _, err := admin.UnrevokeNode(t.Context(), &registryv1.UnrevokeNodeRequest{Group: "g", Node: "a"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the node is let in", func() bool { return a.enrol("a", "1", serving()) == nil })

	// Forgotten alone it enrols again; deleted it is out, at once and for good.
	if _, err := admin.DeleteNode(t.Context(), &registryv1.DeleteNodeRequest{Group: "g", Node: "a", KeepCertificates: true}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the node enrols again", func() bool { return a.enrol("a", "1", serving()) == nil })
	if _, err := admin.DeleteNode(t.Context(), &registryv1.DeleteNodeRequest{Group: "g", Node: "a"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the deleted node is refused", func() bool {
		_, err := a.renew("a", "1", nil)
		return out(err)
	})
	if err := as(t, first, old).enrol("a", "2", serving()); !out(err) || admin.node(t, "a") != nil {
		t.Errorf("the deleted node enrolled: %v", err)
	}
}

func TestAUserIsRevokedWithoutCuttingOffTheCaller(t *testing.T) {
	server, ca := etcdtest.Start(t), tlstest.New(t)
	f := ca.Issue("server", identity.Identity{Kind: identity.Service, Name: identity.RegistryService}.URI(identity.DefaultTrustDomain))
	address, _ := secured(t, server.Client(t), f)
	user := func(name string, role identity.Role) *replica {
		return as(t, address, ca.Issue(fmt.Sprint(name, role), identity.Identity{Kind: identity.User, Name: name,
			Role: role}.URI(identity.DefaultTrustDomain)))
	}
	ann, viewer := user("ann", identity.Operator), user("eve", identity.Viewer)
	revoke := func(r *registryv1.RevokeUserRequest) error {
		_, err := ann.RevokeUser(t.Context(), r)
		return err
	}
	look := func(r *replica) error {
		_, err := r.ListGroups(t.Context(), &registryv1.ListGroupsRequest{})
		return err
	}
	eventually(t, "the replica is ready", func() bool { return look(ann) == nil })
	if err := revoke(&registryv1.RevokeUserRequest{Name: "ann"}); !reasoned(err, fault.WrongState, "REVOKES_CALLER") {
		t.Errorf("of herself she got %v", err)
	}
	if err := revoke(&registryv1.RevokeUserRequest{Name: "a/b"}); !errors.Is(fault.FromStatus(err), fault.Of(fault.Invalid)) {
		t.Errorf("a name that no certificate has got %v", err)
	}
	if err := revoke(&registryv1.RevokeUserRequest{Name: "eve", Reason: "left"}); err != nil {
		t.Fatal(err)
	}
	if err := look(viewer); !out(err) {
		t.Errorf("a revoked user got %v", err)
	}
	if err := revoke(&registryv1.RevokeUserRequest{Name: "ann", AllowSelf: true}); err != nil {
		t.Errorf("whoever revokes herself is told nothing: %v", err)
	}
	if err := look(ann); !out(err) {
		t.Errorf("then she got %v", err)
	}
}

func TestWithoutIdentitiesNothingIsRevoked(t *testing.T) {
	r := start(t, etcdtest.Start(t).Client(t), registry.Config{})
	if _, err := r.RevokeUser(t.Context(), &registryv1.RevokeUserRequest{Name: "ann"}); !reasoned(err, fault.WrongState,
		"CALLERS_NOT_TOLD_APART") {
		t.Errorf("got %v", err)
	}
}

func TestAWatchOfRevocationsResumes(t *testing.T) {
	server, ca := etcdtest.Start(t), tlstest.New(t)
	f := ca.Issue("server", identity.Identity{Kind: identity.Service, Name: identity.RegistryService}.URI(identity.DefaultTrustDomain))
	address, _ := secured(t, server.Client(t), f)
	admin := as(t, address, ca.Issue("root", identity.Identity{Kind: identity.User, Name: "root",
		Role: identity.Admin}.URI(identity.DefaultTrustDomain)))
	eventually(t, "a user is revoked", func() bool {
		_, err := admin.RevokeUser(t.Context(), &registryv1.RevokeUserRequest{Name: "ann"})
		return err == nil
	})
	// follow reads up to the next Synced, and returns what was told and its token.
	follow := func(token string, steps int) (told []string, next string) {
		ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
		defer cancel()
		stream, err := admin.WatchRevocations(ctx, &registryv1.WatchRevocationsRequest{ResumeToken: token})
		for err == nil && steps > 0 {
			var m *registryv1.WatchRevocationsResponse
			if m, err = stream.Recv(); err != nil {
				break
			}
			switch e := m.GetEvent().(type) {
			case *registryv1.WatchRevocationsResponse_Listing_:
				told = append(told, "list")
			case *registryv1.WatchRevocationsResponse_Upserted:
				told = append(told, "+"+e.Upserted.GetGroup()+"/"+e.Upserted.GetName())
			case *registryv1.WatchRevocationsResponse_Deleted:
				told = append(told, "-"+e.Deleted.GetGroup()+"/"+e.Deleted.GetName())
			case *registryv1.WatchRevocationsResponse_Synced_:
				next, steps = e.Synced.GetResumeToken(), steps-1
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		return told, next
	}
	told, token := follow("", 1)
	if fmt.Sprint(told) != "[list +/ann]" {
		t.Errorf("told %v", told)
	}
	if _, err := admin.RevokeNode(t.Context(), &registryv1.RevokeNodeRequest{Group: "g", Node: "n"}); err != nil {
		t.Fatal(err)
	}
	if told, token = follow(token, 1); fmt.Sprint(told) != "[+g/n]" {
		t.Errorf("a watch that resumes is told %v", told)
	}
	if _, err := admin.UnrevokeUser(t.Context(), &registryv1.UnrevokeUserRequest{Name: "ann"}); err != nil {
		t.Fatal(err)
	}
	if told, _ = follow(token, 1); fmt.Sprint(told) != "[-/ann]" {
		t.Errorf("after the undo it is told %v", told)
	}
}

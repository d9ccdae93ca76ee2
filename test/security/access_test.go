// Package security walks every rpc as every kind of caller, and tries every attack that was thought of, over real TLS.
package security

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/identity"
	"github.com/silverback-gateway/silverback/kit/revocation"
	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/kit/rpcserver"
	"github.com/silverback-gateway/silverback/kit/tlsfiles"
	"github.com/silverback-gateway/silverback/kit/tlsfiles/tlstest"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/services/translator"
)

// Who calls, in the order of the columns.
var callers = []string{"anonymous", "nameless", "node", "other node", "registry", "translator", "distributor", "viewer", "submitter",
	"operator", "admin"}

// matrix is who may call what: the columns of those who may, as they stand in docs/security.md. All others are denied.
var matrix = map[string][]string{
	"RegistryService/CreateGroup":          {"admin"},
	"RegistryService/UpdateGroup":          {"admin"},
	"RegistryService/DeleteGroup":          {"admin"},
	"RegistryService/DeleteNode":           {"admin"},
	"RegistryService/GetGroup":             {"translator", "distributor", "viewer", "submitter", "operator", "admin"},
	"RegistryService/ListGroups":           {"translator", "distributor", "viewer", "submitter", "operator", "admin"},
	"RegistryService/WatchGroups":          {"translator", "distributor", "viewer", "submitter", "operator", "admin"},
	"RegistryService/GetNode":              {"distributor", "viewer", "submitter", "operator", "admin"},
	"RegistryService/ListNodes":            {"translator", "distributor", "viewer", "submitter", "operator", "admin"},
	"RegistryService/WatchNodes":           {"distributor", "viewer", "submitter", "operator", "admin"},
	"RegistryService/EnrolNode":            {"node"},
	"RegistryService/RenewNode":            {"node"},
	"RegistryService/UploadSchemas":        {"node"},
	"RegistryService/GetSchemas":           {"translator", "viewer", "submitter", "operator", "admin"},
	"RegistryService/UploadInventory":      {"node"},
	"RegistryService/GetInventory":         {"translator", "submitter", "operator", "admin"},
	"RegistryService/UploadConfiguration":  {"node"},
	"RegistryService/GetNodeConfiguration": {"submitter", "operator", "admin"},
	"RegistryService/DrainNode":            {"operator", "admin"},
	"RegistryService/UndrainNode":          {"operator", "admin"},
	"RegistryService/QuarantineNode":       {"operator", "admin"},
	"RegistryService/ReleaseNode":          {"operator", "admin"},
	"RegistryService/RevokeNode":           {"operator", "admin"},
	"RegistryService/UnrevokeNode":         {"operator", "admin"},
	"RegistryService/RevokeUser":           {"operator", "admin"},
	"RegistryService/UnrevokeUser":         {"operator", "admin"},
	"RegistryService/ListRevocations":      {"viewer", "submitter", "operator", "admin"},
	"RegistryService/WatchRevocations":     {"translator", "distributor", "viewer", "submitter", "operator", "admin"},

	"TranslatorService/SubmitConfig":     {"submitter", "operator", "admin"},
	"TranslatorService/ValidateConfig":   {"submitter", "operator", "admin"},
	"TranslatorService/DiffConfig":       {"submitter", "operator", "admin"},
	"TranslatorService/RenderConfig":     {"submitter", "operator", "admin"},
	"TranslatorService/DeleteSource":     {"submitter", "operator", "admin"},
	"TranslatorService/GetSource":        {"viewer", "submitter", "operator", "admin"},
	"TranslatorService/ListSources":      {"distributor", "viewer", "submitter", "operator", "admin"},
	"TranslatorService/GetRevision":      {"distributor", "viewer", "submitter", "operator", "admin"},
	"TranslatorService/ListRevisions":    {"distributor", "viewer", "submitter", "operator", "admin"},
	"TranslatorService/WatchRevisions":   {"distributor", "viewer", "submitter", "operator", "admin"},
	"TranslatorService/GetSnapshot":      {"distributor", "submitter", "operator", "admin"},
	"TranslatorService/LocateEntities":   {"distributor", "viewer", "submitter", "operator", "admin"},
	"TranslatorService/RestoreSources":   {"distributor", "operator", "admin"},
	"TranslatorService/PinSource":        {"operator", "admin"},
	"TranslatorService/UnpinSource":      {"operator", "admin"},
	"TranslatorService/CollectRevisions": {"distributor"},

	"DeliveryService/FollowAssignment": {"node"},
	"RolloutService/GetRollout":        {"viewer", "submitter", "operator", "admin"},
	"RolloutService/ListRollouts":      {"viewer", "submitter", "operator", "admin"},
	"RolloutService/WatchRollouts":     {"viewer", "submitter", "operator", "admin"},
	"RolloutService/GetAssignment":     {"viewer", "submitter", "operator", "admin"},
	"RolloutService/ListAssignments":   {"viewer", "submitter", "operator", "admin"},
	"RolloutService/GetLedger":         {"viewer", "submitter", "operator", "admin"},
	"RolloutService/RecoverLedger":     {"operator", "admin"},
	"RolloutService/PauseRollout":      {"operator", "admin"},
	"RolloutService/ResumeRollout":     {"operator", "admin"},
	"RolloutService/PromoteRollout":    {"operator", "admin"},
	"RolloutService/AbortRollout":      {"operator", "admin"},
	"RolloutService/RetryRollout":      {"operator", "admin"},
	"RolloutService/FreezeGroup":       {"operator", "admin"},
	"RolloutService/UnfreezeGroup":     {"operator", "admin"},

	"TargetService/UpdateDrainedTargets": {"operator", "admin"},
	"TargetService/ListDrainedTargets":   {"viewer", "submitter", "operator", "admin"},
	"EventService/ListEvents":            {"viewer", "submitter", "operator", "admin"},
	"EventService/WatchEvents":           {"viewer", "submitter", "operator", "admin"},
}

func TestEveryRPCAsEveryCaller(t *testing.T) {
	ca := tlstest.New(t)
	server := ca.Issue("server", identity.Identity{Kind: identity.Service, Name: identity.RegistryService}.URI(identity.DefaultTrustDomain))
	address := serve(t, server)
	conns := map[string]*grpc.ClientConn{}
	for _, name := range callers {
		f := tlsfiles.Files{CA: ca.File}
		if name != "anonymous" {
			f = ca.Issue(strings.ReplaceAll(name, " ", "-"), certificateOf(name)...)
		}
		conn, err := rpc.Dial(rpc.ClientConfig{Addresses: []string{address}, TLS: rpc.ClientTLS{CAFile: f.CA, CertFile: f.Cert, KeyFile: f.Key}},
			grpc.WithDisableRetry())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		conns[name] = conn
	}
	walked := map[string]bool{}
	for method := range methods {
		short := method.Parent().Name() + "/" + method.Name()
		walked[string(short)] = true
		for _, name := range callers {
			got := call(t, conns[name], method)
			want := codes.PermissionDenied
			switch {
			case name == "anonymous":
				want = codes.Unavailable // refused before any call: the handshake wants a certificate
			case slices.Contains(matrix[string(short)], name):
				want = codes.Unimplemented // let in: nobody stands behind these servers
			}
			if got == codes.InvalidArgument {
				got = codes.Unimplemented // let in, and the request was then found wanting
			}
			if got != want {
				t.Errorf("%s as %s: got %s, want %s", short, name, got, want)
			}
		}
	}
	for short := range matrix {
		if !walked[short] {
			t.Errorf("%s is in the table and was not walked", short)
		}
	}
}

// TestARevokedCertificateIsRefusedByEveryRPC makes every call as callers whose certificates are revoked.
func TestARevokedCertificateIsRefusedByEveryRPC(t *testing.T) {
	ca := tlstest.New(t)
	server := ca.Issue("server", identity.Identity{Kind: identity.Service, Name: identity.RegistryService}.URI(identity.DefaultTrustDomain))
	list := revocation.NewList(prometheus.NewRegistry())
	list.Put(revocation.Subject{Kind: identity.Node, Group: "g", Name: "n"}, time.Now())
	list.Put(revocation.Subject{Kind: identity.User, Name: "somebody"}, time.Now())
	list.Complete()
	address := serveBut(t, server, list)
	for _, name := range []string{"node", "other node", "viewer", "submitter", "operator", "admin"} {
		f := ca.Issue(strings.ReplaceAll(name, " ", "-"), certificateOf(name)...)
		conn, err := rpc.Dial(rpc.ClientConfig{Addresses: []string{address}, TLS: rpc.ClientTLS{CAFile: f.CA, CertFile: f.Cert, KeyFile: f.Key}},
			grpc.WithDisableRetry())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		for method := range methods {
			err := fault.FromStatus(ask(t, conn, method))
			if revoked := errors.Is(err, &fault.Error{Kind: fault.Denied, Reason: "CERTIFICATE_REVOKED"}); revoked != (name != "other node") {
				t.Errorf("%s as %s got %v", method.FullName(), name, err)
			}
		}
	}
}

func certificateOf(name string) []*url.URL {
	i := identity.Identity{Kind: identity.User, Name: "somebody"}
	switch name {
	case "nameless":
		return nil
	case "node":
		i = identity.Identity{Kind: identity.Node, Group: "g", Name: "n"}
	case "other node":
		i = identity.Identity{Kind: identity.Node, Group: "g", Name: "m"}
	case identity.RegistryService, identity.TranslatorService, identity.DistributorService:
		i = identity.Identity{Kind: identity.Service, Name: name}
	default:
		role, err := identity.ParseRole(name)
		if err != nil {
			panic(err)
		}
		i.Role = role
	}
	return []*url.URL{i.URI(identity.DefaultTrustDomain)}
}

// serve runs a server with every service and nobody behind it.
func serve(t *testing.T, f tlsfiles.Files) string {
	t.Helper()
	return serveBut(t, f, nil)
}

// serveBut is serve, with certificates that are kept out.
func serveBut(t *testing.T, f tlsfiles.Files, list *revocation.List) string {
	t.Helper()
	large := translator.Large
	large.Timeout = 100 * time.Millisecond
	s, err := rpcserver.New(
		rpcserver.Config{Listen: "127.0.0.1:0", CertFile: f.Cert, KeyFile: f.Key, ClientCAFile: f.CA, StopTime: time.Second, Large: large},
		rpcserver.Deps{Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(), Revoked: list})
	if err != nil {
		t.Fatal(err)
	}
	registryv1.RegisterRegistryServiceServer(s, registryv1.UnimplementedRegistryServiceServer{})
	translatorv1.RegisterTranslatorServiceServer(s, translatorv1.UnimplementedTranslatorServiceServer{})
	distributorv1.RegisterDeliveryServiceServer(s, listening{})
	distributorv1.RegisterRolloutServiceServer(s, distributorv1.UnimplementedRolloutServiceServer{})
	distributorv1.RegisterTargetServiceServer(s, distributorv1.UnimplementedTargetServiceServer{})
	distributorv1.RegisterEventServiceServer(s, distributorv1.UnimplementedEventServiceServer{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return s.Address()
}

// listening receives one message, as the real one does before anything else: whose hello it is, is judged there.
type listening struct {
	distributorv1.UnimplementedDeliveryServiceServer
}

func (listening) FollowAssignment(s distributorv1.DeliveryService_FollowAssignmentServer) error {
	if _, err := s.Recv(); err != nil {
		return err
	}
	return status.Error(codes.Unimplemented, "nobody stands behind this server")
}

// methods yields every rpc of Silverback.
func methods(yield func(protoreflect.MethodDescriptor) bool) {
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			if !strings.HasPrefix(string(service.FullName()), "silverback.") {
				continue
			}
			for j := range service.Methods().Len() {
				if !yield(service.Methods().Get(j)) {
					return false
				}
			}
		}
		return true
	})
}

// call makes a call that is well formed and about node g/n, and returns how it ended.
func call(t *testing.T, conn *grpc.ClientConn, method protoreflect.MethodDescriptor) codes.Code {
	t.Helper()
	return status.Code(ask(t, conn, method))
}

// ask is call for those who want the whole error.
func ask(t *testing.T, conn *grpc.ClientConn, method protoreflect.MethodDescriptor) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true},
		fmt.Sprintf("/%s/%s", method.Parent().FullName(), method.Name()), grpc.WaitForReady(false))
	if err != nil {
		return err
	}
	request := requestOf(method)
	_ = stream.SendMsg(request) // how it ended is told by the answer
	_ = stream.CloseSend()
	answer := dynamicpb.NewMessage(method.Output())
	return stream.RecvMsg(answer)
}

func requestOf(method protoreflect.MethodDescriptor) proto.Message {
	if method.Name() == "FollowAssignment" {
		return &distributorv1.FollowAssignmentRequest{Message: &distributorv1.FollowAssignmentRequest_Hello{
			Hello: &distributorv1.Hello{Group: "g", Node: "n"}}}
	}
	m := dynamicpb.NewMessage(method.Input())
	fields := method.Input().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		switch {
		case f.Name() == "node" && f.Kind() == protoreflect.StringKind:
			m.Set(f, protoreflect.ValueOfString("n"))
		case f.Name() == "group" && f.Kind() == protoreflect.StringKind:
			m.Set(f, protoreflect.ValueOfString("g"))
		case f.Cardinality() != protoreflect.Repeated && f.Kind() == protoreflect.StringKind && f.ContainingOneof() == nil:
			m.Set(f, protoreflect.ValueOfString("x"))
		case f.Cardinality() != protoreflect.Repeated && f.Kind() == protoreflect.BytesKind:
			m.Set(f, protoreflect.ValueOfBytes([]byte("x")))
		case f.Cardinality() != protoreflect.Repeated && f.Kind() == protoreflect.MessageKind && f.ContainingOneof() == nil:
			m.Set(f, protoreflect.ValueOfMessage(dynamicpb.NewMessage(f.Message())))
		}
	}
	return m
}

// TestTheDocumentHasTheMatrix holds the table of docs/security.md to the one above.
func TestTheDocumentHasTheMatrix(t *testing.T) {
	text, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	columns := callers[2:]
	rows := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != len(columns)+1 || !strings.Contains(cells[0], "/") {
			continue
		}
		name := strings.Trim(strings.TrimSpace(cells[0]), "`")
		rows[name] = true
		for i, column := range columns {
			marked, may := strings.TrimSpace(cells[i+1]) != "", slices.Contains(matrix[name], column)
			if marked != may {
				t.Errorf("docs/security.md: %s as %s is marked %v, want %v", name, column, marked, may)
			}
		}
	}
	for name := range matrix {
		if !rows[name] {
			t.Errorf("docs/security.md has no row for %s", name)
		}
	}
	for name := range rows {
		if matrix[name] == nil {
			t.Errorf("docs/security.md has a row for %s, which is not there", name)
		}
	}
}

// Package controlplanetest is a small control plane for tests of an agent: a registry and a distributor of one group on one
// loopback address. They answer as the test configures them and record what agents send. The package decides nothing.
package controlplanetest

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/silverback-gateway/silverback/kit/fault"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// Server is the control plane. Its methods may be called from any goroutine.
type Server struct {
	registryv1.UnimplementedRegistryServiceServer
	distributorv1.UnimplementedDeliveryServiceServer

	address string // kept while the control plane is stopped
	server  *grpc.Server

	mu         sync.Mutex
	policy     fleetv1.DriftPolicy
	owner      string // boot id of the enrolled agent
	taken      bool   // the name is enrolled by an agent that the test does not run
	revoked    bool
	enrolled   []*registryv1.EnrolNodeRequest
	statuses   []*fleetv1.NodeStatus
	departures int
	probes     []*fleetv1.Probe
	drain      *registryv1.Drain
	order      int64
	renewals   int

	inventory         *registryv1.UploadInventoryRequest
	configuration     []*registryv1.UploadConfigurationRequest
	wantConfiguration string

	wanted bool
	stream chan *distributorv1.FollowAssignmentResponse // of the open stream
	cut    context.CancelFunc                           // ends it

	// Hellos, Outcomes and Uploads are what arrived, in order.
	Hellos   chan *distributorv1.Hello
	Outcomes chan *distributorv1.Outcome
	Uploads  chan *registryv1.UploadSchemasRequest
}

// Start runs a control plane at an address, for the length of a test.
func Start(t testing.TB, address string) *Server {
	t.Helper()
	s := &Server{
		address: address,
		Hellos:  make(chan *distributorv1.Hello, 100), Outcomes: make(chan *distributorv1.Outcome, 100),
		Uploads: make(chan *registryv1.UploadSchemasRequest, 100),
	}
	s.Serve(t)
	t.Cleanup(s.Stop)
	return s
}

// Serve listens at the address given to Start.
func (s *Server) Serve(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp", s.address)
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	s.server = grpc.NewServer()
	registryv1.RegisterRegistryServiceServer(s.server, s)
	distributorv1.RegisterDeliveryServiceServer(s.server, s)
	server := s.server
	go func() { _ = server.Serve(l) }()
}

// Stop breaks every connection.
func (s *Server) Stop() { s.server.Stop() }

// Address is the address of the control plane.
func (s *Server) Address() string { return s.address }

// Dial connects to the control plane.
func (s *Server) Dial() (*grpc.ClientConn, error) {
	return grpc.NewClient(s.Address(), grpc.WithTransportCredentials(insecure.NewCredentials()))
}

// Send sends a message on the open stream. It fails the test when no stream takes it.
func (s *Server) Send(t testing.TB, m *distributorv1.FollowAssignmentResponse) {
	t.Helper()
	s.mu.Lock()
	stream := s.stream
	s.mu.Unlock()
	select {
	case stream <- m:
	case <-time.After(time.Minute):
		t.Fatal("no stream takes the message")
	}
}

func (s *Server) locked(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// SetPolicy sets the drift policy in answers.
func (s *Server) SetPolicy(policy fleetv1.DriftPolicy) { s.locked(func() { s.policy = policy }) }

// WantSchemas requests the node's schemas in answers until they are uploaded.
func (s *Server) WantSchemas() { s.locked(func() { s.wanted = true }) }

// SetProbes sets the group's probes in answers.
func (s *Server) SetProbes(probes ...*fleetv1.Probe) { s.locked(func() { s.probes = probes }) }

// Drain drains the node, or undrains it when d is nil. Each call is a newer order.
func (s *Server) Drain(d *registryv1.Drain) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drain = d
	s.order++
}

// Renewals counts the renewals, and the enrolments and renewals that carried a status.
func (s *Server) Renewals() (all, withStatus int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.renewals, len(s.statuses)
}

// TakeName makes enrolments fail as if another agent held the name, or ends that.
func (s *Server) TakeName(taken bool) { s.locked(func() { s.taken = taken }) }

// Revoke revokes the node's certificate and ends its stream, or undoes the revocation.
func (s *Server) Revoke(is bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revoked = is
	if is && s.cut != nil {
		s.cut()
		s.cut = nil
	}
}

// refusal is the error for a revoked certificate; nil when it is not revoked. The caller holds the lock.
func (s *Server) refusal() error {
	if !s.revoked {
		return nil
	}
	return fault.ToStatus(fault.New(fault.Denied, "CERTIFICATE_REVOKED", "the certificate is revoked")).Err()
}

// Forget removes the node, as when its session expires.
func (s *Server) Forget() { s.locked(func() { s.owner = "" }) }

// Enrolments returns the enrolments so far.
func (s *Server) Enrolments() []*registryv1.EnrolNodeRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*registryv1.EnrolNodeRequest(nil), s.enrolled...)
}

// Departures counts the renewals with leaving set.
func (s *Server) Departures() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.departures
}

// LastStatus returns the newest node status; nil before the first.
func (s *Server) LastStatus() *fleetv1.NodeStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.statuses) == 0 {
		return nil
	}
	return s.statuses[len(s.statuses)-1]
}

// EnrolNode implements the registry.
func (s *Server) EnrolNode(_ context.Context, r *registryv1.EnrolNodeRequest) (*registryv1.EnrolNodeResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.refusal(); err != nil {
		return nil, err
	}
	if s.taken {
		return nil, status.Error(codes.AlreadyExists, "another agent renews")
	}
	s.owner = r.GetBootId()
	s.enrolled = append(s.enrolled, r)
	s.statuses = append(s.statuses, r.GetStatus())
	return &registryv1.EnrolNodeResponse{RenewInterval: durationpb.New(50 * time.Millisecond), SessionTtl: durationpb.New(time.Second),
		Drift: s.policy, Probes: s.probes, Draining: s.drain != nil, Drain: s.drain, DrainOrder: s.order,
		WantSchemas: s.wanted}, nil
}

// UploadSchemas implements the registry.
func (s *Server) UploadSchemas(_ context.Context, r *registryv1.UploadSchemasRequest) (*registryv1.UploadSchemasResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted = false
	s.Uploads <- r
	return &registryv1.UploadSchemasResponse{}, nil
}

// UploadInventory implements the registry.
func (s *Server) UploadInventory(_ context.Context, r *registryv1.UploadInventoryRequest) (*registryv1.UploadInventoryResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inventory = r
	return &registryv1.UploadInventoryResponse{}, nil
}

// UploadConfiguration implements the registry.
func (s *Server) UploadConfiguration(_ context.Context, r *registryv1.UploadConfigurationRequest) (*registryv1.UploadConfigurationResponse,
	error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.configuration = append(s.configuration, r)
	return &registryv1.UploadConfigurationResponse{}, nil
}

// Inventory returns the last uploaded inventory; nil before the first.
func (s *Server) Inventory() *registryv1.UploadInventoryRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inventory
}

// RequestConfiguration makes renewals request the gateway's configuration under a request id.
func (s *Server) RequestConfiguration(word string) { s.locked(func() { s.wantConfiguration = word }) }

// Configuration returns the uploaded parts of the configuration.
func (s *Server) Configuration() []*registryv1.UploadConfigurationRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.configuration)
}

// RenewNode implements the registry.
func (s *Server) RenewNode(_ context.Context, r *registryv1.RenewNodeRequest) (*registryv1.RenewNodeResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.refusal(); err != nil {
		return nil, err
	}
	if s.owner != r.GetBootId() {
		return nil, status.Error(codes.NotFound, "not enrolled")
	}
	s.renewals++
	if r.GetStatus() != nil {
		s.statuses = append(s.statuses, r.GetStatus())
	}
	if r.GetLeaving() {
		s.owner = ""
		s.departures++
	}
	return &registryv1.RenewNodeResponse{RenewInterval: durationpb.New(50 * time.Millisecond), Drift: s.policy, Probes: s.probes,
		Draining: s.drain != nil, Drain: s.drain, DrainOrder: s.order, WantSchemas: s.wanted, WantConfiguration: s.wantConfiguration}, nil
}

// FollowAssignment implements the distributor.
func (s *Server) FollowAssignment(stream grpc.BidiStreamingServer[distributorv1.FollowAssignmentRequest,
	distributorv1.FollowAssignmentResponse]) error {
	first, err := stream.Recv()
	if err != nil || first.GetHello() == nil {
		return status.Error(codes.InvalidArgument, "want a hello")
	}
	out := make(chan *distributorv1.FollowAssignmentResponse)
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	s.mu.Lock()
	refused := s.refusal()
	if refused == nil {
		s.stream, s.cut = out, cancel
	}
	s.mu.Unlock()
	if refused != nil {
		return refused
	}
	s.Hellos <- first.GetHello()
	go func() {
		for {
			m, err := stream.Recv()
			if err != nil {
				return
			}
			s.Outcomes <- m.GetOutcome()
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case m := <-out:
			if err := stream.Send(m); err != nil {
				return err
			}
		}
	}
}

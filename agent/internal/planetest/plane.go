// Package planetest is a small control plane for tests of an agent: a registry and a distributor of one group on one
// loopback address, which do as the test says and remember what agents told them. It decides nothing.
package planetest

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

// Plane is the control plane. Its methods may be called from any goroutine.
type Plane struct {
	registryv1.UnimplementedRegistryServiceServer
	distributorv1.UnimplementedDeliveryServiceServer

	address string // stays while the plane is stopped
	server  *grpc.Server

	mu       sync.Mutex
	policy   fleetv1.DriftPolicy
	owner    string // boot id that holds the name
	taken    bool   // by an agent that is not there
	revoked  bool
	enrolled []*registryv1.EnrolNodeRequest
	statuses []*fleetv1.NodeStatus
	left     int
	probes   []*fleetv1.Probe
	drain    *registryv1.Drain
	order    int64
	renewals int

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
func Start(t testing.TB, address string) *Plane {
	t.Helper()
	p := &Plane{
		address: address,
		Hellos:  make(chan *distributorv1.Hello, 100), Outcomes: make(chan *distributorv1.Outcome, 100),
		Uploads: make(chan *registryv1.UploadSchemasRequest, 100),
	}
	p.Serve(t)
	t.Cleanup(p.Stop)
	return p
}

// Serve listens, at the address of before.
func (p *Plane) Serve(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp", p.address)
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	p.server = grpc.NewServer()
	registryv1.RegisterRegistryServiceServer(p.server, p)
	distributorv1.RegisterDeliveryServiceServer(p.server, p)
	server := p.server
	go func() { _ = server.Serve(l) }()
}

// Stop breaks every connection.
func (p *Plane) Stop() { p.server.Stop() }

// Address is where the plane listens.
func (p *Plane) Address() string { return p.address }

// Dial connects to the plane.
func (p *Plane) Dial() (*grpc.ClientConn, error) {
	return grpc.NewClient(p.Address(), grpc.WithTransportCredentials(insecure.NewCredentials()))
}

// Send sends a message on the stream that is open, and fails the test when none takes it.
func (p *Plane) Send(t testing.TB, m *distributorv1.FollowAssignmentResponse) {
	t.Helper()
	p.mu.Lock()
	stream := p.stream
	p.mu.Unlock()
	select {
	case stream <- m:
	case <-time.After(time.Minute):
		t.Fatal("no stream takes the message")
	}
}

// SetPolicy answers renewals with a policy.
func (p *Plane) SetPolicy(policy fleetv1.DriftPolicy) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.policy = policy
}

// WantSchemas makes the plane answer that it wants a node's schemas until one is uploaded.
func (p *Plane) WantSchemas() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted = true
}

// SetProbes answers with the probes of the group.
func (p *Plane) SetProbes(probes ...*fleetv1.Probe) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.probes = probes
}

// Drain answers that the node is drained, or is not when it is nil. Each call is a newer order.
func (p *Plane) Drain(d *registryv1.Drain) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drain = d
	p.order++
}

// Renewals counts the renewals, and the enrolments and renewals that carried a status.
func (p *Plane) Renewals() (all, withStatus int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.renewals, len(p.statuses)
}

// TakeName makes the plane refuse enrolments, as while another agent renews, or ends that.
func (p *Plane) TakeName(taken bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken = taken
}

// Revoke makes the plane refuse the node's certificate and end its stream, or ends that.
func (p *Plane) Revoke(is bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.revoked = is
	if is && p.cut != nil {
		p.cut()
		p.cut = nil
	}
}

// refusal is what a revoked certificate is answered with; nil for one that is not. The lock is held.
func (p *Plane) refusal() error {
	if !p.revoked {
		return nil
	}
	return fault.ToStatus(fault.New(fault.Denied, "CERTIFICATE_REVOKED", "the certificate is revoked")).Err()
}

// Forget makes the plane forget its nodes, as when a session ran out.
func (p *Plane) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.owner = ""
}

// Enrolments returns what was enrolled so far.
func (p *Plane) Enrolments() []*registryv1.EnrolNodeRequest {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*registryv1.EnrolNodeRequest(nil), p.enrolled...)
}

// Goodbyes counts the agents that said they were leaving.
func (p *Plane) Goodbyes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.left
}

// LastStatus returns the newest report; nil before the first.
func (p *Plane) LastStatus() *fleetv1.NodeStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.statuses) == 0 {
		return nil
	}
	return p.statuses[len(p.statuses)-1]
}

// EnrolNode implements the registry.
func (p *Plane) EnrolNode(_ context.Context, r *registryv1.EnrolNodeRequest) (*registryv1.EnrolNodeResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.refusal(); err != nil {
		return nil, err
	}
	if p.taken {
		return nil, status.Error(codes.AlreadyExists, "another agent renews")
	}
	p.owner = r.GetBootId()
	p.enrolled = append(p.enrolled, r)
	p.statuses = append(p.statuses, r.GetStatus())
	return &registryv1.EnrolNodeResponse{RenewInterval: durationpb.New(50 * time.Millisecond), SessionTtl: durationpb.New(time.Second),
		Drift: p.policy, Probes: p.probes, Draining: p.drain != nil, Drain: p.drain, DrainOrder: p.order,
		WantSchemas: p.wanted}, nil
}

// UploadSchemas implements the registry.
func (p *Plane) UploadSchemas(_ context.Context, r *registryv1.UploadSchemasRequest) (*registryv1.UploadSchemasResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted = false
	p.Uploads <- r
	return &registryv1.UploadSchemasResponse{}, nil
}

// UploadInventory implements the registry.
func (p *Plane) UploadInventory(_ context.Context, r *registryv1.UploadInventoryRequest) (*registryv1.UploadInventoryResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inventory = r
	return &registryv1.UploadInventoryResponse{}, nil
}

// UploadConfiguration implements the registry.
func (p *Plane) UploadConfiguration(_ context.Context, r *registryv1.UploadConfigurationRequest) (*registryv1.UploadConfigurationResponse,
	error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.configuration = append(p.configuration, r)
	return &registryv1.UploadConfigurationResponse{}, nil
}

// Inventory is what was uploaded last; nil before.
func (p *Plane) Inventory() *registryv1.UploadInventoryRequest {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.inventory
}

// AskConfiguration has renewals ask for what the gateway serves under a word; Configuration is what was brought so far.
func (p *Plane) AskConfiguration(word string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wantConfiguration = word
}

// Configuration is the parts that were brought so far.
func (p *Plane) Configuration() []*registryv1.UploadConfigurationRequest {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.configuration)
}

// RenewNode implements the registry.
func (p *Plane) RenewNode(_ context.Context, r *registryv1.RenewNodeRequest) (*registryv1.RenewNodeResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.refusal(); err != nil {
		return nil, err
	}
	if p.owner != r.GetBootId() {
		return nil, status.Error(codes.NotFound, "not enrolled")
	}
	p.renewals++
	if r.GetStatus() != nil {
		p.statuses = append(p.statuses, r.GetStatus())
	}
	if r.GetLeaving() {
		p.owner = ""
		p.left++
	}
	return &registryv1.RenewNodeResponse{RenewInterval: durationpb.New(50 * time.Millisecond), Drift: p.policy, Probes: p.probes,
		Draining: p.drain != nil, Drain: p.drain, DrainOrder: p.order, WantSchemas: p.wanted, WantConfiguration: p.wantConfiguration}, nil
}

// FollowAssignment implements the distributor.
func (p *Plane) FollowAssignment(stream grpc.BidiStreamingServer[distributorv1.FollowAssignmentRequest,
	distributorv1.FollowAssignmentResponse]) error {
	first, err := stream.Recv()
	if err != nil || first.GetHello() == nil {
		return status.Error(codes.InvalidArgument, "want a hello")
	}
	out := make(chan *distributorv1.FollowAssignmentResponse)
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	p.mu.Lock()
	refused := p.refusal()
	if refused == nil {
		p.stream, p.cut = out, cancel
	}
	p.mu.Unlock()
	if refused != nil {
		return refused
	}
	p.Hellos <- first.GetHello()
	go func() {
		for {
			m, err := stream.Recv()
			if err != nil {
				return
			}
			p.Outcomes <- m.GetOutcome()
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

package api

import (
	"context"
	"crypto/rand"
	"time"

	"google.golang.org/grpc"

	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/inventory"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
)

// Unmanaged stores inventories and configurations of unmanaged gateways for a while.
type Unmanaged interface {
	PutInventory(ctx context.Context, digest string, zstd []byte) error
	Inventory(ctx context.Context, digest string) ([]byte, error)
	Want(ctx context.Context, key roster.Key, word string) (done func(), err error)
	Wanted(ctx context.Context, key roster.Key) (string, error)
	PutPart(ctx context.Context, key roster.Key, word string, number int32, p roster.Part) (bool, error)
	Part(ctx context.Context, word string, number int32) (*roster.Part, error)
}

// partInterval is how often the ledger is polled for a part.
const partInterval = 100 * time.Millisecond

// UploadInventory implements RegistryService.
func (s *Server) UploadInventory(ctx context.Context, r *registryv1.UploadInventoryRequest) (*registryv1.UploadInventoryResponse, error) {
	if err := s.ready(); err != nil {
		return nil, err
	}
	key := roster.Key{Group: fleet.GroupID(r.GetGroup()), Node: fleet.NodeID(r.GetNode())}
	if s.View.Current(key).Node == nil {
		return nil, roster.NotEnrolled(key)
	}
	digest, err := fleet.ParseDigest(r.GetDigest())
	if err != nil {
		return nil, fault.InvalidFields(fault.Violation{Field: "digest", Description: err.Error()})
	}
	// One at a time, since unpacking takes memory.
	select {
	case s.InventorySlot <- struct{}{}:
		defer func() { <-s.InventorySlot }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if _, err := inventory.Unpack(r.GetZstd(), digest); err != nil {
		return nil, fault.New(fault.Invalid, "INVALID_INVENTORY", "%s", clean.Line(err.Error(), clean.MaxMessage))
	}
	if err := s.Unmanaged.PutInventory(ctx, string(digest), r.GetZstd()); err != nil {
		return nil, down(err)
	}
	return &registryv1.UploadInventoryResponse{}, nil
}

// GetInventory implements RegistryService.
func (s *Server) GetInventory(ctx context.Context, r *registryv1.GetInventoryRequest) (*registryv1.GetInventoryResponse, error) {
	zstd, err := s.Unmanaged.Inventory(ctx, r.GetDigest())
	if err != nil {
		return nil, down(err)
	}
	if zstd == nil {
		return nil, fault.New(fault.Missing, "INVENTORY_NOT_FOUND", "no inventory with the digest %q is stored",
			clean.Line(r.GetDigest(), clean.MaxWord))
	}
	return &registryv1.GetInventoryResponse{Zstd: zstd}, nil
}

// UploadConfiguration implements RegistryService.
func (s *Server) UploadConfiguration(ctx context.Context, r *registryv1.UploadConfigurationRequest) (
	*registryv1.UploadConfigurationResponse, error) {
	key := roster.Key{Group: fleet.GroupID(r.GetGroup()), Node: fleet.NodeID(r.GetNode())}
	if r.GetPart() >= r.GetPartCount() {
		return nil, fault.InvalidFields(fault.Violation{Field: "part", Description: "is not below part_count"})
	}
	kept, err := s.Unmanaged.PutPart(ctx, key, r.GetWord(), r.GetPart(), roster.Part{
		Count: r.GetPartCount(), Failure: clean.Line(r.GetFailure(), clean.MaxMessage), Zstd: r.GetZstd(),
	})
	if err != nil {
		return nil, down(err)
	}
	if !kept {
		return nil, fault.New(fault.WrongState, "NOBODY_WAITS", "no call waits for the configuration of node %q of group %q under this word",
			key.Node, key.Group)
	}
	return &registryv1.UploadConfigurationResponse{}, nil
}

// GetNodeConfiguration implements RegistryService.
func (s *Server) GetNodeConfiguration(r *registryv1.GetNodeConfigurationRequest,
	stream grpc.ServerStreamingServer[registryv1.GetNodeConfigurationResponse]) error {
	if err := s.ready(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(stream.Context(), roster.ConfigurationTTL)
	defer cancel()
	key := roster.Key{Group: fleet.GroupID(r.GetGroup()), Node: fleet.NodeID(r.GetNode())}
	current := s.View.Current(key)
	switch {
	case current.Node == nil:
		return roster.NoNode(key)
	case current.Session == nil:
		return fault.New(fault.WrongState, "NODE_AWAY", "node %q of group %q is not in contact", key.Node, key.Group)
	case !current.Session.Report.Unmanaged:
		return fault.New(fault.WrongState, "NODE_NOT_UNMANAGED", "node %q of group %q does not serve anything that no revision brought: "+
			"silverback dump shows what the group runs", key.Node, key.Group)
	}
	word := rand.Text()
	done, err := s.Unmanaged.Want(ctx, key, word)
	if err != nil {
		return down(err)
	}
	defer done()
	for number, count := int32(0), int32(1); number < count; number++ {
		p, err := s.awaitPart(ctx, key, word, number)
		if err != nil {
			return err
		}
		if p.Failure != "" {
			return fault.New(fault.Down, "CONFIGURATION_NOT_READ", "node %q of group %q cannot read what its gateway serves: %s", key.Node,
				key.Group, p.Failure)
		}
		count = p.Count
		if err := stream.Send(&registryv1.GetNodeConfigurationResponse{Zstd: p.Zstd}); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) awaitPart(ctx context.Context, key roster.Key, word string, number int32) (*roster.Part, error) {
	tick := time.NewTicker(partInterval)
	defer tick.Stop()
	for {
		p, err := s.Unmanaged.Part(ctx, word, number)
		if p != nil {
			return p, nil
		}
		if err != nil && ctx.Err() == nil {
			return nil, down(err)
		}
		select {
		case <-ctx.Done():
			return nil, fault.New(fault.Down, "CONFIGURATION_NOT_BROUGHT", "the agent of node %q of group %q did not upload its gateway's "+
				"configuration in time", key.Node, key.Group)
		case <-s.Draining:
			return nil, fault.New(fault.Down, "STOPPING", "this replica is about to stop; ask again")
		case <-tick.C:
		}
	}
}

// wanted returns the word of the call that waits for a node's configuration. Calls only wait for unmanaged nodes.
func (s *Server) wanted(ctx context.Context, key roster.Key) string {
	if session := s.View.Current(key).Session; session == nil || !session.Report.Unmanaged {
		return ""
	}
	word, err := s.Unmanaged.Wanted(ctx, key)
	if err != nil {
		return "" // the next renewal asks again
	}
	return word
}

package api

import (
	"google.golang.org/grpc"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
)

// An AgentStream is the lifelong stream of one node.
type AgentStream = grpc.BidiStreamingServer[distributorv1.FollowAssignmentRequest, distributorv1.FollowAssignmentResponse]

// DeliveryService implements the service of that name.
type DeliveryService struct {
	distributorv1.UnimplementedDeliveryServiceServer
	Follow func(AgentStream) error
}

// FollowAssignment serves an agent's stream until it ends.
func (s *DeliveryService) FollowAssignment(stream AgentStream) error { return s.Follow(stream) }

package nodes

import (
	"context"
	"net"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"

	"github.com/silverback-gateway/silverback/kit/rpc"
)

// traffic counts every byte between the agents and the replica, HTTP/2 and handshakes included.
type traffic struct{ received, sent atomic.Int64 }

type countedConn struct {
	net.Conn
	traffic *traffic
}

func (c countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.traffic.received.Add(int64(n))
	return n, err
}

func (c countedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.traffic.sent.Add(int64(n))
	return n, err
}

// dial connects as an agent does; there are thousands of them in one process.
func dial(address string, t *traffic) (*grpc.ClientConn, error) {
	return rpc.Dial(rpc.ClientConfig{Addresses: []string{address}},
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			var d net.Dialer
			c, err := d.DialContext(ctx, "tcp", address)
			if err != nil {
				return nil, err
			}
			return countedConn{c, t}, nil
		}))
}

func hello(group, node string, b Base) *distributorv1.FollowAssignmentRequest {
	return &distributorv1.FollowAssignmentRequest{Message: &distributorv1.FollowAssignmentRequest_Hello{Hello: &distributorv1.Hello{
		Group: group, Node: node, BootId: "bench", AgentVersion: "bench",
		ServingDigest: b.Digest, ServingRevision: b.Revision, HeldDigest: b.Digest,
	}}}
}

func ack(nonce uint64, d *distributorv1.Directive) *distributorv1.FollowAssignmentRequest {
	return &distributorv1.FollowAssignmentRequest{Message: &distributorv1.FollowAssignmentRequest_Outcome{Outcome: &distributorv1.Outcome{
		Nonce: nonce, Decision: d.GetDecision(), Digest: d.GetDigest(),
		Verdict: &distributorv1.Outcome_Ack{Ack: &distributorv1.Ack{
			Proof: fleetv1.Proof_PROOF_WORKER, LoadTime: durationpb.New(1), ProofTime: durationpb.New(1),
		}},
	}}}
}

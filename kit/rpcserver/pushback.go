package rpcserver

import (
	"time"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/kit/fault"
)

// longWait is about as long as a client pauses between all its tries. When a server waited longer for the ledger, the call is not retried.
const longWait = time.Second

// noRetry makes a gRPC client accept this answer without a retry, whatever its policy.
var noRetry = metadata.Pairs("grpc-retry-pushback-ms", "-1")

// final reports whether a retry is useless. A client retries at the replica that it is connected to, which would wait for the ledger as
// long again. When the answer came at once, as during an election of etcd, a retry is useful. So it is for a replica that starts or stops:
// it sends its clients to others.
func final(s *status.Status, took time.Duration) bool {
	return took >= longWait && fault.IsNoLedger(s.Err())
}

package rpcserver

import (
	"time"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/kit/fault"
)

// longWait is from when on a server has waited for the ledger as long as it would be of use: about what a client pauses between all its
// tries.
const longWait = time.Second

// stay tells a client of gRPC, whatever its policy, to take this answer and not to try again by itself.
var stay = metadata.Pairs("grpc-retry-pushback-ms", "-1")

// final says that to try again at once would only mean to wait as long again. A client tries the replica that it is connected to, so one
// that waited for the ledger in vain is asked no second time; the caller knows soon, and decides. The same answer given at once, as while
// the members of etcd elect a leader, is worth another try, and so is every replica that starts or stops: it sends its clients to others.
func final(s *status.Status, took time.Duration) bool {
	return took >= longWait && fault.IsNoLedger(s.Err())
}

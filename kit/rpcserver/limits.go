package rpcserver

import (
	"time"

	"github.com/silverback-gateway/silverback/kit/identity"
)

// What a server grants its callers. All of it is counted before it is read; together the limits bound what any number of callers can
// make a process hold. docs/security.md lists them.
const (
	defaultMaxReceive   = 1 << 20 // bytes of one message of a method that Config.Large does not name
	maxHeaderBytes      = 8 << 10 // of the headers and metadata of one call
	maxStreams          = 100     // calls at once on one connection
	maxConnections      = 20_000  // of one replica, whoever opened them
	maxHandshakes       = 1_000   // connections at once that have not shown who they are
	handshakeTime       = 20 * time.Second
	receiveTime         = 30 * time.Second // for a request to come whole
	largeReceiveTime    = 2 * time.Minute  // for one that Config.Large lets be large
	defaultLargeTimeout = 10 * time.Second // how long a large request waits for others to be done
	defaultAge          = time.Hour        // of a connection
	// A message waits in the window of its stream until its method has been let in, and each stream may fill its own.
	streamWindow = 64<<10 - 1
)

// share is what one identity may have at once of one replica, whatever the number of its connections and certificates.
type share struct{ connections, calls int }

// shareOf says how much a kind of caller needs: an agent has a stream, a renewal and now and then an upload, on a connection that may
// not have noticed yet that its predecessor is gone; behind a user or a service stand several people, jobs or replicas.
func shareOf(kind identity.Kind) share {
	switch kind {
	case identity.Node:
		return share{connections: 8, calls: 16}
	case identity.User, identity.Service:
		return share{connections: 256, calls: 512}
	}
	return share{connections: 8, calls: 8} // an authority signed it, and its URI says nothing that is known here
}

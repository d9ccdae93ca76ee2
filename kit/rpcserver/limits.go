package rpcserver

import (
	"time"

	"github.com/silverback-gateway/silverback/kit/identity"
)

// Limits of what a server grants its callers. All of it is counted before it is read. Together they bound the memory of a process, whatever
// the number of callers. docs/security.md lists them.
const (
	defaultMaxReceive   = 1 << 20 // bytes of one message of a method that Config.Large does not name
	maxHeaderBytes      = 8 << 10 // of the headers and metadata of one call
	maxStreams          = 100     // of the headers and metadata of one call
	maxConnections      = 20_000  // of one replica, whoever opened them
	maxHandshakes       = 1_000   // of one replica
	handshakeTime       = 20 * time.Second
	receiveTime         = 30 * time.Second // for receiving a whole request
	largeReceiveTime    = 2 * time.Minute  // for a request of a method in Config.Large
	defaultLargeTimeout = 10 * time.Second // how long a large request waits for others
	defaultAge          = time.Hour        // of a connection
	// A message waits in the window of its stream until its method is admitted, and each stream may fill its own window.
	streamWindow = 64<<10 - 1
)

// share is what one identity may use at once of one replica, whatever the number of its connections and certificates.
type share struct{ connections, calls int }

// shareOf returns the share of a kind of caller. An agent has a stream, a renewal and occasionally an upload, perhaps on a connection whose
// predecessor has not ended yet. A user or a service may be several people, jobs or replicas.
func shareOf(kind identity.Kind) share {
	switch kind {
	case identity.Node:
		return share{connections: 8, calls: 16}
	case identity.User, identity.Service:
		return share{connections: 256, calls: 512}
	}
	return share{connections: 8, calls: 8} // an authority signed it, and its URI is unknown
}

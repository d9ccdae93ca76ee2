// Package presence keeps a restore of the ledger and the services apart. Each replica of a service announces itself in etcd under a lease;
// a restore begins only when none is there, and writes a marker in the same transaction. A replica that finds the marker ends. Both are
// under the prefix of each service, because a service may open no other.
package presence

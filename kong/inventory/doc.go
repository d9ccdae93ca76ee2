// Package inventory lists which entities a configuration holds, without their content: enough to detect that another configuration would
// remove one. It reads a gateway's export of its configuration (fact F8) and the canonical bytes of a snapshot, and identifies an entity in
// the same way in both.
//
// An entity is identified by what identifies it for people: its name, its scope, or, where Kong would generate an id (fact F24), what it
// matches. Ids do not count, so gateways that loaded the same file have the same inventory. An inventory holds no secret value in the
// clear, but it holds hashes of keys with which clients authenticate. Give it only to callers that may read the configuration.
package inventory

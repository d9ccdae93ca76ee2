// Package inventory says which entities a configuration holds, without their content: enough to tell whether another configuration would
// take one of them away. It reads what a gateway says it serves (fact F8) and the canonical bytes of a snapshot, and names an entity alike
// in both.
//
// An entity is known by what makes it itself for people: its name, its scope, or, where Kong would invent an id (fact F24), by what it
// matches. Ids do not count, so gateways that loaded the same file have the same inventory. An inventory holds no value of a secret field
// in the clear, but hashes of keys that clients authenticate with: whoever may not read the configuration should not be given it.
package inventory

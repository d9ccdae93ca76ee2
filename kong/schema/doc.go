// Package schema reads what a Kong gateway says of itself under /schemas and
// checks entities against it, as that gateway would.
//
// A Bundle is all schemas of one Kong version with one set of plugins. It is made
// from the texts that a gateway sent (New) or from its own canonical bytes
// (Decode), compiled once, immutable from then on and safe for concurrent use.
// Nothing here does I/O.
//
// What /schemas cannot say, because it is a function in Kong's Lua, is added here
// by entity and field name, as Kong 3.9.3 was recorded to behave: host names,
// paths, regular expressions, addresses, tags, PEM and JWK texts, and what some
// plugins demand of their configuration as a whole. Where nothing was recorded
// and a rule is not certain, nothing is checked: the gateway itself has the last
// word, and a configuration must not be refused here that it would take.
//
// Not checked: references to other entities beyond their form, uniqueness, filters of
// WebAssembly beyond their names, and which shared dictionaries of nginx there are:
// operators can add to them.
package schema

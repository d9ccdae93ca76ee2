// Package schema compiles the schemas that a Kong gateway serves under /schemas, and checks entities against them as that gateway would.
//
// A Bundle has all schemas of one Kong version with one set of plugins. It is made from the texts that a gateway sent (New) or from its own
// canonical bytes (Decode). It is compiled once, then immutable and safe for concurrent use. The package does no I/O.
//
// Rules that Kong implements in Lua functions do not appear under /schemas. They are added here by entity and field name, as Kong 3.9.3 was
// recorded to behave: host names, paths, regular expressions, addresses, tags, PEM and JWK texts, and the rules of some plugins about their
// whole configuration. Where nothing was recorded and a rule is not certain, nothing is checked: the gateway has the final say, and a
// configuration that it would take must not be refused here.
//
// Not checked: the targets of references, uniqueness, the configuration of WebAssembly filters, and the names of nginx's shared
// dictionaries, to which operators can add.
package schema

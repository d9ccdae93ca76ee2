// Package snapshot makes, cuts and moves canonical bytes: the one text form of
// a complete Kong configuration, in which the same entities give the same bytes
// on every machine.
//
// Canonical bytes are Kong's declarative JSON, flat, laid out so that a program
// can walk them without a parser:
//
//	{"_format_version":"3.0",
//	"consumers":[
//	{"id":"..","username":"a"},
//	{"id":"..","username":"b"}
//	],
//	"routes":[
//	{"id":"..","name":"r"}
//	]}
//
// with a line feed at the end. Kinds are in byte order, each only once and never
// empty; the entities of a kind are in the order of their natural key, then of
// their id, one to a line. The empty configuration is {"_format_version":"3.0"}
// and a line feed. Where passwords are hashed already, _transform follows on the
// first line: {"_format_version":"3.0","_transform":false,
//
// The package is pure: it reads no clock, no file and no network. It knows
// neither what an entity means nor which nulls are redundant; whoever makes the
// entities does.
package snapshot

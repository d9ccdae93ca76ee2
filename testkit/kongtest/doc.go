// Package kongtest is a simulated Kong Gateway for tests and for the lab.
//
// It is not Kong, and says so in its Server header and in its banner. It answers on an Admin, a Status and a proxy listener as a DB-less
// Kong
// 3.9.3 was recorded to answer, as far as an agent beside a gateway can see a difference. It listens on loopback and on unix sockets only,
// in plain HTTP or in TLS.
//
// Simulated:
//   - GET /, /status, /status/ready, draining. Configuration hashes of text and of direct JSON. POST /config in every body form, with 201,
//     304, 400 in its three shapes and flattened, 413 of both kinds, 415, 429, and the inputs to which Kong answers 500. GET /config. Reads
//     of entities with paging, and refusals of writes. /schemas from a directory.
//   - Workers: each has its own connections, and turns to a new configuration on its own, a little after the 201.
//   - The proxy: routes by host, path, method, header and SNI in the order of the flavor traditional_compatible (F45), and by expressions
//     in
//     the flavor "expressions". Services, upstreams with weights, strip_path, preserve_host. The plugins pre-function and post-function
//     (their Lua is run, in the access phase),
//     key-auth, basic-auth (with the hashes that Kong keeps), ip-restriction, request-termination, redirect, request-transformer and
//     response-transformer (with templates; headers, path, method and query string, but no bodies).
//   - Certificates of the configuration by their SNIs, on listeners of the proxy for TLS.
//   - GET /metrics as the prometheus plugin writes it: requests, bandwidth (of bodies only) and latencies of proxied requests as far as a
//     plugin asks for them, connections, workers' memory (a constant) and the node. Requests without a route are not counted.
//   - Restarts: the configuration survives in the prefix, or the declarative file is read again when one is set.
//
// Configurations are checked by rules of this package, which share no code with the translator, so that a mistake in either shows. The
// rules cover structure and common values. Where a test needs the schemas of plugins, or all rules of entities, Options.Schemas replaces
// the rules: configurations, and single entities at /schemas/{kind}/validate, are then refused about the same fields as by the gateway that
// the schemas are of. Package schemacheck does that with kong/schema.
//
// Not simulated: defaults in what Kong returns. The migration of paths from the format versions 1.1 and 2.1. Every other plugin, which is
// accepted and has no effect. Metrics of upstreams' health, shared dictionaries and AI. gRPC and stream listeners. Health checks and
// hashing of upstreams. Consumers beyond their API keys and passwords. Databases and hybrid mode. Write access to entities. Of the flavor
// "traditional" only the order of routes is its own. Regular expressions of routes are Rust's, except for repetitions of more than 1000,
// which never match, and properties of characters that Go does not know, which are refused. Answers that a router has cached.
package kongtest

import "fmt"

// KongVersion is the version whose behaviour is simulated.
const KongVersion = "3.9.3"

// Banner is what a process that runs the simulation prints before anything else.
func Banner() string {
	return fmt.Sprintf("This is a simulation of Kong Gateway %s for tests and demonstrations. It is not Kong, and must not carry real "+
		"traffic.", KongVersion)
}

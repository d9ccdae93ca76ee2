// Package kongtest is a simulated Kong Gateway for tests and for the lab.
//
// It is not Kong. It answers on an Admin, a Status and a proxy listener as a
// DB-less Kong 3.9.3 was recorded to answer, as far as an agent beside a gateway
// can tell the difference, and it says in its Server header and in its banner
// that it is a simulation. It listens on loopback and on unix sockets only, in
// plain HTTP or in TLS.
//
// Simulated:
//   - GET /, /status, /status/ready, draining; configuration hashes as Kong
//     makes them, of text and of direct JSON; POST /config in every body form,
//     with 201, 304, 400 in its three shapes and flattened, 413 of both kinds,
//     415, 429 and the inputs that make Kong answer 500; GET /config; reads of
//     entities with paging; refusals of writes; /schemas from a directory.
//   - Workers: each has its own connections and turns to a new configuration
//     on its own, a little after the 201.
//   - The proxy: routes by host, path, method, header and SNI in the order of the
//     traditional_compatible flavor (F45), and by expressions in the flavor
//     "expressions"; services, upstreams with weights, strip_path,
//     preserve_host; the plugins pre-function (its Lua is run), key-auth,
//     basic-auth (with the hashes that Kong keeps), ip-restriction and request-termination.
//   - GET /metrics as the prometheus plugin writes it: requests, bandwidth (of
//     bodies only) and latencies of proxied requests as far as a plugin asks for
//     them, connections, workers' memory (a constant) and the node. Requests that
//     no route took are not counted.
//   - Restarts: the configuration survives in the prefix, or returns to the
//     declarative file when one is set.
//
// Not simulated: the schemas of plugins and the deeper rules of entities, unless
// schemas are given (Options.Schemas): then configurations are refused about
// the same fields as by the gateway that the schemas are of, and so are single
// entities at /schemas/{kind}/validate; defaults in what Kong returns; the migration of paths from
// the format versions 1.1 and 2.1; every other plugin, which is accepted and then
// has no effect; metrics of upstreams' health, shared dictionaries and AI; gRPC and stream listeners; certificates and SNIs of a
// configuration (a TLS listener shows what its options say); a listener for
// plain HTTP beside one for TLS; health checks and
// hashing of upstreams; consumers beyond their API keys and passwords; databases and hybrid
// mode; write access to entities. Of the flavor "traditional" only the order of
// routes is its own. Regular expressions of routes are Rust's, but for differences
// and intersections of classes, repetitions of more than 1000 and properties of
// characters that Go does not know. What a router remembers of earlier answers is
// not simulated.
package kongtest

import "fmt"

// KongVersion is the version whose behaviour is simulated.
const KongVersion = "3.9.3"

// Banner is what a process that runs the simulation prints before anything else.
func Banner() string {
	return fmt.Sprintf("This is a simulation of Kong Gateway %s for tests and demonstrations. It is not Kong, and must not carry real "+
		"traffic.", KongVersion)
}

// Package kong holds each fact about Kong that Silverback relies on to a gateway: always to the simulated one, and
// to a real one when three variables say where it is. docs/kong.md lists the facts with their tests and says how to run
// them. A test is named by its fact, asks through the listeners only, and leaves the gateway with a small configuration.
package kong

// Package parity compares a configuration that came from elsewhere with one that was made of the same objects: what Kong Ingress Controller
// says it sent, or what a gateway says it serves, with a translation. It pairs entities by what people call them, since each side may have
// ids of its own, and leaves out what does not matter: the order of sets, values that are Kong's defaults, what a controller or a gateway
// filled in, times. What a side hides counts as unknown, not as different.
//
// It is pure. Reports hold no value that may be secret, see kong/changes; Configurations do.
package parity

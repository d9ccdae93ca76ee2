// Package gatewayapi runs the conformance suite of the Gateway API against an API server, the controller and a simulated gateway, in a
// network of its own: addresses and ports are as in a cluster, and nothing of it is seen outside. The suite's backends run without nodes: a
// stand-in makes Pods of Deployments, which are listeners of the test's process, and endpoints of Services.
package gatewayapi

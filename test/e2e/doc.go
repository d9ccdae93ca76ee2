// Package e2e looks at Silverback as its users do: the command line as a process, requests through the gateways' proxies, and what the
// agents say of themselves. What runs behind it is a lab, or a fleet of processes where memory or a crash is looked at.
package e2e

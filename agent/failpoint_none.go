//go:build !failpoints

package agent

// failpoint is for tests, which build the agent with the tag failpoints.
func failpoint() func(step string) { return nil }

// Package corpus puts real Kong files through the whole of Silverback: submitted with the command line, compiled, delivered, loaded
// and proven by simulated gateways. docs/corpus.md holds what comes of it, and the test fails when that is no longer so.
package corpus

// Package process runs Silverback as its users do: from binaries, each a process of its own, so that a test can kill one in the
// middle of its work. It builds the binaries, finds ports, keeps every process's output and prints it when the test fails.
// It is for tests only, and knows of the services nothing but their flags and their addresses.
package process

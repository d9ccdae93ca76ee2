package desired

import (
	"math"
	"runtime/debug"

	"github.com/silverback-gateway/silverback/kong/compile"
	"github.com/silverback-gateway/silverback/kong/document"
)

// What is compiled at once is bounded by the memory that it takes, which is many times the length of its text. docs/benchmarks.md has what
// a process was measured to take.
const (
	// usualMemory is assumed where GOMEMLIMIT is not set: what the manifests give.
	usualMemory = 920 << 20
	// otherMemory is what a process takes beside its calls: the caches, requests that wait, the program itself.
	otherMemory = 300 << 20
	// A byte of text becomes an entity of a fragment, the fragment as it is stored, the merged entity, and canonical bytes.
	perByte = 13
	// A byte of a group's canonical configuration is read to be compared, and merged with what is submitted.
	perGroupByte = 8
)

// forCalls is how much of a process's memory calls may take together. 0 is what the runtime was told.
func forCalls(limit int64) int64 {
	if limit == 0 {
		if limit = debug.SetMemoryLimit(-1); limit == math.MaxInt64 {
			limit = usualMemory
		}
	}
	return max(limit-otherMemory, limit/4)
}

// costOf says about how much memory it takes to compile documents.
func costOf(documents []compile.Document) int64 {
	var reading, texts int
	for _, d := range documents {
		reading = max(reading, document.Cost(d.Name, d.Content)) // one after the other
		texts += len(d.Content)
	}
	return int64(reading + perByte*texts)
}

// costOfGroup says about how much it takes to merge a group and compare it with its head.
func costOfGroup(head *Revision) int64 {
	if head == nil {
		return 0
	}
	return perGroupByte * head.Size
}

package desired

import (
	"math"
	"runtime/debug"

	"github.com/silverback-gateway/silverback/kong/compile"
	"github.com/silverback-gateway/silverback/kong/document"
)

// Compiling takes many times the length of the text in memory, so calls share a budget. docs/benchmarks.md has the measured figures.
const (
	// usualMemory is assumed without GOMEMLIMIT. It is the value of the manifests.
	usualMemory = 920 << 20
	// otherMemory is for everything but calls: the caches, waiting requests, the program itself.
	otherMemory = 300 << 20
	// A byte of text becomes an entity of a fragment, the fragment as it is stored, the merged entity, and canonical bytes.
	perByte = 13
	// A byte of a group's canonical configuration is read to be compared, and merged with what is submitted.
	perGroupByte = 8
)

// forCalls returns how much memory calls may take together. A limit of 0 means that of the runtime.
func forCalls(limit int64) int64 {
	if limit == 0 {
		if limit = debug.SetMemoryLimit(-1); limit == math.MaxInt64 {
			limit = usualMemory
		}
	}
	return max(limit-otherMemory, limit/4)
}

// costOf returns about how much memory it takes to compile documents.
func costOf(documents []compile.Document) int64 {
	var reading, texts int
	for _, d := range documents {
		reading = max(reading, document.Cost(d.Name, d.Content)) // one after the other
		texts += len(d.Content)
	}
	return int64(reading + perByte*texts)
}

// costOfGroup returns about how much it takes to merge a group and compare it with its head.
func costOfGroup(head *Revision) int64 {
	if head == nil {
		return 0
	}
	return perGroupByte * head.Size
}

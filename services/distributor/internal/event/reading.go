package event

import (
	"iter"
	"slices"
	"time"
)

// A Batch is the events that one transaction wrote, with their sequences.
type Batch struct {
	Events []Event // at least one; shared, not to be modified
	Key    string  // in the ledger
	At     int64   // the number of the transaction
}

// Last returns the sequence of the last event.
func (b Batch) Last() Sequence { return b.Events[len(b.Events)-1].Sequence }

// A Reading is the events of the ledger as a replica knew them at one moment.
type Reading struct {
	Trimmed Sequence        // events up to here were deleted
	UpTo    Sequence        // it is complete up to here; later events may be in it
	Changed <-chan struct{} // closed when there is a newer reading
	Batches []Batch         // in order; shared, not to be modified
}

// Oldest returns the sequence of the oldest event that is kept; 0 without any.
func (r Reading) Oldest() Sequence {
	if len(r.Batches) == 0 {
		return 0
	}
	return r.Batches[0].Events[0].Sequence
}

// Newest returns the sequence of the newest event; that up to which events were deleted when none is kept, and 0 before the first.
func (r Reading) Newest() Sequence {
	if len(r.Batches) == 0 {
		return r.Trimmed
	}
	return r.Batches[len(r.Batches)-1].Last()
}

// After yields the events after a sequence, the oldest first.
func (r Reading) After(s Sequence) iter.Seq[Event] {
	from, _ := slices.BinarySearchFunc(r.Batches, s, func(b Batch, s Sequence) int {
		if b.Last() > s {
			return 1
		}
		return -1
	})
	return func(yield func(Event) bool) {
		for _, b := range r.Batches[from:] {
			for _, e := range b.Events {
				if e.Sequence > s && !yield(e) {
					return
				}
			}
		}
	}
}

// Before yields the events before a sequence, the newest first; 0 is all.
func (r Reading) Before(s Sequence) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		for _, b := range slices.Backward(r.Batches) {
			for _, e := range slices.Backward(b.Events) {
				if (s == 0 || e.Sequence < s) && !yield(e) {
					return
				}
			}
		}
	}
}

// Count returns how many events are kept.
func (r Reading) Count() (n int) {
	for _, b := range r.Batches {
		n += len(b.Events)
	}
	return n
}

// Excess returns the oldest batches: those beyond a number of events, and those from before a time.
func (r Reading) Excess(keep int, from time.Time) []Batch {
	left := r.Count()
	for i, b := range r.Batches {
		if left <= keep && !b.Events[len(b.Events)-1].Time.Before(from) {
			return r.Batches[:i]
		}
		left -= len(b.Events)
	}
	return r.Batches
}

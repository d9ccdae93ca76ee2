package store

import (
	"cmp"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/services/distributor/internal/event"
)

// A Journal is a warm copy of the events in the ledger. All readers share it: one costs a place in it, however slow it is. It is safe for
// concurrent use.
type Journal struct {
	mu      sync.Mutex
	reading Reading
	changed chan struct{}
}

func newJournal() *Journal {
	j := &Journal{changed: make(chan struct{})}
	j.reading.Changed = j.changed
	return j
}

// A Reading is the journal as it was at one moment.
type Reading struct {
	Trimmed event.Sequence  // events up to here were deleted
	UpTo    event.Sequence  // the journal is complete up to here; later events may be in it
	Changed <-chan struct{} // closed when there is a newer reading
	batches []Batch         // in order
}

// Read returns the journal as it is now.
func (j *Journal) Read() Reading {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.reading
}

// change changes the journal. It must not modify a batch or a slice of them that a reading has.
func (j *Journal) change(edit func(r *Reading)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	edit(&j.reading)
	close(j.changed)
	j.changed = make(chan struct{})
	j.reading.Changed = j.changed
}

func (j *Journal) put(kv etcdkv.KV) error {
	b, err := readBatch(kv)
	if err != nil {
		return err
	}
	j.change(func(r *Reading) {
		if n := len(r.batches); n == 0 || r.batches[n-1].at < b.at {
			r.batches = append(r.batches, b) // readings are shorter, and do not see it
			return
		}
		at, found := slices.BinarySearchFunc(r.batches, b.at, func(x Batch, at int64) int { return cmp.Compare(x.at, at) })
		if !found {
			r.batches = slices.Insert(slices.Clone(r.batches), at, b)
		}
	})
	return nil
}

func (j *Journal) remove(key string) {
	j.change(func(r *Reading) {
		switch at := slices.IndexFunc(r.batches, func(b Batch) bool { return b.key == key }); {
		case at == 0:
			r.batches = r.batches[1:]
		case at > 0:
			r.batches = slices.Delete(slices.Clone(r.batches), at, at+1)
		}
	})
}

func (j *Journal) putTrimmed(kv etcdkv.KV) error {
	t, err := decode[trimmed](kv.Value)
	if err == nil {
		j.change(func(r *Reading) { r.Trimmed = t.Sequence })
	}
	return err
}

// reach says that the journal is complete up to a sequence.
func (j *Journal) reach(s event.Sequence) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.reading.UpTo = max(j.reading.UpTo, s)
}

// Oldest returns the sequence of the oldest event that is kept; 0 without any.
func (r Reading) Oldest() event.Sequence {
	if len(r.batches) == 0 {
		return 0
	}
	return r.batches[0].Events[0].Sequence
}

// Newest returns the sequence of the newest event; that up to which events were deleted when none is kept, and 0 before the first.
func (r Reading) Newest() event.Sequence {
	if len(r.batches) == 0 {
		return r.Trimmed
	}
	return r.batches[len(r.batches)-1].last()
}

// After yields the events after a sequence, the oldest first.
func (r Reading) After(s event.Sequence) iter.Seq[event.Event] {
	from, _ := slices.BinarySearchFunc(r.batches, s, func(b Batch, s event.Sequence) int {
		if b.last() > s {
			return 1
		}
		return -1
	})
	return func(yield func(event.Event) bool) {
		for _, b := range r.batches[from:] {
			for _, e := range b.Events {
				if e.Sequence > s && !yield(e) {
					return
				}
			}
		}
	}
}

// Before yields the events before a sequence, the newest first; 0 is all.
func (r Reading) Before(s event.Sequence) iter.Seq[event.Event] {
	return func(yield func(event.Event) bool) {
		for _, b := range slices.Backward(r.batches) {
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
	for _, b := range r.batches {
		n += len(b.Events)
	}
	return n
}

// Excess returns the oldest batches: those beyond a number of events, and those from before a time.
func (r Reading) Excess(keep int, from time.Time) []Batch {
	left := r.Count()
	for i, b := range r.batches {
		if left <= keep && !b.Events[len(b.Events)-1].Time.Before(from) {
			return r.batches[:i]
		}
		left -= len(b.Events)
	}
	return r.batches
}

package store

import (
	"cmp"
	"slices"
	"sync"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/services/distributor/internal/event"
)

// A Journal is a warm copy of the events in the ledger. All readers share it: one costs a place in it, however slow it is. It is safe for
// concurrent use.
type Journal struct {
	mu      sync.Mutex
	reading event.Reading
	changed chan struct{}
}

func newJournal() *Journal {
	j := &Journal{changed: make(chan struct{})}
	j.reading.Changed = j.changed
	return j
}

// Read returns the journal as it is now.
func (j *Journal) Read() event.Reading {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.reading
}

// change changes the journal. It must not modify a batch or a slice of them that a reading has.
func (j *Journal) change(edit func(r *event.Reading)) {
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
	j.change(func(r *event.Reading) {
		if n := len(r.Batches); n == 0 || r.Batches[n-1].At < b.At {
			r.Batches = append(r.Batches, b) // readings are shorter, and do not see it
			return
		}
		at, found := slices.BinarySearchFunc(r.Batches, b.At, func(x event.Batch, at int64) int { return cmp.Compare(x.At, at) })
		if !found {
			r.Batches = slices.Insert(slices.Clone(r.Batches), at, b)
		}
	})
	return nil
}

func (j *Journal) remove(key string) {
	j.change(func(r *event.Reading) {
		switch at := slices.IndexFunc(r.Batches, func(b event.Batch) bool { return b.Key == key }); {
		case at == 0:
			r.Batches = r.Batches[1:]
		case at > 0:
			r.Batches = slices.Delete(slices.Clone(r.Batches), at, at+1)
		}
	})
}

func (j *Journal) putTrimmed(kv etcdkv.KV) error {
	t, err := decode[trimmed](kv.Value)
	if err == nil {
		j.change(func(r *event.Reading) { r.Trimmed = t.Sequence })
	}
	return err
}

// reach says that the journal is complete up to a sequence.
func (j *Journal) reach(s event.Sequence) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.reading.UpTo = max(j.reading.UpTo, s)
}

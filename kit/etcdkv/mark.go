package etcdkv

// A Mark is in a record whose number, among all writes of its ledger, is not the etcd revision at which it was written, because the ledger
// was restored into an etcd that counts on its own. Numbers go on growing through a restore. The zero Mark is of a ledger that never was
// restored.
type Mark struct {
	// At is the number of a record that was restored; 0: it was written since.
	At int64 `json:"at,omitempty"`
	// Shift is how far numbers are ahead of the revisions of this etcd.
	Shift int64 `json:"shift,omitempty"`
}

// MaxNumber bounds numbers: sequences of events have room for no more.
const MaxNumber = 1<<40 - 1

// Number returns the number of a record that was written at an etcd revision.
func (m Mark) Number(modRevision int64) int64 {
	if m.At > 0 {
		return m.At
	}
	return modRevision + m.Shift
}

package fleet

// MaxEnds is how many ends of terms a lineage keeps.
const MaxEnds = 32

// An End is the last decision that a group got in a term that is over.
type End struct {
	Term     Term     `json:"term"`
	ID       TermID   `json:"id"`
	Decision Decision `json:"decision"`
}

// A Lineage is what a ledger knows of the decisions of one group. A ledger that was restored from a backup lost the newest of them and will
// use their numbers again. The ends of the terms tell the lost ones from those that it made.
type Lineage struct {
	Last  Stamp // the newest decision
	Since Term  // Ends has every earlier term of the epoch in which the group got a decision, from this one on; 0: all
	Ends  []End // the oldest first
}

// Covers reports whether the ledger has whatever was decided up to a decision: only then may a node that follows that decision follow the
// newest one. Every decision of an earlier epoch is covered, because a person recovered the ledger. Where the term of one of the two is not
// known, or is earlier than those that are kept, the numbers alone decide.
func (l Lineage) Covers(followed Stamp) bool {
	switch {
	case followed.Epoch != l.Last.Epoch:
		return followed.Epoch < l.Last.Epoch
	case followed.Decision > l.Last.Decision:
		return false
	case followed.TermID == 0 || l.Last.TermID == 0 || followed.TermID == l.Last.TermID:
		return true
	}
	for _, e := range l.Ends {
		if e.ID == followed.TermID {
			return followed.Decision <= e.Decision
		}
	}
	return followed.Term < l.Since
}

// Next returns the lineage of the next decision, which has no number yet, in a term of an epoch.
func (l Lineage) Next(epoch Epoch, term Term, id TermID) Lineage {
	next := Lineage{Last: Stamp{Epoch: epoch, Term: term, TermID: id}}
	switch {
	case l.Last.Decision == 0 || l.Last.Epoch != epoch: // the first decision
	case l.Last.TermID == 0: // an older version made it, and dropped the ends
		next.Since = l.Last.Term
	case l.Last.TermID == id:
		next.Since, next.Ends = l.Since, l.Ends
	default:
		next.Since = l.Since
		next.Ends = append(l.Ends[:len(l.Ends):len(l.Ends)], End{Term: l.Last.Term, ID: l.Last.TermID, Decision: l.Last.Decision})
		if over := len(next.Ends) - MaxEnds; over > 0 {
			next.Ends = next.Ends[over:]
			next.Since = next.Ends[0].Term
		}
	}
	return next
}

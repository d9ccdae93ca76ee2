package roster

import "time"

const (
	// DuplicateShown is how long a refused agent is reported after its last attempt. It is longer than the longest pause between attempts
	// and than DuplicateWriteInterval.
	DuplicateShown = 2 * time.Minute
	// DuplicateWriteInterval is the least time between two writes for the same duplicate.
	DuplicateWriteInterval = 20 * time.Second
)

// A DuplicateAgent is an agent that was refused because another agent is enrolled under its name.
type DuplicateAgent struct {
	BootID string    `json:"boot_id"`
	From   string    `json:"from"`              // the host it called from
	Agent  string    `json:"address,omitempty"` // the address it reports
	Since  time.Time `json:"since"`
	Last   time.Time `json:"last"`
}

// ActiveDuplicate returns the duplicate to report for a node; nil when there is none or its last attempt is older than DuplicateShown.
func (n Node) ActiveDuplicate(now time.Time) *DuplicateAgent {
	if n.LastDuplicate == nil || now.Sub(n.LastDuplicate.Last) >= DuplicateShown {
		return nil
	}
	return n.LastDuplicate
}

// WithDuplicate returns the record of a node after a duplicate was refused, and whether it has to be written.
func (n Node) WithDuplicate(t DuplicateAgent) (Node, bool) {
	if n.BootID == t.BootID {
		return n, false // it is enrolled by now
	}
	if was := n.ActiveDuplicate(t.Last); was != nil && was.BootID == t.BootID {
		if t.Last.Sub(was.Last) < DuplicateWriteInterval {
			return n, false
		}
		t.Since = was.Since
	}
	n.LastDuplicate = &t
	return n, true
}

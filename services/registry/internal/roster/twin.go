package roster

import "time"

const (
	// TwinShown is for how long a refused agent is told of after its last attempt: longer than the longest pause between attempts, and than
	// what is left unwritten in between.
	TwinShown = 2 * time.Minute
	// TwinWritten is how often an attempt is written down again.
	TwinWritten = 20 * time.Second
)

// A Twin is an agent that asked for the name of another one, and was refused.
type Twin struct {
	BootID string    `json:"boot_id"`
	From   string    `json:"from"`              // the host it called from
	Agent  string    `json:"address,omitempty"` // where it says that its listener is
	Since  time.Time `json:"since"`
	Last   time.Time `json:"last"`
}

// Duplicate returns the twin that a node is to be told of as having; nil when there is none, or none any more.
func (n Node) Duplicate(now time.Time) *Twin {
	if n.Twin == nil || now.Sub(n.Twin.Last) >= TwinShown {
		return nil
	}
	return n.Twin
}

// Meet returns the record of a node after a twin was refused, and whether it says more than before.
func (n Node) Meet(t Twin) (Node, bool) {
	if n.BootID == t.BootID {
		return n, false // it became the enrolled one in the meantime
	}
	if was := n.Duplicate(t.Last); was != nil && was.BootID == t.BootID {
		if t.Last.Sub(was.Last) < TwinWritten {
			return n, false
		}
		t.Since = was.Since
	}
	n.Twin = &t
	return n, true
}

package check

import "fmt"

// An Ack is the definite answer to a submission or a verb.
type Ack struct {
	ID      string // of the request; empty when it is not known
	Verb    string
	Refused string // why it was refused; empty: it was acknowledged

	Writer    string // of a submission
	Number    int
	Revision  int64 // that was made, or stands
	Unchanged bool  // no revision was made
	Held      bool  // a pin holds it back

	Rollout   string // that obeyed
	Repeated  bool   // the rollout was already as the verb wants it
	Reason    string // that stands
	Effective bool   // of a freeze: it is the one that stands

	Owner   string // of drained targets
	Out, In []TargetName
	Replace bool // all others of the owner are let in
}

// Orders are the verbs that a leader obeys.
var orderVerbs = map[string]bool{"pause": true, "resume": true, "promote": true, "abort": true, "retry": true}

// Acknowledged returns every response that contradicts the ledger: what was acknowledged must be there, and what was refused must not.
func (l *Ledger) Acknowledged(acks []Ack) (problems []Problem) {
	for _, a := range acks {
		contradiction := l.contradictionOfAck(a)
		if a.Refused != "" {
			contradiction = l.contradictionOfRefusal(a)
		}
		if contradiction != "" {
			problems = append(problems, Problem{Promise: Recorded, Text: fmt.Sprintf("%s %s: %s", a.Verb, a.ID, contradiction)})
		}
	}
	return problems
}

// contradictionOfRefusal returns how the ledger contradicts a refusal; empty when it does not.
func (l *Ledger) contradictionOfRefusal(a Ack) string {
	if orderVerbs[a.Verb] {
		if l.Obeyed(a.ID) {
			return fmt.Sprintf("was refused (%s), and obeyed by rollouts %v", a.Refused, l.obeyed[a.ID])
		}
		return ""
	}
	if n := l.Request(a.ID); n != 0 {
		return fmt.Sprintf("was refused (%s), and made revision %d", a.Refused, n)
	}
	return ""
}

// contradictionOfAck returns how the ledger contradicts an acknowledgement; empty when it does not.
func (l *Ledger) contradictionOfAck(a Ack) string {
	switch {
	case orderVerbs[a.Verb]:
		if !l.Obeyed(a.ID) && !a.Repeated {
			return "was acknowledged, and no rollout obeyed it"
		}
	case a.Verb == "freeze" || a.Verb == "unfreeze":
		if a.Effective && !l.Obeyed(a.ID) {
			return "was acknowledged, and never held"
		}
	case a.Verb == "pin":
		if !l.WasPinned(a.Reason) {
			return "was acknowledged, and there never was such a pin"
		}
	case a.ID != "" && a.Revision > 0 && !a.Unchanged:
		if n := l.Request(a.ID); n != a.Revision {
			return fmt.Sprintf("was acknowledged as revision %d, and the history has it as %d", a.Revision, n)
		}
	}
	return ""
}

// Numbers returns which number of a writer each content is, by what was acknowledged.
func (l *Ledger) Numbers(acks []Ack) map[string]int {
	numbers := map[string]int{}
	for _, a := range acks {
		if a.Number > 0 && a.Refused == "" && a.Revision > 0 && !a.Held {
			numbers[l.Revision(a.Revision).Fragment(a.Writer)] = a.Number
		}
	}
	return numbers
}

// Serves returns every gateway that does not answer with the content of the revision that its agent says it serves, once the fleet has
// settled: then all gateways do. What is settled begins at a time of the history.
func (l *Ledger) Serves(history []Event, acks []Ack, writers []string, settled int) (problems []Problem) {
	numbers, views := l.Numbers(acks), map[string]Event{}
	for _, e := range history {
		if e.Kind == Viewed && e.Wanted > 0 {
			views[e.Node] = e
		}
	}
	seen := map[string]bool{}
	for _, e := range history[settled:] {
		if e.Kind != Answered || e.Began < history[settled].At {
			continue
		}
		revision := views[e.Node].Revision
		fragment := l.Revision(revision).Fragment(e.Writer)
		want, known := numbers[fragment]
		if fragment != "" && !known {
			continue // what became of its submission nobody was told
		}
		if e.Number != want && !seen[e.Node+e.Writer] {
			seen[e.Node+e.Writer] = true
			problems = append(problems, Problem{Promise: Unlost, At: e.At, Text: fmt.Sprintf(
				"%s answers number %d of %s, and revision %d, which it serves, has number %d", e.Node, e.Number, e.Writer, revision, want)})
		}
	}
	if l.assigned == nil || len(l.assigned.Held) > 0 {
		return problems
	}
	for _, writer := range writers {
		good := l.Revision(l.assigned.Stable.Revision).Fragment(writer)
		for node, v := range views {
			if got := l.Revision(v.Revision).Fragment(writer); got != good {
				problems = append(problems, Problem{Promise: Converged, Text: fmt.Sprintf(
					"%s serves number %d of %s by revision %d, and the stable revision %d has number %d", node, numbers[got], writer, v.Revision,
					l.assigned.Stable.Revision, numbers[good])})
			}
		}
	}
	return problems
}

// Turned returns every agent that follows an older decision or term after a newer one, and every route that vanishes.
func Turned(history []Event) (problems []Problem) {
	views, served := map[string]Event{}, map[route]bool{}
	for _, e := range history {
		switch e.Kind {
		case Viewed:
			before := views[e.Node]
			if e.Decision == 0 {
				continue
			}
			views[e.Node] = e
			if e.Epoch == before.Epoch && (e.Decision < before.Decision || e.Term > 0 && e.Term < before.Term) {
				problems = append(problems, Problem{Promise: 4, At: e.At, Text: fmt.Sprintf("%s follows decision %d of term %d after %d of %d",
					e.Node, e.Decision, e.Term, before.Decision, before.Term)})
			}
		case Answered:
			r := route{e.Node, e.Writer}
			if e.Number == 0 && served[r] {
				problems = append(problems, Problem{Promise: 5, At: e.At, Text: fmt.Sprintf(
					"%s does not serve the route of %s any more, which nobody deleted", e.Node, e.Writer)})
			}
			served[r] = e.Number > 0
		}
	}
	return problems
}

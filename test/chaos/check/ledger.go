package check

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A Change is one key that etcd was given or lost, below the prefix of the installation.
type Change struct {
	At      int64 // the etcd revision; writes of one transaction have the same
	Key     string
	Value   []byte
	Deleted bool
}

// The promises about a ledger, by number; those up to 8 are of History.
const (
	Frozen      = 9  // a frozen group begins no rollout
	Once        = 10 // an order, a request and a revision have one effect
	InUse       = 11 // what is in use is not collected
	Pinned      = 12 // a pinned source has its last good content; no rollout begins before the pins that are due
	Unlost      = 13 // a source changes by its own submissions, or goes back to what it was
	FailedStays = 14 // what a gate failed or a gateway refused is served by nobody
	Recorded    = 15 // a verb that was acknowledged is in the history
	Restorable  = 16 // every revision that is listed restores
	Converged   = 17 // in the end all gateways serve the same
)

// Ledger replays every write to etcd about one group, and finds what breaks a promise. It reads the records by itself, and knows nothing of
// the services but the names of their keys and fields. The zero Ledger is not ready; see NewLedger.
type Ledger struct {
	group    string
	keep     int // revisions, at least
	problems []Problem

	head      int64
	revisions map[int64]RevisionRecord // all that ever were
	kept      map[int64]bool
	sources   map[string]SourceRecord
	rollouts  map[string]RolloutRecord
	present   map[string]bool // rollouts whose records are there
	states    map[string]int64
	assigned  *AssignmentRecord
	orders    ordersRecord
	groupIDs  map[string]int      // how often an order about the group came to hold
	ordered   map[string]string   // the rollout that an order was for
	obeyed    map[string][]string // the rollouts that obeyed an order
	requests  map[string]int64    // the revision of each request
	fragments map[string]bool
	manifests map[string]bool
	reasons   map[string]bool // of all pins that ever were
	collected int
	firsts    map[string]*first // by rollout
	drained   []targetWrite
}

// RevisionRecord is a revision in etcd.
type RevisionRecord struct {
	Number  int64
	Digest  string
	Sources []struct{ Name, Fragment string }
	Source  string
	Request string `json:"request_id"`
	Restore int64  `json:"restored_revision"`
}

// Fragment returns the content of a source; empty when the revision does not have it.
func (r RevisionRecord) Fragment(source string) string {
	for _, s := range r.Sources {
		if s.Name == source {
			return s.Fragment
		}
	}
	return ""
}

// PinRecord is a pin in etcd.
type PinRecord struct {
	Reason  string
	Rollout string
	Good    int64  `json:"good_revision"`
	Refused int64  `json:"refused_revision"`
	Held    string `json:"refused_fragment"`
}

// SourceRecord is a source in etcd.
type SourceRecord struct {
	Fragment string
	Revision int64
	Pin      *PinRecord
}

type targetRecord struct {
	Revision int64
	Digest   string
}

// AssignmentRecord is an assignment in etcd.
type AssignmentRecord struct {
	Stable, Candidate targetRecord
	Rollout           string
	Held              []struct{ Target targetRecord }
}

type orderRecord struct {
	ID, Verb, Rollout string
	Begin             bool // it begins the rollout after the one that it is for
}

type ordersRecord struct {
	Group    *orderRecord
	Rollouts []orderRecord
}

// RolloutRecord is a rollout in etcd.
type RolloutRecord struct {
	ID                string
	Stable, Candidate targetRecord
	State             string
	Wave              int
	Promoted          int
	TookOver          bool `json:"took_over"`
	Policy            PolicyRecord
	Orders            []orderRecord
	Refusals          []json.RawMessage
	Pinning           *struct {
		Done     bool
		Revision int64
	}
}

// NewLedger returns a ledger in which nothing was written yet, of one group whose newest revisions are kept.
func NewLedger(group string, keep int) *Ledger {
	return &Ledger{
		group: group, keep: keep, revisions: map[int64]RevisionRecord{}, kept: map[int64]bool{}, sources: map[string]SourceRecord{},
		rollouts: map[string]RolloutRecord{}, present: map[string]bool{}, states: map[string]int64{}, groupIDs: map[string]int{},
		ordered: map[string]string{}, obeyed: map[string][]string{}, requests: map[string]int64{}, fragments: map[string]bool{},
		manifests: map[string]bool{}, reasons: map[string]bool{}, firsts: map[string]*first{},
	}
}

func (l *Ledger) broken(promise int, at int64, format string, args ...any) {
	l.problems = append(l.problems, Problem{Promise: promise, Text: fmt.Sprintf("etcd revision %d: ", at) + fmt.Sprintf(format, args...)})
}

// Problems returns what was found since it was called last.
func (l *Ledger) Problems() (all []Problem) {
	all, l.problems = l.problems, nil
	return all
}

// Apply takes the writes of one transaction.
func (l *Ledger) Apply(writes []Change) {
	frozen := l.orders.Group != nil && l.orders.Group.Verb == "freeze"
	before := l.newest()
	for _, w := range writes {
		l.write(w, frozen, before)
	}
	for _, w := range writes {
		if w.Deleted {
			l.deleted(w)
		}
	}
	l.pins(writes)
}

// below returns what follows a prefix in a key.
func below(key, prefix string) (string, bool) {
	return strings.TrimPrefix(key, prefix), strings.HasPrefix(key, prefix)
}

// read reads a record. Those of decisions have a version around them.
func (l *Ledger) read(w Change, to any) {
	if strings.HasPrefix(w.Key, "decided/") {
		to = &struct{ Value any }{to}
	}
	if err := json.Unmarshal(w.Value, to); err != nil {
		l.broken(Once, w.At, "%s cannot be read: %v", w.Key, err)
	}
}

func (l *Ledger) write(w Change, frozen bool, before string) {
	if id, ok := below(w.Key, "content/manifests/"); ok {
		l.manifests[id] = !w.Deleted
	} else if id, ok := below(w.Key, "content/fragments/"); ok && !strings.Contains(id, "/") {
		l.fragments[id] = !w.Deleted
	}
	if number, ok := below(w.Key, "desired/revisions/"+l.group+"/"); ok {
		l.revision(w, number)
	} else if name, ok := below(w.Key, "desired/sources/"+l.group+"/"); ok {
		if delete(l.sources, name); !w.Deleted {
			var s SourceRecord
			l.read(w, &s)
			l.sources[name] = s
		}
	} else if id, ok := below(w.Key, "decided/rollouts/"+l.group+"/"); ok {
		if l.present[id] = !w.Deleted; !w.Deleted {
			var r RolloutRecord
			l.read(w, &r)
			l.rollout(w, r, frozen, before)
		}
	} else if w.Key == "decided/assignments/"+l.group && !w.Deleted {
		l.assigned = &AssignmentRecord{}
		l.read(w, l.assigned)
	} else if w.Key == "decided/orders/"+l.group && !w.Deleted {
		l.order(w)
	} else if w.Key == "decided/targets/"+l.group && !w.Deleted {
		l.targets(w)
	}
}

// revision holds that numbers have no gaps, that a revision is made once and never changed, and that it changes what it may.
func (l *Ledger) revision(w Change, hex string) {
	number, err := strconv.ParseInt(hex, 16, 64)
	if err != nil {
		l.broken(Once, w.At, "%s is no revision", w.Key)
		return
	}
	if l.kept[number] = !w.Deleted; w.Deleted {
		return
	}
	var r RevisionRecord
	l.read(w, &r)
	if number != l.head+1 || r.Number != number {
		l.broken(Once, w.At, "revision %d (%d) was written after revision %d", number, r.Number, l.head)
	}
	if r.Request != "" {
		if first := l.requests[r.Request]; first != 0 {
			l.broken(Once, w.At, "request %s made revision %d, and revision %d before", r.Request, number, first)
		}
		l.requests[r.Request] = number
	}
	was := l.revisions[l.head]
	for _, name := range names(was, r) {
		from, to := was.Fragment(name), r.Fragment(name)
		switch {
		case from == to || l.head == 0: // the first has nothing before it
		case r.Restore == 0 && name != r.Source:
			l.broken(Unlost, w.At, "revision %d is a submission of %s, and changes %s", number, r.Source, name)
		case r.Restore != 0 && to != l.revisions[r.Restore].Fragment(name) && !l.emptied(name, r.Restore):
			l.broken(Unlost, w.At, "revision %d restores revision %d, and gives %s other content than that", number, r.Restore, name)
		}
	}
	l.head, l.revisions[number] = number, r
}

// emptied reports whether a revision does not have a source: it is held at no content then.
func (l *Ledger) emptied(source string, revision int64) bool {
	return l.revisions[revision].Fragment(source) == ""
}

func names(of ...RevisionRecord) []string {
	all := map[string]bool{}
	for _, r := range of {
		for _, s := range r.Sources {
			all[s.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// newest returns the newest rollout.
func (l *Ledger) newest() (id string) {
	for each := range l.rollouts {
		id = max(id, each)
	}
	return id
}

func (l *Ledger) rollout(w Change, r RolloutRecord, frozen bool, before string) {
	if _, known := l.rollouts[r.ID]; !known {
		l.begins(w, r, before)
		if frozen {
			l.broken(Frozen, w.At, "rollout %s to revision %d began while %s freezes the group", r.ID, r.Candidate.Revision, l.orders.Group.ID)
		}
		if last, ok := l.rollouts[before]; ok && last.Pinning != nil {
			if !last.Pinning.Done || r.Candidate.Revision < last.Pinning.Revision {
				l.broken(Pinned, w.At, "rollout %s to revision %d began, and the pins of rollout %s are not in it", r.ID, r.Candidate.Revision, before)
			}
		}
	}
	if l.rollouts[r.ID].State != r.State {
		l.states[r.ID] = w.At
	}
	l.goesOn(w, r)
	l.rollouts[r.ID] = r
	seen := map[string]bool{}
	for _, o := range r.Orders {
		if seen[o.ID] {
			l.broken(Once, w.At, "rollout %s obeyed order %s twice", r.ID, o.ID)
		}
		seen[o.ID] = true
		if slices.Contains(l.obeyed[o.ID], r.ID) {
			continue
		}
		for _, other := range l.obeyed[o.ID] {
			l.broken(Once, w.At, "order %s was obeyed by rollouts %s and %s", o.ID, other, r.ID)
		}
		l.obeyed[o.ID] = append(l.obeyed[o.ID], r.ID)
		if of, known := l.ordered[o.ID]; !known || o.Verb != "retry" && !o.Begin && of != r.ID {
			l.broken(Once, w.At, "rollout %s obeyed order %s (%s), which was for %q", r.ID, o.ID, o.Verb, of)
		}
	}
}

func (l *Ledger) order(w Change) {
	was := l.orders.Group
	l.orders = ordersRecord{}
	l.read(w, &l.orders)
	if now := l.orders.Group; now != nil && (was == nil || was.ID != now.ID) {
		if l.groupIDs[now.ID]++; l.groupIDs[now.ID] > 1 {
			l.broken(Once, w.At, "order %s (%s) took effect again", now.ID, now.Verb)
		}
	}
	for _, o := range l.orders.Rollouts {
		if of, known := l.ordered[o.ID]; known && of != o.Rollout {
			l.broken(Once, w.At, "order %s was for rollout %s, and is for rollout %s", o.ID, of, o.Rollout)
		}
		l.ordered[o.ID] = o.Rollout
	}
}

// deleted holds that nothing in use was collected.
func (l *Ledger) deleted(w Change) {
	if hex, ok := below(w.Key, "desired/revisions/"+l.group+"/"); ok {
		number, _ := strconv.ParseInt(hex, 16, 64)
		l.collected++
		if by := l.inUse()[number]; by != "" {
			l.broken(InUse, w.At, "revision %d was collected, and %s names it", number, by)
		}
		newer := 0
		for other, there := range l.kept {
			if there && other > number {
				newer++
			}
		}
		if newer < l.keep {
			l.broken(InUse, w.At, "revision %d was collected, and only %d newer ones are kept", number, newer)
		}
	} else if id, ok := below(w.Key, "content/fragments/"); ok && !strings.Contains(id, "/") {
		if by := l.namesFragment(id); by != "" {
			l.broken(InUse, w.At, "fragment %.12s was collected, and %s names it", id, by)
		}
	} else if id, ok := below(w.Key, "content/manifests/"); ok {
		for number, there := range l.kept {
			if there && hexOf(l.revisions[number].Digest) == id {
				l.broken(InUse, w.At, "manifest %.12s was collected, and revision %d names it", id, number)
			}
		}
	}
}

// inUse returns who names each revision.
func (l *Ledger) inUse() map[int64]string {
	used := map[int64]string{l.head: "the head"}
	if a := l.assigned; a != nil {
		used[a.Stable.Revision], used[a.Candidate.Revision] = "the assignment", "the assignment"
		for _, h := range a.Held {
			used[h.Target.Revision] = "a hold of the assignment"
		}
	}
	for id, r := range l.rollouts {
		if l.present[id] {
			used[r.Stable.Revision], used[r.Candidate.Revision] = "rollout "+id, "rollout "+id
		}
	}
	for name, s := range l.sources {
		used[s.Revision] = "source " + name
		if s.Pin != nil {
			used[s.Pin.Good], used[s.Pin.Refused] = "the pin of "+name, "the pin of "+name
		}
	}
	delete(used, 0)
	return used
}

func hexOf(digest string) string { return strings.TrimPrefix(digest, "sha256:") }

func (l *Ledger) namesFragment(hex string) string {
	for name, s := range l.sources {
		if hexOf(s.Fragment) == hex || s.Pin != nil && hexOf(s.Pin.Held) == hex {
			return "source " + name
		}
	}
	for number, there := range l.kept {
		if !there {
			continue
		}
		for _, s := range l.revisions[number].Sources {
			if hexOf(s.Fragment) == hex {
				return fmt.Sprintf("revision %d", number)
			}
		}
	}
	return ""
}

// pins holds that a pinned source has the content of the revision that its pin names.
func (l *Ledger) pins(writes []Change) {
	for _, w := range writes {
		name, ok := below(w.Key, "desired/sources/"+l.group+"/")
		s, there := l.sources[name]
		if !ok || !there || s.Pin == nil {
			continue
		}
		l.reasons[s.Pin.Reason] = true
		if s.Pin.Good == 0 {
			continue // it is held at no content
		}
		if good := l.revisions[s.Pin.Good].Fragment(name); good != "" && good != s.Fragment {
			l.broken(Pinned, w.At, "%s is pinned at its content of revision %d, and has other content", name, s.Pin.Good)
		}
	}
}

// Collected is how many revisions were collected so far.
func (l *Ledger) Collected() int { return l.collected }

// Head returns the newest revision.
func (l *Ledger) Head() RevisionRecord { return l.revisions[l.head] }

// Kept reports whether a revision was not collected.
func (l *Ledger) Kept(number int64) bool { return l.kept[number] }

// Revision returns a revision, whether it was collected or not.
func (l *Ledger) Revision(number int64) RevisionRecord { return l.revisions[number] }

// Sources returns the sources as they are now.
func (l *Ledger) Sources() map[string]SourceRecord { return l.sources }

// Obeyed reports whether a rollout obeyed an order, or the order about the group came to hold.
func (l *Ledger) Obeyed(id string) bool { return len(l.obeyed[id]) > 0 || l.groupIDs[id] > 0 }

// Request returns the revision that a request made; 0 when it made none.
func (l *Ledger) Request(id string) int64 { return l.requests[id] }

// WasPinned reports whether there ever was a pin with that reason.
func (l *Ledger) WasPinned(reason string) bool { return l.reasons[reason] }

// Rollout returns a rollout as it was last.
func (l *Ledger) Rollout(id string) RolloutRecord { return l.rollouts[id] }

// Ended counts the rollouts by the state that they are in.
func (l *Ledger) Ended() map[string]int {
	states := map[string]int{}
	for _, r := range l.rollouts {
		states[r.State]++
	}
	return states
}

// failed reports whether a rollout ended because its candidate was refused or unhealthy.
func (r RolloutRecord) failed() bool {
	return r.State == "rolled_back" || r.State == "halted" && len(r.Refusals) > 0
}

// Quiet returns what breaks a promise once the fleet has settled: what a gate failed is nobody's stable revision, no pins are due, and the
// newest rollout has ended.
func (l *Ledger) Quiet() (problems []Problem) {
	add := func(promise int, format string, args ...any) {
		problems = append(problems, Problem{Promise: promise, Text: fmt.Sprintf(format, args...)})
	}
	if l.assigned == nil {
		return nil
	}
	served := []targetRecord{l.assigned.Stable}
	for _, h := range l.assigned.Held {
		served = append(served, h.Target)
	}
	for _, s := range served {
		last := ""
		for id, r := range l.rollouts {
			if r.Candidate.Revision == s.Revision {
				last = max(last, id)
			}
		}
		if r := l.rollouts[last]; r.failed() {
			add(FailedStays, "revision %d is served, and rollout %s to it ended as %s", s.Revision, last, r.State)
		}
	}
	switch last := l.rollouts[l.newest()]; {
	case last.Pinning != nil && !last.Pinning.Done:
		add(Pinned, "the pins of rollout %s are still due", last.ID)
	case last.State == "completed" && l.assigned.Stable.Revision != last.Candidate.Revision:
		add(FailedStays, "rollout %s completed, and revision %d is served", last.ID, l.assigned.Stable.Revision)
	}
	return problems
}

// Followed returns every agent that was told to run a candidate by a decision that came after its rollout had ended as refused, failed or
// aborted, and before another rollout to it.
func (l *Ledger) Followed(history []Event) (problems []Problem) {
	ends := map[int64]int64{} // by candidate
	for _, id := range slices.Sorted(maps.Keys(l.rollouts)) {
		r := l.rollouts[id]
		if r.failed() {
			ends[r.Candidate.Revision] = l.states[id]
		} else {
			delete(ends, r.Candidate.Revision) // it was tried again
		}
	}
	for _, e := range history {
		if e.Kind != Viewed || e.Wanted == 0 {
			continue
		}
		if over, ok := ends[e.Wanted]; ok && e.Decision >= over {
			problems = append(problems, Problem{Promise: FailedStays, At: e.At, Text: fmt.Sprintf(
				"%s follows decision %d, to run revision %d, whose rollout had ended at %d", e.Node, e.Decision, e.Wanted, over)})
		}
	}
	return problems
}

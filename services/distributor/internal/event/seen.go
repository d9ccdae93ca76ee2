package event

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// Seen is what the leader sees of a group at the other services. It is a state: what changed and changed back before a leader saw it is not
// told.
type Seen struct {
	Head        Head
	Quarantined []Mark // by node
	Drifted     []Mark // by node
	Window      Window
}

// A Window is what a change window does to a group.
type Window struct {
	Holds fleet.Revision // the newest revision, when it waits for a window to open; otherwise 0
	Until time.Time      // when a window opens; zero while one is open, and when the group has none
}

// A Head is the newest revision of a group. The zero Head means that there is none.
type Head struct {
	Revision fleet.Revision
	Source   fleet.SourceID
	Author   string
	Message  string // of the submitter
	Pins     []Pin  // by source
	SaysPins bool   // false for a translator of an older version: then nothing is known of pins
}

// A Pin is a pinned source.
type Pin struct {
	Source  fleet.SourceID
	Time    time.Time
	Rollout fleet.RolloutID // that pinned it; empty for a pin by hand
	Author  string
	Reason  string
}

// A Mark is a node with something about it.
type Mark struct {
	Node   fleet.NodeID
	Reason string
}

// Told is what was told of a group. It is in the ledger, so that a new leader tells what its predecessor did not, and nothing twice.
type Told struct {
	Revision    fleet.Revision `json:"revision,omitempty"`
	Pins        []ToldPin      `json:"pins,omitempty"`
	Quarantined []fleet.NodeID `json:"quarantined,omitempty"` // sorted
	Drifted     []fleet.NodeID `json:"drifted,omitempty"`     // sorted
	Held        fleet.Revision `json:"held,omitempty"`        // the first revision that waits for a change window to open
}

// A ToldPin is a pin that was told. A source that is pinned anew has another time.
type ToldPin struct {
	Source fleet.SourceID `json:"source"`
	Time   time.Time      `json:"time"`
}

// Bounds of what is remembered of a group. What is over them is not told.
const (
	maxToldPins  = 256
	maxToldNodes = 1024
)

// Equal reports whether both are the same.
func (t Told) Equal(other Told) bool {
	return t.Revision == other.Revision && t.Held == other.Held && slices.Equal(t.Quarantined, other.Quarantined) &&
		slices.Equal(t.Drifted, other.Drifted) &&
		slices.EqualFunc(t.Pins, other.Pins, func(a, b ToldPin) bool { return a.Source == b.Source && a.Time.Equal(b.Time) })
}

// Tell returns the events between what was told of a group and what is seen of it, and what is told then.
func Tell(now time.Time, group fleet.GroupID, told Told, seen Seen) (Told, []Event) {
	var all []Event
	at := Event{Time: now, Group: group}
	next := told
	all = append(all, head(at, told, seen.Head)...)
	if !seen.Head.IsZero() {
		next.Revision = seen.Head.Revision
	}
	if seen.Head.SaysPins {
		pins, events := pins(at, told.Pins, seen.Head)
		next.Pins, all = pins, append(all, events...)
	}
	var events []Event
	next.Quarantined, events = nodes(at, told.Quarantined, seen.Quarantined, quarantine)
	all = append(all, events...)
	next.Drifted, events = nodes(at, told.Drifted, seen.Drifted, drift)
	all = append(all, events...)
	next.Held, events = window(at, told.Held, seen)
	return next, append(all, events...)
}

// window tells that a closed change window holds a revision, once until a window opens, and then that it opened. A revision that an
// operator promotes while it is closed waits no longer, without an event of its own: the start of its rollout is one.
func window(at Event, held fleet.Revision, seen Seen) (next fleet.Revision, all []Event) {
	switch w := seen.Window; {
	case w.Holds != 0 && held == 0:
		at.Reason, at.Revision = WindowClosed, w.Holds
		return w.Holds, []Event{at.saying("revision %d waits: no change window is open until %s UTC", w.Holds,
			w.Until.UTC().Format("Mon 2006-01-02 15:04"))}
	case w.Holds != 0:
		return held, nil
	case held != 0 && w.Until.IsZero():
		at.Reason, at.Revision = WindowOpened, max(held, seen.Head.Revision)
		return 0, []Event{at.saying("a change window is open: revision %d, the newest, waits for it no longer", at.Revision)}
	}
	return 0, nil
}

// IsZero reports whether there is no revision.
func (h Head) IsZero() bool { return h.Revision == 0 }

// head tells a newer revision. A translator whose ledger was restored has an older one: nothing was committed then.
func head(at Event, told Told, h Head) []Event {
	if h.Revision <= told.Revision {
		return nil
	}
	at.Reason, at.Revision, at.Source, at.Author = RevisionCommitted, h.Revision, h.Source, h.Author
	text := fmt.Sprintf("revision %d is committed", h.Revision)
	if h.Source != "" {
		text += fmt.Sprintf(", by source %q", h.Source)
	}
	if h.Author != "" {
		text += " of " + h.Author
	}
	if since := h.Revision - told.Revision - 1; since > 0 && told.Revision > 0 {
		text += fmt.Sprintf("; %d other(s) since revision %d", since, told.Revision)
	}
	if h.Message != "" {
		text += ": " + h.Message
	}
	return []Event{at.saying("%s", text)}
}

// pins tells the sources that are pinned, or no longer.
func pins(at Event, told []ToldPin, h Head) (next []ToldPin, all []Event) {
	at.Revision = h.Revision
	for _, p := range h.Pins[:min(len(h.Pins), maxToldPins)] {
		now := ToldPin{p.Source, p.Time}
		next = append(next, now)
		if slices.ContainsFunc(told, func(t ToldPin) bool { return t.Source == p.Source && t.Time.Equal(p.Time) }) {
			continue
		}
		e, how := at, "by hand"
		e.Reason, e.Source, e.Rollout, e.Author = SourcePinned, p.Source, p.Rollout, p.Author
		if p.Rollout != "" {
			how = "by rollout " + string(p.Rollout)
		}
		all = append(all, e.saying("source %q is pinned %s: %s", p.Source, how, p.Reason))
	}
	for _, t := range told {
		if !slices.ContainsFunc(h.Pins, func(p Pin) bool { return p.Source == t.Source }) {
			e := at
			e.Reason, e.Source = SourceUnpinned, t.Source
			all = append(all, e.saying("source %q is no longer pinned", t.Source))
		}
	}
	return next, all
}

// A kind is what can be about nodes, with its words.
type kind struct {
	begins, ends Reason
	is, isNot    string
}

var (
	quarantine = kind{NodeQuarantined, NodeReleased, "in quarantine", "no longer in quarantine"}
	drift      = kind{NodeDrifted, NodeDriftHealed, "off what was loaded: somebody changed its gateway", "no longer off what was loaded"}
)

// nodes tells the nodes that something is about now, and those that it is about no longer, in one event each.
func nodes(at Event, told []fleet.NodeID, seen []Mark, k kind) (next []fleet.NodeID, all []Event) {
	why := map[fleet.NodeID]string{}
	for _, m := range seen {
		next = append(next, m.Node)
		why[m.Node] = m.Reason
	}
	slices.Sort(next)
	next = next[:min(len(next), maxToldNodes)]
	if came := without(next, told); len(came) > 0 {
		at.Reason = k.begins
		text := k.is
		if reason := why[came[0]]; reason != "" {
			text += ": " + reason
		}
		all = append(all, at.about(came...).saying("%s %s", names(came), text))
	}
	if went := without(told, next); len(went) > 0 {
		at.Reason = k.ends
		all = append(all, at.about(went...).saying("%s %s", names(went), k.isNot))
	}
	return next, all
}

// without returns the nodes that are not in the other list; both are sorted.
func without(all, other []fleet.NodeID) (left []fleet.NodeID) {
	for _, n := range all {
		if _, found := slices.BinarySearch(other, n); !found {
			left = append(left, n)
		}
	}
	return left
}

// spelled is how many nodes a message names.
const spelled = 3

// names names nodes as the subject of a sentence.
func names(all []fleet.NodeID) string {
	if len(all) == 1 {
		return fmt.Sprintf("node %s is", all[0])
	}
	var some []string
	for _, n := range all[:min(len(all), spelled)] {
		some = append(some, string(n))
	}
	if more := len(all) - len(some); more > 0 {
		some = append(some, fmt.Sprintf("%d more", more))
	}
	return "nodes " + strings.Join(some, ", ") + " are"
}

package check

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
)

// The promises about policies and targets.
const (
	Windowed = 18 // a rollout begins outside of a change window only by an operator's order
	Labelled = 19 // the nodes of a first wave by label come before all others
	Drained  = 20 // a drained target stays out until its owner lets it in
)

// PolicyRecord is the policy of a rollout in etcd.
type PolicyRecord struct {
	Waves   []struct{ Label string }
	Windows []json.RawMessage
}

// first is how long a rollout is in a first wave by label: from an etcd revision until another.
type first struct {
	label       string
	candidate   int64
	begun, over int64
}

// TargetName is a target of an upstream.
type TargetName struct{ Upstream, Target string }

// TargetsRecord is what the gateways of a group are to keep out, in etcd.
type TargetsRecord struct {
	Acts []struct {
		Owner   string
		Targets []TargetName
	}
	Requests []string
}

// drains are the targets that each owner keeps out.
type drains map[string]map[TargetName]bool

func (d drains) equal(other drains) bool {
	return maps.EqualFunc(d, other, func(a, b map[TargetName]bool) bool { return maps.Equal(a, b) })
}

func (d drains) String() string {
	all := []string{}
	for _, owner := range slices.Sorted(maps.Keys(d)) {
		var names []string
		for n := range d[owner] {
			names = append(names, n.Target)
		}
		slices.Sort(names)
		all = append(all, fmt.Sprint(owner, names))
	}
	return fmt.Sprint(all)
}

// of returns the targets that the record has.
func (r TargetsRecord) of() drains {
	all := drains{}
	for _, act := range r.Acts {
		for _, n := range act.Targets {
			all.put(act.Owner, n)
		}
	}
	return all
}

func (d drains) put(owner string, n TargetName) {
	if d[owner] == nil {
		d[owner] = map[TargetName]bool{}
	}
	d[owner][n] = true
}

// after returns the targets after a request that was acknowledged.
func (d drains) after(a Ack) drains {
	next := drains{}
	for owner, names := range d {
		for n := range names {
			if owner != a.Owner || !a.Replace && !slices.Contains(a.In, n) {
				next.put(owner, n)
			}
		}
	}
	for _, n := range a.Out {
		next.put(a.Owner, n)
	}
	return next
}

// targetWrite is one write of the targets that are kept out.
type targetWrite struct {
	at  int64
	was TargetsRecord
	is  TargetsRecord
}

// begins holds that a rollout began in a change window or by an order. The windows of the test are never open.
func (l *Ledger) begins(w Change, r RolloutRecord, before string) {
	if before != "" && len(r.Policy.Windows) > 0 && len(r.Orders) == 0 {
		l.broken(Windowed, w.At, "rollout %s to revision %d began outside of the change windows, without an order", r.ID, r.Candidate.Revision)
	}
	if waves := r.Policy.Waves; len(waves) > 1 && waves[0].Label != "" && !r.TookOver && r.Promoted == 0 {
		l.firsts[r.ID] = &first{label: waves[0].Label, candidate: r.Candidate.Revision, begun: w.At, over: math.MaxInt64}
	}
}

// goesOn notes when the first wave of a rollout is over.
func (l *Ledger) goesOn(w Change, r RolloutRecord) {
	open := r.State == "waiting" || r.State == "progressing" || r.State == "soaking" || r.State == "paused"
	if f := l.firsts[r.ID]; f != nil && f.over == math.MaxInt64 && (r.Wave > 1 || r.Promoted > 0 || !open) {
		f.over = w.At
	}
}

func (l *Ledger) targets(w Change) {
	var is TargetsRecord
	l.read(w, &is)
	was := TargetsRecord{}
	if n := len(l.drained); n > 0 {
		was = l.drained[n-1].is
	}
	l.drained = append(l.drained, targetWrite{w.At, was, is})
}

// FirstWaves returns every agent without the label of a first wave that was told to run its candidate before that wave was over. A
// candidate that was tried before may be held where it is, so it does not count.
func (l *Ledger) FirstWaves(history []Event, labels map[string]string) (problems []Problem) {
	tried := map[int64]int{}
	for _, r := range l.rollouts {
		tried[r.Candidate.Revision]++
	}
	byCandidate := map[int64]*first{}
	for _, f := range l.firsts {
		if tried[f.candidate] == 1 {
			byCandidate[f.candidate] = f
		}
	}
	for _, e := range history {
		if e.Kind != Viewed || e.Wanted == 0 {
			continue
		}
		if f := byCandidate[e.Wanted]; f != nil && labels[e.Node] != f.label && e.Decision >= f.begun && e.Decision < f.over {
			problems = append(problems, Problem{Promise: Labelled, At: e.At, Text: fmt.Sprintf(
				"%s, of %s, follows decision %d, to run revision %d: the wave of %s is from %d to %d", e.Node, labels[e.Node], e.Decision, e.Wanted,
				f.label, f.begun, f.over)})
		}
	}
	return problems
}

// Labelled returns in how many rollouts a first wave by label was.
func (l *Ledger) Labelled() int { return len(l.firsts) }

// Drained returns what was written about drained targets and no owner asked for, and what was acknowledged and is not so.
func (l *Ledger) Drained(acks []Ack) (problems []Problem) {
	add := func(format string, args ...any) {
		problems = append(problems, Problem{Promise: Drained, Text: fmt.Sprintf(format, args...)})
	}
	asked := map[string]Ack{}
	want := drains{}
	for _, a := range acks {
		if a.Verb != "drain" && a.Verb != "undrain" {
			continue
		}
		if asked[a.ID] = a; a.Refused == "" {
			want = want.after(a)
		}
	}
	last := drains{}
	for _, w := range l.drained {
		last = w.is.of()
		if len(w.is.Requests) == 0 {
			add("etcd revision %d: targets were changed by nobody: %s", w.at, last)
			continue
		}
		id := w.is.Requests[len(w.is.Requests)-1]
		a, known := asked[id]
		switch {
		case !known:
			add("etcd revision %d: request %s changed targets, and nobody made it", w.at, id)
		case a.Refused != "":
			add("etcd revision %d: %s %s was refused (%s), and changed targets", w.at, a.Verb, id, a.Refused)
		case slices.Contains(w.was.Requests, id):
			add("etcd revision %d: %s %s was carried out again", w.at, a.Verb, id)
		case !w.was.of().after(a).equal(last):
			add("etcd revision %d: %s %s made %s of %s", w.at, a.Verb, id, last, w.was.of())
		}
	}
	if !want.equal(last) {
		add("by what was acknowledged %s are kept out, and the ledger has %s", want, last)
	}
	return problems
}

// KeptOut returns the version of the targets that are kept out, and which they are.
func (l *Ledger) KeptOut() (version int64, names map[TargetName]bool) {
	names = map[TargetName]bool{}
	if n := len(l.drained); n > 0 {
		version = l.drained[n-1].at
		for _, owned := range l.drained[n-1].is.of() {
			maps.Copy(names, owned)
		}
	}
	return version, names
}

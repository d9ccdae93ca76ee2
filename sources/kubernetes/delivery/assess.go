package delivery

import (
	"fmt"
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// RolloutState is how far a rollout has come.
type RolloutState uint8

// The states, as in the contract of the distributor.
const (
	NoRollout RolloutState = iota
	Waiting
	Progressing
	Soaking
	Completed
	Halted
	Superseded
	Paused
	Reverted // rolled back
)

// Rollout is the newest rollout of the group. The zero value is none.
type Rollout struct {
	State             RolloutState
	Stable, Candidate int64
	Serving, Online   int
	Reason            string // why it is in this state
	Next              string // what it waits for
	Frozen            string // why the group is frozen; empty when it is not
}

// Good is the newest revision that the rollout has proven, and Open the one that it moves to; 0 is none.
func (r Rollout) Good() int64 {
	if r.State == Completed {
		return r.Candidate
	}
	return r.Stable
}

// LeftOut is an object that was left out of the configuration since it, or what it depends on, was refused or taken back.
type LeftOut struct {
	Phase    Phase // Refused or RolledBack
	Revision int64 // that was refused; 0 when it was never committed
	Reason   string
	LastGood bool // an earlier form of it is kept
}

// Input is what a View is made of.
type Input struct {
	Set      *object.Set
	Forms    Forms // of the content that is to be served now
	Problems []object.Problem
	LeftOut  map[object.Ref]LeftOut
	Contents map[int64]Remembered // of revisions: the head, the candidate and the stable one
	Head     int64                // the revision by which the source got its content
	Rollout  Rollout
	// Waits says why what is to be served is not submitted, and Held that it waits for a person or a time.
	Waits   string
	Held    bool
	Notices []Notice
}

// Assess says how far every object of the set has come, of which one source holds everything.
func Assess(in Input) View { return Combine(in.Set, in.Problems, in.LeftOut, in.Notices, in) }

// Combine says how far every object of a set has come, of which several sources hold parts. Of an object that several hold it is what the
// one says that is behind.
func Combine(set *object.Set, problems []object.Problem, left map[object.Ref]LeftOut, notices []Notice, sources ...Input) View {
	view := View{Objects: make(map[object.Ref]State, set.Len()), Problems: problems, Notices: notices}
	for i, in := range sources {
		if base := in.delivered(in.Rollout, func(Remembered) bool { return true }); i == 0 || behind(view.Source, base) {
			view.Source = base // they are of one group: what has come farthest says what gateways serve
		}
		for ref, keys := range in.Forms.Keys {
			if len(keys) == 0 || !set.Has(ref) {
				continue
			}
			state := in.state(ref)
			if other, known := view.Objects[ref]; !known || behind(state, other) {
				view.Objects[ref] = state
			}
		}
	}
	why := map[object.Ref][]string{}
	for _, p := range problems {
		for _, ref := range p.Objects {
			why[ref] = append(why[ref], p.Message)
		}
	}
	for _, obj := range set.All() {
		ref := object.RefOf(obj)
		if _, known := view.Objects[ref]; !known {
			view.Objects[ref] = State{Phase: Untranslated, Reason: strings.Join(why[ref], "; ")}
		}
	}
	for ref, out := range left {
		if set.Has(ref) {
			view.Objects[ref] = State{Phase: out.Phase, Revision: out.Revision, Reason: out.Reason, LastGood: out.LastGood}
		}
	}
	return view
}

// progress orders phases, from what is far to what is not.
var progress = []Phase{Refused, RolledBack, Held, Pending, Rolling, Programmed}

// behind says whether a part of an object is behind another one.
func behind(a, b State) bool {
	at, than := slices.Index(progress, a.Phase), slices.Index(progress, b.Phase)
	return at < than || at == than && a.Serving < b.Serving
}

// state is that of an object that has a form.
func (in Input) state(ref object.Ref) State {
	r := in.Rollout
	state := in.delivered(r, func(held Remembered) bool { return in.Forms.In(held, ref) })
	if state.Phase != Programmed && state.Phase != Rolling {
		state.LastGood = in.Contents[r.Good()].Owned[owner(ref)] > 0
	}
	return state
}

// delivered is the state of a form that some contents hold.
func (in Input) delivered(r Rollout, holds func(Remembered) bool) State {
	if held, known := in.Contents[r.Good()]; known && r.Good() > 0 && holds(held) {
		return in.proven(r)
	}
	if held, known := in.Contents[r.Candidate]; known && r.State != NoRollout && holds(held) {
		return in.moving(r)
	}
	if held, known := in.Contents[in.Head]; known && in.Head > 0 && holds(held) {
		return in.committed(r)
	}
	if in.Held {
		return State{Phase: Held, Reason: in.Waits}
	}
	return State{Phase: Pending, Reason: in.Waits}
}

// proven is the state of what the last complete revision holds.
func (in Input) proven(r Rollout) State {
	s := State{Phase: Programmed, Revision: r.Good(), Serving: r.Serving, Online: r.Online}
	if r.State != Completed { // the counts are those of another revision
		s.Serving = r.Online
	}
	switch {
	case r.Online == 0:
		s.Phase, s.Reason = Rolling, "no gateway of the group is in contact"
	case s.Serving < r.Online:
		s.Reason = fmt.Sprintf("%d/%d gateways serve it; the policy of the group allows the others to fail", s.Serving, r.Online)
	}
	return s
}

// moving is the state of what the candidate of the newest rollout holds.
func (in Input) moving(r Rollout) State {
	s := State{Revision: r.Candidate, Serving: r.Serving, Online: r.Online}
	switch r.State {
	case Paused:
		s.Phase, s.Reason = Held, "the rollout is paused: "+r.Reason
	case Halted:
		s.Phase, s.Reason = Pending, fmt.Sprintf("revision %d was halted: %s", r.Candidate, r.Reason)
		if in.Waits != "" {
			s.Reason += "; " + in.Waits
		}
	case Reverted:
		s.Phase, s.Reason = RolledBack, r.Reason
	default:
		s.Phase, s.Reason = Rolling, fmt.Sprintf("%d/%d gateways", r.Serving, r.Online)
		if next := firstOf(r.Next, r.Reason); next != "" {
			s.Reason += "; " + next
		}
	}
	return s
}

// committed is the state of what no rollout has reached yet.
func (in Input) committed(r Rollout) State {
	s := State{Phase: Rolling, Revision: in.Head, Online: r.Online, Reason: "its rollout has not begun"}
	if r.Frozen != "" {
		s.Phase, s.Reason = Held, "the group is frozen: "+r.Frozen
	} else if r.Next != "" && r.Candidate < in.Head && (r.State == Completed || r.State == Reverted || r.State == Halted) {
		s.Phase, s.Reason = Held, r.Next
	}
	return s
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

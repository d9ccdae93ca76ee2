package target

import (
	"math"
	"slices"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/snapshot"
)

// A Streak is a row of revisions of which each changes nothing but targets against the one before. The zero Streak is not known. Its JSON
// form is stored with revisions and rollouts, so names only grow.
type Streak struct {
	// Since is the revision that began it: the newest one that changed something else.
	Since fleet.Revision `json:"since"`
	// Moved is how many targets the revisions after that one moved, all added up. It is a sum and no difference: what one moves and the
	// next moves back counts twice.
	Moved float64 `json:"moved,omitempty"`
	// Of is how many targets the newest revision has, or the one before it, whichever are more.
	Of int64 `json:"of,omitempty"`
}

// Share returns by which share, in percent, targets moved at most between two revisions of one streak. Without being sure that nothing
// else changed between them it is false.
func (s Streak) Share(other Streak) (percent float64, only bool) {
	if s.Since == 0 || s.Since != other.Since {
		return 0, false
	}
	moved := math.Abs(s.Moved - other.Moved)
	if moved == 0 {
		return 0, true
	}
	return min(100*moved/float64(max(s.Of, other.Of, 1)), 100), true
}

// Next returns the streak of the revision after the one with this streak, from the canonical bytes of that and its own. Before is nil for
// the empty group; pairs are what differs.
func (s Streak) Next(number fleet.Revision, pairs []snapshot.Pair, before, now []byte) (Streak, error) {
	if s.Since == 0 || slices.ContainsFunc(pairs, func(p snapshot.Pair) bool { return p.Kind != "targets" }) {
		begun := Streak{Since: number}
		err := snapshot.Scan(now, func(kind string, _ []byte, _ int) {
			if kind == "targets" {
				begun.Of++
			}
		})
		return begun, err
	}
	was, err := Read(before)
	if err != nil {
		return Streak{}, err
	}
	is, err := Read(now)
	if err != nil {
		return Streak{}, err
	}
	moved, all, emptied := moves(was, is)
	if emptied {
		moved = float64(all)
	}
	const exact = 1e6 // a fifth of five is one
	return Streak{Since: s.Since, Moved: math.Round((s.Moved+moved)*exact) / exact, Of: all}, nil
}

// moves returns how many targets moved from the same upstreams to each other, how many there are, and whether an upstream lost all that it
// sent requests to. Of an upstream that share of its targets moved by which its requests go to others: one of five that is replaced, taken
// away or added to four is one, and so are weights that send a fifth elsewhere. An upstream that sent requests nowhere moved nothing.
func moves(before, after Upstreams) (moved float64, all int64, emptied bool) {
	for name, is := range after {
		was := before[name]
		if was == nil {
			continue
		}
		size := max(len(was.Targets), len(is.Targets))
		all += int64(size)
		old, now := was.weight(), is.weight()
		switch {
		case old == 0:
			continue
		case now == 0:
			emptied = true
			continue
		}
		share := 0.0
		for target, weight := range was.Targets {
			share += max(weight/old-is.Targets[target]/now, 0)
		}
		moved += share * float64(size)
	}
	return moved, all, emptied
}

func (u *Upstream) weight() (sum float64) {
	for _, weight := range u.Targets {
		sum += weight
	}
	return sum
}

package desired

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/compile"
)

const (
	// maxPinProblems bounds how many problems a pin keeps.
	maxPinProblems = 16
	// maxPinBytes bounds the problems of all pins that one commit writes: a request to etcd has 1 MiB at most.
	maxPinBytes = 256 << 10
	// maxHeadReason bounds the reason of a pin in a head, which names all pins of its group.
	maxHeadReason = 128
)

// Pin holds a source at a content while the rest of its group moves on. The source's fragment is the merged content; the held-back content
// is stored under its own digest.
type Pin struct {
	Reason     string
	Author     string
	CreateTime time.Time
	Rollout    string         // that pinned the source; empty: pinned by hand
	Good       fleet.Revision // whose content the source is held at; 0: the source is held at none
	// Refused is the revision whose content is held back; 0 means none. RefusedFragment is empty when the deletion of the source is held back.
	Refused         fleet.Revision
	RefusedFragment fleet.Digest
	Problems        []fleet.Problem // what gateways refused of it
}

// ByHand reports whether an operator pinned the source. Only an operator ends such a pin.
func (p *Pin) ByHand() bool { return p != nil && p.Rollout == "" }

func (p *Pin) byRollout() bool { return p != nil && p.Rollout != "" }

// holdsBack reports whether the pin holds a fragment back.
func (p *Pin) holdsBack(digest fleet.Digest) bool {
	return p != nil && p.Refused > 0 && p.RefusedFragment != "" && p.RefusedFragment == digest
}

// PinnedSource is a pinned source in the head of its group. A missing record is restored from it.
type PinnedSource struct {
	SourceRef
	Pin Pin // without its problems and with a short reason: heads stay small
}

// pinned returns the pins of sources, for the head.
func pinned(sources []Source) (all []PinnedSource) {
	for _, s := range sources {
		if s.Pin == nil {
			continue
		}
		short := *s.Pin
		short.Problems, short.Reason = nil, clean.Line(short.Reason, maxHeadReason)
		all = append(all, PinnedSource{SourceRef{Name: s.Name, Fragment: s.Fragment, Entities: s.Entities}, short})
	}
	return all
}

// after returns the sources of a group after a commit.
func (c *Commit) after(sources []Source) []Source {
	left := slices.DeleteFunc(slices.Clone(sources), func(s Source) bool { return slices.Contains(c.Delete, s.Name) })
	for _, s := range c.Put {
		left = withSource(left, s)
	}
	return left
}

// problemsOf returns the problems that a pin keeps: those of the source or of none, within a number of bytes.
func problemsOf(source fleet.SourceID, problems []fleet.Problem, size int) (kept []fleet.Problem) {
	for _, p := range problems {
		if p.Source != "" && p.Source != source {
			continue
		}
		if size -= compile.ProblemBytes([]fleet.Problem{p}); size < 0 || len(kept) == maxPinProblems {
			break
		}
		kept = append(kept, p)
	}
	return kept
}

// pinnedByHand is the fault of a change to a source that an operator pinned.
func pinnedByHand(s *Source) *fault.Error {
	return fault.New(fault.WrongState, "SOURCE_PINNED", "source %q of group %q is pinned at its present content by %s since %s: %q. The pin "+
		"ends with: silverback unpin %s -g %s --reason WHY",
		s.Name, s.Group, s.Pin.Author, s.Pin.CreateTime.UTC().Format(time.RFC3339), s.Pin.Reason, s.Name, s.Group).
		With("source", string(s.Name)).With("author", s.Pin.Author).With("reason", s.Pin.Reason)
}

// heldBackWarning is the warning that a pin holds the submission back.
func heldBackWarning(s *Source) compile.Problem {
	held := "no content"
	if s.Pin.Good > 0 {
		held = fmt.Sprintf("its content of revision %d", s.Pin.Good)
	}
	text := fmt.Sprintf("nothing changes: source %q is pinned to %s since %s, and this is the content of revision %d, which it holds "+
		"back: %s", s.Name, held, s.Pin.CreateTime.UTC().Format(time.RFC3339), s.Pin.Refused, cmp.Or(s.Pin.Reason, "no reason is given"))
	if len(s.Pin.Problems) > 0 {
		text += "; first: " + s.Pin.Problems[0].String()
		if more := len(s.Pin.Problems) - 1; more > 0 {
			text += fmt.Sprintf(" (and %d more: silverback describe source %s -g %s)", more, s.Name, s.Group)
		}
	}
	return compile.Problem{Message: text + fmt.Sprintf(". Submit a correction, which ends the pin; or, to try this content again: silverback "+
		"unpin %s -g %s --reason WHY", s.Name, s.Group)}
}

// same reports whether the group would have a digest if a source had another fragment; empty means without the source. A fragment that is
// gone or conflicts with other sources gives false.
func (d *Service) same(ctx context.Context, sources []Source, name fleet.SourceID, digest fleet.Digest, m fleet.Digest) (bool, error) {
	with := slices.DeleteFunc(slices.Clone(sources), func(s Source) bool { return s.Name == name })
	if digest != "" {
		with = withSource(with, Source{Name: name, Fragment: digest})
	}
	fragments, lost, _, err := d.fragmentsLeft(ctx, with, "")
	if err != nil || len(lost) > 0 {
		return false, err
	}
	other, err := d.merge(fragments, "")
	if err != nil {
		return false, ctx.Err()
	}
	return other.snapshot.Digest() == m, nil
}

// Pinning is a request to pin a source.
type Pinning struct {
	Group     fleet.GroupID
	Source    fleet.SourceID
	Reason    string
	RequestID string
	Author    string
}

// Pin pins a source at its present content. Repeating it changes nothing; another reason replaces the first.
func (d *Service) Pin(ctx context.Context, q Pinning) (Outcome, error) {
	print := fingerprintOf("pin", q.Group, q.Source)
	answered := func() (Outcome, bool, error) { return d.answeredAbout(ctx, q.Group, q.Source, q.RequestID, print) }
	if out, done, err := d.begin(ctx, q.Group, q.Source, answered); done || err != nil {
		return out, err
	}
	return d.race(ctx, answered, func(ctx context.Context) (Outcome, bool, error) {
		state, source, err := d.readSource(ctx, q.Group, q.Source)
		if err != nil {
			return Outcome{}, false, err
		}
		pin := Pin{Good: source.Revision}
		if source.Pin != nil {
			pin = *source.Pin
		}
		out := Outcome{Revision: state.Head, Unchanged: true, Source: source}
		commit := unchangedCommit(q.Group, state, q.RequestID, print)
		if !source.Pin.ByHand() || source.Pin.Reason != q.Reason {
			pin.Rollout, pin.Reason, pin.Author, pin.CreateTime = "", q.Reason, q.Author, d.Now()
			source.Pin = &pin
			commit.Put = []Source{*source}
		}
		won, err := d.commit(ctx, state, commit)
		return out, won, err
	})
}

// readSource reads a group and a copy of one of its sources. A missing source is a fault of kind Missing.
func (d *Service) readSource(ctx context.Context, group fleet.GroupID, name fleet.SourceID) (State, *Source, error) {
	state, err := d.Ledger.Read(ctx, group)
	if err != nil {
		return State{}, nil, err
	}
	found := sourceNamed(state.Sources, name)
	if found == nil {
		return State{}, nil, noSuchSource(group, name)
	}
	source := *found
	return state, &source, nil
}

func noSuchSource(group fleet.GroupID, name fleet.SourceID) error {
	return fault.New(fault.Missing, "NO_SUCH_SOURCE", "group %q has no source %q", group, name)
}

// unchangedCommit is a commit without a new revision.
func unchangedCommit(group fleet.GroupID, state State, requestID, print string) Commit {
	c := Commit{Group: group, HeadVersion: state.HeadVersion, Head: state.Head, RequestID: requestID,
		Request: Request{Fingerprint: print, Unchanged: true}}
	if state.Head != nil {
		c.Request.Revision = state.Head.Number
	}
	return c
}

// answeredAbout is answered, with the present source.
func (d *Service) answeredAbout(ctx context.Context, group fleet.GroupID, name fleet.SourceID, id, print string) (Outcome, bool, error) {
	out, done, err := d.answered(ctx, group, id, print)
	if !done || err != nil {
		return out, done, err
	}
	out.Source, err = d.Source(ctx, group, name)
	return out, done, err
}

package desired

import (
	"context"
	"slices"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// Deletion is a request to delete a source.
type Deletion struct {
	Group       fleet.GroupID
	Source      fleet.SourceID
	Expected    fleet.Revision
	RequestID   string
	Message     string
	Author      string
	AllowShrink bool
}

// Delete removes a source and its entities. A group unknown to the registry is not changed, even if sources of it are stored.
func (d *Service) Delete(ctx context.Context, del Deletion) (Outcome, error) {
	print := fingerprint(Submission{Group: del.Group, Source: del.Source, Expected: del.Expected, AllowShrink: del.AllowShrink})
	answered := func() (Outcome, bool, error) { return d.answered(ctx, del.Group, del.RequestID, print) }
	if out, done, err := d.begin(ctx, del.Group, del.Source, answered); done || err != nil {
		return out, err
	}
	release, err := d.admit(ctx, del.Group, nil)
	if err != nil {
		return Outcome{}, err
	}
	defer release()
	return d.race(ctx, answered, func(ctx context.Context) (Outcome, bool, error) {
		state, source, err := d.readSource(ctx, del.Group, del.Source)
		if err != nil {
			return Outcome{}, false, err
		}
		if err := expected(state.Head, del.Expected); err != nil {
			return Outcome{}, false, err
		}
		if source.Pin.ByHand() {
			return Outcome{}, false, pinnedByHand(source)
		}
		return d.remove(ctx, del, state, print)
	})
}

// remove removes a source and its pin from a group.
func (d *Service) remove(ctx context.Context, del Deletion, state State, print string) (Outcome, bool, error) {
	fragments, err := d.fragmentsOf(ctx, del.Group, state.Sources, del.Source)
	if err != nil {
		return Outcome{}, false, err
	}
	m, err := d.merge(fragments, "")
	if err != nil {
		return Outcome{}, false, err
	}
	left := slices.DeleteFunc(slices.Clone(state.Sources), func(s Source) bool { return s.Name == del.Source })
	next, changes, err := d.next(ctx, del.Group, state, m, left, nil, del.AllowShrink)
	if err != nil {
		return Outcome{}, false, err
	}
	out := Outcome{Revision: next, Changes: changes, Unchanged: !advances(state.Head, next)}
	commit := Commit{
		Group: del.Group, HeadVersion: state.HeadVersion, Head: next, NewRevision: !out.Unchanged, Delete: []fleet.SourceID{del.Source},
		RequestID: del.RequestID, Request: Request{Fingerprint: print, Unchanged: out.Unchanged, Changes: changes},
	}
	if next != nil {
		commit.Request.Revision = next.Number
	}
	if !out.Unchanged {
		next.Source, next.Author, next.Message, next.RequestID = del.Source, del.Author, del.Message, del.RequestID
		if err := d.store(ctx, m, "", nil, true); err != nil {
			return Outcome{}, false, err
		}
	}
	won, err := d.commit(ctx, state, commit)
	return out, won, err
}

package desired

import (
	"context"
	"errors"
	"fmt"

	"github.com/silverback-gateway/silverback/kong/compile"
)

// Unpinning is a request to end a pin.
type Unpinning struct {
	Pinning
	AllowShrink bool
}

// Unpin ends the pin of a source. What it held back takes effect, as if it were submitted now.
func (d *Service) Unpin(ctx context.Context, q Unpinning) (Outcome, error) {
	print := fingerprintOf("unpin", q.Group, q.Source, q.AllowShrink)
	answered := func() (Outcome, bool, error) { return d.answeredAbout(ctx, q.Group, q.Source, q.RequestID, print) }
	if out, done, err := d.begin(ctx, q.Group, q.Source, answered); done || err != nil {
		return out, err
	}
	release, err := d.admit(ctx, q.Group, nil)
	if err != nil {
		return Outcome{}, err
	}
	defer release()
	return d.race(ctx, answered, func(ctx context.Context) (Outcome, bool, error) {
		state, source, err := d.readSource(ctx, q.Group, q.Source)
		if err != nil {
			return Outcome{}, false, err
		}
		return d.unpin(ctx, q, state, *source, print)
	})
}

func (d *Service) unpin(ctx context.Context, q Unpinning, state State, source Source, print string) (Outcome, bool, error) {
	pin := source.Pin
	source.Pin = nil
	switch {
	case pin == nil || pin.Refused == 0 || pin.RefusedFragment == source.Fragment:
		commit := unchangedCommit(q.Group, state, q.RequestID, print)
		if pin != nil {
			commit.Put = []Source{source}
		}
		won, err := d.commit(ctx, state, commit)
		return Outcome{Revision: state.Head, Unchanged: true, Source: &source}, won, err
	case pin.RefusedFragment == "":
		return d.remove(ctx, Deletion{Group: q.Group, Source: q.Source, RequestID: q.RequestID, Message: q.Reason, Author: q.Author,
			AllowShrink: q.AllowShrink}, state, print)
	}
	fragment, err := d.fragment(ctx, pin.RefusedFragment)
	if errors.Is(err, ErrLost) && q.AllowShrink {
		commit := unchangedCommit(q.Group, state, q.RequestID, print)
		commit.Put = []Source{source}
		won, err := d.commit(ctx, state, commit)
		warning := compile.Problem{Message: fmt.Sprintf("the content of revision %d, which the pin held back, is gone; the source stays as it "+
			"is: submit it again", pin.Refused)}
		return Outcome{Revision: state.Head, Unchanged: true, Source: &source, Warnings: []compile.Problem{warning}}, won, err
	}
	if err != nil {
		return Outcome{}, false, lostFragment(err, q.Group, q.Source, fmt.Sprintf("in revision %d, which its pin holds back, is gone; "+
			"allow_shrink (--allow-shrink) takes the pin away without it", pin.Refused))
	}
	return d.take(ctx, Submission{
		Group: q.Group, Source: q.Source, RequestID: q.RequestID, Message: q.Reason, Author: q.Author, AllowShrink: q.AllowShrink,
		LeaveUnmanaged: true,
	}, state, proposal{fragment: fragment, digest: pin.RefusedFragment}, print)
}

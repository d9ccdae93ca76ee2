package desired

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/silverback-gateway/silverback/kit/content"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/compile"
)

// ErrLost means that the stored content of a source is missing or does not match its digest.
var ErrLost = errors.New("stored content of a source is lost")

// lostSources is the fault of a group with sources whose content is gone.
func lostSources(group fleet.GroupID, names []fleet.SourceID, cause error) error {
	list := make([]string, len(names))
	for i, n := range names {
		list[i] = string(n)
	}
	all := strings.Join(list, ", ")
	return fault.New(fault.WrongState, "CONTENT_MISSING", "the stored content of these sources of group %q is gone: %s (%v); submit each of "+
		"them again, which writes it anew; "+
		"when several are gone, submit each with allow_shrink (--allow-shrink), which leaves out those that are still to come",
		group, all, cause).With("sources", all).Because(cause)
}

// lostFragment is the fault of one source whose content is gone; what completes its text. Other errors are only wrapped.
func lostFragment(err error, group fleet.GroupID, source fleet.SourceID, what string) error {
	if !errors.Is(err, ErrLost) {
		return fmt.Errorf("read source %s: %w", source, err)
	}
	return fault.New(fault.WrongState, "CONTENT_MISSING", "the stored content of source %q of group %q %s", source, group, what).
		With("sources", string(source)).Because(err)
}

// lostRevision is the fault of a revision whose content is gone and cannot be compiled again.
func lostRevision(r *Revision, missing, cause error) error {
	return fault.New(fault.WrongState, "CONTENT_MISSING", "the content of revision %d of group %q is gone (%v) and cannot be made again "+
		"from its sources (%v); submit the sources as they were then, "+
		"which writes it anew, or submit new ones with allow_shrink (--allow-shrink), which compares with an empty group",
		r.Number, r.Group, missing, cause).With("revision", fmt.Sprint(r.Number)).Because(missing)
}

// contentOf returns the canonical bytes of a revision, not to be modified. Missing content is compiled again from the sources and stored.
// If that fails, the fault names what is missing and the remedy.
func (d *Service) contentOf(ctx context.Context, r *Revision) ([]byte, error) {
	canonical, missing := d.Content.Read(ctx, r.Digest)
	if missing == nil {
		return canonical, nil
	}
	if !errors.Is(missing, content.ErrMissing) {
		return nil, fmt.Errorf("read revision %d: %w", r.Number, missing)
	}
	m, err := d.recompile(ctx, r)
	if err != nil {
		if ctx.Err() != nil || errors.Is(err, fault.Of(fault.Down)) {
			return nil, err
		}
		return nil, lostRevision(r, missing, err)
	}
	if err := d.Content.Put(ctx, m.snapshot); err != nil {
		return nil, fmt.Errorf("restore revision %d: %w", r.Number, err)
	}
	d.Log.Warn("content of a revision was missing; restored from its sources", "group", r.Group, "revision", r.Number, "missing",
		missing)
	return m.snapshot.Canonical(), nil
}

// recompile compiles a revision again from its sources.
func (d *Service) recompile(ctx context.Context, r *Revision) (*merged, error) {
	fragments := map[fleet.SourceID]*compile.Fragment{}
	for _, ref := range r.Sources {
		f, err := d.fragment(ctx, ref.Fragment)
		if err != nil {
			return nil, fmt.Errorf("source %s: %w", ref.Name, err)
		}
		fragments[ref.Name] = f
	}
	m, err := d.merge(fragments, "")
	if err != nil {
		return nil, err
	}
	if m.snapshot.Digest() != r.Digest {
		return nil, errors.New("this version compiles them to other content")
	}
	return m, nil
}

func lostContent(err error) bool {
	var e *fault.Error
	return errors.As(err, &e) && e.Reason == "CONTENT_MISSING"
}

package desired

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/kong/compile"
)

// maxRestored bounds the sources of one restoration: etcd takes 128 operations in a transaction.
const maxRestored = 100

// Restoration is a request to give sources their content of an earlier revision.
type Restoration struct {
	Group       fleet.GroupID
	To          fleet.Revision   // 0 is an empty group
	Sources     []fleet.SourceID // empty: all that differ
	From        fleet.Revision   // what is undone; 0 is the newest
	Force       bool             // restore also what was changed since, or is pinned by hand
	SkipChanged bool             // leave that alone
	Reason      string
	Pin         *Pin // what the pin of each restored source says; nil pins none
	RequestID   string
	Author      string

	ValidateOnly bool
	AllowShrink  bool
}

// Restore restores sources in one new revision. Refusals by the gateways' schemas are only warnings, so that a rollback cannot fail for
// them.
func (d *Service) Restore(ctx context.Context, q Restoration) (Outcome, error) {
	if err := q.check(); err != nil {
		return Outcome{}, err
	}
	print := q.fingerprint()
	answered := func() (Outcome, bool, error) { return d.answered(ctx, q.Group, q.RequestID, print) }
	if out, done, err := d.begin(ctx, q.Group, DefaultSource, answered); done || err != nil {
		return out, err
	}
	target, undone, err := d.ends(ctx, q)
	if err != nil {
		return Outcome{}, err
	}
	release, err := d.reserve(ctx, costOfGroup(target)+costOfGroup(undone))
	if err != nil {
		return Outcome{}, err
	}
	defer release()
	return d.race(ctx, answered, func(ctx context.Context) (Outcome, bool, error) {
		state, err := d.Ledger.Read(ctx, q.Group)
		if err != nil {
			return Outcome{}, false, err
		}
		plan, err := d.plan(ctx, q, state, target, undone)
		if err != nil {
			return Outcome{}, false, err
		}
		return d.restore(ctx, q, state, plan, print)
	})
}

func (q *Restoration) check() error {
	for i, name := range q.Sources {
		if err := fleet.ValidName("source", string(name)); err != nil {
			return fault.InvalidFields(fault.Violation{Field: fmt.Sprintf("sources[%d]", i), Description: err.Error()})
		}
	}
	if q.Force && q.SkipChanged {
		return fault.InvalidFields(fault.Violation{Field: "skip_changed", Description: "not with force"})
	}
	return nil
}

func (q *Restoration) fingerprint() string {
	pin := ""
	if q.Pin != nil {
		pin = fmt.Sprintf("%q %d", q.Pin.Rollout, q.Pin.Refused)
	}
	return fingerprintOf("restore", q.Group, q.To, q.Sources, q.From, q.Force, q.SkipChanged, pin, q.ValidateOnly, q.AllowShrink)
}

// ends returns the revision to restore and the one that is undone; nil means not given.
func (d *Service) ends(ctx context.Context, q Restoration) (target, undone *Revision, err error) {
	if q.To > 0 {
		if target, err = d.Revision(ctx, q.Group, q.To); err != nil {
			return nil, nil, err
		}
	}
	if q.From > 0 {
		undone, err = d.Revision(ctx, q.Group, q.From)
	}
	return target, undone, err
}

// empty is the stored form of a source without content. A pin can hold a source there.
var (
	empty       = (&compile.Fragment{}).Marshal()
	emptyDigest = fleet.DigestOf(empty)
)

// restore merges and commits a plan.
func (d *Service) restore(ctx context.Context, q Restoration, state State, p plan, print string) (Outcome, bool, error) {
	commit := Commit{Group: q.Group, HeadVersion: state.HeadVersion, Put: p.put, Delete: p.remove, RequestID: q.RequestID}
	if err := d.readable(ctx, q, &commit, p.empty); err != nil {
		return Outcome{}, false, err
	}
	sources := commit.after(state.Sources)
	fragments, err := d.fragmentsOf(ctx, q.Group, sources, "")
	if err != nil {
		return Outcome{}, false, err
	}
	m, err := d.merge(fragments, "")
	if err != nil {
		return Outcome{}, false, apart(err)
	}
	out := Outcome{Restored: p.restored, Skipped: p.skipped}
	next, changes, err := d.propose(ctx, q.Group, state, m, sources, nil, q.AllowShrink, q.ValidateOnly)
	if err != nil {
		return Outcome{}, false, err
	}
	out.Revision, out.Changes, out.Unchanged = next, changes, !advances(state.Head, next)
	if !out.Unchanged {
		if err := d.accept(ctx, q.Group, state.Head, m, "", nil, digestsOf(sources)); err != nil {
			return Outcome{}, false, err
		}
		commit.NewRevision = true
		next.Author, next.Message, next.RequestID, next.Restored = q.Author, q.Reason, q.RequestID, q.To
		next.Trace = telemetry.TraceParentOf(ctx)
		if len(p.changed) == 1 {
			next.Source = p.changed[0]
		}
	}
	out.Warnings = m.warnings
	if q.ValidateOnly {
		out.Revision = state.Head
		return out, true, nil
	}
	if next != nil {
		commit.Request.Revision = next.Number
		for i := range commit.Put {
			if slices.Contains(p.changed, commit.Put[i].Name) {
				commit.Put[i].Revision = next.Number
			}
		}
	}
	if out.Unchanged && len(commit.Put)+len(commit.Delete) == 0 && q.RequestID == "" {
		return out, true, nil
	}
	stored := []byte(nil)
	if p.empty {
		stored = empty
	}
	if err := d.store(ctx, m, emptyDigest, stored, commit.NewRevision); err != nil {
		return Outcome{}, false, err
	}
	commit.Head = next
	commit.Request.Fingerprint, commit.Request.Unchanged, commit.Request.Changes = print, out.Unchanged, changes
	commit.Request.Restored, commit.Request.Skipped = p.restored, p.skipped
	won, err := d.commit(ctx, state, commit)
	return out, won, err
}

// readable checks that the restored content exists, names what is gone, and fills in the names of documents.
func (d *Service) readable(ctx context.Context, q Restoration, c *Commit, withEmpty bool) error {
	if withEmpty {
		d.fragments.put(emptyDigest, &compile.Fragment{})
	}
	var gone []string
	for i := range c.Put {
		s := &c.Put[i]
		f, err := d.fragment(ctx, s.Fragment)
		if errors.Is(err, ErrLost) {
			gone = append(gone, string(s.Name))
			continue
		}
		if err != nil {
			return fmt.Errorf("read source %s: %w", s.Name, err)
		}
		s.Documents = f.Documents
	}
	if len(gone) > 0 {
		return fault.New(fault.WrongState, "CONTENT_MISSING", "the stored content that these sources of group %q have in revision %d is gone: %s"+
			"; restore the others by their names, and submit these as they were then", q.Group, q.To, strings.Join(gone, ", ")).
			With("sources", strings.Join(gone, ", "))
	}
	return nil
}

// apart is the fault of restored sources that conflict with the others.
func apart(err error) error {
	var f *fault.Error
	if errors.As(err, &f) && f.Reason == "INVALID_CONFIG" {
		f.Message = "the restored content conflicts with the present content of other sources: " + f.Message +
			"; restore those as well, or another revision"
	}
	return err
}

package desired

import (
	"context"
	"maps"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/compile"
	"github.com/silverback-gateway/silverback/kong/snapshot"
)

// Validate compiles documents, merged with the other sources of a group when one is named, and commits nothing. Refused documents are a
// fault of kind Invalid.
func (d *Service) Validate(ctx context.Context, group fleet.GroupID, source fleet.SourceID, documents []compile.Document,
) (*snapshot.Snapshot, []compile.Problem, error) {
	if group != "" {
		if err := validNames(group, source); err != nil {
			return nil, nil, err
		}
	}
	release, err := d.admit(ctx, group, documents)
	if err != nil {
		return nil, nil, err
	}
	defer release()
	fragment, problems := d.parse(documents)
	if len(problems) > 0 {
		return nil, nil, d.refuse(ctx, group, source, documents, fragment, problems)
	}
	if group != "" {
		return d.validateIn(ctx, group, source, documents, fragment)
	}
	fragments := map[fleet.SourceID]*compile.Fragment{source: fragment}
	m, err := d.merge(fragments, source)
	if err != nil {
		return nil, nil, d.refuseMerge(ctx, group, source, documents, fragments, err)
	}
	return m.snapshot, m.warnings, nil
}

// validateIn is Validate within a group.
func (d *Service) validateIn(ctx context.Context, group fleet.GroupID, source fleet.SourceID, documents []compile.Document,
	fragment *compile.Fragment) (*snapshot.Snapshot, []compile.Problem, error) {
	if err := d.mustExist(ctx, group); err != nil {
		return nil, nil, err
	}
	state, err := d.Ledger.Read(ctx, group)
	if err != nil {
		return nil, nil, err
	}
	fragments, err := d.fragmentsOf(ctx, group, state.Sources, source)
	if err != nil {
		return nil, nil, err
	}
	others := maps.Clone(fragments)
	fragments[source] = fragment
	m, err := d.merge(fragments, source)
	if err != nil {
		return nil, nil, d.refuseMerge(ctx, group, source, documents, fragments, err)
	}
	pinned := pinnedSource(state, source)
	if held, err := d.held(ctx, state, proposal{pinned: pinned}, m, true); err != nil {
		return nil, nil, err
	} else if held {
		return d.unchanged(ctx, group, pinned, others)
	}
	digests := digestsOf(state.Sources)
	delete(digests, source)
	if err := d.accept(ctx, group, state.Head, m, source, documents, digests); err != nil {
		return nil, nil, err
	}
	proposed := Source{Group: group, Name: source, Entities: int64(fragment.Len())}
	next, _, err := d.propose(ctx, group, state, m, withSource(state.Sources, proposed), &proposed, false, true)
	if err == nil {
		_, err = d.handleUnmanaged(ctx, Submission{Group: group, ValidateOnly: true}, state.Head, next, m)
	}
	if err != nil {
		return nil, nil, err
	}
	return m.snapshot, m.warnings, nil
}

// unchanged returns the present group: a pin holds the documents back.
func (d *Service) unchanged(ctx context.Context, group fleet.GroupID, pinned *Source, others map[fleet.SourceID]*compile.Fragment,
) (*snapshot.Snapshot, []compile.Problem, error) {
	fragment, err := d.fragment(ctx, pinned.Fragment)
	if err != nil {
		return nil, nil, lostFragment(err, group, pinned.Name, "is gone; submit it again")
	}
	others[pinned.Name] = fragment
	m, err := d.merge(others, "")
	if err != nil {
		return nil, nil, err
	}
	return m.snapshot, []compile.Problem{heldBackWarning(pinned)}, nil
}

// Revision returns a revision; 0 is the newest. A missing one is a fault of kind Missing.
func (d *Service) Revision(ctx context.Context, group fleet.GroupID, number fleet.Revision) (*Revision, error) {
	var r *Revision
	if number == 0 {
		state, err := d.Ledger.Read(ctx, group)
		if err != nil {
			return nil, err
		}
		if r = state.Head; r == nil {
			return nil, fault.New(fault.Missing, "NO_REVISION", "nothing was submitted to group %q yet", group)
		}
		return r, nil
	}
	r, err := d.Ledger.Revision(ctx, group, number)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, fault.New(fault.Missing, "NO_SUCH_REVISION", "group %q has no revision %d, or keeps it no longer", group, number)
	}
	return r, nil
}

// Canonical returns the canonical bytes of a revision. They must not be modified.
func (d *Service) Canonical(ctx context.Context, r *Revision) ([]byte, error) {
	return d.contentOf(ctx, r)
}

// EntityRef names an entity of a revision: by id, or by name where that is unique in its kind.
type EntityRef struct {
	Kind string // in the singular
	ID   string
	Name string
}

// Located is where an entity comes from.
type Located struct {
	Ref    EntityRef
	Origin compile.Origin
}

// Locate finds the origins of entities of a revision; unknown entities are left out. The newest revision is searched in the present
// sources, since changed comments move lines without a new revision.
func (d *Service) Locate(ctx context.Context, r *Revision, wanted []EntityRef) ([]Located, error) {
	state, err := d.Ledger.Read(ctx, r.Group)
	if err != nil {
		return nil, err
	}
	sources := state.Sources
	if state.Head == nil || state.Head.Number != r.Number {
		sources = sourcesOf(r)
	}
	m, release, err := d.remerge(ctx, r, sources)
	if err != nil {
		return nil, err
	}
	defer release()
	byID := map[string]int{}
	byName := map[[2]string]int{}
	for i, e := range m.result.Entities {
		origin := m.result.Origins[i]
		byID[e.ID] = i
		byName[[2]string{origin.Kind, origin.Name}] = i
	}
	var found []Located
	for _, w := range wanted {
		i, ok := byID[w.ID]
		if !ok && w.Name != "" {
			i, ok = byName[[2]string{w.Kind, w.Name}]
		}
		if ok {
			found = append(found, Located{Ref: w, Origin: m.result.Origins[i]})
		}
	}
	return found, nil
}

// Source returns the present source, or nil.
func (d *Service) Source(ctx context.Context, group fleet.GroupID, name fleet.SourceID) (*Source, error) {
	state, err := d.Ledger.Read(ctx, group)
	if err != nil {
		return nil, err
	}
	return sourceNamed(state.Sources, name), nil
}

package desired

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/compile"
	"github.com/silverback-gateway/silverback/kong/snapshot"
)

// Part is a configuration, or the part of it that one source holds.
type Part struct {
	Canonical []byte // of all; shared: nobody may modify it
	only      map[string]bool
	entities  []snapshot.Entity
}

// Seal returns the canonical bytes of a part. The part of a source may refer to entities outside of it.
func (p Part) Seal() ([]byte, error) {
	if p.only == nil {
		return p.Canonical, nil
	}
	seal := snapshot.Seal
	if snapshot.IsAsIs(p.Canonical) {
		seal = snapshot.SealAsIs
	}
	sealed, err := seal(p.entities)
	if err != nil {
		return nil, fmt.Errorf("seal source: %w", err)
	}
	return sealed.Canonical(), nil
}

func (p Part) keep() func(kind, id string) bool {
	if p.only == nil {
		return nil
	}
	return func(kind, id string) bool { return p.only[kind+" "+id] }
}

// Part returns what a source held in a revision. It merges all sources of that revision, so that references have the same names and ids. A
// missing source is a fault of kind Missing.
func (d *Service) Part(ctx context.Context, r *Revision, source fleet.SourceID) (Part, error) {
	i := slices.IndexFunc(r.Sources, func(s SourceRef) bool { return s.Name == source })
	if i < 0 {
		return Part{}, fault.New(fault.Missing, "NO_SUCH_SOURCE", "revision %d of group %q has no source %q%s", r.Number, r.Group, source,
			itsSources(r))
	}
	m, release, err := d.remerge(ctx, r, sourcesOf(r))
	if err != nil {
		return Part{}, err
	}
	defer release()
	p := Part{Canonical: m.snapshot.Canonical(), only: map[string]bool{}}
	for i, e := range m.result.Entities {
		if m.result.Origins[i].Source == source {
			p.only[e.Kind+" "+e.ID] = true
			p.entities = append(p.entities, e)
		}
	}
	return p, nil
}

func itsSources(r *Revision) string {
	if len(r.Sources) == 0 {
		return ""
	}
	var names []string
	for _, s := range r.Sources {
		names = append(names, string(s.Name))
	}
	return "; it has " + strings.Join(names, ", ")
}

// sourcesOf returns the sources of a revision.
func sourcesOf(r *Revision) []Source {
	sources := make([]Source, len(r.Sources))
	for i, ref := range r.Sources {
		sources[i] = Source{Name: ref.Name, Fragment: ref.Fragment}
	}
	return sources
}

// remerge merges the sources of a revision again. The caller must call release when done with m.
func (d *Service) remerge(ctx context.Context, r *Revision, sources []Source) (m *merged, release func(), err error) {
	if release, err = d.reserve(ctx, costOfGroup(r)); err != nil {
		return nil, nil, err
	}
	fragments, err := d.fragmentsOf(ctx, r.Group, sources, "")
	if err == nil {
		m, err = d.merge(fragments, "")
	}
	if err != nil {
		release()
		return nil, nil, err
	}
	return m, release, nil
}

// Render writes a part as YAML. A form that cannot hold it is a fault of kind WrongState.
func (d *Service) Render(p Part, form compile.Form) ([]byte, error) {
	text, err := d.Compiler.Render(p.Canonical, form, p.keep())
	if errors.Is(err, compile.ErrForm) {
		return nil, fault.New(fault.WrongState, "NOT_IN_THIS_FORM", "the configuration %s", err.Error())
	}
	if err != nil {
		return nil, fmt.Errorf("render: %w", err)
	}
	return text, nil
}

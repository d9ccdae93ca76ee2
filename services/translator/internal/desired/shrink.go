package desired

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/compile"
	"github.com/silverback-gateway/silverback/kong/snapshot"
	serving "github.com/silverback-gateway/silverback/services/translator/internal/groups"
)

const (
	// maxMeasured bounds the revisions that a change is compared with; those that most gateways serve come first.
	maxMeasured = 8
	// smallSource is the least size of a source that is guarded against losing more than half. A smaller one is guarded against losing all.
	smallSource = 5
	// namedLosses bounds the removed entities that a refusal names.
	namedLosses = 5
)

// guard refuses a change that removes more than half of the group or of the submitted source (promise 5: absence is never deletion). It
// compares with each revision that gateways serve, and with the newest if one serves it or nothing is known. source is nil for a deletion.
func (d *Service) guard(ctx context.Context, state State, m *merged, removed int64, source *Source) error {
	if state.Head == nil || removed == 0 {
		return nil
	}
	for _, base := range d.measured(ctx, state.Head) {
		if base.Digest == m.snapshot.Digest() {
			continue
		}
		before, err := d.contentOf(ctx, base)
		if err != nil {
			if base == state.Head || ctx.Err() != nil {
				return err
			}
			continue // an old revision whose content is gone
		}
		_, _, gone, err := snapshot.Summarize(before, m.snapshot.Canonical())
		if err != nil {
			return fmt.Errorf("compare snapshots: %w", err)
		}
		if by := state.shrinks(base, source, int64(gone)); by != nil {
			return by.refusal(base, before, m)
		}
	}
	return nil
}

// A shrinkage is what a change removes from a group or from a source.
type shrinkage struct {
	source        fleet.SourceID // empty: of the group
	removed, left int64
}

// shrinks returns a removal of more than half, compared with base, from which gone entities would go; nil means none.
func (s State) shrinks(base *Revision, source *Source, gone int64) *shrinkage {
	if all := base.EntityCount(); gone*2 > all {
		return &shrinkage{removed: gone, left: all - gone}
	}
	if source == nil {
		return nil
	}
	had := base.entitiesOf(source.Name)
	if old := sourceNamed(s.Sources, source.Name); old != nil && base.Number == s.Head.Number {
		had = old.Entities
	}
	if source.Entities == 0 && had > 0 || had >= smallSource && source.Entities*2 < had {
		return &shrinkage{source: source.Name, removed: had - source.Entities, left: source.Entities}
	}
	return nil
}

// measured returns the revisions to compare with. The registry's data are at most as old as the last renewals.
func (d *Service) measured(ctx context.Context, head *Revision) []*Revision {
	served, err := d.Groups.Served(ctx, head.Group)
	if err != nil {
		return []*Revision{head}
	}
	slices.SortFunc(served, func(a, b serving.Served) int { return b.Nodes - a.Nodes })
	var all []*Revision
	for _, s := range served[:min(len(served), maxMeasured)] {
		if s.Digest == head.Digest {
			all = append(all, head)
			continue
		}
		// A reported revision counts if the ledger has it with the same digest.
		if r, err := d.Ledger.Revision(ctx, head.Group, s.Revision); err == nil && r != nil && r.Digest == s.Digest {
			all = append(all, r)
		}
	}
	if len(all) == 0 {
		return []*Revision{head}
	}
	return all
}

func (r *Revision) entitiesOf(source fleet.SourceID) int64 {
	for _, ref := range r.Sources {
		if ref.Name == source {
			return ref.Entities
		}
	}
	return 0
}

// refusal is the fault of the shrinkage. It names some of the entities.
func (s *shrinkage) refusal(base *Revision, before []byte, m *merged) *fault.Error {
	var names []string
	pairs, _ := snapshot.Pairs(before, m.snapshot.Canonical())
	for _, p := range pairs {
		if p.Op == snapshot.Removed && len(names) < namedLosses {
			names = append(names, strings.TrimSuffix(p.Kind, "s")+" "+cmp.Or(snapshot.NameOf(p.Old), p.ID))
		}
	}
	had := s.removed + s.left
	what := fmt.Sprintf("remove %d of the group's %d entities", s.removed, had)
	if s.source != "" {
		what = fmt.Sprintf("leave source %q with %d of its %d entities", s.source, s.left, had)
	}
	e := fault.New(fault.WrongState, "CONFIG_SHRINK", "this would %s, compared with revision %d (such as %s); to do it, set allow_shrink "+
		"(--allow-shrink on the command line)",
		what, base.Number, strings.Join(names, ", ")).With("removed", fmt.Sprint(s.removed)).With("entities", fmt.Sprint(had))
	if s.source != "" {
		e = e.With("source", string(s.source))
	}
	return e
}

// warned converts a refusal that a flag would allow into a warning.
func warned(err error) (compile.Problem, bool) {
	var e *fault.Error
	if !errors.As(err, &e) || e.Reason != "CONFIG_SHRINK" && e.Reason != "UNMANAGED_LOSS" && e.Reason != "SOURCE_PINNED" && !lostContent(err) {
		return compile.Problem{}, false
	}
	return compile.Problem{Message: "a submission of this is refused: " + e.Message}, true
}

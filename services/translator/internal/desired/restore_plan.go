package desired

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
)

const (
	// maxSought bounds the revisions that are read to find the author of a change.
	maxSought = 64
	// namedSources is how many sources a refusal names.
	namedSources = 5
)

// plan is the effect of a restoration on the sources of a group.
type plan struct {
	put      []Source
	remove   []fleet.SourceID
	restored []fleet.SourceID
	skipped  []fleet.SourceID
	changed  []fleet.SourceID // those of the restored that get other content, or go
	empty    bool             // a source is held at no content
}

// plan decides source by source.
func (d *Service) plan(ctx context.Context, q Restoration, state State, target, undone *Revision) (plan, error) {
	var p plan
	var refused []string
	q.Pin = q.pinIn(state)
	for _, name := range chosen(q.Sources, state, target) {
		now, then := sourceNamed(state.Sources, name), target.ref(name)
		if now == nil && then == nil && undone.ref(name) == nil {
			return p, noSuchSource(q.Group, name)
		}
		byHand := now != nil && now.Pin.ByHand() && !sameContent(now, then)
		changed := ""
		if !byHand && !sameContent(now, then) {
			var err error
			if changed, err = d.changedSince(ctx, state, name, undone); err != nil {
				return p, err
			}
		}
		switch {
		case q.Force || !byHand && changed == "":
			p.add(q, name, now, then, undone.ref(name), d.Now())
		case q.SkipChanged:
			p.skipped = append(p.skipped, name)
		case byHand:
			return p, pinnedByHand(now)
		default:
			refused = append(refused, changed)
		}
	}
	if len(refused) > 0 {
		return p, sourcesChanged(refused)
	}
	if n := len(p.put) + len(p.remove); n > maxRestored {
		return p, fault.New(fault.WrongState, "TOO_MANY_SOURCES", "%d sources differ; at most %d can be restored at once: name some of them", n,
			maxRestored)
	}
	for i := range p.put {
		if pin := p.put[i].Pin; pin != nil && q.Pin != nil {
			pin.Problems = problemsOf(p.put[i].Name, pin.Problems, maxPinBytes/len(p.put))
		}
	}
	return p, nil
}

// pinIn returns the pin with the revision that it refuses: by default the one that is undone, or the newest.
func (q *Restoration) pinIn(state State) *Pin {
	if q.Pin == nil || q.Pin.Refused > 0 {
		return q.Pin
	}
	pin := *q.Pin
	if pin.Refused = q.From; q.From == 0 && state.Head != nil {
		pin.Refused = state.Head.Number
	}
	return &pin
}

// sourcesChanged is the fault of a restoration that would take other changes back.
func sourcesChanged(changes []string) error {
	more := ""
	if n := len(changes) - namedSources; n > 0 {
		changes, more = changes[:namedSources], fmt.Sprintf(" (and %d more)", n)
	}
	return fault.New(fault.WrongState, "SOURCE_CHANGED", "%s%s; name the sources to restore, or ask again with force (--force on the "+
		"command line), which takes these changes back too", strings.Join(changes, "; "), more)
}

// chosen returns the sources to restore, by name.
func chosen(asked []fleet.SourceID, state State, target *Revision) []fleet.SourceID {
	if len(asked) > 0 {
		all := slices.Clone(asked)
		slices.Sort(all)
		return slices.Compact(all)
	}
	names := map[fleet.SourceID]bool{}
	for i := range state.Sources {
		names[state.Sources[i].Name] = !sameContent(&state.Sources[i], target.ref(state.Sources[i].Name))
	}
	if target != nil {
		for _, ref := range target.Sources {
			if sourceNamed(state.Sources, ref.Name) == nil {
				names[ref.Name] = true
			}
		}
	}
	maps.DeleteFunc(names, func(_ fleet.SourceID, differs bool) bool { return !differs })
	return slices.Sorted(maps.Keys(names))
}

// ref returns a source of a revision; nil when the revision does not have it.
func (r *Revision) ref(name fleet.SourceID) *SourceRef {
	if r == nil {
		return nil
	}
	for i := range r.Sources {
		if r.Sources[i].Name == name {
			return &r.Sources[i]
		}
	}
	return nil
}

// sameContent reports whether a source has the same content as then. A source pinned at no content counts as missing.
func sameContent(now *Source, then *SourceRef) bool {
	if then == nil {
		return now == nil || now.Fragment == emptyDigest
	}
	if now == nil {
		return false
	}
	return now.Fragment == then.Fragment
}

// changedSince names who changed the entities of a source since a revision; empty means nobody.
func (d *Service) changedSince(ctx context.Context, state State, name fleet.SourceID, since *Revision) (string, error) {
	now, was := sourceNamed(state.Sources, name), since.ref(name)
	if since == nil || sameContent(now, was) {
		return "", nil
	}
	var digest fleet.Digest
	if was != nil {
		digest = was.Fragment
	}
	if state.Head != nil {
		if same, err := d.same(ctx, state.Sources, name, digest, state.Head.Digest); same || err != nil {
			return "", err
		}
	}
	did := "changed"
	switch {
	case now == nil:
		did = "deleted"
	case was == nil:
		did = "submitted"
	}
	text := fmt.Sprintf("source %q was %s since revision %d", name, did, since.Number)
	by, err := d.changeOf(ctx, state, name, since)
	switch {
	case err != nil:
		return "", err
	case by != nil:
		return fmt.Sprintf("%s, by %s at %s in revision %d", text, by.Author, by.CreateTime.UTC().Format(time.RFC3339), by.Number), nil
	case now != nil:
		return fmt.Sprintf("%s, by %s at %s", text, now.Author, now.UpdateTime.UTC().Format(time.RFC3339)), nil
	}
	return text, nil
}

// changeOf returns the first revision after another with other content of a source; nil when it is not among the next ones.
func (d *Service) changeOf(ctx context.Context, state State, name fleet.SourceID, since *Revision) (*Revision, error) {
	if state.Head == nil {
		return nil, nil
	}
	was := since.ref(name)
	for n := since.Number + 1; n <= min(state.Head.Number, since.Number+maxSought); n++ {
		r, err := d.Ledger.Revision(ctx, state.Head.Group, n)
		if err != nil {
			return nil, err
		}
		if r == nil {
			continue
		}
		if ref := r.ref(name); (ref == nil) != (was == nil) || ref != nil && ref.Fragment != was.Fragment {
			return r, nil
		}
	}
	return nil, nil
}

// add adds one source to the plan. An existing pin stays, unless the content that it holds back is restored.
func (p *plan) add(q Restoration, name fleet.SourceID, now *Source, then, undone *SourceRef, at time.Time) {
	p.restored = append(p.restored, name)
	pin := pinOf(q, now, then, undone, at)
	if then == nil && pin == nil {
		if now != nil {
			p.remove, p.changed = append(p.remove, name), append(p.changed, name)
		}
		return
	}
	source := Source{Group: q.Group, Name: name, Fragment: emptyDigest, Author: q.Author, UpdateTime: at}
	if then != nil {
		source.Fragment, source.Entities = then.Fragment, then.Entities
	}
	if now != nil && now.Fragment == source.Fragment {
		source = *now
	} else {
		p.changed = append(p.changed, name)
	}
	source.Pin = pin
	if now == nil || now.Fragment != source.Fragment || now.Pin != pin {
		p.put = append(p.put, source)
		p.empty = p.empty || source.Fragment == emptyDigest
	}
}

// movedTo returns a pin by hand after its source was restored by force. What it held back, it holds back no more once that is restored.
func (p *Pin) movedTo(good fleet.Revision, then *SourceRef) *Pin {
	moved := *p
	moved.Good = good
	if then != nil && p.holdsBack(then.Fragment) {
		moved.Refused, moved.RefusedFragment, moved.Problems = 0, "", nil
	}
	return &moved
}

// pinOf returns the pin of a source after a restoration.
func pinOf(q Restoration, now *Source, then, undone *SourceRef, at time.Time) *Pin {
	var old *Pin
	if now != nil {
		old = now.Pin
	}
	good := q.To
	if then == nil {
		good = 0
	}
	unmoved := now != nil && sameContent(now, then)
	if old != nil && unmoved {
		return old // it is restored already
	}
	if old.ByHand() {
		return old.movedTo(good, then)
	}
	if q.Pin == nil {
		if old == nil || then == nil && old.RefusedFragment == "" && old.Refused > 0 || then != nil && old.holdsBack(then.Fragment) {
			return nil // what it held back takes effect
		}
		kept := *old
		kept.Good = good
		return &kept
	}
	pin := *q.Pin
	pin.Author, pin.CreateTime, pin.Good = q.Author, at, good
	if pin.Rollout == "" {
		pin.Refused = 0
		return &pin
	}
	switch {
	case now != nil && !unmoved:
		pin.RefusedFragment = now.Fragment
	case now == nil && then != nil: // the deletion is held back
	case undone != nil && (then == nil || undone.Fragment != then.Fragment):
		pin.RefusedFragment = undone.Fragment
	default:
		pin.Refused = 0
	}
	return &pin
}

package desired

import (
	"context"
	"fmt"
	"time"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/changes"
	"github.com/silverback-gateway/silverback/kong/compile"
)

// Question asks for the difference from a revision: of documents as a source of the group, or of another revision.
type Question struct {
	Group     fleet.GroupID
	Source    fleet.SourceID
	Documents []compile.Document // none with To
	From      fleet.Revision     // 0: the newest; with To the one before that
	To        fleet.Revision     // 0: Documents
	Limit     int                // changes to describe
}

// Difference is the answer: the changes of a submission or of a revision.
type Difference struct {
	Changes []changes.Change
	Summary Summary
	Against fleet.Revision // 0 is an empty group
	To      fleet.Revision // 0: what documents would make
	Digest  fleet.Digest   // that the group would have

	Warnings []compile.Problem
}

// Diff returns what differs. Its text and values hold no secrets.
func (d *Service) Diff(ctx context.Context, q Question) (Difference, error) {
	if q.To > 0 {
		return d.diffRevisions(ctx, q)
	}
	if len(q.Documents) == 0 {
		return Difference{}, fault.InvalidFields(fault.Violation{Field: "documents", Description: "at least one is needed, or to_revision"})
	}
	now, warnings, err := d.Validate(ctx, q.Group, q.Source, q.Documents)
	if err != nil {
		return Difference{}, err
	}
	var head *Revision
	if q.From > 0 {
		head, err = d.Revision(ctx, q.Group, q.From)
	} else {
		var state State
		state, err = d.Ledger.Read(ctx, q.Group)
		head = state.Head
	}
	if err != nil {
		return Difference{}, err
	}
	diff := Difference{Digest: now.Digest(), Warnings: warnings}
	release, err := d.reserve(ctx, costOfGroup(head)+perGroupByte*now.Size())
	if err != nil {
		return Difference{}, err
	}
	defer release()
	before, err := d.before(ctx, head)
	if err != nil {
		return Difference{}, err
	}
	if head != nil {
		diff.Against = head.Number
	}
	return diff, d.describe(ctx, q, &diff, before, now.Canonical())
}

func (d *Service) diffRevisions(ctx context.Context, q Question) (Difference, error) {
	if len(q.Documents) > 0 {
		return Difference{}, fault.InvalidFields(fault.Violation{Field: "documents", Description: "not with to_revision"})
	}
	if err := d.mustExist(ctx, q.Group); err != nil {
		return Difference{}, err
	}
	to, err := d.Revision(ctx, q.Group, q.To)
	if err != nil {
		return Difference{}, err
	}
	if q.From == 0 {
		q.From = q.To - 1
	}
	var from *Revision
	if q.From > 0 {
		if from, err = d.Revision(ctx, q.Group, q.From); err != nil {
			return Difference{}, err
		}
	}
	release, err := d.reserve(ctx, costOfGroup(from)+costOfGroup(to))
	if err != nil {
		return Difference{}, err
	}
	defer release()
	before, err := d.before(ctx, from)
	if err != nil {
		return Difference{}, err
	}
	now, err := d.before(ctx, to)
	if err != nil {
		return Difference{}, err
	}
	diff := Difference{Digest: to.Digest, Against: q.From, To: to.Number}
	return diff, d.describe(ctx, q, &diff, before, now)
}

// hidden is the warning about hidden values.
const hidden = "the values of plugins and vaults are hidden: no gateway of this group has reported its schemas yet, and these say which " +
	"are secrets"

// describe fills in what differs.
func (d *Service) describe(ctx context.Context, q Question, diff *Difference, before, now []byte) error {
	defer d.Metrics.stage("compare", time.Now())
	var gateways []changes.Schemas
	if d.Schemas != nil {
		for _, j := range d.Schemas.Of(ctx, q.Group).Enforced {
			if m, ok := j.Validator.(changes.Schemas); ok {
				gateways = append(gateways, m)
			}
		}
	}
	list, err := changes.Compare(d.Compiler.Kinds(), gateways, before, now, q.Limit)
	if err != nil {
		return fmt.Errorf("compare snapshots: %w", err)
	}
	diff.Changes = list.Changes
	diff.Summary = Summary{Added: int64(list.Added), Changed: int64(list.Changed), Removed: int64(list.Removed)}
	if len(gateways) == 0 && hides(list.Changes) {
		diff.Warnings = append(diff.Warnings, compile.Problem{Message: hidden})
	}
	return nil
}

func hides(all []changes.Change) bool {
	for _, c := range all {
		for _, f := range c.Fields {
			if f.Secret && (c.Kind == "plugin" || c.Kind == "vault") {
				return true
			}
		}
	}
	return false
}

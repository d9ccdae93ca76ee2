package desired

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/compile"
	"github.com/silverback-gateway/silverback/kong/inventory"
	serving "github.com/silverback-gateway/silverback/services/translator/internal/groups"
)

const (
	// maxReplaces bounds what one revision may replace, since every directive carries it.
	maxReplaces = 256
	// namedNodes bounds the gateways of one content that a refusal names, namedKinds the contents.
	namedNodes = 3
	namedKinds = 4
)

// loss is what unmanaged gateways of one content would lose.
type loss struct {
	serving.Unmanaged
	entries []inventory.Entry // empty: unknown
}

// String says it for people.
func (l loss) String() string {
	who := whoIs(l.Nodes)
	if len(l.entries) == 0 {
		return who + " would lose an unknown part of its configuration"
	}
	return who + " would lose " + inventory.Describe(l.entries, 2*namedLosses)
}

func whoIs(nodes []string) string {
	who := strings.Join(nodes[:min(len(nodes), namedNodes)], ", ")
	if more := len(nodes) - namedNodes; more > 0 {
		who += fmt.Sprintf(" and %d more", more)
	}
	return who
}

// adoption is the effect of a merge on the group's unmanaged gateways, except those that the head may replace already.
type adoption struct {
	suits   []serving.Unmanaged // lose nothing
	losses  []loss
	unknown error // the registry could not be asked
}

// adopt compares a merge with what unmanaged gateways serve.
func (d *Service) adopt(ctx context.Context, group fleet.GroupID, head *Revision, m *merged) (adoption, error) {
	all, err := d.Groups.Unmanaged(ctx, group)
	if err != nil {
		if ctx.Err() != nil {
			return adoption{}, err
		}
		return adoption{unknown: err}, nil
	}
	var a adoption
	var now *inventory.Inventory
	for _, u := range all {
		if head != nil && slices.Contains(head.Replaces, u.Served) {
			continue
		}
		if u.Inventory == nil {
			a.losses = append(a.losses, loss{Unmanaged: u})
			continue
		}
		if now == nil {
			i, err := inventory.OfSnapshot(m.snapshot.Canonical())
			if err != nil {
				return a, err
			}
			now = &i
		}
		if missing := u.Inventory.Missing(*now); len(missing) > 0 {
			a.losses = append(a.losses, loss{u, missing})
		} else {
			a.suits = append(a.suits, u)
		}
	}
	return a, nil
}

// refused is the fault of a revision that needs a flag about unmanaged gateways; nil when it needs none.
func (a adoption) refused(group fleet.GroupID) error {
	if len(a.losses) == 0 {
		return nil
	}
	said := make([]string, 0, namedKinds)
	for _, l := range a.losses[:min(len(a.losses), namedKinds)] {
		said = append(said, l.String())
	}
	if more := len(a.losses) - namedKinds; more > 0 {
		said = append(said, fmt.Sprintf("%d more gateways with other content too", more))
	}
	first := a.losses[0].Nodes[0]
	return fault.New(fault.WrongState, "UNMANAGED_LOSS", "gateways of group %q serve what no revision brought, and this takes some of it "+
		"away: %s. "+
		"silverback import node %s -g %s makes a source of it; replace_unmanaged (--replace-unmanaged) lets it go; leave_unmanaged "+
		"(--leave-unmanaged) leaves such gateways as they are",
		group, strings.Join(said, "; "), first, group)
}

// replaced returns which unmanaged configurations a revision may replace, and the warnings about them.
func (a adoption) replaced(s Submission) (served []string, told []compile.Problem) {
	served = slices.Clone(s.ReplaceServed)
	tell := func(format string, args ...any) {
		told = append(told, compile.Problem{Message: fmt.Sprintf(format, args...)})
	}
	for _, u := range a.suits {
		switch {
		case slices.Contains(served, u.Served):
		case s.LeaveUnmanaged:
			tell("%s: left as it is, since its entities of the same names have other content", whoIs(u.Nodes))
		default:
			tell("%s serve what no revision brought, lose nothing of it by name, and take this revision", whoIs(u.Nodes))
			served = append(served, u.Served)
		}
	}
	for _, l := range a.losses {
		switch {
		case slices.Contains(served, l.Served):
		case s.ReplaceUnmanaged:
			served = append(served, l.Served)
		default:
			tell("%s, and is left as it is: it serves something that no revision brought", l)
		}
	}
	if a.unknown != nil {
		tell("the registry does not say which gateways serve something that no revision brought; they are left as they are")
	}
	return served, told
}

// handleUnmanaged checks the unmanaged gateways before a commit, and returns the next head. Replacing more than before takes a new
// revision, even with the same content.
func (d *Service) handleUnmanaged(ctx context.Context, s Submission, head, next *Revision, m *merged) (*Revision, error) {
	changes := advances(head, next)
	if next == nil || !changes && !s.ReplaceUnmanaged {
		return next, nil // nothing is rolled out
	}
	a, err := d.adopt(ctx, s.Group, head, m)
	if err != nil {
		return nil, err
	}
	if err := a.refused(s.Group); err != nil && !s.ReplaceUnmanaged && !s.LeaveUnmanaged {
		if w, _ := warned(err); s.ValidateOnly {
			m.warnings = append(m.warnings, w)
			return next, nil
		}
		return nil, err
	}
	served, told := a.replaced(s)
	m.warnings = append(m.warnings, told...)
	if len(served) == 0 {
		return next, nil
	}
	if len(served) > maxReplaces {
		return nil, fault.New(fault.WrongState, "TOO_MANY_UNMANAGED", "the gateways of the group serve %d different configurations that no "+
			"revision brought; one revision may replace %d: put some of the nodes into quarantine, or import them",
			len(served), maxReplaces)
	}
	if !changes {
		again := *next
		again.Number, again.CreateTime, again.Changes = next.Number+1, d.Now(), Summary{}
		next = &again
	}
	kept := slices.DeleteFunc(slices.Clone(next.Replaces), func(was string) bool { return slices.Contains(served, was) })
	next.Replaces = append(kept[max(0, len(kept)+len(served)-maxReplaces):], served...)
	return next, nil
}

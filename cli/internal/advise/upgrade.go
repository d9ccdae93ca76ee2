package advise

import (
	"context"
	"fmt"
	"slices"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/kong/releases"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// step is the way of one release of the fleet to the one that was asked for.
type step struct {
	*release
	to          releases.Version
	To          string           `json:"to"`
	ToEdition   releases.Edition `json:"to_edition"`
	ToEnds      string           `json:"to_support_ends"`
	ToSupported bool             `json:"to_supported"`
	ToMissing   []missing        `json:"to_missing"`
}

// upgrade compares the versions of the fleet with another one.
func (q request) upgrade(ctx context.Context, a *app.App) error {
	t := releases.Known()
	line, ok := t.Line(q.version)
	if !ok {
		return fmt.Errorf("nothing is known of Kong %s: the table of %s has the lines %s to %s", q.version, t.AsOf, t.Lines[0].Line,
			t.Lines[len(t.Lines)-1].Line)
	}
	nodes, err := nodesOf(ctx, a, "")
	if err != nil {
		return err
	}
	all, p := running(a, nodes)
	if !slices.ContainsFunc(nodes, func(n *registryv1.Node) bool {
		v, ok := versionOf(n)
		return ok && q.version.Is(v) && n.GetCapabilities().GetSchemaDigest() != ""
	}) {
		p.Unknown = append(p.Unknown, "what Kong "+q.version.String()+" would refuse or read otherwise: no gateway of the fleet with it has "+
			"brought its schemas")
	}
	grid := &show.Grid{Header: []string{"KONG", "NODES", "TO", "FINDING", "NOW", "THEN", "COMPONENT", "ABOUT"}, More: 2}
	steps, bad := []step{}, false
	for _, r := range all {
		s := stepOf(t, line, q.version, r, a)
		steps = append(steps, s)
		add := func(finding, now, then, component, about string, counts bool) {
			grid.Add(r.Kong, fmt.Sprint(r.Nodes), s.To, finding, now, then, component, about)
			bad = bad || counts
		}
		if s.To == r.Kong {
			continue
		}
		if r.Edition != s.ToEdition {
			add("edition", string(r.Edition), string(s.ToEdition), "Kong", "the line has no community release on record",
				r.Edition == releases.Community)
		}
		if !r.Supported || !s.ToSupported || r.SupportEnds != s.ToEnds {
			add("support", supportOf(r.Supported, r.SupportEnds), supportOf(s.ToSupported, s.ToEnds), "Enterprise",
				"Kong's support of the line", !s.ToSupported)
		}
		for _, f := range t.Fixes {
			now, nowMissing := statusOf(f, r.version, r.Missing)
			then, thenMissing := statusOf(f, s.to, s.ToMissing)
			if nowMissing || thenMissing {
				add(ids(f.IDs), now, then, f.Component, f.About, thenMissing)
			}
		}
	}
	if a.Flags.Output != show.Table {
		err = show.Value(a.Out, a.Flags.Output, struct {
			published
			Kong  string `json:"kong"`
			Steps []step `json:"steps"`
		}{p, q.version.String(), steps})
	} else {
		if len(grid.Rows) > 0 {
			err = grid.Draw(a.Out, a.Layout())
		} else {
			a.Line(2, "no gateway of the fleet would change: nothing to compare")
		}
		p.print(a)
	}
	if err == nil && bad {
		return &app.Exit{Code: app.ExitDifference}
	}
	return err
}

// stepOf returns the way of a release to a version. Of a line it is the newest release on record, in the same edition where there is one.
func stepOf(t *releases.Table, line releases.Line, to releases.Version, r *release, a *app.App) step {
	if to.IsLine() {
		to = line.NewestOf(r.Edition)
	}
	s := step{release: r, to: to, To: to.String(), ToEdition: to.Edition(), ToEnds: line.SupportEnds, ToSupported: line.Supported(a.Now()),
		ToMissing: []missing{}}
	for _, l := range t.Lacks(to) {
		s.ToMissing = append(s.ToMissing, missingOf(l))
	}
	return s
}

func supportOf(supported bool, ends string) string {
	if supported {
		return "until " + ends
	}
	return "ended " + ends
}

// statusOf returns whether a release has a fix, in a word for a cell, and whether it is missing.
func statusOf(f releases.Fix, v releases.Version, all []missing) (word string, lacks bool) {
	for _, m := range all {
		if slices.Equal(m.IDs, f.IDs) {
			if m.FixedIn != "" {
				return "needs " + m.FixedIn, true
			}
			return m.status(), true
		}
	}
	if !f.Concerns(v) {
		return "", false // it does not have the component
	}
	return "fixed", false
}

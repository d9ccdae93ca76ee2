package advise

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/kong/releases"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// release is one version of Kong in the fleet.
type release struct {
	version     releases.Version
	line        releases.Line
	Kong        string           `json:"kong_version"`
	Edition     releases.Edition `json:"edition"`
	Nodes       int              `json:"nodes"`
	Names       []string         `json:"node_names"` // the first of them
	SupportEnds string           `json:"support_ends"`
	Supported   bool             `json:"supported"` // of the Enterprise edition
	Missing     []missing        `json:"missing"`
}

// missing is a fix that a release does not have.
type missing struct {
	IDs       []string `json:"ids"`
	Component string   `json:"component"`
	About     string   `json:"about"`
	FixedIn   string   `json:"fixed_in"` // of the same line and edition; empty when none is on record
	Sources   []string `json:"sources"`
}

// published says of which day the table is.
type published struct {
	AsOf    string            `json:"as_of"`
	Sources []releases.Source `json:"sources"`
	Unknown []string          `json:"unknown"`
}

// maxNames is how many nodes of a release are named.
const maxNames = 5

// running returns the versions of gateways, the oldest first, and what is not known of them.
func running(a *app.App, nodes []*registryv1.Node) (all []*release, p published) {
	t := releases.Known()
	p = published{AsOf: t.AsOf, Sources: t.Sources, Unknown: []string{}}
	var silent []string
	unheard := map[string][]string{}
	for _, n := range nodes {
		said := show.Clean(n.GetCapabilities().GetKongVersion())
		v, ok := versionOf(n)
		switch {
		case said == "":
			silent = append(silent, nameOf(n))
			continue
		case !ok || v.IsLine():
			unheard[said] = append(unheard[said], nameOf(n))
			continue
		}
		line, ok := t.Line(v)
		if !ok {
			unheard[said] = append(unheard[said], nameOf(n))
			continue
		}
		at := slices.IndexFunc(all, func(r *release) bool { return slices.Equal(r.version, v) })
		if at < 0 {
			at = len(all)
			r := &release{version: v, line: line, Kong: v.String(), Edition: v.Edition(), SupportEnds: line.SupportEnds,
				Supported: line.Supported(a.Now()), Missing: []missing{}}
			for _, l := range t.Lacks(v) {
				r.Missing = append(r.Missing, missingOf(l))
			}
			all = append(all, r)
		}
		if all[at].Nodes++; len(all[at].Names) < maxNames {
			all[at].Names = append(all[at].Names, nameOf(n))
		}
	}
	slices.SortFunc(all, func(x, y *release) int { return slices.Compare(x.version, y.version) })
	for _, said := range slices.Sorted(maps.Keys(unheard)) {
		p.Unknown = append(p.Unknown, fmt.Sprintf("the fixes and the support of Kong %s, which is not in the table: %s", said,
			some(unheard[said])))
	}
	if len(silent) > 0 {
		p.Unknown = append(p.Unknown, "the version of the Kong of "+some(silent)+", whose agent does not tell one")
	}
	return all, p
}

func missingOf(l releases.Lack) missing {
	m := missing{IDs: l.IDs, Component: l.Component, About: l.About}
	if l.In != nil {
		m.FixedIn, m.Sources = l.In.Release, []string{l.In.Source}
		return m
	}
	for _, r := range l.Fixed {
		m.Sources = append(m.Sources, r.Source)
	}
	return m
}

// status says in which release the fix is.
func (m missing) status() string {
	if m.FixedIn == "" {
		return "no fix on record"
	}
	return "fixed in " + m.FixedIn
}

// ids names the vulnerabilities in a cell; JSON has all of them.
func ids(all []string) string {
	if len(all) == 1 {
		return all[0]
	}
	return fmt.Sprintf("%s and %d more", all[0], len(all)-1)
}

// fixes says what the gateways of the fleet lack.
func (q request) fixes(ctx context.Context, a *app.App) error {
	nodes, err := nodesOf(ctx, a, q.group)
	if err != nil {
		return err
	}
	all, p := running(a, nodes)
	grid := &show.Grid{Header: []string{"KONG", "NODES", "FINDING", "STATUS", "COMPONENT", "ABOUT"}, More: 1}
	for _, r := range all {
		nodes := fmt.Sprint(r.Nodes)
		if !r.Supported {
			grid.Add(r.Kong, nodes, "end of support", "ended "+r.SupportEnds, "Enterprise", "Kong's support of the line")
		}
		for _, m := range r.Missing {
			grid.Add(r.Kong, nodes, ids(m.IDs), m.status(), m.Component, m.About)
		}
	}
	if a.Flags.Output != show.Table {
		if all == nil {
			all = []*release{}
		}
		err = show.Value(a.Out, a.Flags.Output, struct {
			published
			Gateways []*release `json:"gateways"`
		}{p, all})
	} else {
		if len(grid.Rows) > 0 {
			err = grid.Draw(a.Out, a.Layout())
		} else {
			a.Line(2, "no fix is known to be missing")
		}
		p.print(a)
	}
	if err == nil && len(grid.Rows) > 0 {
		return &app.Exit{Code: app.ExitDifference}
	}
	return err
}

// print prints how old the table is, and what is not known.
func (p published) print(a *app.App) {
	age := ""
	if day, err := time.Parse(time.DateOnly, p.AsOf); err == nil {
		age = fmt.Sprintf(", %s ago", show.Count(int64(a.Now().Sub(day)/(24*time.Hour)), "day", "days"))
	}
	a.Line(2, "The table is of %s%s. Newer releases and fixes are not in it; -o json has the sources.", p.AsOf, age)
	printUnknown(a, p.Unknown)
}

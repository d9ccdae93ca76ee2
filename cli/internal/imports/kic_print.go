package imports

import (
	"fmt"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/changes"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/kong/parity"
	"github.com/silverback-gateway/silverback/kong/snapshot"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// parityReport is a comparison for programs. docs/api.md defines its shape.
type parityReport struct {
	Against string         `json:"against"`
	Form    parity.Form    `json:"form"`
	Summary paritySummary  `json:"summary"`
	Unknown unknownCounts  `json:"unknown"`
	Objects []parityObject `json:"objects"`
}

type paritySummary struct {
	Equal   int `json:"equal"`
	Added   int `json:"added"`
	Changed int `json:"changed"`
	Removed int `json:"removed"`
}

type unknownCounts struct {
	Redacted int `json:"redacted"`
	Filled   int `json:"filled"`
	Absent   int `json:"absent"`
}

// parityObject is a Kubernetes object. Kind, namespace and name are empty for entities without a known object.
type parityObject struct {
	Kind      string        `json:"kind"`
	Namespace string        `json:"namespace"`
	Name      string        `json:"name"`
	Summary   paritySummary `json:"summary"`
	Changes   any           `json:"changes"` // as in diff; null with --summary
}

// printParity prints a comparison in the format of -o.
func printParity(a *app.App, theirs *foreign, report parity.Report, summary bool) error {
	if a.Flags.Output != show.Table {
		out, err := reportOfParity(theirs, report, summary)
		if err != nil {
			return err
		}
		return show.Value(a.Out, a.Flags.Output, out)
	}
	for i, group := range report.Groups {
		counts := countsOf(group)
		if summary {
			fmt.Fprintf(a.Out, "%s: %s\n", show.Clean(group.Object.String()), counts)
			continue
		}
		if i > 0 {
			fmt.Fprintln(a.Out)
		}
		fmt.Fprintf(a.Out, "%s:\n", show.Clean(group.Object.String()))
		for j := range group.Changes {
			changes.Write(a, changes.Of(&group.Changes[j]))
		}
	}
	if len(report.Groups) > 0 && !summary {
		fmt.Fprintln(a.Out)
	}
	total := paritySummary{Added: report.Added, Changed: report.Changed, Removed: report.Removed}
	if report.Differs() {
		fmt.Fprintf(a.Out, "%s by a move, against %s; %s\n", total, show.Clean(theirs.from), equalEntities(report.Equal))
	} else {
		fmt.Fprintf(a.Out, "no difference from %s: %s\n", show.Clean(theirs.from), equalEntities(report.Equal))
	}
	tellUnknown(a, report.Unknown)
	return nil
}

// String returns the counts for people.
func (s paritySummary) String() string {
	return fmt.Sprintf("%d added, %d changed, %d removed", s.Added, s.Changed, s.Removed)
}

func equalEntities(n int) string {
	return show.Count(int64(n), "entity is equal", "entities are equal")
}

// tellUnknown prints what could not be compared, and how to compare it.
func tellUnknown(a *app.App, unknown parity.Unknown) {
	if n := unknown.Redacted; n > 0 {
		fmt.Fprintf(a.Out, "unknown: %s; the controller shows those of a dump with --dump-sensitive-config\n",
			show.Count(int64(n), "secret that is hidden", "secrets that are hidden"))
	}
	if n := unknown.Filled; n > 0 {
		fmt.Fprintf(a.Out, "unknown: %s the other side has alone, most likely defaults; with --admin a gateway's schemas tell\n",
			show.Count(int64(n), "setting of a plugin that", "settings of plugins that"))
	}
	if n := unknown.Absent; n > 0 {
		fmt.Fprintf(a.Out, "unknown: %s of kinds that are not in a dump, such as group memberships; compare with --admin only\n",
			show.Count(int64(n), "entity", "entities"))
	}
}

func countsOf(group parity.Group) (s paritySummary) {
	for _, c := range group.Changes {
		switch c.Op {
		case snapshot.Added:
			s.Added++
		case snapshot.Removed:
			s.Removed++
		default:
			s.Changed++
		}
	}
	return s
}

func reportOfParity(theirs *foreign, report parity.Report, summary bool) (parityReport, error) {
	out := parityReport{
		Against: theirs.from, Form: theirs.config.Form,
		Summary: paritySummary{Equal: report.Equal, Added: report.Added, Changed: report.Changed, Removed: report.Removed},
		Unknown: unknownCounts(report.Unknown), Objects: make([]parityObject, 0, len(report.Groups)),
	}
	for _, group := range report.Groups {
		object := parityObject{Kind: group.Object.Kind, Namespace: group.Object.Namespace, Name: group.Object.Name, Summary: countsOf(group)}
		if !summary {
			answer := &translatorv1.DiffConfigResponse{}
			for i := range group.Changes {
				answer.Changes = append(answer.Changes, changes.Of(&group.Changes[i]))
			}
			told, err := changes.ReportOf(answer)
			if err != nil {
				return parityReport{}, err
			}
			object.Changes = told.Changes
		}
		out.Objects = append(out.Objects, object)
	}
	return out, nil
}

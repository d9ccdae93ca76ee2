package desired

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/translator/internal/compile"
)

// SchemaCheck says what becomes of what the schemas of a group's gateways refuse.
type SchemaCheck int

// The ways. Refuse is the default.
const (
	Refuse SchemaCheck = iota
	Warn
	Off
)

// maxForeign bounds how many problems of other sources a submitter is warned of.
const maxForeign = 10

// judge puts a merged group before the schemas of its gateways. What they refuse of the submitted source is a fault. What they refuse of
// another source is a warning: its owner submitted it when it was good, and nobody else can mend it. documents are those of the submitted
// source; digests are those of the fragments, as far as they are known.
func (d *Desk) judge(ctx context.Context, group fleet.GroupID, m *merged, submitted fleet.SourceID, documents []compile.Document, digests map[fleet.SourceID]fleet.Digest) error {
	if d.Schemas == nil || d.SchemaCheck == Off {
		return nil
	}
	panel := d.Schemas.Of(ctx, group)
	defer d.Metrics.stage("judge", time.Now())
	outcome := "passed"
	defer func() { d.Metrics.judged(outcome) }()
	if panel.Missing > 0 {
		outcome = "incomplete"
		m.warnings = append(m.warnings, compile.Problem{Message: fmt.Sprintf(
			"the schemas of %d of the %d kinds of gateways in this group cannot be had now; the configuration was checked without them", panel.Missing, panel.Missing+len(panel.Judges))})
	} else if len(panel.Judges) == 0 {
		outcome = "unchecked"
	}
	sources := map[fleet.SourceID]bool{}
	for i := range m.result.Origins {
		sources[m.result.Origins[i].Source] = true
	}
	foreign := 0
	for _, source := range slices.Sorted(maps.Keys(sources)) {
		problems := d.verdict(m.result, source, panel.Judges, verdictKey{digests[source], panel.ID})
		switch {
		case len(problems) == 0:
		case source == submitted:
			d.Compiler.Locate(documents, problems)
			problems = withoutSource(problems, submitted)
			if d.SchemaCheck == Refuse {
				outcome = "refused"
				return refused(problems)
			}
			m.warnings = append(m.warnings, problems...)
		default:
			for _, p := range problems {
				if foreign++; foreign <= maxForeign {
					m.warnings = append(m.warnings, p)
				}
			}
		}
	}
	if foreign > maxForeign {
		m.warnings = append(m.warnings, compile.Problem{Message: fmt.Sprintf("the group's gateways refuse %d more entities or fields of other sources", foreign-maxForeign)})
	}
	return nil
}

// verdict judges one source, or remembers how that ended: neither a fragment nor a bundle ever changes.
func (d *Desk) verdict(r *compile.Result, source fleet.SourceID, judges []compile.Judge, key verdictKey) []compile.Problem {
	if key.fragment == "" {
		return r.Judge(source, judges)
	}
	problems, known := d.verdicts.get(key)
	if !known {
		problems = r.Judge(source, judges)
		d.verdicts.put(key, problems)
	}
	return slices.Clone(problems)
}

type verdictKey struct {
	fragment fleet.Digest
	panel    string
}

// maxVerdicts bounds what is remembered; then all of it is forgotten.
const maxVerdicts = 4096

type verdicts struct {
	mu  sync.Mutex
	all map[verdictKey][]compile.Problem
}

func (v *verdicts) get(key verdictKey) ([]compile.Problem, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	problems, known := v.all[key]
	return problems, known
}

func (v *verdicts) put(key verdictKey, problems []compile.Problem) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.all == nil || len(v.all) >= maxVerdicts {
		v.all = map[verdictKey][]compile.Problem{}
	}
	v.all[key] = problems
}

func digestsOf(sources []Source) map[fleet.SourceID]fleet.Digest {
	all := make(map[fleet.SourceID]fleet.Digest, len(sources)+1)
	for _, s := range sources {
		all[s.Name] = s.Fragment
	}
	return all
}

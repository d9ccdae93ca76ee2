package desired

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/compile"
	"github.com/silverback-gateway/silverback/services/translator/internal/schemas"
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

// Bounds of what is made of schemas that too few nodes stand behind: how many bundles are asked, and how many problems of each are told.
const (
	maxOthers     = 4
	maxFromOthers = 3
)

// checkSchemas checks a merged group by the schemas of its gateways. A refusal within the submitted source is a fault. A refusal within
// another source is a warning: its owner submitted it when it was valid, and nobody else can correct it. Schemas that too few nodes report
// only warn as well, for otherwise one node could block the whole group. documents are those of the submitted source; digests are those
// of the fragments, as far as they are known.
func (d *Service) checkSchemas(ctx context.Context, group fleet.GroupID, m *merged, submitted fleet.SourceID, documents []compile.Document,
	digests map[fleet.SourceID]fleet.Digest) error {
	if d.Schemas == nil || d.SchemaCheck == Off {
		return nil
	}
	known := d.Schemas.Of(ctx, group)
	defer d.Metrics.stage("judge", time.Now())
	outcome := "passed"
	defer func() { d.Metrics.checked(outcome) }()
	warn := func(format string, args ...any) {
		m.warnings = append(m.warnings, compile.Problem{Message: fmt.Sprintf(format, args...)})
	}
	if len(known.Missing) > 0 {
		outcome = "incomplete"
		warn("the schemas of %d of the %d kinds of gateways in this group cannot be had now; the configuration was checked without them: %s",
			len(known.Missing), known.Kinds(), someOf(known.Missing))
	} else if len(known.Enforced) == 0 {
		outcome = "unchecked"
	}
	sources := map[fleet.SourceID]bool{}
	for i := range m.result.Origins {
		sources[m.result.Origins[i].Source] = true
	}
	validators := make([]compile.Validator, len(known.Enforced))
	for i, j := range known.Enforced {
		validators[i] = j.Validator
	}
	foreign, over := 0, map[int]bool{}
	for _, source := range slices.Sorted(maps.Keys(sources)) {
		v, err := d.verdict(ctx, m.result, source, validators, verdictKey{digests[source], known.ID})
		if err != nil {
			return fmt.Errorf("check by schemas: %w", err)
		}
		for _, j := range v.Over {
			over[j] = true
		}
		problems := slices.Clone(v.Problems)
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
	for _, j := range slices.Sorted(maps.Keys(over)) {
		outcome = "incomplete"
		warn(tooExpensive, known.Enforced[j].Who)
	}
	if foreign > maxForeign {
		warn("the group's gateways refuse %d more entities or fields of other sources", foreign-maxForeign)
	}
	advice, err := d.advise(ctx, m.result, submitted, digests[submitted], known.Advisory)
	if err != nil {
		return fmt.Errorf("check by schemas: %w", err)
	}
	if len(advice) > 0 {
		if outcome == "passed" || outcome == "unchecked" {
			outcome = "doubted"
		}
		d.Compiler.Locate(documents, advice)
		m.warnings = append(m.warnings, withoutSource(advice, submitted)...)
	}
	return nil
}

const tooExpensive = "%s: a check by them costs more than it may; the configuration was checked without them"

// advise returns what advisory schemas refuse of the submitted source. Each is asked alone, so that its messages are not merged with those
// of others.
func (d *Service) advise(ctx context.Context, r *compile.Result, submitted fleet.SourceID, fragment fleet.Digest,
	others []schemas.Validator) ([]compile.Problem, error) {
	var all []compile.Problem
	for i, j := range others {
		if i == maxOthers {
			return append(all, compile.Problem{Message: fmt.Sprintf("the schemas of %d more kinds of gateways were not asked: too few nodes stand "+
				"behind them", len(others)-i)}), nil
		}
		v, err := d.verdict(ctx, r, submitted, []compile.Validator{j.Validator}, verdictKey{fragment, "alone " + string(j.Rules)})
		if err != nil {
			return nil, err
		}
		if len(v.Over) > 0 {
			all = append(all, compile.Problem{Message: fmt.Sprintf(tooExpensive, j.Who)})
		}
		for n, p := range v.Problems {
			if n == maxFromOthers {
				all = append(all, compile.Problem{Message: fmt.Sprintf("%s: they refuse %d more entities or fields; nothing was refused for it", j.Who,
					len(v.Problems)-n)})
				break
			}
			p.Message += " (so say " + j.Who + "; too few nodes stand behind them to refuse for it)"
			all = append(all, p)
		}
	}
	return all, nil
}

// someOf names the first few.
func someOf(all []string) string {
	if more := len(all) - maxOthers; more > 0 {
		return strings.Join(all[:maxOthers], "; ") + fmt.Sprintf("; and %d more", more)
	}
	return strings.Join(all, "; ")
}

// verdict validates one source, or remembers how that ended: neither a fragment nor a bundle ever changes. The error is the end of ctx.
func (d *Service) verdict(ctx context.Context, r *compile.Result, source fleet.SourceID, validators []compile.Validator,
	key verdictKey) (compile.Verdict, error) {
	if v, known := d.verdicts.get(key); known {
		return v, nil
	}
	v, err := r.Validate(ctx, source, validators)
	if err == nil && key.fragment != "" {
		d.verdicts.put(key, v)
	}
	return v, err
}

type verdictKey struct {
	fragment   fleet.Digest
	validators string
}

// What is remembered is bounded in number and by the problems, of which a verdict has up to 101; then all of it is forgotten.
const (
	maxVerdicts     = 4096
	maxVerdictBytes = 4 << 20
)

type verdicts struct {
	mu    sync.Mutex
	all   map[verdictKey]compile.Verdict
	bytes int
}

func (v *verdicts) get(key verdictKey) (compile.Verdict, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	verdict, known := v.all[key]
	return verdict, known
}

func (v *verdicts) put(key verdictKey, verdict compile.Verdict) {
	v.mu.Lock()
	defer v.mu.Unlock()
	bytes := compile.ProblemBytes(verdict.Problems)
	if v.all == nil || len(v.all) >= maxVerdicts || v.bytes+bytes > maxVerdictBytes {
		v.all, v.bytes = map[verdictKey]compile.Verdict{}, 0
	}
	v.all[key] = verdict
	v.bytes += bytes
}

func digestsOf(sources []Source) map[fleet.SourceID]fleet.Digest {
	all := make(map[fleet.SourceID]fleet.Digest, len(sources)+1)
	for _, s := range sources {
		all[s.Name] = s.Fragment
	}
	return all
}

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

// SchemaCheck is what to do with refusals of the schemas.
type SchemaCheck int

// Refuse is the default.
const (
	Refuse SchemaCheck = iota
	Warn
	Off
)

// maxForeign bounds the warnings about other sources.
const maxForeign = 10

// Bounds of advisory schemas: how many are checked, and how many problems of each are reported.
const (
	maxOthers     = 4
	maxFromOthers = 3
)

// checkSchemas checks a merged group by the schemas of its gateways. A refusal within the submitted source is a fault. A refusal within
// another source is a warning: only its owner can correct it, and it was valid when submitted. Schemas that too few nodes report only warn,
// so that one node cannot block the whole group. documents are those of the submitted source; digests are those of the fragments, as far as
// they are known.
func (d *Service) checkSchemas(ctx context.Context, group fleet.GroupID, m *merged, submitted fleet.SourceID, documents []compile.Document,
	digests map[fleet.SourceID]fleet.Digest) error {
	if d.Schemas == nil || d.SchemaCheck == Off {
		return nil
	}
	known := d.Schemas.Of(ctx, group)
	defer d.Metrics.stage("judge", time.Now())
	found, err := d.enforce(ctx, m.result, submitted, digests, known)
	if err != nil {
		return fmt.Errorf("check by schemas: %w", err)
	}
	d.Compiler.Locate(documents, found.own)
	found.own = withoutSource(found.own, submitted)
	if len(found.own) > 0 && d.SchemaCheck == Refuse {
		d.Metrics.checked("refused")
		return refused(found.own)
	}
	advice, err := d.advise(ctx, m.result, submitted, digests[submitted], known.Advisory)
	if err != nil {
		return fmt.Errorf("check by schemas: %w", err)
	}
	d.Compiler.Locate(documents, advice)
	m.warnings = slices.Concat(m.warnings, found.warnings(known), withoutSource(advice, submitted))
	d.Metrics.checked(found.outcome(known, len(advice)))
	return nil
}

// findings is what enforced schemas refuse of a group.
type findings struct {
	own     []compile.Problem // of the submitted source
	foreign []compile.Problem // of other sources, up to maxForeign
	more    int               // further ones of other sources
	over    []int             // which of the enforced cost too much
}

// enforce validates each source of a group by the enforced schemas.
func (d *Service) enforce(ctx context.Context, r *compile.Result, submitted fleet.SourceID, digests map[fleet.SourceID]fleet.Digest,
	known schemas.Validators) (f findings, err error) {
	sources, over := map[fleet.SourceID]bool{}, map[int]bool{}
	for i := range r.Origins {
		sources[r.Origins[i].Source] = true
	}
	validators := validatorsOf(known)
	for _, source := range slices.Sorted(maps.Keys(sources)) {
		v, err := d.verdict(ctx, r, source, validators, verdictKey{digests[source], known.ID})
		if err != nil {
			return f, err
		}
		for _, j := range v.Over {
			over[j] = true
		}
		if source == submitted {
			f.own = slices.Clone(v.Problems)
			continue
		}
		shown := min(len(v.Problems), maxForeign-len(f.foreign))
		f.foreign = append(f.foreign, v.Problems[:shown]...)
		f.more += len(v.Problems) - shown
	}
	f.over = slices.Sorted(maps.Keys(over))
	return f, nil
}

func validatorsOf(known schemas.Validators) (all []compile.Validator) {
	for _, j := range known.Enforced {
		all = append(all, j.Validator)
	}
	return all
}

// warnings are those of a group that is not refused.
func (f findings) warnings(known schemas.Validators) (all []compile.Problem) {
	warn := func(format string, args ...any) {
		all = append(all, compile.Problem{Message: fmt.Sprintf(format, args...)})
	}
	if len(known.Missing) > 0 {
		warn("the schemas of %d of the %d kinds of gateways in this group are missing; the configuration was checked without them: %s",
			len(known.Missing), known.Kinds(), someOf(known.Missing))
	}
	all = slices.Concat(all, f.own, f.foreign)
	for _, j := range f.over {
		warn(tooExpensive, known.Enforced[j].Who)
	}
	if f.more > 0 {
		warn("the group's gateways refuse %d more entities or fields of other sources", f.more)
	}
	return all
}

// outcome is the label of a check without a refusal, for the metric.
func (f findings) outcome(known schemas.Validators, advice int) string {
	switch {
	case len(known.Missing) > 0 || len(f.over) > 0:
		return "incomplete"
	case advice > 0:
		return "doubted"
	case len(known.Enforced) == 0:
		return "unchecked"
	}
	return "passed"
}

const tooExpensive = "%s: checking by them costs too much; the configuration was checked without them"

// advise returns what advisory schemas refuse of the submitted source. Each is checked alone, so that messages are not merged.
func (d *Service) advise(ctx context.Context, r *compile.Result, submitted fleet.SourceID, fragment fleet.Digest,
	others []schemas.Validator) ([]compile.Problem, error) {
	var all []compile.Problem
	for i, j := range others {
		if i == maxOthers {
			return append(all, compile.Problem{Message: fmt.Sprintf("the schemas of %d more kinds of gateways were not checked: too few "+
				"nodes report them", len(others)-i)}), nil
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
				all = append(all, compile.Problem{Message: fmt.Sprintf("%s: they refuse %d more entities or fields; these are only warnings", j.Who,
					len(v.Problems)-n)})
				break
			}
			p.Message += " (by " + j.Who + "; only a warning, since too few nodes report them)"
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

// verdict validates one source, or returns the cached verdict: fragments and bundles never change. The error is the end of ctx.
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

// Bounds of the cached verdicts, in number and in bytes of problems. Beyond them all are dropped.
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

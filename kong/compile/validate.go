package compile

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/silverback-gateway/silverback/kong/schema"
)

// A Validator checks one entity, in the form in which a gateway gets it, as a kind of gateway would. It is safe for concurrent use.
type Validator interface {
	// Name names the kind of gateway for people, such as "Kong 3.9.3".
	Name() string
	// Check returns why the gateway would refuse an entity. kind is singular. Messages hold no values. Check does not keep or change the
	// entity. The error is schema.ErrBudget, or the cause of ctx.
	Check(ctx context.Context, budget *schema.Budget, kind string, entity map[string]any) ([]schema.FieldError, error)
}

// A Verdict is the result of validating a source.
type Verdict struct {
	Problems []Problem
	Over     []int // the validators over their budgets; their findings do not count
}

// alone is how many entities one worker checks before another is started.
const alone = 64

// finding is a problem that one validator found.
type finding struct {
	entity, validator int
	problem           Problem
}

// Validate checks the entities of one source with every validator. Problems have the position of their entity; see Locate. With several
// validators, messages name those that refuse. Each validator has a budget by the size of the source. Validate returns soon after ctx ends.
func (r *Result) Validate(ctx context.Context, source SourceID, validators []Validator) (Verdict, error) {
	if len(validators) == 0 {
		return Verdict{}, nil
	}
	var mine []int
	bytes := 0
	for i := range r.Origins {
		if r.Origins[i].Source == source {
			mine = append(mine, i)
			bytes += len(r.Entities[i].JSON)
		}
	}
	budgets := make([]*schema.Budget, len(validators))
	for j := range budgets {
		budgets[j] = schema.BudgetFor(len(mine), bytes)
	}
	workers := min(runtime.GOMAXPROCS(0), 1+len(mine)/alone)
	found, failed := make([][]finding, workers), make([]error, workers)
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			// Neighbours share processor caches.
			for _, i := range mine[len(mine)*w/workers : len(mine)*(w+1)/workers] {
				var more []finding
				if more, failed[w] = r.validate(ctx, i, validators, budgets); failed[w] != nil {
					return
				}
				if found[w] = append(found[w], more...); len(found[w]) > 100*maxProblems {
					return
				}
			}
		})
	}
	all.Wait()
	if err := errors.Join(failed...); err != nil {
		return Verdict{}, context.Cause(ctx)
	}
	return verdictOf(slices.Concat(found...), validators, budgets), nil
}

// validate checks one entity with the validators within their budgets. The error is the end of ctx.
func (r *Result) validate(ctx context.Context, i int, validators []Validator, budgets []*schema.Budget) ([]finding, error) {
	var (
		found   []finding
		e, from = &r.Entities[i], &r.Origins[i]
	)
	entity, ok := decode(string(e.JSON))
	if !ok {
		return nil, nil // it was written by this package, so this does not happen
	}
	for j, validator := range validators {
		if budgets[j].Over() {
			continue
		}
		why, err := validator.Check(ctx, budgets[j], from.Kind, entity)
		if err != nil && !errors.Is(err, schema.ErrBudget) {
			return nil, err
		}
		for _, why := range why {
			if why.Follows || follows(why, r.flaws[i]) {
				continue
			}
			id := e.ID
			if r.vague[i] {
				id = ""
			}
			found = append(found, finding{i, j, Problem{
				Source: from.Source, Document: from.Document, Line: from.Line, Column: from.Column, Kind: from.Kind, Name: from.Name,
				ID: id, Field: fieldOf(why.Path), Class: classOf(why.Rule), Message: why.Message,
			}})
		}
	}
	return found, nil
}

// verdictOf drops the findings of validators over their budgets, and merges equal findings. Findings are grouped by entity.
func verdictOf(found []finding, validators []Validator, budgets []*schema.Budget) Verdict {
	var (
		v        Verdict
		refusing [][]string
		first    int // of the problems of the present entity
		last     = -1
	)
	for j := range validators {
		if budgets[j].Over() {
			v.Over = append(v.Over, j)
		}
	}
	for _, f := range found {
		if budgets[f.validator].Over() {
			continue
		}
		if f.entity != last {
			first, last = len(v.Problems), f.entity
		}
		p := f.problem
		at := slices.IndexFunc(v.Problems[first:], func(have Problem) bool {
			return have.Field == p.Field && have.Class == p.Class && have.Message == p.Message
		})
		if at += first; at < first {
			at = len(v.Problems)
			v.Problems, refusing = append(v.Problems, p), append(refusing, nil)
		}
		refusing[at] = append(refusing[at], validators[f.validator].Name())
	}
	if len(validators) > 1 {
		for at := range v.Problems {
			v.Problems[at].Message += " (" + strings.Join(slices.Compact(refusing[at]), ", ") + " of this group's nodes)"
		}
	}
	if len(v.Problems) > 0 {
		v.Problems = finish(v.Problems)
	}
	return v
}

// fieldOf writes a path as problems have it, without control characters.
func fieldOf(path schema.Path) string {
	var b strings.Builder
	for _, s := range path {
		if s.Name == "" && !s.Key {
			b.WriteString("[" + strconv.Itoa(s.Position) + "]")
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(printable(s.Name))
	}
	return b.String()
}

func classOf(r schema.Rule) Class {
	switch r {
	case schema.UnknownField:
		return UnknownField
	case schema.WrongType:
		return WrongType
	case schema.MissingField:
		return MissingField
	case schema.Unsupported:
		return Unsupported
	}
	return BadValue
}

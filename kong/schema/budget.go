package schema

import (
	"context"
	"errors"
	"sync/atomic"
)

// ErrBudget: the budget of a check is spent. The check says nothing about the entity.
var ErrBudget = errors.New("checking costs more than it may")

// A Budget bounds what checks cost together, in steps; a step is about the work of looking at one field, some nanoseconds. Bundles
// come from gateways and entities from submitters, and either can be made to cost the other's time. It is safe for concurrent use.
type Budget struct {
	left atomic.Int64
	over atomic.Bool
}

// NewBudget returns a budget of a number of steps.
func NewBudget(steps int64) *Budget {
	b := &Budget{}
	b.left.Store(steps)
	return b
}

// What a check may cost: for any, for each entity, and for each byte of the entities, but never more than maxSteps, a few seconds of one
// processor. A Kong with all its plugins takes a small part of it.
const (
	leastBudget  = 1 << 20
	entityBudget = 4 << 10
	byteBudget   = 128
	maxBudget    = 1 << 30
)

// BudgetFor returns the budget for checking some entities that have some bytes as JSON.
func BudgetFor(entities, bytes int) *Budget {
	return NewBudget(min(leastBudget+entityBudget*int64(entities)+byteBudget*int64(bytes), maxBudget))
}

// Left is how many steps are left.
func (b *Budget) Left() int64 { return max(b.left.Load(), 0) }

// Over reports whether a check ended with ErrBudget. All later ones do.
func (b *Budget) Over() bool { return b.over.Load() }

// batch is how many steps a check draws from the budget at once. Before each it checks whether its context ended.
const batch = 4096

// An allowance is what one check has drawn from a budget and not spent yet.
type allowance struct {
	ctx    context.Context // an allowance lives as long as one call
	budget *Budget
	left   int
	err    error
}

// spend takes steps, and reports false when there are no more: then the check ends, and what it found does not count.
func (p *allowance) spend(steps int) bool {
	p.left -= steps
	return p.left >= 0 || p.refill()
}

func (p *allowance) refill() bool {
	if p.err != nil {
		return false
	}
	if p.ctx.Err() != nil {
		p.err = context.Cause(p.ctx)
		return false
	}
	need := batch - p.left
	if p.budget.Over() || p.budget.left.Add(-int64(need)) < 0 {
		p.budget.over.Store(true)
		p.err = ErrBudget
		return false
	}
	p.left += need
	return true
}

// close gives back what was not spent.
func (p *allowance) close() error {
	if p.err == nil {
		p.budget.left.Add(int64(p.left))
	}
	return p.err
}

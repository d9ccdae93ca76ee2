package schema

import (
	"context"
	"errors"
	"sync/atomic"
)

// ErrBudget means that the budget of a check is spent. The check then says nothing about the entity.
var ErrBudget = errors.New("checking costs more than it may")

// A Budget bounds the total cost of checks, in steps. A step is roughly the work of looking at one field, a few nanoseconds. Gateways
// supply bundles and submitters supply entities, and both can be expensive on purpose. A Budget is safe for concurrent use.
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

// The cost that checks may have: a base, a part for each entity and a part for each byte, up to maxBudget, which is a few seconds of one
// processor. A Kong with all its plugins needs a small part of it.
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

// Left returns how many steps are left.
func (b *Budget) Left() int64 { return max(b.left.Load(), 0) }

// Over reports whether a check ended with ErrBudget. All later ones do.
func (b *Budget) Over() bool { return b.over.Load() }

// batch is how many steps a check draws from the budget at once. Before each it checks whether its context ended.
const batch = 4096

// An allowance is the part of a budget that one check has drawn and not spent yet.
type allowance struct {
	ctx    context.Context // an allowance lives as long as one call
	budget *Budget
	left   int
	err    error
}

// spend takes steps. It returns false when none are left: the check ends and its findings do not count.
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

// close returns unspent steps to the budget.
func (p *allowance) close() error {
	if p.err == nil {
		p.budget.left.Add(int64(p.left))
	}
	return p.err
}

// Package targets keeps targets of upstreams out of one gateway, as a distributor says: without a load, over loads and starts of the
// gateway, and with everything else away. It never holds up a load, and decides nothing.
package targets

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/gateway"
	"github.com/silverback-gateway/silverback/agent/internal/lastgood"
	"github.com/silverback-gateway/silverback/agent/internal/status"
	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/kong/target"
)

// kong is what a keeper needs of a gateway.
type kong interface {
	SetTargetHealth(ctx context.Context, n target.Name, healthy bool) error
	TargetHealth(ctx context.Context, upstream string) (map[string]gateway.TargetHealth, error)
	Revives(ctx context.Context, upstream string) (time.Duration, error)
}

// memory stores targets for the next run of the agent.
type memory interface {
	RememberTargets(lastgood.Targets) error
}

// Deps are what a keeper works with.
type Deps struct {
	Gateway kong
	Memory  memory
	Status  *status.Tracker
	Log     *slog.Logger
}

const (
	// atOnce is how many requests are sent at a time. One worker of the gateway takes them beside its traffic.
	atOnce = 4
	// soon and calm are the first and the last interval between two looks at what the gateway keeps out. It doubles while nothing changes.
	soon = 50 * time.Millisecond
	calm = 10 * time.Second
	// lookFirst is from how many targets on the agent looks, after a load, which of them the gateway still keeps out, before it says it
	// again: a Kong was seen to remember, and a PUT costs it 7 ms. With fewer the one that matters is not to lose time.
	lookFirst = 16
	// refreshAtMost is the least time between two refreshes of an upstream whose checks bring targets back.
	refreshAtMost = 250 * time.Millisecond
	// settleTime bounds how long the proof of a load waits for the targets.
	settleTime = time.Second
	// maxReleasing bounds what is still to be let in.
	maxReleasing = 2 * target.MaxKept
)

// The conditions of a keeper.
const (
	notOut        = "TargetsNotDrained"
	notRemembered = "DrainedTargetsNotRemembered"
)

// Keeper keeps targets out. Run may be called once; the other methods are safe for concurrent use and never wait for the gateway, but for
// Settle.
type Keeper struct {
	Deps

	mu         sync.Mutex
	set        lastgood.Targets
	generation uint64 // of the set and the loads: what was seen in another one does not count
	entries    map[target.Name]entry
	refreshed  map[string]refresh // by upstream, since the last load
	done       uint64             // the last generation in which a pass began and ended
	passed     chan struct{}      // closed and replaced when a pass has ended
	bell       chan struct{}      // capacity 1: a new generation
}

// refresh is when an upstream whose checks bring targets back is told again.
type refresh struct {
	every time.Duration // 0: never
	at    time.Time
}

// New returns a keeper of what was remembered. Damage is the error of reading that.
func New(d Deps, remembered lastgood.Targets, damage error) *Keeper {
	k := &Keeper{Deps: d, set: remembered, entries: map[target.Name]entry{}, passed: make(chan struct{}), bell: make(chan struct{}, 1)}
	k.anew()
	if damage != nil {
		d.Status.Raise(notRemembered, "what the previous run kept out cannot be read: "+damage.Error(), time.Now())
	}
	return k
}

// Stamp is that of the set that the keeper has.
func (k *Keeper) Stamp() fleet.Stamp {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.set.Stamp()
}

// Receive takes a set of a distributor, unless it is older than the one that the keeper has. It is in force at once, even if it cannot be
// written to disk.
func (k *Keeper) Receive(next lastgood.Targets) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !next.Stamp().After(k.set.Stamp()) {
		return
	}
	k.set = after(k.set, next)
	k.Log.Info("drained targets received", "targets", len(k.set.Out), "releasing", len(k.set.Releasing), "version", next.Version)
	k.remember()
	// What is out already stays so.
	entries := map[target.Name]entry{}
	for _, n := range k.set.Out {
		entries[n] = k.entries[n]
	}
	k.entries = entries
	k.next()
}

// after returns a new set with what the one before kept out and this one does not as targets to be let in.
func after(before, next lastgood.Targets) lastgood.Targets {
	next.Out = unique(next.Out)
	next.Releasing = slices.DeleteFunc(unique(slices.Concat(before.Releasing, before.Out)), func(n target.Name) bool {
		_, stays := slices.BinarySearchFunc(next.Out, n, target.Name.Compare)
		return stays
	})
	next.Releasing = next.Releasing[:min(len(next.Releasing), maxReleasing)]
	return next
}

func unique(names []target.Name) []target.Name {
	return slices.Compact(slices.SortedFunc(slices.Values(names), target.Name.Compare))
}

// remember writes the set to disk. The caller holds the lock.
func (k *Keeper) remember() {
	if err := k.Memory.RememberTargets(k.set); err != nil {
		k.Status.Raise(notRemembered, "the drained targets are kept out, but a restart of the agent would forget them: "+err.Error(), time.Now())
		return
	}
	k.Status.Clear(notRemembered)
}

// Loaded says that the gateway may have forgotten what it keeps out: it loaded a configuration, or it started.
func (k *Keeper) Loaded() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.anew()
}

// anew forgets what is known of the gateway. The caller holds the lock, or the keeper is not shared yet.
func (k *Keeper) anew() {
	entries := map[target.Name]entry{}
	for _, n := range k.set.Out {
		was := k.entries[n]
		entries[n] = entry{again: was.standing == out || was.again}
	}
	k.entries = entries
	k.refreshed = map[string]refresh{}
	k.next()
}

// next begins a generation. The caller holds the lock, or the keeper is not shared yet.
func (k *Keeper) next() {
	k.generation++
	k.show()
	select {
	case k.bell <- struct{}{}:
	default:
	}
}

// Settle waits until the gateway was told everything since the last load, but not long: nothing that fails here may hold up a load.
func (k *Keeper) Settle(ctx context.Context) {
	over := time.After(settleTime)
	for {
		k.mu.Lock()
		settled := k.done == k.generation || len(k.set.Out)+len(k.set.Releasing) == 0
		passed := k.passed
		k.mu.Unlock()
		if settled {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-over:
			return
		case <-passed:
		}
	}
}

// Run keeps the targets out until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	quiet := 0
	for {
		before := k.summary()
		wait := k.pass(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if quiet++; k.summary() != before {
			quiet = 0
		}
		if most := min(soon<<min(quiet, 10), calm); most < wait || wait == 0 {
			wait = most
		}
		timer := time.NewTimer(backoff.Jitter(wait, 0.1))
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-k.bell:
			quiet = 0
		case <-timer.C:
		}
		timer.Stop()
	}
}

// order is what one pass is to do.
type order struct {
	generation uint64
	release    []target.Name
	put        []target.Name
	upstreams  []string // to be read
	again      int      // of put: out before the last load
}

// orders returns what is to be done now.
func (k *Keeper) orders(now time.Time) order {
	k.mu.Lock()
	defer k.mu.Unlock()
	o := order{generation: k.generation, release: slices.Clone(k.set.Releasing)}
	for _, n := range k.set.Out {
		r := k.refreshed[n.Upstream]
		if k.entries[n].due(now) || r.every > 0 && !now.Before(r.at) {
			o.put = append(o.put, n)
		}
		if k.entries[n].again {
			o.again++
		}
		if last := len(o.upstreams) - 1; last < 0 || o.upstreams[last] != n.Upstream {
			o.upstreams = append(o.upstreams, n.Upstream)
		}
	}
	return o
}

// pass tells the gateway what it does not do yet, and looks at what it does. It returns the time to the next pass; 0 is any.
func (k *Keeper) pass(ctx context.Context) time.Duration {
	o := k.orders(time.Now())
	if len(o.release)+len(o.upstreams) > 0 {
		if o.again >= lookFirst {
			each(ctx, o.upstreams, func(upstream string) { k.look(ctx, o.generation, upstream, 0) })
			o = k.orders(time.Now())
		}
		began := time.Now()
		each(ctx, o.put, func(n target.Name) { k.put(ctx, o.generation, n) })
		each(ctx, o.release, func(n target.Name) { k.release(ctx, n) })
		took := time.Since(began)
		k.ended(o.generation)
		each(ctx, o.upstreams, func(upstream string) { k.look(ctx, o.generation, upstream, took) })
	}
	if ctx.Err() != nil {
		return 0
	}
	k.ended(o.generation)
	k.report()
	return k.wait(time.Now())
}

// each calls a function for all items, a few at a time.
func each[T any](ctx context.Context, items []T, do func(T)) {
	var working sync.WaitGroup
	next := make(chan T)
	for range min(atOnce, len(items)) {
		working.Go(func() {
			for item := range next {
				do(item)
			}
		})
	}
	for _, item := range items {
		if ctx.Err() != nil {
			break
		}
		next <- item
	}
	close(next)
	working.Wait()
}

func (k *Keeper) put(ctx context.Context, generation uint64, n target.Name) {
	err := k.Gateway.SetTargetHealth(ctx, n, false)
	if ctx.Err() != nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if e, wanted := k.entries[n]; wanted && generation == k.generation {
		k.entries[n] = e.answered(err, time.Now())
	}
}

// release lets a target in again. One that is not there needs nothing. A load does not do it: a gateway was seen to keep targets out over
// loads.
func (k *Keeper) release(ctx context.Context, n target.Name) {
	err := k.Gateway.SetTargetHealth(ctx, n, true)
	if err != nil && !errors.Is(err, target.ErrNoTarget) && !errors.Is(err, target.ErrNoChecks) {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if at, still := slices.BinarySearchFunc(k.set.Releasing, n, target.Name.Compare); still {
		k.set.Releasing = slices.Delete(slices.Clone(k.set.Releasing), at, at+1)
		if len(k.set.Releasing) == 0 {
			k.remember()
		}
		k.show()
	}
}

// look reads what the gateway says of an upstream's targets.
func (k *Keeper) look(ctx context.Context, generation uint64, upstream string, took time.Duration) {
	k.mu.Lock()
	known, is := k.refreshed[upstream]
	k.mu.Unlock()
	now := time.Now()
	if !is {
		revives, err := k.Gateway.Revives(ctx, upstream)
		if err == nil && revives > 0 {
			// Each PUT has the checks count from 0 again.
			known.every = max(min(revives/2, calm), refreshAtMost, 10*took)
		}
		is = err == nil
	}
	if known.every > 0 && !now.Before(known.at) {
		known.at = now.Add(known.every)
	}
	health, err := k.Gateway.TargetHealth(ctx, upstream)
	if err != nil && !errors.Is(err, target.ErrNoUpstream) {
		return // the gateway does not answer, which others tell of
	}
	now = time.Now()
	k.mu.Lock()
	defer k.mu.Unlock()
	if generation != k.generation {
		return
	}
	if is {
		k.refreshed[upstream] = known
	}
	from, _ := slices.BinarySearchFunc(k.set.Out, target.Name{Upstream: upstream}, target.Name.Compare)
	for _, n := range k.set.Out[from:] {
		if n.Upstream != upstream {
			break
		}
		h, there := health[n.Target]
		k.entries[n] = k.entries[n].read(h, there, now)
	}
}

// ended notes that a pass of a generation told the gateway everything.
func (k *Keeper) ended(generation uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if generation != k.generation {
		return
	}
	k.done = generation
	close(k.passed)
	k.passed = make(chan struct{})
	k.show()
}

// wait returns the time to what is due next; 0 when nothing is.
func (k *Keeper) wait(now time.Time) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	var first time.Time
	earlier := func(at time.Time) {
		if !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	for _, e := range k.entries {
		earlier(e.retryAt)
	}
	for _, r := range k.refreshed {
		earlier(r.at)
	}
	if len(k.set.Releasing) > 0 {
		earlier(now.Add(soon << 2))
	}
	if first.IsZero() {
		return 0
	}
	return max(first.Sub(now), time.Millisecond)
}

// counts are how many targets stand how.
type counts struct {
	by        [failed + 1]int
	releasing int
}

func (k *Keeper) summary() counts {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.counts()
}

func (k *Keeper) counts() (c counts) {
	for _, e := range k.entries {
		c.by[e.standing]++
	}
	c.releasing = len(k.set.Releasing)
	return c
}

// show publishes how many targets are out. The caller holds the lock, or the keeper is not shared yet.
func (k *Keeper) show() {
	var shown *status.Targets
	if k.set.Stamp() != (fleet.Stamp{}) {
		c := k.counts()
		shown = &status.Targets{Epoch: int64(k.set.Epoch), Version: int64(k.set.Version), Wanted: len(k.set.Out), Out: c.by[out],
			Absent: c.by[absent], Releasing: c.releasing}
	}
	k.Status.Update(func(v *status.View) { v.Targets = shown })
}

// namedInReport bounds the targets that a condition names.
const namedInReport = 3

// report raises the condition of targets that the gateway does not keep out, or clears it.
func (k *Keeper) report() {
	k.mu.Lock()
	var bad []target.Name
	for n, e := range k.entries {
		if e.standing == failed {
			bad = append(bad, n)
		}
	}
	entries, wanted := maps.Clone(k.entries), len(k.set.Out)
	k.mu.Unlock()
	if len(bad) == 0 {
		k.Status.Clear(notOut)
		return
	}
	slices.SortFunc(bad, target.Name.Compare)
	var words []string
	for _, n := range bad[:min(len(bad), namedInReport)] {
		words = append(words, fmt.Sprintf("%s: %s", n, entries[n].why))
	}
	message := fmt.Sprintf("%d of %d drained targets get requests still: %s", len(bad), wanted, strings.Join(words, "; "))
	k.Status.Raise(notOut, message, time.Now())
	k.Log.Debug("targets are not kept out", telemetry.Err, message)
}

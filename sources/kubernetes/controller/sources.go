package controller

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/silverback-gateway/silverback/client"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/sources/kubernetes/delivery"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// objects are where the objects of the cluster come from.
type objects interface {
	// Ready is nil once every kind has been read whole; its error says what is waited for.
	Ready() error
	// Read returns what there is now. Nobody modifies the objects.
	Read() cluster
	// Changed has a value when something changed since the last Read.
	Changed() <-chan struct{}
}

// sink takes what is known of each object.
type sink interface {
	Apply(ctx context.Context, set *object.Set, view delivery.View)
}

// sources is the controller without Kubernetes: objects come in, submissions go out. It has an engine for each source: one for the whole
// cluster, or one for each namespace and one for what they share. All its fields but news belong to Run.
type sources struct {
	Config
	log     *slog.Logger
	metrics *metrics
	remote  *remote // of the source of the cluster, or of what is common
	objects objects
	sink    sink // may be nil
	now     func() time.Time

	first     news // what was known at the start, before anything was told
	cluster   cluster
	broken    broken // of all sources
	meanings  meanings
	revisions revisions
	engines   map[string]*engine // by share
	moving    string             // why entities cannot be moved between sources now; empty when there is nothing to move
	again     time.Time
	// lastCall is when something was submitted last, of whatever share, and pacedFrom what that was when the present pass began: what is due
	// in one pass goes together.
	lastCall, pacedFrom time.Time

	mu    sync.Mutex
	shown string // the warning
	news  news
	bell  chan struct{} // capacity 1: there is news of the fleet
}

// news is what was told of the fleet last.
type news struct {
	revision *client.Revision
	pinned   map[string]*translatorv1.Pin
	rollout  *client.Rollout
}

func newSources(c Config, log *slog.Logger, m *metrics, f *remote, o objects, s sink) *sources {
	return &sources{Config: c, log: log, metrics: m, remote: f, objects: o, sink: s, now: time.Now, broken: broken{},
		engines: map[string]*engine{}, bell: make(chan struct{}, 1), revisions: revisions{remote: f}}
}

// Run submits what the objects mean until ctx ends. One process at a time runs it for a source.
func (s *sources) Run(ctx context.Context) error {
	if err := s.learn(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var watches sync.WaitGroup
	defer watches.Wait()
	defer cancel(nil)
	watches.Go(func() { _ = s.remote.watchRevisions(ctx, s.seeRevision) })
	watches.Go(func() { _ = s.remote.watchRollouts(ctx, s.seeRollout) })
	return s.loop(ctx)
}

// loop waits for changes and looks at them.
func (s *sources) loop(ctx context.Context) error {
	dirty := true // the first time
	for {
		if dirty && s.objects.Ready() == nil {
			if err := s.look(ctx, true); err != nil {
				return err
			}
			dirty = false
		}
		wait := resync
		if !s.again.IsZero() {
			wait = max(s.again.Sub(s.now()), 0)
		}
		if dirty { // the caches are still being filled
			wait = readyPoll
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-s.objects.Changed():
			timer.Stop()
			if err := s.settle(ctx); err != nil {
				return err
			}
			dirty = true
			for _, e := range s.engines {
				e.halts = 0
			}
		case <-s.bell:
			timer.Stop()
			if !dirty {
				if err := s.look(ctx, false); err != nil {
					return err
				}
			}
		case <-timer.C:
			dirty = true
		}
	}
}

// settle waits until nothing has changed for the debounce, at most its bound.
func (s *sources) settle(ctx context.Context) error {
	over := time.After(s.DebounceMax)
	for {
		quiet := time.NewTimer(s.Debounce)
		select {
		case <-ctx.Done():
			quiet.Stop()
			return context.Cause(ctx)
		case <-over:
			quiet.Stop()
			return nil
		case <-quiet.C:
			return nil
		case <-s.objects.Changed():
			quiet.Stop()
		}
	}
}

func (s *sources) seeRevision(r *client.Revision, pinned *translatorv1.WatchRevisionsResponse_PinnedSources) {
	s.mu.Lock()
	s.news.revision = r
	if pinned != nil {
		s.news.pinned = map[string]*translatorv1.Pin{}
		for _, p := range pinned.GetSources() {
			s.news.pinned[p.GetSource()] = p.GetPin()
		}
	}
	s.mu.Unlock()
	s.ring()
}

func (s *sources) seeRollout(r *client.Rollout) {
	s.mu.Lock()
	s.news.rollout = r
	s.mu.Unlock()
	s.ring()
}

func (s *sources) ring() {
	select {
	case s.bell <- struct{}{}:
	default:
	}
}

// look takes the news of the fleet and, when objects changed or the news demands it, submits. It returns an error only at the end of ctx.
func (s *sources) look(ctx context.Context, changed bool) error {
	now := s.known()
	s.again = time.Time{}
	if changed || s.cluster.set == nil {
		s.cluster = s.objects.Read()
		s.cluster.set = withoutEnding(s.cluster.set)
		changed = true
	}
	if s.move(ctx, now) {
		s.pass(ctx, changed)
	}
	s.tell(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// pass has each engine look at what is new, that of the common source first, since the others refer to it. What one of them leaves out
// changes what the others mean, so that they look again.
func (s *sources) pass(ctx context.Context, changed bool) {
	s.pacedFrom = s.lastCall
	for range maxRounds {
		before := fmt.Sprint(s.broken.key(), s.engine(common).referred)
		s.engage()
		for _, share := range slices.Sorted(maps.Keys(s.engines)) {
			e := s.engines[share]
			e.look(ctx, changed)
			if !e.again.IsZero() && (s.again.IsZero() || e.again.Before(s.again)) {
				s.again = e.again
			}
		}
		changed = true
		if !s.byNamespace() || fmt.Sprint(s.broken.key(), s.engine(common).referred) == before {
			break
		}
	}
	maps.DeleteFunc(s.engines, func(share string, e *engine) bool { return share != common && e.over() })
}

// engage makes the engines of namespaces that have a share.
func (s *sources) engage() {
	s.engine(common)
	if !s.byNamespace() {
		return
	}
	p := s.planner(common)
	for share := range p.mean(s.cluster, s.now()).theirParts {
		s.engine(share)
	}
}

func (s *sources) byNamespace() bool { return s.Sources == SourcesByNamespace }

func (s *sources) engine(share string) *engine {
	if e := s.engines[share]; e != nil {
		return e
	}
	e := newEngine(s, share)
	s.engines[share] = e
	return e
}

// planner plans a share.
func (s *sources) planner(share string) *planner {
	p := &planner{options: s.Options, broken: s.broken, share: share, byNamespace: s.byNamespace(), meanings: &s.meanings}
	if share != common {
		p.beside = s.engines[common].committed
	}
	return p
}

// known is the news of the fleet, as far as it is newer than what was known at the start.
func (s *sources) known() news {
	s.mu.Lock()
	now := s.news
	s.mu.Unlock()
	if now.revision.GetNumber() < s.first.revision.GetNumber() {
		now.revision = s.first.revision
	}
	if now.rollout == nil {
		now.rollout = s.first.rollout
	}
	s.revisions.see(now.revision)
	return now
}

// pinOf is what was told of the pin of a source last.
func (s *sources) pinOf(source string) *translatorv1.Pin {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.news.pinned[source]
}

// warning is why the present objects are not served, as far as it is known. It may be called at any time.
func (s *sources) warning() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown
}

// tell gives what is known to whoever writes statuses.
func (s *sources) tell(ctx context.Context) {
	var shown string
	var inputs []delivery.Input
	var notices []delivery.Notice
	left := map[object.Ref]delivery.LeftOut{}
	var counts gauges
	var problems []object.Problem
	for _, share := range slices.Sorted(maps.Keys(s.engines)) {
		e := s.engines[share]
		if e.plan == nil {
			continue
		}
		counts.add(e.gauges)
		if e.waits != "" {
			shown = e.waits
		}
		for _, n := range e.notices {
			shown = n.Message
		}
		notices = append(notices, e.notices...)
		problems = e.plan.problems // the same for each
		for ref, why := range e.plan.leftOut {
			why.LastGood = why.LastGood || left[ref].LastGood
			left[ref] = why
		}
		inputs = append(inputs, delivery.Input{Forms: e.plan.forms, Contents: e.contents, Head: e.head, Rollout: rolloutOf(e.rollout),
			Waits: e.waits, Held: e.held})
	}
	if s.moving != "" {
		shown = s.moving
	}
	s.mu.Lock()
	s.shown = shown
	s.mu.Unlock()
	if len(inputs) == 0 {
		return
	}
	counts.leftOut = len(left)
	s.metrics.show(counts)
	if s.sink == nil {
		return
	}
	s.sink.Apply(ctx, refreshed(s.cluster.set, s.objects.Read().set), delivery.Combine(s.cluster.set, problems, left, notices, inputs...))
}

// sourceOf is the source of the objects of a namespace: its name after that of the common one. What is too long for a name ends in a
// digest.
func sourceOf(base, share string) string {
	if share == common {
		return base
	}
	name := base + "." + share
	if len(name) <= fleet.MaxNameLength {
		return name
	}
	end := "-" + shortDigest(share)
	return name[:fleet.MaxNameLength-len(end)] + end
}

// revisions remember which content sources have in revisions.
type revisions struct {
	remote *remote
	known  map[int64]*client.Revision
}

// see notes a revision.
func (r *revisions) see(revision *client.Revision) {
	if revision.GetNumber() == 0 {
		return
	}
	if r.known == nil {
		r.known = map[int64]*client.Revision{}
	}
	r.known[revision.GetNumber()] = revision
	for number := range r.known { // a rollout names two, a pin two more
		if len(r.known) > maxRevisions && number < revision.GetNumber()-maxRevisions {
			delete(r.known, number)
		}
	}
}

// get reads a revision; nil when there is none any more.
func (r *revisions) get(ctx context.Context, number int64) (*client.Revision, error) {
	if known := r.known[number]; known != nil {
		return known, nil
	}
	revision, err := r.remote.revision(ctx, number)
	if err == nil {
		r.see(revision)
	}
	return revision, err
}

// maxRevisions bounds the revisions whose sources are remembered.
const maxRevisions = 64

// shareLog is a log of what concerns a source.
func (s *sources) shareLog(share string) *slog.Logger {
	if share == common {
		return s.log
	}
	return s.log.With(telemetry.Source, fmt.Sprint(sourceOf(s.remote.source, share)))
}

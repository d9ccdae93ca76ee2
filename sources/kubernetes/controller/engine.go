package controller

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/silverback-gateway/silverback/client"
	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/sources/kubernetes/content"
	"github.com/silverback-gateway/silverback/sources/kubernetes/delivery"
	"github.com/silverback-gateway/silverback/sources/kubernetes/endpoints"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

const (
	// maxHalts bounds how often in a row objects are left out since gateways refused a revision, while nothing changes in the cluster.
	maxHalts = 5
	// maxSuspects bounds the objects that are left out when a revision is taken back and nobody knows which of them was to blame.
	maxSuspects = 200
	// resync is how often everything is looked at although nothing happened: certificates expire without an event.
	resync = 10 * time.Minute
	// readyPoll is how often it is asked whether all objects are known.
	readyPoll = 200 * time.Millisecond
	// callTimeout bounds a call of a service.
	callTimeout = time.Minute
	// maxMessage bounds the message of a revision, in bytes.
	maxMessage = 4000
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

// engine is the controller without Kubernetes: objects come in, submissions go out. All its fields but news belong to Run.
type engine struct {
	Config
	log     *slog.Logger
	metrics *metrics
	remote  *remote
	objects objects
	sink    sink // may be nil
	now     func() time.Time

	compiler  compiler // of what is submitted
	whole     compiler // of all objects, the broken ones included
	broken    broken
	submitted *content.Content  // what was last submitted; nil before the first
	committed *content.Content  // what the source holds, as far as that is known
	digest    string            // of that, as revisions name it
	pin       *translatorv1.Pin // of the source, while it was not looked at
	pinned    string            // the pin that was looked at last
	drains    drains
	pace      endpoints.Pace
	lastCall  time.Time // when something was submitted last
	changedAt time.Time // when the first change came that is not submitted yet; zero when there is none
	head      int64     // the newest revision that holds it
	history   history
	contents  map[int64]delivery.Remembered
	plan      *plan
	waits     string // why the plan is not submitted
	held      bool   // that a person or a time has to come first
	notices   []delivery.Notice
	halts     int
	rollout   *client.Rollout // the newest that was looked at
	handled   string          // the rollout whose end was looked at
	retry     backoff.Backoff
	again     time.Time // when to try again; zero is not

	mu    sync.Mutex
	shown string // the warning
	news  struct {
		revision *client.Revision
		pinned   map[string]*translatorv1.Pin
		rollout  *client.Rollout
	}
	bell chan struct{} // capacity 1: there is news of the fleet
}

func newEngine(c Config, log *slog.Logger, m *metrics, f *remote, o objects, s sink) *engine {
	return &engine{Config: c, log: log, metrics: m, remote: f, objects: o, sink: s, now: time.Now, broken: broken{},
		contents: map[int64]delivery.Remembered{}, bell: make(chan struct{}, 1),
		pace:  endpoints.Pace{Window: c.EndpointWindow},
		retry: backoff.Backoff{Policy: backoff.Policy{Base: time.Second, Cap: 30 * time.Second, Jitter: 0.3}}}
}

// Run submits what the objects mean until ctx ends. One process at a time runs it for a source.
func (e *engine) Run(ctx context.Context) error {
	if err := e.learn(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var watches sync.WaitGroup
	defer watches.Wait()
	defer cancel(nil)
	watches.Go(func() { _ = e.remote.watchRevisions(ctx, e.seeRevision) })
	watches.Go(func() { _ = e.remote.watchRollouts(ctx, e.seeRollout) })
	return e.loop(ctx)
}

// loop waits for changes and looks at them.
func (e *engine) loop(ctx context.Context) error {
	dirty := true // the first time
	for {
		if dirty && e.objects.Ready() == nil {
			if err := e.look(ctx, true); err != nil {
				return err
			}
			dirty = false
		}
		wait := resync
		if !e.again.IsZero() {
			wait = max(e.again.Sub(e.now()), 0)
		}
		if dirty { // the caches are still being filled
			wait = readyPoll
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-e.objects.Changed():
			timer.Stop()
			if err := e.settle(ctx); err != nil {
				return err
			}
			dirty, e.halts = true, 0
		case <-e.bell:
			timer.Stop()
			if !dirty {
				if err := e.look(ctx, false); err != nil {
					return err
				}
			}
		case <-timer.C:
			dirty = true
		}
	}
}

// settle waits until nothing has changed for the debounce, at most its bound.
func (e *engine) settle(ctx context.Context) error {
	over := time.After(e.DebounceMax)
	for {
		quiet := time.NewTimer(e.Debounce)
		select {
		case <-ctx.Done():
			quiet.Stop()
			return context.Cause(ctx)
		case <-over:
			quiet.Stop()
			return nil
		case <-quiet.C:
			return nil
		case <-e.objects.Changed():
			quiet.Stop()
		}
	}
}

func (e *engine) seeRevision(r *client.Revision, pinned *translatorv1.WatchRevisionsResponse_PinnedSources) {
	e.mu.Lock()
	e.news.revision = r
	if pinned != nil {
		e.news.pinned = map[string]*translatorv1.Pin{}
		for _, p := range pinned.GetSources() {
			e.news.pinned[p.GetSource()] = p.GetPin()
		}
	}
	e.mu.Unlock()
	e.ring()
}

func (e *engine) seeRollout(r *client.Rollout) {
	e.mu.Lock()
	e.news.rollout = r
	e.mu.Unlock()
	e.ring()
}

func (e *engine) ring() {
	select {
	case e.bell <- struct{}{}:
	default:
	}
}

// look takes the news of the fleet and, when objects changed or the news demands it, submits. It returns an error only at the end of ctx.
func (e *engine) look(ctx context.Context, changed bool) error {
	e.mu.Lock()
	revision, rollout := e.news.revision, e.news.rollout
	e.mu.Unlock()
	if err := e.follow(ctx, revision, rollout); err != nil {
		e.waitFor("the services do not answer: "+why(err), false)
		e.log.Warn("the state of the group cannot be read", telemetry.Err, err)
		e.later()
	} else if blamed := e.judge(rollout); changed || blamed || e.plan == nil {
		e.work(ctx)
	}
	e.drain(ctx)
	e.tell(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

package apply

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/drift"
	"github.com/silverback-gateway/silverback/agent/internal/gateway"
	"github.com/silverback-gateway/silverback/agent/internal/lastgood"
	"github.com/silverback-gateway/silverback/agent/internal/status"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/kong/proof"
)

// kong is what an applier needs of a gateway.
type kong interface {
	Observe(ctx context.Context) (gateway.Observation, error)
	Capabilities(ctx context.Context) (gateway.Capabilities, error)
	Load(ctx context.Context, posted []byte, anew bool) error
	WaitLoadGap(ctx context.Context) error
	Prove(ctx context.Context, claim gateway.Claim) (stray string, err error)
	SpotCheck(ctx context.Context, digest fleet.Digest, form proof.Form) (mismatch bool)
	Configuration(ctx context.Context) ([]byte, error)
	Disconnected() <-chan struct{}
	ProcessStats(ctx context.Context) (gateway.ProcessStats, error)
}

// reporter sends outcomes to the stream of their directive, and opens that stream again. It must not block.
type reporter interface {
	Report(Outcome)
	Reopen()
}

// keeper keeps targets out of the gateway's balancers. Only Settle waits, and not long.
type keeper interface {
	// Loaded says that the gateway may have forgotten what it keeps out.
	Loaded()
	// Settle waits until the gateway was told.
	Settle(ctx context.Context)
}

// Meters counts what the applier does.
type Meters interface {
	Loaded(took time.Duration)
	Proven(took time.Duration)
	Drifted()
	Stale()
	Reported(outcome string)
	Serving(revision fleet.Revision)
}

// Deps are what an applier works with.
type Deps struct {
	Gateway  kong
	Store    *lastgood.Store
	Boot     lastgood.BootFile
	Mailbox  *Mailbox
	Status   *status.Tracker
	Reporter reporter
	Targets  keeper // nil: nothing is kept out
	Meters   Meters
	Log      *slog.Logger
	Form     *proof.Form   // nil: the best that the gateway allows
	Interval time.Duration // between observations of the gateway
	// Reached is called before each step of a load, so that a test can end the process there. Nil outside of such tests.
	Reached func(step string)
	// Decided is called after each decision, in order, so that a test can replay them. Nil outside of tests.
	Decided func(before State, at Moment, event Event, after State)
}

// Applier is the loop around Decide. Run may be called once; the other methods are safe for concurrent use.
type Applier struct {
	Deps

	policy    atomic.Int32
	caps      atomic.Pointer[gateway.Capabilities]
	starts    atomic.Int64
	refused   atomic.Pointer[[]lastgood.Refused]
	unmanaged atomic.Pointer[Unmanaged]

	// The rest belongs to Run.
	state State    // changed by decide only
	queue []Action // decided, and not executed yet

	taken       Directive // the newest directive, until its bytes are on disk
	schedule    schedule
	observeNow  bool
	diskChecked time.Time
	bootStamp   lastgood.Stamp // of the boot file when the agent wrote or read it last
	notices     map[string]notice
}

// New reads what the disk holds. It does not contact the gateway.
func New(d Deps) *Applier {
	if d.Targets == nil {
		d.Targets = nobody{}
	}
	memory, memoryErr := d.Store.Recall()
	good, _ := d.Store.LastGood()
	memory = memory.In(fleet.GroupID(d.Status.View().Group))
	a := &Applier{Deps: d, notices: map[string]notice{}, state: Start(memory, good, interrupted(d.Store, memory))}
	a.state.Disk.StateDir = problemOf(d.Store.Check())
	if memoryErr != nil {
		a.state.Disk.Memory = "the agent's memory cannot be read; a refused snapshot may be tried once more: " + memoryErr.Error()
		a.Status.Record("MemoryDamaged", a.state.Disk.Memory, time.Now())
	}
	if damage := d.Store.Damage(); damage != "" {
		a.Status.Record("LastKnownGoodDamaged", damage, time.Now())
	}
	if narrowed := d.Store.Narrowed(); narrowed != "" {
		a.notice("FileTooOpen", narrowed+"; only the agent's user can read it now")
		a.Log.Warn("state directory mode narrowed", "reason", narrowed)
	}
	a.show()
	return a
}

// nobody keeps nothing out.
type nobody struct{}

func (nobody) Loaded()                {}
func (nobody) Settle(context.Context) {}

// Refused returns the digests that the gateway refused. They must not be modified.
func (a *Applier) Refused() []lastgood.Refused { return *a.refused.Load() }

// SetPolicy sets what to do about drift from the next observation on.
func (a *Applier) SetPolicy(p drift.Policy) { a.policy.Store(int32(p)) }

// Capabilities returns the gateway's capabilities as they were read last; false before they were.
func (a *Applier) Capabilities() (gateway.Capabilities, bool) {
	if c := a.caps.Load(); c != nil {
		return *c, true
	}
	return gateway.Capabilities{}, false
}

// Starts counts how often the capabilities were read, which is after each start of the gateway.
func (a *Applier) Starts() int64 { return a.starts.Load() }

// Run works until ctx ends. That cancels a load under way: the gateway has the old configuration or the new one, and the next run
// of the agent finds out which.
func (a *Applier) Run(ctx context.Context) error {
	a.mendBootFile()
	a.show()
	observe := time.NewTimer(0)
	defer observe.Stop()
	retry := time.NewTimer(time.Hour)
	defer retry.Stop()
	for {
		wake := time.Hour
		if at := a.state.NextWake(); !at.IsZero() {
			wake = time.Until(at)
		}
		retry.Reset(wake)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-a.Mailbox.Bell():
			if d, ok := a.Mailbox.Take(); ok {
				a.taken = d
				d.Canonical = nil // the bytes are large, and load releases those of taken early
				a.handle(ctx, DirectiveReceived{d})
				a.taken = Directive{}
			}
			a.observeSoon(observe, a.unready())
		case <-retry.C:
			a.handle(ctx, Tick{})
			a.observeSoon(observe, a.unready())
		case <-a.Gateway.Disconnected():
			observe.Reset(a.schedule.disconnected(time.Now()))
		case <-observe.C:
			before := a.state
			o, err := a.Gateway.Observe(ctx)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			a.watchBootFile()
			a.watchDisk()
			a.handle(ctx, Observed{Observation: o, Err: err, Policy: drift.Policy(a.policy.Load())})
			a.spotCheck(ctx, before)
			observe.Reset(a.nextObservation(before))
			a.observeSoon(observe, false)
		}
	}
}

// unready reports whether the gateway answers and is not ready. What was just done may have made it so.
func (a *Applier) unready() bool { return a.state.Gateway.Reachable && !a.state.Gateway.Ready }

// observeSoon makes the next observation immediate when it is due, or when the gateway was seen to go away.
func (a *Applier) observeSoon(observe *time.Timer, due bool) {
	if due || a.observeNow {
		observe.Reset(0)
	}
	a.observeNow = false
}

func (a *Applier) nextObservation(before State) time.Duration {
	was, is := before.Gateway, a.state.Gateway
	news := is.Reachable != was.Reachable || is.Restarts != was.Restarts || a.state.Drift.Found != before.Drift.Found
	wait := a.schedule.observed(time.Now(), a.state.maxInterval(), news, a.Interval, rand.Float64())
	if at := a.state.Restore.RetryAt; !at.IsZero() {
		wait = min(wait, max(time.Until(at), calm.Base))
	}
	return wait
}

// handle decides about an event and executes everything that follows, until nothing is left or ctx ends. An action that ctx cut off
// has no event, because its end says nothing about the gateway.
func (a *Applier) handle(ctx context.Context, event Event) {
	if ctx.Err() != nil {
		return
	}
	a.decide(event)
	for len(a.queue) > 0 && ctx.Err() == nil {
		action := a.queue[0]
		a.queue = a.queue[1:]
		if e := a.execute(ctx, action); e != nil && ctx.Err() == nil {
			a.decide(e)
		}
	}
	a.show()
}

// decide changes the state, and queues what is to be done. Nothing else changes the state.
func (a *Applier) decide(event Event) {
	before, at := a.state, Moment{time.Now(), rand.Float64()}
	var actions []Action
	a.state, actions = Decide(before, at, event)
	a.queue = append(a.queue, actions...)
	if a.Decided != nil {
		a.Decided(before, at, event, a.state)
	}
	for _, e := range eventsBetween(before, a.state, at.Now) {
		a.Status.Record(e.Type, e.Message, e.Time)
		if e.Type == "DriftHealed" {
			a.showFor(e.Type, e.Message)
		}
	}
	a.show()
}

// execute carries out one action, and returns the event that it ends in, if any.
func (a *Applier) execute(ctx context.Context, action Action) Event {
	switch act := action.(type) {
	case Load:
		return a.load(ctx, act)
	case Restore:
		return a.restore(ctx, act.Snapshot)
	case Verify:
		return a.verify(ctx, act.Expectation)
	case Inspect:
		if inspected, ok := a.inspect(ctx); ok {
			return inspected
		}
	case ReadConfiguration:
		return ConfigurationRead{a.readConfiguration(ctx, act.Hash)}
	case Remember:
		a.reached("before-remember")
		return a.remember()
	case Drifted:
		a.Meters.Drifted()
		a.Log.Warn("configuration drift detected", "finding", act.Finding.String(), "healing", act.Healing, "found", string(a.state.Drift.Found))
	case Reopen:
		a.Reporter.Reopen()
	case Outcome:
		a.reached("before-answer")
		a.report(act)
	}
	return nil
}

func (a *Applier) report(o Outcome) {
	log := a.Log.With(telemetry.Revision, o.Snapshot.Revision, telemetry.Digest, o.Snapshot.Digest.Short(),
		telemetry.Decision, o.Snapshot.Decision)
	switch {
	case o.Ack != nil:
		a.Meters.Reported("ack")
		log.Info("snapshot serving", "proof", o.Ack.Proof.String(), "load_time", o.Ack.LoadTime, "proof_time", o.Ack.ProofTime)
	case o.Refusal != nil:
		a.Meters.Reported("nack")
		log.Warn("snapshot refused by the gateway", "reason", o.Refusal.Error())
	default:
		a.Meters.Reported("failure")
		log.Warn("snapshot not loaded", "reason", o.Failure.Reason.String(), "message", o.Failure.Message, "attempts", o.Failure.Attempts)
	}
	a.Reporter.Report(o)
}

// reached reports the next step to a test.
func (a *Applier) reached(step string) {
	if a.Reached != nil {
		a.Reached(step)
	}
}

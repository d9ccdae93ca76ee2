package apply

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/drift"
	"github.com/silverback-gateway/silverback/agent/internal/gateway"
	"github.com/silverback-gateway/silverback/agent/internal/lastgood"
	"github.com/silverback-gateway/silverback/agent/internal/status"
	"github.com/silverback-gateway/silverback/agent/internal/verdict"
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
	Disconnected() <-chan struct{} // rings when the gateway may have been stopped or started anew
}

// reporter takes answers to where the directives came from, and opens the stream anew. It must not block.
type reporter interface {
	Report(Outcome)
	Reopen()
}

// Meters is told what an owner may count.
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
	Status   *status.Tracker
	Reporter reporter
	Meters   Meters
	Log      *slog.Logger
	Form     *proof.Form   // nil: the best that the gateway allows
	Interval time.Duration // between looks at the gateway
	// Reached is told each step before it is taken, so that a test can end the process there; nil outside of such tests.
	Reached func(step string)
}

// Applier is the loop around Decide. Its Run may be called once; Mailbox and SetPolicy may be used from anywhere.
type Applier struct {
	Deps
	Mailbox *Mailbox

	policy  atomic.Int32
	caps    atomic.Pointer[gateway.Capabilities]
	starts  atomic.Int64
	refused atomic.Pointer[[]lastgood.Refused]
	served  atomic.Pointer[Served]

	// What follows belongs to Run.
	state      State
	hand       Directive      // taken from the mailbox last, until its bytes are on disk
	disk       string         // what is wrong with the disk; empty when nothing is
	tried      time.Time      // when the disk was tried last
	boot       string         // what is wrong with the boot file
	memory     string         // what was wrong with the memory when it was read
	stamp      lastgood.Stamp // of the boot file when the agent wrote or read it last
	lingers    map[string]lingerer
	observeNow bool // the gateway is to be looked at at once
	schedule   schedule
}

// New returns an applier that has read what the disk holds. It has not looked at the gateway.
func New(d Deps) *Applier {
	a := &Applier{Deps: d, Mailbox: NewMailbox(), lingers: map[string]lingerer{}}
	memory, err := d.Store.Recall()
	if err != nil {
		a.memory = "what the agent remembered cannot be read; refused snapshots may be tried once more: " + err.Error()
		a.Status.Record("MemoryDamaged", a.memory, time.Now())
	}
	if damage := d.Store.Damage(); damage != "" {
		a.Status.Record("LastKnownGoodDamaged", damage, time.Now())
	}
	if narrowed := d.Store.Narrowed(); narrowed != "" {
		a.wasOpen(narrowed + "; nobody but the agent's user can read it now")
		a.Log.Warn("state directory narrowed", "reason", narrowed)
	}
	if err := d.Store.Check(); err != nil {
		a.disk = err.Error()
	}
	good, _ := d.Store.LastGood()
	a.state = Start(memory, good, interrupted(d.Store, memory))
	a.show()
	return a
}

// Refused returns the digests that the gateway turned down; not to be modified.
func (a *Applier) Refused() []lastgood.Refused { return *a.refused.Load() }

// SetPolicy says what to do about drift from the next look on.
func (a *Applier) SetPolicy(p drift.Policy) { a.policy.Store(int32(p)) }

// Capabilities returns what the gateway said last that it is; false before it said so.
func (a *Applier) Capabilities() (gateway.Capabilities, bool) {
	if c := a.caps.Load(); c != nil {
		return *c, true
	}
	return gateway.Capabilities{}, false
}

// Starts counts how often the gateway said what it is: whenever it may have been started anew.
func (a *Applier) Starts() int64 { return a.starts.Load() }

// Run works until ctx ends. A load that is under way then is cut off; the gateway keeps the old configuration or has the
// new one, and the next run of the agent finds out which.
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
				a.hand = d
				d.Canonical = nil // only the hand holds the bytes, and lets go of them early
				a.handle(ctx, DirectiveReceived{d})
				a.hand = Directive{}
			}
			a.observeNow = a.observeNow || a.state.Reachable && !a.state.Ready
			a.wake(observe)
		case <-retry.C:
			a.handle(ctx, Tick{})
			a.observeNow = a.observeNow || a.state.Reachable && !a.state.Ready
			a.wake(observe)
		case <-a.Gateway.Disconnected():
			observe.Reset(a.schedule.disconnected(time.Now()))
		case <-observe.C:
			before := a.state
			s, err := a.Gateway.Observe(ctx)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			a.watchBootFile()
			a.watchDisk()
			a.handle(ctx, Observed{Observation: s, Err: err, Policy: drift.Policy(a.policy.Load())})
			a.spotCheck(ctx, before)
			news := a.state.Reachable != before.Reachable || a.state.Restarts != before.Restarts || a.state.Found != before.Found
			wait := a.schedule.observed(time.Now(), a.state.maxInterval(), news, a.Interval, rand.Float64())
			if at := a.state.RestoreAt; !at.IsZero() {
				wait = min(wait, max(time.Until(at), firstCalm))
			}
			observe.Reset(wait)
			a.wake(observe)
		}
	}
}

// wake looks at once at a gateway that was not ready, for what was just done may have made it so, and at one that was seen
// to go away.
func (a *Applier) wake(observe *time.Timer) {
	if a.observeNow {
		observe.Reset(0)
	}
	a.observeNow = false
}

// handle decides and does, until nothing more follows, or ctx ends: what was cut off by our own end says nothing about the gateway.
func (a *Applier) handle(ctx context.Context, first Event) {
	queue := []Event{first}
	for len(queue) > 0 && ctx.Err() == nil {
		var actions []Action
		before, now := a.state, time.Now()
		a.state, actions = Decide(before, Moment{now, rand.Float64()}, queue[0])
		queue = queue[1:]
		for _, e := range eventsBetween(before, a.state, now) {
			a.Status.Record(e.Type, e.Message, e.Time)
			if e.Type == "DriftHealed" {
				a.linger(e.Type, e.Message)
			}
		}
		a.show()
		for _, action := range actions {
			if e := a.do(ctx, action); e != nil && ctx.Err() == nil {
				queue = append(queue, e)
			}
		}
		a.show()
	}
}

// do carries out one action; an event comes back when there is news.
func (a *Applier) do(ctx context.Context, action Action) Event {
	switch act := action.(type) {
	case Load:
		a.Status.Update(func(v *status.View) { v.Phase = "loading" })
		return a.load(ctx, act)
	case Restore:
		return a.restore(ctx, act.Snapshot)
	case Verify:
		return a.verify(ctx, act.Expectation)
	case Inspect:
		if c, err := a.inspect(ctx); err == nil {
			return Inspected{c.Fingerprint()}
		}
	case ReadConfiguration:
		return ConfigurationRead{a.readConfiguration(ctx, act.Hash)}
	case Remember:
		a.reached("before-remember")
		a.remember()
	case Drifted:
		a.Meters.Drifted()
		a.Log.Warn("gateway runs something else", "finding", act.Finding.String(), "healing", act.Healing, "found", string(a.state.Found))
	case Reopen:
		a.Reporter.Reopen()
	case Outcome:
		a.reached("before-answer")
		a.answer(act)
	}
	return nil
}

func (a *Applier) answer(act Outcome) {
	log := a.Log.With(telemetry.Revision, act.Snapshot.Revision, telemetry.Digest, act.Snapshot.Digest.Short(), telemetry.Decision,
		act.Snapshot.Decision)
	switch {
	case act.Ack != nil:
		a.Meters.Reported("ack")
		log.Info("snapshot serving", "proof", act.Ack.Proof.String(), "load_time", act.Ack.LoadTime, "proof_time", act.Ack.ProofTime)
	case act.Refusal != nil:
		a.Meters.Reported("nack")
		log.Warn("snapshot refused by the gateway", "reason", act.Refusal.Error())
	default:
		a.Meters.Reported("failure")
		log.Warn("snapshot not loaded", "reason", act.Failure.Reason.String(), "message", act.Failure.Message, "attempts", act.Failure.Attempts)
	}
	a.Reporter.Report(act)
}

// show puts the state on the board.
func (a *Applier) show() {
	s, now := a.state, time.Now()
	a.refused.Store(&s.Memory.Refused)
	if s.unmanaged() && s.Served.Unread == "" {
		a.served.Store(&s.Served)
	} else {
		a.served.Store(nil)
	}
	c, known := a.Capabilities()
	a.Status.Update(func(v *status.View) {
		v.Revision, v.Digest, v.Proven = int64(s.Serving.Revision), string(s.Serving.Digest), s.Proven
		v.Proof = ""
		if s.Serving.Digest != "" {
			v.Proof = s.Ack.Proof.String()
		}
		v.Epoch, v.Decision, v.Term = int64(s.Memory.Epoch), int64(s.Memory.Decision), int64(s.Memory.Term)
		v.WantedRevision, v.WantedDigest = int64(s.Wanted.Revision), string(s.Wanted.Digest)
		v.GatewayReachable, v.GatewayReady = s.Reachable, s.Ready
		v.Loads, v.Drifts = s.Loads, s.Drifts
		if s.Ack.LoadTime > 0 {
			v.LoadTime = s.Ack.LoadTime
		}
		v.ProofTime, v.Problems = s.Ack.ProofTime, s.Problems
		if known {
			v.KongVersion = c.KongVersion
		}
		v.Phase, v.Unmanaged = phase(s), s.shown()
	})
	for kind, message := range a.conditions() {
		if message == "" {
			a.Status.Clear(kind)
		} else {
			a.Status.Raise(kind, message, now)
		}
	}
	a.Meters.Serving(s.Serving.Revision)
}

func phase(s State) string {
	switch {
	case len(s.Problems) > 0:
		return "refused"
	case !s.RetryAt.IsZero():
		return "failing"
	case s.Proven:
		return "serving"
	case s.unmanaged():
		return "unmanaged"
	}
	return "waiting"
}

// conditions says of every condition of the applier what is to be said; empty when it does not hold.
func (a *Applier) conditions() map[string]string {
	s := a.state
	c := map[string]string{
		"GatewayUnreachable": "", "GatewayNotReady": "", "GatewayLost": "", "GatewayBehind": "", "GatewayVersionChanged": "", "Drift": "",
		"DriftHealed":     "",
		"SnapshotRefused": "", "LoadFailing": "", "RestoreFailing": s.RestoreErr, "StrayWorker": "", "StaleRouter": "", "StateDirectory": a.disk,
		"BootFile":        a.boot,
		"BootFileForeign": "", "FileTooOpen": "", "DecisionStale": "", "LastKnownGoodDamaged": a.Store.Damage(), "MemoryDamaged": a.memory,
	}
	for kind, l := range a.lingers {
		if time.Now().Before(l.until) {
			c[kind] = l.message
		}
	}
	switch {
	case s.Observed && !s.Reachable:
		c["GatewayUnreachable"] = "the gateway does not answer"
	case s.Observed && !s.Ready && !s.fresh():
		c["GatewayNotReady"] = "the gateway says that it is not ready: " + s.Unready
	}
	if kind := conditionOf(s.Finding); kind != "" {
		c[kind] = s.finding()
	}
	if len(s.Problems) > 0 {
		c["SnapshotRefused"] = (&verdict.Refusal{Problems: s.Problems}).Error()
	}
	if s.Failure.Reason != 0 {
		c["LoadFailing"] = s.Failure.Error()
	}
	s.proofConditions(c)
	if s.Stale != nil {
		c["DecisionStale"] = s.Stale.String() + "; when the ledger (etcd) was restored or lost, silverback recover has it followed again"
	}
	if s.Failure.Reason == verdict.Disk && a.disk == "" && a.boot == "" {
		c["StateDirectory"] = s.Failure.Message
	}
	return c
}

// reached tells a test how far the applier is.
func (a *Applier) reached(step string) {
	if a.Reached != nil {
		a.Reached(step)
	}
}

func (a *Applier) diskFailure(err error) *verdict.Failure {
	if errors.Is(err, lastgood.ErrCorrupt) || errors.Is(err, fs.ErrNotExist) {
		return &verdict.Failure{Reason: verdict.BadDelta, Message: "the bytes of the snapshot are gone from the disk, or damaged"}
	}
	a.disk = err.Error()
	return &verdict.Failure{Reason: verdict.Disk, Message: err.Error()}
}

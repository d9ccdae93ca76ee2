package apply

import (
	"context"
	"errors"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/drift"
	"github.com/silverback-gateway/silverback/agent/internal/gateway"
	"github.com/silverback-gateway/silverback/agent/internal/lastgood"
	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/telemetry"
)

// How long workers may answer with the previous configuration. After a load they switch within 0.13 s at 10,000 routes (fact F26);
// a long load has more to build. Without a load only a replaced worker does so.
const (
	graceAfterLoad   = 3 * time.Second
	graceWithoutLoad = time.Second
)

// workerGrace is that time after a load that took so long.
func workerGrace(load time.Duration) time.Duration { return max(graceAfterLoad, 2*load) }

// proveLoaded proves what was just posted. A worker with a stale router keeps it until the next load (fact F43), so the same bytes
// are loaded once more. When no answer names any snapshot even then, --kong-proxy is probably another gateway, and retries do not
// load twice.
func (a *Applier) proveLoaded(ctx context.Context, snapshot lastgood.Snapshot, p prepared, took time.Duration) (stray string, err error) {
	stray, err = a.prove(ctx, snapshot.Digest, p, workerGrace(took))
	var failure *verdict.Failure
	if !errors.As(err, &failure) || failure.Reason != verdict.StaleRouter {
		return stray, err
	}
	wrongProxy := &verdict.Failure{
		Reason:  verdict.NotProven,
		Message: "loaded, but the proxy answers 404 to the reserved route: is --kong-proxy the loopback address of this gateway?",
	}
	if failure.Blind && a.state.Wanted.Attempts > 0 {
		return "", wrongProxy
	}
	a.Meters.Stale()
	a.notice("StaleRouter", "a worker kept its old router after a load (fact F43); the agent loaded once more")
	a.Log.Warn("stale router: loading once more", telemetry.Revision, snapshot.Revision, telemetry.Digest, snapshot.Digest.Short())
	if err := a.Gateway.Load(ctx, p.posted, true); err != nil {
		return "", err
	}
	a.Targets.Loaded()
	stray, err = a.prove(ctx, snapshot.Digest, p, workerGrace(took))
	if errors.As(err, &failure) && failure.Reason == verdict.StaleRouter && failure.Blind {
		return "", wrongProxy
	}
	return stray, err
}

// errReplaced ends a proof that a restart of the gateway, or another load, made void.
var errReplaced = &verdict.Failure{
	Reason: verdict.NotProven, Message: "the gateway restarted or lost the configuration while it was being proven",
}

// prove ends early when the gateway does not run the configuration any more.
func (a *Applier) prove(
	ctx context.Context, digest fleet.Digest, p prepared, grace time.Duration,
) (stray string, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	proven := make(chan struct{})
	go func() {
		defer close(proven)
		stray, err = a.Gateway.Prove(ctx, gateway.Claim{Digest: digest, Hash: p.hash, Form: p.form, Workers: p.workers, Grace: grace})
	}()
	for {
		select {
		case <-proven:
			if err != nil && ctx.Err() == nil && a.replaced(ctx, p.hash) {
				return "", errReplaced
			}
			return stray, err
		case <-a.Gateway.Disconnected():
			if a.replaced(ctx, p.hash) {
				cancel()
				<-proven
				return "", errReplaced
			}
		}
	}
}

// replaced reports whether the gateway runs another configuration. In that case the next observation is immediate.
func (a *Applier) replaced(ctx context.Context, hash fleet.GatewayHash) bool {
	o, err := a.Gateway.Observe(ctx)
	replaced := err != nil || o.Hash != hash
	a.observeNow = a.observeNow || replaced
	return replaced
}

// verify proves what the gateway runs already.
func (a *Applier) verify(ctx context.Context, expected Expectation) VerifyEnded {
	e := VerifyEnded{Snapshot: expected.Snapshot}
	c, known := a.Capabilities()
	if !known {
		e.Err = errors.New("the gateway's capabilities are not known")
		return e
	}
	form := c.Form(a.Form)
	began := time.Now()
	p := prepared{hash: expected.Hash, form: form, workers: c.Workers}
	e.Ack.Stray, e.Err = a.prove(ctx, expected.Snapshot.Digest, p, graceWithoutLoad)
	e.Ack.Proof, e.Ack.ProofTime = form, time.Since(began)
	return e
}

// spotCheck checks with a few requests that a gateway still serves what was proven. It runs only when the gateway was proven before
// and after the last observation.
func (a *Applier) spotCheck(ctx context.Context, before State) {
	serving, expected := a.state.Serving, a.state.Drift.Expected
	if ctx.Err() != nil || !before.Serving.Proven || !serving.Proven || a.state.Drift.Finding != drift.Same ||
		len(expected) == 0 || expected[0].Snapshot.Digest != serving.Snapshot.Digest {
		return
	}
	if serving.Ack.Stray == "" && !a.Gateway.SpotCheck(ctx, serving.Snapshot.Digest, serving.Ack.Proof) {
		return
	}
	if !a.replaced(ctx, expected[0].Hash) { // else the next observation handles it
		a.handle(ctx, SpotCheckFailed{})
	}
}

// proofConditions adds the conditions of a gateway that stray workers or stale routers answer for.
func (s State) proofConditions(conditions map[string]string) {
	if s.Serving.Proven && s.Serving.Ack.Stray != "" {
		conditions["StrayWorker"] = s.Serving.Ack.Stray + ": a killed master left workers behind, which the next load will not reach"
	}
	for _, failure := range []verdict.Failure{s.Serving.Failure, s.Wanted.Failure} {
		switch failure.Reason {
		case verdict.StrayWorker:
			conditions["StrayWorker"] = failure.Message
		case verdict.StaleRouter:
			conditions["StaleRouter"] = failure.Message
		}
	}
}

package apply

import (
	"context"
	"errors"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/drift"
	"github.com/silverback-gateway/silverback/agent/internal/lastgood"
	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/kit/telemetry"
)

// How long workers may answer with the configuration of before. After a load they turn within 0.13 s at 10,000 routes (fact F26);
// a load that took long has more to build. Without a load nothing turns but workers that are replaced.
const (
	turning  = 3 * time.Second
	standing = time.Second
)

// settle is that time after a load that took so long.
func settle(load time.Duration) time.Duration { return max(turning, 2*load) }

// proveLoaded proves what was just posted. A worker that stays on the router of before does so until the next load (fact F43), so
// the same bytes are loaded once more. Where no answer names a snapshot even then, the proxy that is asked is likely not the
// gateway's, and retries do not load again.
func (a *Applier) proveLoaded(ctx context.Context, snapshot lastgood.Snapshot, p prepared, took time.Duration) (stray string, err error) {
	stray, err = a.prove(ctx, snapshot.Digest, p, settle(took))
	var failure *verdict.Failure
	if !errors.As(err, &failure) || failure.Reason != verdict.StaleRouter {
		return stray, err
	}
	astray := &verdict.Failure{
		Reason:  verdict.NotProven,
		Message: "loaded, and the proxy does not know the reserved route (404): is --kong-proxy this gateway's, and asked over loopback?",
	}
	if failure.Blind && a.state.Attempts > 0 {
		return "", astray
	}
	const message = "a worker stayed on the router of before although the gateway took the load (fact F43)"
	a.Meters.Stale()
	a.linger("StaleRouter", message+"; loaded once more")
	a.Status.Record("StaleRouter", message+"; loaded once more", time.Now())
	a.Log.Warn("worker stayed on the router of before; loading once more", telemetry.Revision, snapshot.Revision, telemetry.Digest,
		snapshot.Digest.Short())
	if err := a.Gateway.Load(ctx, p.posted, true); err != nil {
		return "", err
	}
	stray, err = a.prove(ctx, snapshot.Digest, p, settle(took))
	if errors.As(err, &failure) && failure.Reason == verdict.StaleRouter && failure.Blind {
		return "", astray
	}
	return stray, err
}

// spotCheck asks a gateway that was proven, and that the look before found as it should be, whether something else answers too.
func (a *Applier) spotCheck(ctx context.Context, before State) {
	s := a.state
	if ctx.Err() != nil || !before.Proven || !s.Proven || s.Finding != drift.Same || len(s.Left) == 0 ||
		s.Left[0].Snapshot.Digest != s.Serving.Digest {
		return
	}
	if s.Ack.Stray == "" && !a.Gateway.SpotCheck(ctx, s.Serving.Digest, s.Ack.Proof) {
		return
	}
	if !a.gone(ctx, s.Left[0].Hash) { // else it was given something else since the look, and the next one judges that
		a.handle(ctx, SpotCheckFailed{})
	}
}

// spotCheckFailed proves anew what was proven. It stays proven until that ends, for a worker that was replaced is no reason to
// take a gateway out of service.
func (s State) spotCheckFailed() (State, []Action) {
	if !s.Proven || len(s.Left) == 0 {
		return s, nil
	}
	return s, []Action{Verify{s.Left[0]}}
}

// proofConditions says which conditions hold of a gateway whose answers are not all its own, or not all of one configuration.
func (s State) proofConditions(conditions map[string]string) {
	if s.Proven && s.Ack.Stray != "" {
		conditions["StrayWorker"] = s.Ack.Stray + ": a master that was killed left workers behind, which will not turn at the next load"
	}
	for _, failure := range []verdict.Failure{s.Doubt, s.Failure} {
		switch failure.Reason {
		case verdict.StrayWorker:
			conditions["StrayWorker"] = failure.Message
		case verdict.StaleRouter:
			conditions["StaleRouter"] = failure.Message
		}
	}
}

package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/gateway"
	"github.com/silverback-gateway/silverback/agent/internal/lastgood"
	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/proof"
)

// load takes the steps of a directive: candidate to disk, post, prove, save. It is abandoned between steps only, and no
// later than before the post.
func (a *Applier) load(ctx context.Context, act Load) LoadEnded {
	began := act.Arrived
	if began.IsZero() {
		began = time.Now()
	}
	e := LoadEnded{Snapshot: act.Snapshot}
	var received []byte
	if a.hand.Snapshot.Digest == act.Snapshot.Digest {
		received, a.hand = a.hand.Canonical, Directive{}
	}
	a.reached("before-write")
	canonical, err := a.Store.WriteCandidate(act.Snapshot, received)
	if err != nil {
		e.Err = a.diskFailure(err)
		return e
	}
	a.reached("before-post")
	if err := a.Gateway.WaitLoadGap(ctx); err != nil {
		e.Abandoned = true
		return e
	}
	if a.Mailbox.Superseded(act.Snapshot) {
		e.Abandoned = true
		return e
	}
	p, err := a.prepare(ctx, act.Snapshot.Digest, canonical)
	if err != nil {
		e.Err = err
		return e
	}
	if err := a.permitted(ctx, canonical); err != nil {
		e.Err = err
		return e
	}
	e.Hash = p.hash
	if err := a.Gateway.Load(ctx, p.posted, false); err != nil {
		e.Err = err
		a.reached("after-refusal")
		_, lookErr := a.Gateway.Observe(ctx)
		e.Healthy = lookErr == nil
		return e
	}
	a.reached("before-proof")
	loaded := time.Now()
	e.Ack = verdict.Ack{Proof: p.form, LoadTime: loaded.Sub(began)}
	a.Meters.Loaded(e.Ack.LoadTime)
	if e.Ack.Stray, err = a.proveLoaded(ctx, act.Snapshot, p, e.Ack.LoadTime); err != nil {
		e.Err = err
		return e
	}
	e.Ack.ProofTime = time.Since(loaded)
	a.Meters.Proven(e.Ack.ProofTime)
	e.Served = true
	a.reached("before-save")
	// Last known good first: the boot file can be made of it, not the other way round.
	if err := a.Store.Promote(act.Snapshot); err != nil {
		e.Err = a.diskFailure(err)
		return e
	}
	a.memory = ""
	a.reached("before-boot-file")
	if err := a.writeBootFile(p); err != nil {
		e.Err = &verdict.Failure{Reason: verdict.Disk, Message: err.Error()}
		return e
	}
	// A gateway that was started anew since it was asked returned to the boot file of before.
	select {
	case <-a.Gateway.Disconnected():
		if a.gone(ctx, p.hash) {
			e.Served, e.Err = false, errGone
		}
	default:
	}
	return e
}

// errGone is the end of a proof that a restart of the gateway made void.
var errGone = &verdict.Failure{Reason: verdict.NotProven, Message: "the gateway went away while it was asked, or lost what it was given"}

// gone reports whether the gateway does not run a configuration any more; then it is looked at at once.
func (a *Applier) gone(ctx context.Context, hash fleet.GatewayHash) bool {
	s, err := a.Gateway.Observe(ctx)
	a.observeNow = a.observeNow || err != nil || s.Hash != hash
	return err != nil || s.Hash != hash
}

// prepared is what to post to this gateway for a snapshot.
type prepared struct {
	posted  []byte
	hash    fleet.GatewayHash
	form    proof.Form
	options proof.Options
	workers int
}

func (a *Applier) prepare(ctx context.Context, digest fleet.Digest, canonical []byte) (prepared, error) {
	c, known := a.Capabilities()
	if !known {
		var err error
		if c, err = a.inspect(ctx); err != nil {
			return prepared{}, &verdict.Failure{Reason: verdict.Unreachable, Message: "the Admin API does not say what the gateway is"}
		}
		if a.state.Memory.Fingerprint == "" {
			a.state.Memory.Fingerprint = c.Fingerprint() // should it refuse, that is whose refusal it is
		}
	}
	p, err := insert(digest, canonical, c.Form(a.Form), c.Options())
	p.workers = c.Workers
	if err == nil && c.BodyLimit > 0 && int64(len(p.posted)) > c.BodyLimit {
		// Kong would answer 413 and close the connection while it is being written to (fact F17).
		err = &verdict.Refusal{Problems: []verdict.Problem{{Message: fmt.Sprintf(
			"the configuration of %d bytes is over the gateway's limit of %d for a request; raise nginx_admin_client_max_body_size", len(p.posted),
			c.BodyLimit)}}}
	}
	return p, err
}

const emptyConfiguration = "{\"_format_version\":\"3.0\"}\n"

func insert(digest fleet.Digest, canonical []byte, form proof.Form, options proof.Options) (prepared, error) {
	posted, err := proof.Insert(canonical, digest, form, options)
	var taken *proof.Collision
	if errors.As(err, &taken) {
		return prepared{}, &verdict.Refusal{Problems: []verdict.Problem{{
			Kind: taken.Kind, Name: taken.Name, ID: taken.ID, Field: taken.Field, Message: "reserved for the agent's proof of serving",
		}}}
	}
	if err != nil {
		return prepared{}, &verdict.Refusal{Problems: []verdict.Problem{{Message: "the snapshot is not in canonical form"}}}
	}
	p := prepared{posted: posted, hash: fleet.GatewayHashOf(posted), form: form, options: options}
	if string(posted) == emptyConfiguration {
		p.hash = fleet.NoGatewayHash // without the reserved route, empty looks like lost (fact F5)
	}
	return p, nil
}

// prove gives up as soon as the gateway is seen to be another than the one that was loaded.
func (a *Applier) prove(ctx context.Context, digest fleet.Digest, p prepared, settle time.Duration) (stray string, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	proven := make(chan struct{})
	go func() {
		defer close(proven)
		stray, err = a.Gateway.Prove(ctx, gateway.Claim{Digest: digest, Hash: p.hash, Form: p.form, Workers: p.workers, Grace: settle})
	}()
	for {
		select {
		case <-proven:
			if err != nil && ctx.Err() == nil && a.gone(ctx, p.hash) {
				return "", errGone // somebody loaded something else meanwhile: the next look says what
			}
			return stray, err
		case <-a.Gateway.Disconnected():
			if a.gone(ctx, p.hash) {
				cancel()
				<-proven
				return "", errGone
			}
		}
	}
}

func (a *Applier) inspect(ctx context.Context) (gateway.Capabilities, error) {
	c, err := a.Gateway.Capabilities(ctx)
	if err != nil {
		return c, err
	}
	a.starts.Add(1)
	if was := a.state.Memory.Kong; was != "" && release(was) != release(c.KongVersion) {
		// Kong dropped what it kept, and may judge the last known good differently (fact F29).
		message := fmt.Sprintf("Kong %s runs here now, and was %s before: it starts without a configuration, and may refuse what the one "+
			"before took", c.KongVersion, was)
		a.linger("GatewayVersionChanged", message)
		a.Status.Record("GatewayVersionChanged", message, time.Now())
		a.Log.Warn("gateway is another version", "kong_version", c.KongVersion, "before", was)
	}
	a.state.Memory.Kong = c.KongVersion
	if was := a.caps.Swap(&c); was == nil || was.Fingerprint() != c.Fingerprint() || was.Workers != c.Workers {
		a.Log.Info("gateway inspected", "kong_version", c.KongVersion, "workers", c.Workers, "router_flavor", c.RouterFlavor, "best_proof",
			c.Best().String())
	}
	return c, nil
}

// release is the major and minor number of a version.
func release(version string) string {
	parts := strings.SplitN(version, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

// restore gives the gateway the last known good, unless it runs it.
func (a *Applier) restore(ctx context.Context, snapshot lastgood.Snapshot) RestoreEnded {
	e := RestoreEnded{Snapshot: snapshot}
	canonical, err := a.Store.Bytes(snapshot.Digest)
	if err != nil {
		if before, ok := a.Store.LastGood(); ok && before.Digest != snapshot.Digest {
			return a.restore(ctx, before) // found damaged just now
		}
		e.Err = a.diskFailure(err)
		return e
	}
	p, err := a.prepare(ctx, snapshot.Digest, canonical)
	if err != nil {
		e.Err = err
		return e
	}
	e.Hash = p.hash
	if err := a.writeBootFile(p); err != nil {
		a.Log.Warn("boot file not written", "error", err)
	}
	began := time.Now()
	if s, err := a.Gateway.Observe(ctx); err != nil || s.Hash != p.hash {
		if err := a.Gateway.Load(ctx, p.posted, false); err != nil {
			e.Err = err
			return e
		}
		e.Posted = true
		a.Meters.Loaded(time.Since(began))
		a.Log.Info("gateway given its last known good configuration", "revision", snapshot.Revision, "digest", snapshot.Digest.Short())
	}
	loaded := time.Now()
	stray, err := a.proveLoaded(ctx, snapshot, p, loaded.Sub(began))
	if err != nil {
		e.Err = err
		return e
	}
	e.Ack = verdict.Ack{Proof: p.form, ProofTime: time.Since(loaded), Stray: stray}
	a.Meters.Proven(e.Ack.ProofTime)
	return e
}

// verify proves what the gateway runs already.
func (a *Applier) verify(ctx context.Context, l Expectation) VerifyEnded {
	e := VerifyEnded{Snapshot: l.Snapshot}
	c, known := a.Capabilities()
	if !known {
		e.Err = errors.New("the gateway does not say what it is")
		return e
	}
	form := c.Form(a.Form)
	began := time.Now()
	e.Ack.Stray, e.Err = a.prove(ctx, l.Snapshot.Digest, prepared{hash: l.Hash, form: form, workers: c.Workers}, standing)
	e.Ack.Proof, e.Ack.ProofTime = form, time.Since(began)
	return e
}

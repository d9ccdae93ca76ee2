package apply

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/lastgood"
	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/proof"
)

// load writes the candidate, posts it, proves it, and saves it. A newer directive ends it between these steps, but not after the post.
func (a *Applier) load(ctx context.Context, act Load) LoadEnded {
	began := act.Arrived
	if began.IsZero() {
		began = time.Now()
	}
	e := LoadEnded{Snapshot: act.Snapshot}
	var received []byte
	if a.taken.Snapshot.Digest == act.Snapshot.Digest {
		received, a.taken = a.taken.Canonical, Directive{}
	}
	a.reached("before-write")
	canonical, err := a.Store.WriteCandidate(act.Snapshot, received)
	if err != nil {
		e.Err = a.diskFailure(err)
		return e
	}
	a.reached("before-post")
	if a.Gateway.WaitLoadGap(ctx) != nil || a.Mailbox.Superseded(act.Snapshot) {
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
	m := a.measure(ctx, act.Snapshot.Digest, canonical, p)
	a.decide(PostBegins{})
	m.began = time.Now()
	if err := a.Gateway.Load(ctx, p.posted, false); err != nil {
		e.Err = err
		a.reached("after-refusal")
		_, observeErr := a.Gateway.Observe(ctx)
		e.Healthy = observeErr == nil
		return e
	}
	a.reached("before-proof")
	loaded := time.Now()
	m.sample.Posted = loaded.Sub(m.began)
	a.Targets.Loaded() // at once, beside the proof
	e.Ack = verdict.Ack{Proof: p.form, LoadTime: loaded.Sub(began)}
	a.Meters.Loaded(e.Ack.LoadTime)
	if e.Ack.Stray, err = a.proveLoaded(ctx, act.Snapshot, p, e.Ack.LoadTime); err != nil {
		e.Err = err
		return e
	}
	a.Targets.Settle(ctx)
	e.Ack.ProofTime = time.Since(loaded)
	a.Meters.Proven(e.Ack.ProofTime)
	e.Served, e.Sample = true, a.measured(ctx, m)
	return a.save(ctx, e, p)
}

// save makes a proven snapshot the last known good. The boot file comes second, because it can be made again from the last known good.
func (a *Applier) save(ctx context.Context, e LoadEnded, p prepared) LoadEnded {
	a.reached("before-save")
	if err := a.Store.Promote(e.Snapshot); err != nil {
		e.Err = a.diskFailure(err)
		return e
	}
	e.Saved = true
	a.reached("before-boot-file")
	if err := a.writeBootFile(p); err != nil {
		e.Err = &verdict.Failure{Reason: verdict.Disk, Message: err.Error()}
		return e
	}
	// A gateway that restarted since the proof started with the previous boot file.
	select {
	case <-a.Gateway.Disconnected():
		if a.replaced(ctx, p.hash) {
			e.Served, e.Err = false, errReplaced
		}
	default:
	}
	return e
}

func (a *Applier) diskFailure(err error) *verdict.Failure {
	if errors.Is(err, lastgood.ErrCorrupt) || errors.Is(err, fs.ErrNotExist) {
		return &verdict.Failure{Reason: verdict.BadDelta, Message: "the snapshot on disk is missing or damaged"}
	}
	a.decide(StateDirChecked{err.Error()})
	return &verdict.Failure{Reason: verdict.Disk, Message: err.Error()}
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
		inspected, ok := a.inspect(ctx)
		if !ok {
			return prepared{}, &verdict.Failure{Reason: verdict.Unreachable, Message: "the gateway's capabilities cannot be read from the Admin API"}
		}
		a.decide(inspected) // before the load: a refusal belongs to this gateway
		c, _ = a.Capabilities()
	}
	p, err := insert(digest, canonical, c.Form(a.Form), c.Options())
	p.workers = c.Workers
	if err == nil && c.BodyLimit > 0 && int64(len(p.posted)) > c.BodyLimit {
		// Kong would answer 413 and close the connection before it has read the request (fact F17).
		err = &verdict.Refusal{Problems: []verdict.Problem{{Message: fmt.Sprintf(
			"the configuration has %d bytes, over the gateway's request limit of %d; raise nginx_admin_client_max_body_size",
			len(p.posted), c.BodyLimit)}}}
	}
	return p, err
}

const emptyConfiguration = "{\"_format_version\":\"3.0\"}\n"

// insert adds the reserved route to canonical bytes.
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
		p.hash = fleet.NoGatewayHash // without the reserved route, an empty configuration has the hash of none (fact F5)
	}
	return p, nil
}

// inspect reads the gateway's capabilities.
func (a *Applier) inspect(ctx context.Context) (Inspected, bool) {
	c, err := a.Gateway.Capabilities(ctx)
	if err != nil {
		return Inspected{}, false
	}
	a.starts.Add(1)
	a.Targets.Loaded() // what it kept out it did so before it started
	if was := a.state.Memory.Kong; was != "" && release(was) != release(c.KongVersion) {
		// Kong dropped what it kept, and may refuse the last known good (fact F29).
		a.notice("GatewayVersionChanged", fmt.Sprintf(
			"Kong changed from version %s to %s: it starts without a configuration, and may refuse the last known good", was, c.KongVersion))
		a.Log.Warn("gateway version changed", "kong_version", c.KongVersion, "before", was)
	}
	if was := a.caps.Swap(&c); was == nil || was.Fingerprint() != c.Fingerprint() || was.Workers != c.Workers {
		a.Log.Info("gateway inspected", "kong_version", c.KongVersion, "workers", c.Workers,
			"router_flavor", c.RouterFlavor, "best_proof", c.Best().String())
	}
	return Inspected{Fingerprint: c.Fingerprint(), KongVersion: c.KongVersion}, true
}

// release returns the major and minor number of a version.
func release(version string) string {
	parts := strings.SplitN(version, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

// restore loads the last known good, unless the gateway runs it.
func (a *Applier) restore(ctx context.Context, snapshot lastgood.Snapshot) RestoreEnded {
	e := RestoreEnded{Snapshot: snapshot}
	canonical, err := a.Store.Bytes(snapshot.Digest)
	if err != nil {
		if before, ok := a.Store.LastGood(); ok && before.Digest != snapshot.Digest {
			return a.restore(ctx, before) // the store has just found the newest one damaged
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
	if o, err := a.Gateway.Observe(ctx); err != nil || o.Hash != p.hash {
		if err := a.Gateway.Load(ctx, p.posted, false); err != nil {
			e.Err = err
			return e
		}
		e.Posted = true
		a.Targets.Loaded()
		a.Meters.Loaded(time.Since(began))
		a.Log.Info("last known good loaded", "revision", snapshot.Revision, "digest", snapshot.Digest.Short())
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

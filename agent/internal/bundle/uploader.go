// Package bundle reads the gateway's schemas when the gateway may have changed, reports their digest, and uploads them when the registry
// requests them. It keeps the digest only, and reads the schemas again for an upload. Its failures block nothing else: without a digest,
// the configurations of the node are only checked less before they arrive.
package bundle

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/agent/internal/gateway"
	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/rpc"
)

// Upload carries a bundle to a registry.
type Upload = func(ctx context.Context, digest string, zstd []byte) error

// Deps are the dependencies of an Uploader. All are required.
type Deps struct {
	// Schemas reads all schemas of the gateway.
	Schemas func(ctx context.Context) (gateway.Schemas, error)
	// Capabilities returns the gateway's capabilities; false before the gateway answered.
	Capabilities func() (gateway.Capabilities, bool)
	// Starts counts the reads of the gateway's capabilities, one for each start of the gateway.
	Starts func() int64
	// Changed is called when the digest changes, or when the first read shows that there is none.
	Changed func()
	Log     *slog.Logger
}

const (
	readTimeout   = time.Minute // for all schemas
	uploadTimeout = 30 * time.Second
	// refusedRetry is the pause after the registry refused a bundle. Requests in that time are ignored.
	refusedRetry = 10 * time.Minute
)

// An Uploader keeps the digest of the gateway's schema bundle. It is safe for concurrent use; Run may be called once.
type Uploader struct {
	Deps
	bell chan struct{} // capacity 1

	mu        sync.Mutex
	gateway   state  // of the last call of Digest
	known     state  // of the digest
	digest    string // empty: not known, or the gateway has no schemas
	requested Upload // nil: no upload is requested
	retry     backoff.Backoff
	notBefore time.Time // no upload before
}

// state identifies one run of a gateway.
type state struct {
	fingerprint string // of its capabilities
	starts      int64
}

// New returns an uploader without a digest.
func New(d Deps) *Uploader {
	retry := backoff.Backoff{Policy: backoff.Policy{Base: 2 * time.Second, Cap: 5 * time.Minute, Jitter: 0.5}}
	return &Uploader{Deps: d, bell: make(chan struct{}, 1), retry: retry}
}

// Digest returns the digest of the bundle of the gateway with a fingerprint; empty when it has no schemas or they could not be
// read. Settled is false until a read was tried. A gateway that changed is read again.
func (u *Uploader) Digest(fingerprint string) (digest string, settled bool) {
	starts := u.Starts()
	u.mu.Lock()
	defer u.mu.Unlock()
	if now := (state{fingerprint, starts}); now != u.gateway {
		u.gateway = now
		u.retry.Reset()
		u.ring()
	}
	return u.digest, u.known.fingerprint == fingerprint
}

// Request asks for an upload of the bundle. It never blocks.
func (u *Uploader) Request(upload Upload) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.requested == nil && !time.Now().Before(u.notBefore) {
		u.requested = upload
		u.ring()
	}
}

func (u *Uploader) ring() {
	select {
	case u.bell <- struct{}{}:
	default:
	}
}

// Run reads and uploads until ctx ends.
func (u *Uploader) Run(ctx context.Context) error {
	retry := time.NewTimer(0)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-u.bell:
		case <-retry.C:
		}
		if wait := u.step(ctx); wait > 0 {
			retry.Reset(wait)
		}
	}
}

// step reads or uploads what is due, and returns the time to the next try; 0 means none before something changes.
func (u *Uploader) step(ctx context.Context) time.Duration {
	u.mu.Lock()
	now, upload := u.gateway, u.requested
	due := now != state{} && (now != u.known || upload != nil)
	u.mu.Unlock()
	if !due {
		return 0
	}
	digest, zstd, err := u.read(ctx)
	if ctx.Err() != nil {
		return 0
	}
	changed := u.update(now, digest, err)
	if changed {
		u.Changed()
	}
	if err != nil {
		u.Log.Debug("schemas of the gateway not read", "error", err)
		return u.retryAfter()
	}
	if upload == nil || digest == "" || changed { // not the bundle that was requested
		u.finish(time.Time{})
		return 0
	}
	return u.send(ctx, upload, digest, zstd)
}

// read packs the schemas of the gateway. For a gateway without schemas, digest and zstd are empty.
func (u *Uploader) read(ctx context.Context) (digest string, zstd []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	c, _ := u.Capabilities()
	read, err := u.Schemas(ctx)
	if errors.Is(err, gateway.ErrNoSchemas) {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, err
	}
	return pack(read, c.KongVersion)
}

// update records what was read, and reports whether it changed. When a read fails, the digest of the same kind of gateway
// stays.
func (u *Uploader) update(of state, digest string, err error) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	before, settled := u.digest, u.known.fingerprint == of.fingerprint
	switch {
	case err == nil:
		u.known, u.digest = of, digest
	case !settled:
		u.known, u.digest = state{fingerprint: of.fingerprint, starts: -1}, ""
	}
	return u.digest != before || !settled
}

func (u *Uploader) send(ctx context.Context, upload Upload, digest string, zstd []byte) time.Duration {
	ctx, cancel := context.WithTimeout(ctx, uploadTimeout)
	defer cancel()
	err := upload(ctx, digest, zstd)
	switch code := status.Code(err); {
	case err == nil:
		u.Log.Info("schemas of the gateway uploaded", "schemas", digest, "bytes", len(zstd))
		u.finish(time.Time{})
	case code == codes.InvalidArgument, code == codes.ResourceExhausted, code == codes.Unimplemented:
		u.Log.Warn("schemas of the gateway refused by the registry", "schemas", digest, "error", rpc.Why(err))
		u.finish(time.Now().Add(refusedRetry))
	default:
		// The registry requests it again.
		u.Log.Debug("schemas of the gateway not uploaded", "error", err)
		u.finish(time.Time{})
	}
	return 0
}

// finish ends a request for an upload.
func (u *Uploader) finish(notBefore time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.requested, u.notBefore = nil, notBefore
	u.retry.Reset()
}

// retryAfter counts a failed read. It drops the request for an upload, because the registry asks again.
func (u *Uploader) retryAfter() time.Duration {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.requested = nil
	return u.retry.Next()
}

// Package bundle knows which schemas the gateway judges configurations by: it reads them when the gateway may have become another,
// names them by a digest, and uploads them when the registry asks. It keeps the digest only, and reads them again for an upload.
// Whatever goes wrong here holds up nothing else: a node without a digest is a node whose configurations are checked less before they
// arrive.
package bundle

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/agent/internal/gateway"
	"github.com/silverback-gateway/silverback/kit/rpc"
)

// Upload carries a bundle to a registry.
type Upload = func(ctx context.Context, digest string, zstd []byte) error

// Deps are what a Keeper works with. All are required.
type Deps struct {
	// Schemas reads all schemas of the gateway.
	Schemas func(ctx context.Context) (gateway.Schemas, error)
	// Capabilities says what the gateway is; false while it did not answer.
	Capabilities func() (gateway.Capabilities, bool)
	// Inspections counts how often the gateway was asked what it is: at each of its starts.
	Inspections func() int64
	// Changed is called when the digest changed, or it became settled that there is none.
	Changed func()
	Log     *slog.Logger
}

const (
	readTimeout   = time.Minute // for all schemas
	uploadTimeout = 30 * time.Second
	// Failures are tried again after firstPause to lastPause, doubled each time, half of it random.
	firstPause = 2 * time.Second
	lastPause  = 5 * time.Minute
	// refusedPause is how long a bundle that the registry turned down is not offered again, however often it asks.
	refusedPause = 10 * time.Minute
)

// A Keeper keeps the digest. It is safe for concurrent use; its Run may be called once.
type Keeper struct {
	Deps
	bell chan struct{} // capacity 1

	mu       sync.Mutex
	gateway  state  // as it was asked about last
	known    state  // that the digest is of
	digest   string // empty: not known, or the gateway shows no schemas
	wanted   Upload // nil: nobody wants the bundle
	failures int
	quiet    time.Time // no upload before
}

// state is one life of a gateway.
type state struct {
	judge string // what it is
	lives int64
}

// New returns a keeper that knows nothing.
func New(d Deps) *Keeper { return &Keeper{Deps: d, bell: make(chan struct{}, 1)} }

// Digest returns the digest of the bundle of a gateway that is what judge says; empty when it shows no schemas, or they could not be
// read yet. Settled is false until that was tried: what is told of the gateway then would have to be corrected soon. A gateway that is
// not the one known is read anew.
func (k *Keeper) Digest(judge string) (digest string, settled bool) {
	lives := k.Inspections()
	k.mu.Lock()
	defer k.mu.Unlock()
	if now := (state{judge, lives}); now != k.gateway {
		k.gateway, k.failures = now, 0
		k.ring()
	}
	return k.digest, k.known.judge == judge
}

// Wanted says that a registry wants the bundle, and how it gets there. It never blocks.
func (k *Keeper) Wanted(upload Upload) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.wanted == nil && !time.Now().Before(k.quiet) {
		k.wanted = upload
		k.ring()
	}
}

func (k *Keeper) ring() {
	select {
	case k.bell <- struct{}{}:
	default:
	}
}

// Run reads and uploads until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	retry := time.NewTimer(0)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-k.bell:
		case <-retry.C:
		}
		if wait := k.step(ctx); wait > 0 {
			retry.Reset(wait)
		}
	}
}

// step does what is to be done, and says when to try again; 0 is not before something changes.
func (k *Keeper) step(ctx context.Context) time.Duration {
	k.mu.Lock()
	now, upload := k.gateway, k.wanted
	due := now != state{} && (now != k.known || upload != nil)
	k.mu.Unlock()
	if !due {
		return 0
	}
	digest, zstd, err := k.read(ctx)
	if ctx.Err() != nil {
		return 0
	}
	changed := k.learn(now, digest, err)
	if changed {
		k.Changed()
	}
	if err != nil {
		k.Log.Debug("schemas of the gateway not read", "error", err)
		return k.pause()
	}
	if upload == nil || digest == "" || changed { // another bundle than was asked for
		k.settle(time.Time{})
		return 0
	}
	return k.send(ctx, upload, digest, zstd)
}

// read makes the bundle of what the gateway shows; without schemas all is empty.
func (k *Keeper) read(ctx context.Context) (digest string, zstd []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	c, _ := k.Capabilities()
	said, err := k.Schemas(ctx)
	if errors.Is(err, gateway.ErrNoSchemas) {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, err
	}
	return pack(said, c.KongVersion)
}

// learn takes note of what was read, and reports whether others should know. What cannot be read now leaves what was known of the same
// kind of gateway.
func (k *Keeper) learn(of state, digest string, err error) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	before, settled := k.digest, k.known.judge == of.judge
	switch {
	case err == nil:
		k.known, k.digest = of, digest
	case !settled:
		k.known, k.digest = state{judge: of.judge, lives: -1}, ""
	}
	return k.digest != before || !settled
}

func (k *Keeper) send(ctx context.Context, upload Upload, digest string, zstd []byte) time.Duration {
	ctx, cancel := context.WithTimeout(ctx, uploadTimeout)
	defer cancel()
	err := upload(ctx, digest, zstd)
	switch code := status.Code(err); {
	case err == nil:
		k.Log.Info("schemas of the gateway uploaded", "schemas", digest, "bytes", len(zstd))
		k.settle(time.Time{})
	case code == codes.InvalidArgument, code == codes.ResourceExhausted, code == codes.Unimplemented:
		k.Log.Warn("schemas of the gateway refused by the registry", "schemas", digest, "error", rpc.Why(err))
		k.settle(time.Now().Add(refusedPause))
	default:
		// It asks again, this agent or another.
		k.Log.Debug("schemas of the gateway not uploaded", "error", err)
		k.settle(time.Time{})
	}
	return 0
}

// settle ends a wish.
func (k *Keeper) settle(quiet time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.wanted, k.failures, k.quiet = nil, 0, quiet
}

// pause counts a failure. A wish that came to nothing is forgotten; the registry asks again.
func (k *Keeper) pause() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.wanted = nil
	k.failures++
	full := lastPause
	if k.failures < 8 {
		full = min(firstPause<<(k.failures-1), lastPause)
	}
	return full/2 + rand.N(full/2+1)
}

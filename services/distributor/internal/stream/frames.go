package stream

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"

	"github.com/silverback-gateway/silverback/kit/content"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/snapshot"
)

const (
	// partLimit keeps a message under gRPC's limits. Between parts a newer directive can be sent.
	partLimit = 1 << 20
	// encodeTimeout bounds an encoding. Many sessions may wait for it, so that it does not end with the context of one.
	encodeTimeout = 30 * time.Second
	// DefaultFrameBytes is the default bound of the cache.
	DefaultFrameBytes = 128 << 20
	frameOverhead     = 512
)

// encodedDelta is the delta between two snapshots, as bytes that every stream with this pair sends.
type encodedDelta struct {
	first []byte   // the field Directive.delta
	parts [][]byte // the field FollowAssignmentResponse.delta_part, one for each further message
	full  bool     // it has no base
	size  int
}

type pair struct{ from, to fleet.Digest }

// frames encodes each pair once and caches the pairs that were used last, up to a number of bytes.
type frames struct {
	store   *content.Store
	limit   int
	metrics *Metrics
	flights singleflight.Group

	mu     sync.Mutex
	used   int
	recent *list.List // of *kept, the newest first
	kept   map[pair]*list.Element
}

type kept struct {
	pair  pair
	delta *encodedDelta
}

func newFrames(store *content.Store, limit int, metrics *Metrics) *frames {
	if limit <= 0 {
		limit = DefaultFrameBytes
	}
	return &frames{store: store, limit: limit, metrics: metrics, recent: list.New(), kept: map[pair]*list.Element{}}
}

// get returns the encoded delta of a pair. From counts as none when its content is gone. When many sessions ask at once, one of them reads
// the manifests and encodes: ten thousand of these would cost more than sending.
func (f *frames) get(ctx context.Context, from, to fleet.Digest) (*encodedDelta, error) {
	p := pair{from, to}
	if d, ok := f.lookup(p); ok {
		return d, nil
	}
	result := f.flights.DoChan(string(from)+" "+string(to), func() (any, error) {
		if d, ok := f.lookup(p); ok {
			return d, nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), encodeTimeout)
		defer cancel()
		if from != "" {
			if _, err := f.store.Manifest(ctx, from); errors.Is(err, content.ErrMissing) {
				return f.get(ctx, "", to)
			}
		}
		d, err := f.encode(ctx, p)
		if err != nil {
			return nil, err
		}
		f.keep(p, d)
		return d, nil
	})
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case r := <-result:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*encodedDelta), nil
	}
}

func (f *frames) lookup(p pair) (*encodedDelta, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at, ok := f.kept[p]
	if !ok {
		return nil, false
	}
	f.recent.MoveToFront(at)
	f.metrics.frameHits.Inc()
	return at.Value.(*kept).delta, true
}

func (f *frames) keep(p pair, d *encodedDelta) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kept[p] = f.recent.PushFront(&kept{p, d})
	f.used += d.size
	// The newest pair stays even when it alone is over the limit: sessions are waiting for it.
	for f.used > f.limit && f.recent.Len() > 1 {
		last := f.recent.Remove(f.recent.Back()).(*kept)
		delete(f.kept, last.pair)
		f.used -= last.delta.size
		f.metrics.frameEvictions.Inc()
	}
	f.metrics.frameBytes.Set(float64(f.used))
}

func (f *frames) encode(ctx context.Context, p pair) (*encodedDelta, error) {
	delta, err := f.store.Delta(ctx, p.from, p.to)
	if err != nil {
		return nil, err
	}
	f.metrics.frameEncodings.Inc()
	return encodeDelta(delta)
}

func encodeDelta(delta snapshot.Delta) (*encodedDelta, error) {
	parts := delta.Parts(partLimit)
	first, err := marshal(&fleetv1.Delta{
		BaseDigest: string(delta.BaseDigest), Digest: string(delta.Digest), Size: delta.Size, Operations: operations(parts[0]),
	})
	if err != nil {
		return nil, err
	}
	d := &encodedDelta{first: field(fieldDelta, first), full: delta.BaseDigest == ""}
	d.size = len(d.first) + frameOverhead
	for i, ops := range parts[1:] {
		part, err := marshal(&distributorv1.DeltaPart{Number: int32(i + 1), Operations: operations(ops)})
		if err != nil {
			return nil, err
		}
		d.parts = append(d.parts, field(fieldDeltaPart, part))
		d.size += len(part) + frameOverhead
	}
	return d, nil
}

func operations(ops []snapshot.Op) []*fleetv1.Delta_Operation {
	all := make([]*fleetv1.Delta_Operation, len(ops))
	for i, op := range ops {
		if c := op.Copy; c != nil {
			all[i] = &fleetv1.Delta_Operation{Step: &fleetv1.Delta_Operation_Copy{Copy: &fleetv1.Delta_Copy{Offset: c.Offset, Length: c.Length}}}
			continue
		}
		x := op.Data
		all[i] = &fleetv1.Delta_Operation{Step: &fleetv1.Delta_Operation_Data{Data: &fleetv1.Delta_Data{
			Zstd: x.Zstd, RawLength: x.RawLength, DictOffset: x.DictOffset, DictLength: x.DictLength,
		}}}
	}
	return all
}

// field puts the tag and the length before the bytes of a message.
func field(number protowire.Number, message []byte) []byte {
	b := make([]byte, 0, len(message)+12)
	b = protowire.AppendTag(b, number, protowire.BytesType)
	return protowire.AppendBytes(b, message)
}

func marshal(m proto.Message) ([]byte, error) {
	b, err := proto.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode frame: %w", err)
	}
	return b, nil
}

package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/klauspost/compress/zstd"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/snapshot"
	"github.com/silverback-gateway/silverback/services/translator/internal/desired"
)

// pieceSize keeps an etcd request well under etcd's limit of 1.5 MiB, and under 1 MiB by design.
const pieceSize = 768 << 10

// opsAtOnce bounds the operations of a transaction: etcd takes 128.
const opsAtOnce = 100

const (
	// maxFragment bounds an unpacked fragment. Its origins take some 150 bytes an entity, and a line of a snapshot at least 60.
	maxFragment = 4 * snapshot.MaxSize
	maxPieces   = maxFragment/pieceSize + 1
)

var codec = sync.OnceValues(func() (*zstd.Encoder, *zstd.Decoder) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		panic(err) // the options are constant
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxFragment), zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderConcurrency(1))
	if err != nil {
		panic(err)
	}
	return enc, dec
})

// unpacking makes fragments unpack one at a time: before its digest is checked, a fragment may be anything.
var unpacking sync.Mutex

// unsaid bounds the content of a frame without a size: the encoder omits the size below 256 bytes.
const unsaid = 256

// unpack returns the fragment in a frame and checks its digest. It allocates the declared size, at most maxFragment.
func unpack(packed []byte, digest fleet.Digest) ([]byte, error) {
	var h zstd.Header
	if err := h.Decode(packed); err != nil || h.FrameContentSize > maxFragment {
		return nil, fmt.Errorf("%w: %s is not one frame of at most %d bytes", desired.ErrLost, digest.Short(), maxFragment)
	}
	unpacking.Lock()
	defer unpacking.Unlock()
	size := uint64(unsaid)
	if h.HasFCS {
		size = h.FrameContentSize
	}
	_, dec := codec()
	stored, err := dec.DecodeAll(packed, make([]byte, 0, size))
	if err != nil || fleet.DigestOf(stored) != digest {
		return nil, fmt.Errorf("%w: %s does not have its digest", desired.ErrLost, digest.Short())
	}
	return stored, nil
}

// PutFragment stores a fragment. It writes the head last, so that a readable head has all its pieces. An existing fragment is read, and
// written again if it is damaged.
func (l *Ledger) PutFragment(ctx context.Context, digest fleet.Digest, stored []byte) error {
	if len(stored) > maxFragment {
		return fault.New(fault.TooLarge, "INPUT_TOO_LARGE", "the source takes %d bytes in the ledger; at most %d are allowed: split it into "+
			"several sources", len(stored), maxFragment)
	}
	_, err := l.Fragment(ctx, digest)
	if err == nil {
		return nil
	}
	if !errors.Is(err, desired.ErrLost) {
		return fmt.Errorf("look for source content: %w", err)
	}
	enc, _ := codec()
	packed := enc.EncodeAll(stored, nil)
	n := 0
	for ; len(packed) > 0; n++ {
		size := min(len(packed), pieceSize)
		if _, err := l.kv.Put(ctx, fragmentPiece(digest, n), string(packed[:size])); err != nil {
			return fmt.Errorf("put source content: %w", err)
		}
		packed = packed[size:]
	}
	if _, err := l.kv.Put(ctx, fragmentKey(digest), strconv.Itoa(n)); err != nil {
		return fmt.Errorf("put source content: %w", err)
	}
	return nil
}

// Stored reports whether fragments are there. It does not verify them.
func (l *Ledger) Stored(ctx context.Context, digests []fleet.Digest) (bool, error) {
	for batch := range slices.Chunk(digests, opsAtOnce) {
		ops := make([]clientv3.Op, len(batch))
		for i, digest := range batch {
			ops[i] = clientv3.OpGet(fragmentKey(digest), clientv3.WithCountOnly())
		}
		answer, err := l.kv.Txn(ctx).Then(ops...).Commit()
		if err != nil {
			return false, fmt.Errorf("look for source content: %w", err)
		}
		for _, one := range answer.Responses {
			if one.GetResponseRange().Count == 0 {
				return false, nil
			}
		}
	}
	return true, nil
}

// Fragment returns a stored fragment, verified against its digest.
func (l *Ledger) Fragment(ctx context.Context, digest fleet.Digest) ([]byte, error) {
	head, err := l.kv.Get(ctx, fragmentKey(digest))
	if err != nil {
		return nil, fmt.Errorf("get source content: %w", err)
	}
	if len(head.Kvs) == 0 {
		return nil, fmt.Errorf("%w: %s is not there", desired.ErrLost, etcdkv.Full(l.kv, fragmentKey(digest)))
	}
	n, err := strconv.Atoi(string(head.Kvs[0].Value))
	if err != nil || n < 1 || n > maxPieces {
		return nil, fmt.Errorf("%w: %s is not a number of pieces", desired.ErrLost, etcdkv.Full(l.kv, fragmentKey(digest)))
	}
	var packed []byte
	for i := range n {
		piece, err := l.kv.Get(ctx, fragmentPiece(digest, i))
		if err != nil {
			return nil, fmt.Errorf("get source content: %w", err)
		}
		if len(piece.Kvs) == 0 {
			return nil, fmt.Errorf("%w: %s is not there", desired.ErrLost, etcdkv.Full(l.kv, fragmentPiece(digest, i)))
		}
		packed = append(packed, piece.Kvs[0].Value...)
	}
	return unpack(packed, digest)
}

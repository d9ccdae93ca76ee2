package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/klauspost/compress/zstd"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// pieceSize keeps an etcd request well under its limit of 1.5 MiB, and of 1 MiB by the design.
const pieceSize = 768 << 10

// maxFragment bounds what a stored fragment may unpack to: its origins make it larger than the snapshot.
const maxFragment = 512 << 20

var errDamaged = errors.New("the stored source is damaged")

var codec = sync.OnceValues(func() (*zstd.Encoder, *zstd.Decoder) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		panic(err) // the options are constant
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxFragment))
	if err != nil {
		panic(err)
	}
	return enc, dec
})

// PutFragment stores a fragment, its head last, so that a head that can be read has all its pieces. It may be repeated.
func (l *Ledger) PutFragment(ctx context.Context, digest fleet.Digest, stored []byte) error {
	there, err := l.kv.Get(ctx, fragmentKey(digest), clientv3.WithCountOnly())
	if err != nil {
		return fmt.Errorf("look for source content: %w", err)
	}
	if there.Count > 0 {
		return nil
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

// Fragment returns a stored fragment, verified against its digest.
func (l *Ledger) Fragment(ctx context.Context, digest fleet.Digest) ([]byte, error) {
	head, err := l.kv.Get(ctx, fragmentKey(digest))
	if err != nil {
		return nil, fmt.Errorf("get source content: %w", err)
	}
	if len(head.Kvs) == 0 {
		return nil, fmt.Errorf("%w: %s is not there", errDamaged, digest.Short())
	}
	n, err := strconv.Atoi(string(head.Kvs[0].Value))
	if err != nil {
		return nil, fmt.Errorf("%w: %s has a bad head", errDamaged, digest.Short())
	}
	var packed []byte
	for i := range n {
		piece, err := l.kv.Get(ctx, fragmentPiece(digest, i))
		if err != nil {
			return nil, fmt.Errorf("get source content: %w", err)
		}
		if len(piece.Kvs) == 0 {
			return nil, fmt.Errorf("%w: %s lacks a piece", errDamaged, digest.Short())
		}
		packed = append(packed, piece.Kvs[0].Value...)
	}
	_, dec := codec()
	stored, err := dec.DecodeAll(packed, nil)
	if err != nil || fleet.DigestOf(stored) != digest {
		return nil, fmt.Errorf("%w: %s does not have its digest", errDamaged, digest.Short())
	}
	return stored, nil
}

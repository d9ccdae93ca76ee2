package snapshot

import (
	"crypto/sha256"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// The codecs are built once, on first use: building one costs more than most of
// what is done with it. They have no state that a caller could notice and start no
// goroutine; their whole-buffer calls are safe for concurrent use.
var (
	encoder = sync.OnceValue(func() *zstd.Encoder { return newEncoder() })
	decoder = sync.OnceValue(func() *zstd.Decoder { return newDecoder() })

	// A codec with a dictionary serves one caller at a time.
	dictEncoders = sync.Pool{New: func() any {
		return newEncoder(zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
	}}
	dictDecoders = sync.Pool{New: func() any { return newDecoder(zstd.WithDecoderConcurrency(1)) }}

	verifyBuffers = sync.Pool{New: func() any { return new([MaxChunk]byte) }}
)

// newEncoder makes no checksums: what is in a frame has a digest already.
func newEncoder(more ...zstd.EOption) *zstd.Encoder {
	e, err := zstd.NewWriter(nil, append([]zstd.EOption{
		zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false),
	}, more...)...)
	if err != nil {
		panic(err) // the options are constant
	}
	return e
}

// newDecoder never writes beyond the buffer it is given, so no frame can make it
// allocate more than the caller decided.
func newDecoder(more ...zstd.DOption) *zstd.Decoder {
	d, err := zstd.NewReader(nil, append([]zstd.DOption{
		zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxWindow(MaxSize), zstd.WithDecoderLowmem(true),
	}, more...)...)
	if err != nil {
		panic(err) // the options are constant
	}
	return d
}

// Compress returns raw bytes in the stored form of a chunk, one zstd frame.
func Compress(raw []byte) []byte { return encoder().EncodeAll(raw, nil) }

// Decompress returns the raw bytes of a stored chunk and checks that they are
// those that ref names; damage is ErrChunk. It allocates no more than ref's size.
func Decompress(frame []byte, ref ChunkRef) ([]byte, error) {
	if ref.Size <= 0 || ref.Size > MaxChunk {
		return nil, fmt.Errorf("%w: %s: its size is out of bounds", ErrChunk, ref.Sum)
	}
	raw, err := inflate(make([]byte, 0, ref.Size), frame, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrChunk, ref.Sum, err)
	}
	if sha256.Sum256(raw) != ref.Sum {
		return nil, fmt.Errorf("%w: %s: its content has another sum", ErrChunk, ref.Sum)
	}
	return raw, nil
}

// Verify checks that a stored chunk is the one that sum names, whose size the
// caller need not know, and returns its raw size; damage is ErrChunk.
func Verify(frame []byte, sum Sum) (size int, err error) {
	buf := verifyBuffers.Get().(*[MaxChunk]byte)
	defer verifyBuffers.Put(buf)
	raw, err := decoder().DecodeAll(frame, buf[:0])
	if err != nil {
		return 0, fmt.Errorf("%w: %s: %w", ErrChunk, sum, err)
	}
	if sha256.Sum256(raw) != sum {
		return 0, fmt.Errorf("%w: %s: its content has another sum", ErrChunk, sum)
	}
	return len(raw), nil
}

// deflate compresses raw with a dictionary of raw bytes.
func deflate(raw, dict []byte) ([]byte, error) {
	e := dictEncoders.Get().(*zstd.Encoder)
	defer dictEncoders.Put(e)
	// Id 0 is not written into the frame: the delta says which bytes are the dictionary.
	if err := e.ResetWithOptions(nil, zstd.WithEncoderDictRaw(0, dict)); err != nil {
		return nil, err
	}
	return e.EncodeAll(raw, nil), nil
}

// inflate fills dst, which must be empty, up to its capacity and not beyond.
func inflate(dst, frame, dict []byte) ([]byte, error) {
	want := cap(dst)
	d := decoder()
	if len(dict) > 0 {
		d = dictDecoders.Get().(*zstd.Decoder)
		defer dictDecoders.Put(d)
		if err := d.ResetWithOptions(nil, zstd.WithDecoderDictRaw(0, dict)); err != nil {
			return nil, err
		}
		// Or the pool would keep the base alive.
		defer func() { _ = d.ResetWithOptions(nil, zstd.WithDecoderDictDelete()) }()
	}
	raw, err := d.DecodeAll(frame, dst)
	if err != nil {
		return nil, err
	}
	if len(raw) != want {
		return nil, fmt.Errorf("it has %d bytes in place of %d", len(raw), want)
	}
	return raw, nil
}

package schema

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// It starts no goroutine and is safe for concurrent use.
var unpacker = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(MaxSize), zstd.WithDecoderLowmem(true))
	if err != nil {
		panic(err) // the options are constant
	}
	return d
})

// Pack returns a bundle's canonical bytes as one zstd frame. The encoder is not kept: an agent packs rarely and should not hold its memory.
func Pack(b *Bundle) []byte {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderCRC(false), zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
	if err != nil {
		panic(err) // the options are constant
	}
	defer func() { _ = e.Close() }()
	return e.EncodeAll(b.canonical, nil)
}

// Unpack decodes the output of Pack, as strictly as Decode. It never allocates more than a few times MaxSize, whatever size the frame
// declares. The error is an ErrBundle.
func Unpack(frame []byte) (*Bundle, error) {
	canonical, err := unpacker().DecodeAll(frame, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: not a zstd frame of at most %d bytes", ErrBundle, MaxSize)
	}
	return Decode(canonical)
}

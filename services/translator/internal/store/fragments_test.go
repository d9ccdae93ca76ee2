package store

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/translator/internal/desired"
)

// TestABombIsNotUnpacked: a stored fragment that claims to be huge, or does not say how large it is, costs nothing.
func TestABombIsNotUnpacked(t *testing.T) {
	enc, _ := codec()
	if _, err := unpack(enc.EncodeAll([]byte("what was stored"), nil), fleet.DigestOf([]byte("what was stored"))); err != nil {
		t.Fatal(err)
	}
	var streamed bytes.Buffer
	w, err := zstd.NewWriter(&streamed)
	if err != nil {
		t.Fatal(err)
	}
	for range 300 {
		if _, err := w.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	small := enc.EncodeAll([]byte("short"), nil)
	for name, packed := range map[string][]byte{
		"a frame of 300 MiB":            enc.EncodeAll(make([]byte, 300<<20), nil),
		"a frame that does not say":     streamed.Bytes(),
		"two frames":                    append(bytes.Clone(small), enc.EncodeAll(make([]byte, 64<<20), nil)...),
		"another content":               small,
		"nothing":                       nil,
		"no frame":                      []byte("hello, this is not a frame"),
		"a frame that is to be skipped": {0x50, 0x2a, 0x4d, 0x18, 0xff, 0xff, 0xff, 0x7f},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := unpack(packed, fleet.DigestOf([]byte("what was stored")))
		runtime.ReadMemStats(&after)
		if !errors.Is(err, desired.ErrLost) {
			t.Errorf("%s: %v", name, err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 8<<20 {
			t.Errorf("%s: took %d bytes", name, took)
		}
	}
}

// TestWhatCouldNotBeReadIsNotStored: the limit holds for those who write as well, before etcd is asked for anything.
func TestWhatCouldNotBeReadIsNotStored(t *testing.T) {
	large := make([]byte, maxFragment+1)
	err := (&Ledger{}).PutFragment(t.Context(), fleet.DigestOf(large), large)
	if fault.KindOf(err) != fault.TooLarge {
		t.Errorf("got %v", err)
	}
}

func BenchmarkUnpack(b *testing.B) {
	raw := make([]byte, 16<<20)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range raw {
		raw[i] = byte('a' + random.IntN(16))
	}
	enc, _ := codec()
	packed, digest := enc.EncodeAll(raw, nil), fleet.DigestOf(raw)
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if _, err := unpack(packed, digest); err != nil {
			b.Fatal(err)
		}
	}
}

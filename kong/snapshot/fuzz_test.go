package snapshot_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"reflect"
	"testing"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/snapshot"
)

// FuzzManifest: what is read is within bounds and adds up, and is written as it was read.
func FuzzManifest(f *testing.F) {
	for _, n := range []int{0, 1, 500} {
		encoded, err := seal(f, routes(n)).Manifest().MarshalBinary()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(encoded[:len(encoded)-crc32.Size])
	}
	huge := append([]byte{1}, make([]byte, 32)...)
	f.Add(binary.AppendUvarint(binary.AppendUvarint(huge, snapshot.MaxSize), 1<<21))
	f.Fuzz(func(t *testing.T, encoded []byte) {
		encoded = binary.BigEndian.AppendUint32(bytes.Clone(encoded), crc32.Checksum(encoded, crc32.MakeTable(crc32.Castagnoli)))
		var m snapshot.Manifest
		if err := m.UnmarshalBinary(encoded); err != nil {
			if !m.IsZero() {
				t.Fatal("a manifest that is refused leaves something behind")
			}
			return
		}
		var total int64
		for _, ref := range m.Chunks {
			if ref.Size < 1 || ref.Size > snapshot.MaxChunk {
				t.Fatalf("a chunk of %d bytes", ref.Size)
			}
			total += int64(ref.Size)
		}
		if total != m.Size || m.Size > snapshot.MaxSize || cap(m.Chunks) > len(encoded)/33 {
			t.Fatalf("%d bytes in chunks of %d; room for %d chunks in %d bytes", m.Size, total, cap(m.Chunks), len(encoded))
		}
		again, err := m.MarshalBinary()
		var second snapshot.Manifest
		if err != nil || second.UnmarshalBinary(again) != nil || !reflect.DeepEqual(m, second) {
			t.Fatalf("another manifest comes back: %v", err)
		}
	})
}

// FuzzDelta: whatever a delta says, it makes what it is wanted to make, or nothing.
func FuzzDelta(f *testing.F) {
	base := routes(200)
	old, edited := seal(f, base), seal(f, append(routes(200), route(7, `,"x"`), route(9, "")))
	for _, d := range []snapshot.Delta{encode(f, old, edited), encode(f, edited, old), encode(f, old, old)} {
		text, err := json.Marshal(d)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	whole, err := snapshot.EncodeDelta(snapshot.Manifest{}, edited.Manifest(), edited.Chunk)
	if err != nil {
		f.Fatal(err)
	}
	text, err := json.Marshal(whole)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(
		[]byte(`{"BaseDigest":"x","Digest":"` + edited.Digest() +
			`","Size":67108864,"Ops":[{"Copy":{"Offset":9223372036854775807,"Length":1}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var d snapshot.Delta
		if json.Unmarshal(text, &d) != nil {
			return
		}
		for _, want := range []fleet.Digest{d.Digest, edited.Digest()} {
			got, err := snapshot.Apply(old.Canonical(), d, want)
			if err != nil {
				if got != nil {
					t.Fatal("bytes beside an error")
				}
				continue
			}
			if fleet.DigestOf(got) != want || int64(len(got)) != d.Size || d.Size > snapshot.MaxSize {
				t.Fatal("it made something else")
			}
		}
		if d.WireSize() < 0 || len(d.Parts(1<<10)) == 0 {
			t.Fatal("it cannot be cut into parts")
		}
	})
}

package snapshot

import "fmt"

// Bounds of a dictionary, in bytes. The same entities are close by. A dictionary of bytes that are farther away costs time and does not
// help.
const (
	dictWhole  = 256 << 10 // a replaced range up to this size is taken whole
	dictMargin = 64 << 10  // of a larger one, this much on either side of the place
)

// EncodeDelta returns the delta that makes to from from. fetch returns a chunk in its stored, verified form. It is called for the chunks
// that differ, also those of from. A missing chunk of from makes the delta larger; a missing chunk of to is an error. With the zero
// Manifest as from, the delta is the stored chunks of to.
func EncodeDelta(from, to Manifest, fetch func(Sum) ([]byte, error)) (Delta, error) {
	d := Delta{BaseDigest: from.Digest, Digest: to.Digest, Size: to.Size}
	e := deltaEncoder{base: layOut(from), fetch: fetch}
	for i := 0; i < len(to.Chunks); {
		if at, shared := e.base.place(to.Chunks[i]); shared {
			e.copy(at)
			i++
			continue
		}
		end := i + 1
		for end < len(to.Chunks) && !e.base.has(to.Chunks[end]) {
			end++
		}
		if err := e.replace(to.Chunks, i, end); err != nil {
			return Delta{}, fmt.Errorf("encode delta: %w", err)
		}
		i = end
	}
	d.Ops = e.ops
	return d, nil
}

// layout is a manifest with the place of each chunk in the bytes.
type layout struct {
	chunks  []ChunkRef
	offsets []int // one more than chunks: the last is the size
	index   map[Sum]int
}

func layOut(m Manifest) layout {
	l := layout{chunks: m.Chunks, offsets: make([]int, len(m.Chunks)+1), index: make(map[Sum]int, len(m.Chunks))}
	for i, c := range m.Chunks {
		l.offsets[i+1] = l.offsets[i] + c.Size
		l.index[c.Sum] = i
	}
	return l
}

func (l layout) place(c ChunkRef) (at int, ok bool) {
	at, ok = l.index[c.Sum]
	return at, ok && l.chunks[at].Size == c.Size
}

func (l layout) has(c ChunkRef) bool {
	_, ok := l.place(c)
	return ok
}

// deltaEncoder holds the operations so far.
type deltaEncoder struct {
	base  layout
	fetch func(Sum) ([]byte, error)
	ops   []Op
}

// copy appends a chunk of the base.
func (e *deltaEncoder) copy(at int) {
	offset, size := int64(e.base.offsets[at]), int64(e.base.chunks[at].Size)
	if n := len(e.ops); n > 0 && e.ops[n-1].Copy != nil {
		if last := e.ops[n-1].Copy; last.Offset+last.Length == offset {
			last.Length += size
			return
		}
	}
	e.ops = append(e.ops, Op{Copy: &Copy{Offset: offset, Length: size}})
}

// replace appends the chunks [start, end) of to, which the base lacks. They replace the chunks of the base between the neighbouring shared
// chunks.
func (e *deltaEncoder) replace(to []ChunkRef, start, end int) error {
	low, high := 0, len(e.base.chunks)
	if start > 0 {
		at, _ := e.base.place(to[start-1])
		low = at + 1
	}
	if end < len(to) {
		high, _ = e.base.place(to[end])
	}
	replaced := e.unpack(low, high)
	size := 0
	for _, c := range to[start:end] {
		size += c.Size
	}
	at := 0
	for i, c := range to[start:end] {
		stored, err := e.fetch(c.Sum)
		if err != nil {
			return fmt.Errorf("chunk %s: %w", c.Sum, err)
		}
		from, upTo := dictRange(len(replaced), size, at, c.Size)
		if high-low == end-start && len(replaced) > dictWhole {
			// With as many chunks as before, each was most likely edited in place.
			from = e.base.offsets[low+i] - e.base.offsets[low]
			upTo = e.base.offsets[low+i+1] - e.base.offsets[low]
		}
		data := Data{Zstd: stored, RawLength: int64(c.Size)}
		if upTo > from {
			if err := e.tryDictionary(&data, c, replaced[from:upTo], e.base.offsets[low]+from); err != nil {
				return fmt.Errorf("chunk %s: %w", c.Sum, err)
			}
		}
		e.ops = append(e.ops, Op{Data: &data})
		at += c.Size
	}
	return nil
}

// tryDictionary tries the dictionary at an offset in the base, and keeps the stored form when that is smaller.
func (e *deltaEncoder) tryDictionary(data *Data, c ChunkRef, dict []byte, offset int) error {
	raw, err := inflate(make([]byte, 0, c.Size), data.Zstd, nil)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrChunk, err)
	}
	frame, err := deflate(raw, dict)
	if err != nil {
		return err
	}
	if len(frame) < len(data.Zstd) {
		data.Zstd, data.DictOffset, data.DictLength = frame, int64(offset), int64(len(dict))
	}
	return nil
}

// unpack returns the raw bytes of the chunks [low, high) of the base. It is empty when there are none or when one is missing.
func (e *deltaEncoder) unpack(low, high int) []byte {
	if high <= low {
		return nil
	}
	raw := make([]byte, 0, e.base.offsets[high]-e.base.offsets[low])
	for _, c := range e.base.chunks[low:high] {
		frame, err := e.fetch(c.Sum)
		if err != nil {
			return nil
		}
		n := len(raw)
		part, err := inflate(raw[n:n:n+c.Size], frame, nil)
		if err != nil {
			return nil
		}
		raw = append(raw, part...)
	}
	return raw
}

// dictRange chooses the part of the replaced bytes that a chunk most likely repeats: the same place, in proportion.
func dictRange(replaced, replacing, at, size int) (from, upTo int) {
	if replaced <= dictWhole {
		return 0, replaced
	}
	middle := int(int64(at+size/2) * int64(replaced) / int64(replacing))
	half := size/2 + dictMargin
	return max(0, middle-half), min(replaced, middle+half)
}

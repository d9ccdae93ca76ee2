package snapshot

// Sizes of chunks, in bytes. A chunk ends where the hash of an entity says so, at minChunk at the earliest and at about targetChunk on
// average.
const (
	minChunk    = 8 << 10
	targetChunk = 32 << 10
	// MaxChunk is the largest chunk. A larger entity is split, so that no chunk is too large for an etcd request.
	MaxChunk = 128 << 10
)

// chunker decides where chunks end. Each entity owns a piece of the text: its line, the comma or section end behind it, and the section
// head before it, if any. A chunk is a run of whole pieces. The decision depends on the identity of entities and not on their content, so
// an edit does not move the boundaries.
type chunker struct {
	ends  []int
	start int // of the current chunk
	at    int // end of the last piece
}

// add takes the next piece, which ends at end.
func (c *chunker) add(kind, id string, end int) {
	size := end - c.at
	if end-c.start > MaxChunk {
		c.cut(c.at)
		for end-c.start > MaxChunk {
			c.cut(c.start + MaxChunk)
		}
	}
	c.at = end
	if end-c.start >= minChunk && endsChunk(kind, id, size) {
		c.cut(end)
	}
}

func (c *chunker) cut(at int) {
	if at > c.start {
		c.ends = append(c.ends, at)
		c.start = at
	}
}

// finish returns where the chunks of a text of that size end.
func (c *chunker) finish(size int) []int {
	c.cut(size)
	return c.ends
}

// endsChunk decides whether a piece ends a chunk. The probability grows with the size of the piece and gives chunks of targetChunk on
// average. Without that, a few large entities would make chunks a hundred times as large as many small ones do.
func endsChunk(kind, id string, size int) bool {
	const span = targetChunk - minChunk
	// FNV-1a, then the finalizer of MurmurHash3, which mixes the high bits.
	h := uint64(14695981039346656037)
	for i := range len(kind) {
		h = (h ^ uint64(kind[i])) * 1099511628211
	}
	h *= 1099511628211 // like a zero byte between them
	for i := range len(id) {
		h = (h ^ uint64(id[i])) * 1099511628211
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	h ^= h >> 33
	return h>>32*span < uint64(size)<<32
}

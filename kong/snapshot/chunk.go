package snapshot

// Sizes of chunks, in bytes. A chunk ends where the hash of an entity says so,
// not before minChunk, and about targetChunk from its start.
const (
	minChunk    = 8 << 10
	targetChunk = 32 << 10
	// MaxChunk is the largest chunk. An entity of more is cut through, so that
	// whatever a snapshot holds, no chunk outgrows an etcd request.
	MaxChunk = 128 << 10
)

// chunker decides where chunks end. Each entity owns a piece of the text: its
// line, the comma or section end behind it, and the section head before it, if
// any. A chunk is a run of whole pieces. Because the decision rests on who the
// entity is and not on what it holds, an edit leaves the cuts where they were.
type chunker struct {
	ends  []int
	start int // of the chunk under way
	at    int // end of the last piece
}

// add gives the next piece, which ends at end.
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

// endsChunk is true for about one in as many bytes of pieces as brings chunks to
// their target: the larger a piece, the likelier that it ends one, or few large
// entities would make chunks of a hundred times the size that many small ones do.
func endsChunk(kind, id string, size int) bool {
	const span = targetChunk - minChunk
	// FNV-1a, then the finalizer of MurmurHash3 for the sake of the high bits.
	h := uint64(14695981039346656037)
	for i := range len(kind) {
		h = (h ^ uint64(kind[i])) * 1099511628211
	}
	h *= 1099511628211 // as if a zero byte stood between them
	for i := range len(id) {
		h = (h ^ uint64(id[i])) * 1099511628211
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	h ^= h >> 33
	return h>>32*span < uint64(size)<<32
}

package snapshot

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// Entity is one object of a Kong configuration.
type Entity struct {
	Kind string // Kong's plural, such as "routes"
	ID   string // never empty; the "id" of JSON
	Key  string // the natural key, by which entities of a kind are sorted; not unique of need
	JSON []byte // one object in canonical form, see document.Append
}

// KindCount says how many entities of a kind a snapshot has.
type KindCount struct {
	Kind  string
	Count int
}

// Snapshot is an immutable configuration in canonical bytes with its digest and
// its chunks. It is safe for concurrent use; nobody may modify the slices that
// it hands out.
type Snapshot struct {
	canonical []byte
	manifest  Manifest
	counts    []KindCount
	index     func() map[Sum]span
}

type span struct{ start, end int }

// Seal makes a snapshot of entities, in whatever order they come; it keeps
// neither the slice nor its JSON. It refuses what is too large (TooLargeError),
// an id used twice within a kind (DuplicateError), and an entity that cannot
// stand on a line or whose JSON has another id (EntityError). It does not parse
// the JSON: that must be canonical, see document.Append.
func Seal(entities []Entity) (*Snapshot, error) { return seal(head, entities) }

// SealAsIs is Seal for entities whose passwords are hashed already: the canonical
// bytes say _transform: false, so that Kong hashes nothing of them.
func SealAsIs(entities []Entity) (*Snapshot, error) { return seal(head+asIs, entities) }

func seal(head string, entities []Entity) (*Snapshot, error) {
	order, size, err := canonicalOrder(len(head), entities)
	if err != nil {
		return nil, fmt.Errorf("seal snapshot: %w", err)
	}
	buf := make([]byte, 0, size)
	buf = append(buf, head...)
	var c chunker
	var counts []KindCount
	for i, at := range order {
		e := &entities[at]
		if i == 0 || entities[order[i-1]].Kind != e.Kind {
			if i == 0 {
				buf = append(buf, ",\n"...)
			}
			buf = append(buf, '"')
			buf = append(buf, e.Kind...)
			buf = append(buf, "\":[\n"...)
			counts = append(counts, KindCount{Kind: e.Kind})
		}
		counts[len(counts)-1].Count++
		buf = append(buf, e.JSON...)
		switch {
		case i == len(order)-1:
			buf = append(buf, "\n]}\n"...)
		case entities[order[i+1]].Kind != e.Kind:
			buf = append(buf, "\n],\n"...)
		default:
			buf = append(buf, ",\n"...)
		}
		c.add(e.Kind, e.ID, len(buf))
	}
	if len(order) == 0 {
		buf = append(buf, "}\n"...)
	}
	return assemble(buf, c.finish(len(buf)), counts), nil
}

// Open makes a snapshot of canonical bytes, which it keeps and nobody may modify
// from then on. It checks the layout and that ids are unique (ErrLayout,
// TooLargeError, DuplicateError) and that each line is JSON; it cannot know the
// natural keys, nor does it ask whether the JSON is in canonical form.
func Open(canonical []byte) (*Snapshot, error) {
	if len(canonical) > MaxSize {
		return nil, fmt.Errorf("open snapshot: %w", &TooLargeError{Size: int64(len(canonical)), Limit: MaxSize})
	}
	var c chunker
	var counts []KindCount
	var bad error
	seen := map[string]struct{}{}
	err := scan(canonical, func(kind string, line []byte, _, end int) {
		if len(counts) == 0 || counts[len(counts)-1].Kind != kind {
			counts = append(counts, KindCount{Kind: kind})
			clear(seen)
		}
		counts[len(counts)-1].Count++
		id, ok := stringField(line, "id")
		if (!ok || !json.Valid(line)) && bad == nil {
			bad = fmt.Errorf("%w: an entity of %s has no id or is not JSON", ErrLayout, kind)
		}
		name := string(id)
		if _, twice := seen[name]; twice && bad == nil {
			bad = &DuplicateError{Kind: kind, ID: name}
		}
		seen[name] = struct{}{}
		c.add(kind, name, end)
	})
	if err = cmp.Or(err, bad); err != nil {
		return nil, fmt.Errorf("open snapshot: %w", err)
	}
	return assemble(canonical, c.finish(len(canonical)), counts), nil
}

func assemble(canonical []byte, ends []int, counts []KindCount) *Snapshot {
	m := Manifest{
		Digest: fleet.DigestOf(canonical),
		Size:   int64(len(canonical)),
		Chunks: make([]ChunkRef, 0, len(ends)),
	}
	start := 0
	for _, end := range ends {
		m.Chunks = append(m.Chunks, ChunkRef{Sum: sha256.Sum256(canonical[start:end]), Size: end - start})
		start = end
	}
	s := &Snapshot{canonical: canonical, manifest: m, counts: counts}
	s.index = sync.OnceValue(s.spans)
	return s
}

func (s *Snapshot) spans() map[Sum]span {
	spans, at := make(map[Sum]span, len(s.manifest.Chunks)), 0
	for _, c := range s.manifest.Chunks {
		spans[c.Sum] = span{at, at + c.Size}
		at += c.Size
	}
	return spans
}

// Canonical returns the canonical bytes; shared, never to be modified.
func (s *Snapshot) Canonical() []byte { return s.canonical }

// Digest returns the snapshot's name.
func (s *Snapshot) Digest() fleet.Digest { return s.manifest.Digest }

// Size returns the number of canonical bytes.
func (s *Snapshot) Size() int64 { return s.manifest.Size }

// Manifest returns the ordered list of chunks; shared, never to be modified.
func (s *Snapshot) Manifest() Manifest { return s.manifest }

// Counts says how many entities of each kind there are, in the order of kinds;
// shared, never to be modified.
func (s *Snapshot) Counts() []KindCount { return s.counts }

// Chunk returns a chunk of the snapshot in its stored form, a zstd frame. It
// compresses at each call, so that nothing is spent on chunks that are stored
// already. It has the shape of the fetch that EncodeDelta takes.
func (s *Snapshot) Chunk(sum Sum) ([]byte, error) {
	at, ok := s.index()[sum]
	if !ok {
		return nil, fmt.Errorf("snapshot %s has no chunk %s", s.manifest.Digest, sum)
	}
	return Compress(s.canonical[at.start:at.end]), nil
}

// canonicalOrder returns the positions of entities in canonical order and the size of
// the text that they make.
func canonicalOrder(head int, entities []Entity) (order []int, size int, err error) {
	order = make([]int, len(entities))
	for i := range entities {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		x, y := &entities[a], &entities[b]
		return cmp.Or(cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Key, y.Key), cmp.Compare(x.ID, y.ID))
	})
	size = head + len("}\n")
	seen := make(map[string]struct{})
	kind := ""
	for i, at := range order {
		e := &entities[at]
		if i == 0 || e.Kind != kind {
			if !validKind(e.Kind) {
				return nil, 0, &EntityError{Kind: e.Kind, ID: e.ID, Reason: "the kind is not a name that Kong could have"}
			}
			kind = e.Kind
			clear(seen)
			size += len(",\n\"\":[\n\n]") + len(kind) - len(",\n")
		}
		if reason := unsealable(e); reason != "" {
			return nil, 0, &EntityError{Kind: e.Kind, ID: e.ID, Reason: reason}
		}
		if _, twice := seen[e.ID]; twice {
			return nil, 0, &DuplicateError{Kind: e.Kind, ID: e.ID}
		}
		seen[e.ID] = struct{}{}
		size += len(",\n") + len(e.JSON)
	}
	if size > MaxSize {
		return nil, 0, &TooLargeError{Size: int64(size), Limit: MaxSize}
	}
	return order, size, nil
}

// unsealable returns why an entity cannot be written on one line; empty when it can.
func unsealable(e *Entity) string {
	if len(e.JSON) < 2 || e.JSON[0] != '{' || e.JSON[len(e.JSON)-1] != '}' {
		return "it is not a JSON object"
	}
	if bytes.IndexByte(e.JSON, '\n') >= 0 {
		return "it is not on one line"
	}
	if id, ok := stringField(e.JSON, "id"); !ok || len(id) == 0 || string(id) != e.ID {
		return "its JSON has another id, or none"
	}
	return ""
}

func validKind(kind string) bool {
	for i := range len(kind) {
		c := kind[i]
		letter := 'a' <= c && c <= 'z'
		if !letter && (i == 0 || c != '_' && c != '-' && (c < '0' || c > '9')) {
			return false
		}
	}
	return kind != ""
}

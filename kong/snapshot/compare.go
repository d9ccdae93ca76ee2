package snapshot

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
)

// ChangeOp is how an entity changed.
type ChangeOp string

// The ways an entity can change.
const (
	Added   ChangeOp = "added"
	Removed ChangeOp = "removed"
	Changed ChangeOp = "changed"
)

// nameFields are the fields with names for people; the first that an entity has counts. None of them may hold a secret in any kind.
var nameFields = [...]string{"name", "username", "custom_id", "target", "prefix", "group"}

// Summarize counts the pairs of Pairs by operation.
func Summarize(old, now []byte) (added, changed, removed int, err error) {
	pairs, err := Pairs(old, now)
	added, changed, removed = Count(pairs)
	return added, changed, removed, err
}

// Count counts pairs by what happened to them.
func Count(pairs []Pair) (added, changed, removed int) {
	for _, p := range pairs {
		switch p.Op {
		case Added:
			added++
		case Removed:
			removed++
		default:
			changed++
		}
	}
	return added, changed, removed
}

// Pair is one entity that differs between two snapshots. Its lines are parts of their canonical bytes. They hold secrets and must not be
// modified.
type Pair struct {
	Kind string // the plural
	ID   string
	Op   ChangeOp
	Old  []byte // nil when it was added
	New  []byte // nil when it was removed
}

// Pairs lists the entities that differ between two snapshots in canonical bytes, by kind. Within a kind, added and changed entities have
// the order of now; removed ones follow in the order of old. It takes linear time and parses no JSON. Nil is the empty snapshot. Bytes
// that are not canonical are ErrLayout.
func Pairs(old, now []byte) ([]Pair, error) {
	before, err := sections(old)
	if err != nil {
		return nil, fmt.Errorf("compare: old: %w", err)
	}
	after, err := sections(now)
	if err != nil {
		return nil, fmt.Errorf("compare: new: %w", err)
	}
	kinds := slices.Collect(maps.Keys(before))
	kinds = slices.AppendSeq(kinds, maps.Keys(after))
	slices.Sort(kinds)
	var pairs []Pair
	for _, kind := range slices.Compact(kinds) {
		pairs = appendPairs(pairs, kind, before[kind], after[kind])
	}
	return pairs, nil
}

func sections(canonical []byte) (map[string][][]byte, error) {
	lines := map[string][][]byte{}
	if canonical == nil {
		return lines, nil
	}
	err := Scan(canonical, func(kind string, line []byte, _ int) { lines[kind] = append(lines[kind], line) })
	return lines, err
}

// appendPairs joins by id the lines that remain when the common start and end of two snapshots are removed. Mostly few lines remain.
func appendPairs(pairs []Pair, kind string, old, now [][]byte) []Pair {
	for len(old) > 0 && len(now) > 0 && bytes.Equal(old[0], now[0]) {
		old, now = old[1:], now[1:]
	}
	for len(old) > 0 && len(now) > 0 && bytes.Equal(old[len(old)-1], now[len(now)-1]) {
		old, now = old[:len(old)-1], now[:len(now)-1]
	}
	left := make(map[string][]byte, len(old))
	for _, line := range old {
		id, _ := stringField(line, "id")
		left[string(id)] = line
	}
	for _, line := range now {
		id, _ := stringField(line, "id")
		was, known := left[string(id)]
		delete(left, string(id))
		switch {
		case !known:
			pairs = append(pairs, Pair{Kind: kind, ID: string(id), Op: Added, New: line})
		case !bytes.Equal(was, line):
			pairs = append(pairs, Pair{Kind: kind, ID: string(id), Op: Changed, Old: was, New: line})
		}
	}
	for _, line := range old {
		id, _ := stringField(line, "id")
		if _, removed := left[string(id)]; removed {
			pairs = append(pairs, Pair{Kind: kind, ID: string(id), Op: Removed, Old: line})
		}
	}
	return pairs
}

// NameOf returns the name of the entity on a line of canonical bytes. It is empty when the entity has none.
func NameOf(line []byte) string {
	for _, field := range nameFields {
		if name, ok := stringField(line, field); ok {
			return string(name)
		}
	}
	return ""
}

// IDOf returns the id of the entity on a line of canonical bytes.
func IDOf(line []byte) string {
	id, _ := stringField(line, "id")
	return string(id)
}

package snapshot

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
)

// ChangeOp says what happened to an entity.
type ChangeOp string

// What can happen to an entity.
const (
	Added   ChangeOp = "added"
	Removed ChangeOp = "removed"
	Changed ChangeOp = "changed"
)

// Change is one entity that differs between two snapshots. It never holds a
// value of a field that could be secret.
type Change struct {
	Kind   string // the plural, such as "routes"
	ID     string
	Name   string // what people call it; empty when it has no name
	Op     ChangeOp
	Fields []string // of a changed entity: paths that differ, such as "config.minute" or "paths[0]"
}

// nameFields are the fields that people know an entity by, the first that it has.
// None of them may be one that holds a secret in any kind.
var nameFields = [...]string{"name", "username", "custom_id", "target", "prefix", "group"}

// Compare lists the entities that differ between two snapshots in canonical
// bytes, by kind; within a kind in the order of now, then the removed ones in the
// order of old. Its cost is linear in the bytes, and it parses only the entities
// that changed. Nil stands for the empty snapshot. Bytes that are not canonical are
// ErrLayout.
func Compare(old, now []byte) ([]Change, error) {
	pairs, err := Pairs(old, now)
	if err != nil {
		return nil, err
	}
	var changes []Change
	for _, p := range pairs {
		line := p.New
		if line == nil {
			line = p.Old
		}
		c := Change{Kind: p.Kind, ID: p.ID, Name: NameOf(line), Op: p.Op}
		if p.Op == Changed {
			if c.Fields, err = changedFields(p.Old, p.New); err != nil {
				return nil, fmt.Errorf("compare: %s %s: %w", c.Kind, c.ID, err)
			}
		}
		changes = append(changes, c)
	}
	return changes, nil
}

// Summarize counts what Compare lists. It parses nothing.
func Summarize(old, now []byte) (added, changed, removed int, err error) {
	pairs, err := Pairs(old, now)
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
	return added, changed, removed, err
}

// Pair is one entity that differs between two snapshots, as lines of their canonical
// bytes: a part of them, not to be modified. Values are in it, secrets among them.
type Pair struct {
	Kind string // the plural
	ID   string
	Op   ChangeOp
	Old  []byte // nil when it is new
	New  []byte // nil when it is gone
}

// Pairs lists what Compare lists, in its order, as it stands in the snapshots. It
// parses nothing.
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

// appendPairs joins by id what is left between the lines that two snapshots have
// in common at the start and at the end, which is most often next to nothing.
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

// NameOf returns what people call the entity on a line of canonical bytes; empty
// when it has no name.
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

func changedFields(old, now []byte) ([]string, error) {
	was, err := parse(old)
	if err != nil {
		return nil, err
	}
	is, err := parse(now)
	if err != nil {
		return nil, err
	}
	return appendPaths(nil, "", was, is), nil
}

func parse(line []byte) (value any, err error) {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber()
	if err := dec.Decode(&value); err != nil {
		return nil, fmt.Errorf("%w: an entity is not JSON", ErrLayout)
	}
	return value, nil
}

// appendPaths appends the deepest paths at which two values differ.
func appendPaths(paths []string, path string, old, now any) []string {
	switch was := old.(type) {
	case map[string]any:
		if is, ok := now.(map[string]any); ok {
			keys := slices.AppendSeq(slices.Collect(maps.Keys(was)), maps.Keys(is))
			slices.Sort(keys)
			for _, key := range slices.Compact(keys) {
				a, inOld := was[key]
				b, inNow := is[key]
				inner := key
				if path != "" {
					inner = path + "." + key
				}
				if inOld != inNow {
					paths = append(paths, inner)
				} else {
					paths = appendPaths(paths, inner, a, b)
				}
			}
			return paths
		}
	case []any:
		if is, ok := now.([]any); ok {
			for i := range max(len(was), len(is)) {
				inner := path + "[" + strconv.Itoa(i) + "]"
				if i >= len(was) || i >= len(is) {
					paths = append(paths, inner)
				} else {
					paths = appendPaths(paths, inner, was[i], is[i])
				}
			}
			return paths
		}
	}
	if !reflect.DeepEqual(old, now) {
		paths = append(paths, path)
	}
	return paths
}

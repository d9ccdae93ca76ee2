package inventory

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
	"go.yaml.in/yaml/v3"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/snapshot"
)

// Bounds of an inventory. One of 20,000 routes, with a service each, has about 600 KB packed.
const (
	MaxEntities = 250_000
	MaxPacked   = 768 << 10 // bytes; the room in one value of etcd and in one message of a node
	maxRaw      = 32 << 20
	maxName     = 120
)

// Errors that callers may match.
var (
	ErrTooLarge  = errors.New("the inventory is too large")
	ErrInventory = errors.New("not an inventory")
)

// Entry is one entity.
type Entry struct {
	Kind string // singular, such as "route"
	Name string // for people, clean and at most 120 bytes; may be empty
	Key  string // equal for entities that people regard as the same
}

// String returns the entry as messages name it.
func (e Entry) String() string {
	if e.Name == "" {
		return "a " + e.Kind
	}
	return e.Kind + " " + e.Name
}

// Inventory is a sorted list of the entities of a configuration. The zero value is the inventory of an empty one. It is immutable.
type Inventory struct {
	Entries []Entry
	// Content is a hash of all values except ids and times, so gateways with the same values have the same inventory. It is empty for a
	// snapshot, which lacks defaults.
	Content string
	Managed bool // the configuration has Silverback's reserved route; not encoded
}

// OfGateway returns the inventory of a configuration as Kong exports it. The error is an ErrNotFlattened or an ErrTooLarge, and holds no
// values.
func OfGateway(text []byte) (Inventory, error) {
	var all []record
	managed, err := Entities(text, func(kind string, e *yaml.Node) error {
		if len(all) >= MaxEntities {
			return fmt.Errorf("%w: more than %d entities", ErrTooLarge, MaxEntities)
		}
		fields, _ := ofYAML(kind, e).(map[string]any)
		t := record{kind: kind, content: contentHash(fields), fields: fields}
		maps.DeleteFunc(fields, func(name string, _ any) bool { return !keyFields[name] })
		all = append(all, t)
		return nil
	})
	if err != nil {
		return Inventory{}, err
	}
	i := build(all)
	i.Managed, i.Content = managed, contentOf(all)
	return i, nil
}

// OfSnapshot returns the inventory of canonical bytes.
func OfSnapshot(canonical []byte) (Inventory, error) {
	var all []record
	var bad error
	err := snapshot.Scan(canonical, func(kind string, line []byte, _ int) {
		dec := json.NewDecoder(bytes.NewReader(line))
		dec.UseNumber()
		var e map[string]any
		if err := dec.Decode(&e); err != nil {
			bad = errors.New("an entity is not JSON")
			return
		}
		all = append(all, record{kind: kind, fields: ofJSON(e)})
	})
	if err = errors.Join(err, bad); err != nil {
		return Inventory{}, fmt.Errorf("inventory of a snapshot: %w", err)
	}
	return build(all), nil
}

// contentOf returns a hash that does not depend on ids and on the order of entities.
func contentOf(all []record) string {
	n := newNamer(all)
	lines := make([]string, len(all))
	for i, t := range all {
		lines[i] = n.content(t)
	}
	slices.Sort(lines)
	h := sha256.New()
	for _, line := range lines {
		fmt.Fprintf(h, "%q\n", line)
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// build makes entries and drops data that keys do not need.
func build(all []record) Inventory {
	n := newNamer(all)
	duplicates := map[string]int{}
	var i Inventory
	for _, t := range all {
		e := Entry{Kind: Singular(t.kind), Key: n.key(t), Name: n.name(t)}
		if duplicates[e.Key]++; duplicates[e.Key] > 1 {
			e.Key += "." + strconv.Itoa(duplicates[e.Key])
		}
		i.Entries = append(i.Entries, e)
	}
	slices.SortFunc(i.Entries, compare)
	return i
}

func compare(a, b Entry) int {
	for _, c := range []int{strings.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name)} {
		if c != 0 {
			return c
		}
	}
	return strings.Compare(a.Key, b.Key)
}

// Missing returns the entries that another inventory lacks, in order.
func (i Inventory) Missing(from Inventory) []Entry {
	there := make(map[string]bool, len(from.Entries))
	for _, e := range from.Entries {
		there[e.Key] = true
	}
	var missing []Entry
	for _, e := range i.Entries {
		if !there[e.Key] {
			missing = append(missing, e)
		}
	}
	return missing
}

// Describe names the first most entries for people, and the number of the others.
func Describe(entries []Entry, most int) string {
	names := make([]string, 0, most)
	for _, e := range entries[:min(most, len(entries))] {
		names = append(names, e.String())
	}
	said := strings.Join(names, ", ")
	if more := len(entries) - len(names); more > 0 {
		said += fmt.Sprintf(" and %d more", more)
	}
	return said
}

// Counts is the number of entities of each kind.
func (i Inventory) Counts() map[string]int64 {
	counts := map[string]int64{}
	for _, e := range i.Entries {
		counts[e.Kind]++
	}
	return counts
}

// String returns the counts as text: "2 routes, 1 service".
func (i Inventory) String() string {
	counts := i.Counts()
	said := make([]string, 0, len(counts))
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		word := kind
		if counts[kind] != 1 {
			word += "s"
		}
		said = append(said, fmt.Sprintf("%d %s", counts[kind], word))
	}
	return strings.Join(said, ", ")
}

// Encode returns the inventory's canonical text: a line for its content, then one for each kind, then its entities.
func (i Inventory) Encode() []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "=%s\n", i.Content)
	kind := ""
	for _, e := range i.Entries {
		if e.Kind != kind {
			kind = e.Kind
			fmt.Fprintf(&out, ":%s\n", kind)
		}
		fmt.Fprintf(&out, "%s\t%s\n", e.Key, e.Name)
	}
	return out.Bytes()
}

// Digest identifies the inventory. Gateways whose configurations differ only in ids have the same digest.
func (i Inventory) Digest() fleet.Digest { return fleet.DigestOf(i.Encode()) }

// Pack returns the inventory as one zstd frame. It returns ErrTooLarge over MaxPacked.
func (i Inventory) Pack() ([]byte, error) {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer func() { _ = e.Close() }()
	packed := e.EncodeAll(i.Encode(), nil)
	if len(packed) > MaxPacked {
		return nil, fmt.Errorf("%w: %d entities", ErrTooLarge, len(i.Entries))
	}
	return packed, nil
}

// Unpack decodes the output of Pack. It refuses an inventory with another digest or one that is not canonical. It allocates no more than
// the bounds allow.
func Unpack(packed []byte, digest fleet.Digest) (Inventory, error) {
	var i Inventory
	if len(packed) > MaxPacked {
		return i, fmt.Errorf("%w: larger than %d bytes", ErrInventory, MaxPacked)
	}
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxRaw), zstd.WithDecoderLowmem(true))
	if err != nil {
		return i, err
	}
	defer d.Close()
	raw, err := d.DecodeAll(packed, nil)
	if err != nil {
		return i, fmt.Errorf("%w: it does not unpack", ErrInventory)
	}
	if fleet.DigestOf(raw) != digest {
		return i, fmt.Errorf("%w: its digest differs", ErrInventory)
	}
	kind := ""
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSuffix(line, "\n")
		if content, is := strings.CutPrefix(line, "="); is && kind == "" {
			i.Content = content
			continue
		}
		if named, is := strings.CutPrefix(line, ":"); is {
			kind = named
			continue
		}
		key, name, found := strings.Cut(line, "\t")
		if !found || kind == "" || len(i.Entries) == MaxEntities {
			return Inventory{}, fmt.Errorf("%w: it is not canonical", ErrInventory)
		}
		i.Entries = append(i.Entries, Entry{Kind: kind, Key: key, Name: name})
	}
	return i, nil
}

// keyFields are the fields from which keys and names are made.
var keyFields = func() map[string]bool {
	all := map[string]bool{"id": true}
	for _, r := range rules {
		for _, list := range append([][]string{r.by, r.shown, r.owner}, r.or...) {
			for _, f := range list {
				all[f] = true
			}
		}
	}
	return all
}()

func ofYAML(kind string, n *yaml.Node) any {
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return nil
		}
		return n.Value
	case yaml.SequenceNode:
		all := make([]any, 0, len(n.Content))
		for _, e := range n.Content {
			all = append(all, ofYAML("", e))
		}
		if len(all) == 0 {
			return nil
		}
		return all
	case yaml.MappingNode:
		fields := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			name := n.Content[i].Value
			if v := ofYAML("", n.Content[i+1]); v != nil {
				fields[name] = reference(kind, name, v)
			}
		}
		if len(fields) == 0 && kind == "" {
			return nil
		}
		return fields
	}
	return nil // an alias; Kong writes none
}

func ofJSON(e map[string]any) map[string]any {
	fields := map[string]any{}
	for name, v := range e {
		if !keyFields[name] {
			continue
		}
		if v = plain(v); v != nil {
			fields[name] = reference("any", name, v)
		}
	}
	return fields
}

func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	case []any:
		if len(v) == 0 {
			return nil
		}
		for i := range v {
			v[i] = plain(v[i])
		}
		return v
	case map[string]any:
		for k, e := range v {
			if v[k] = plain(e); v[k] == nil {
				delete(v, k)
			}
		}
		if len(v) == 0 {
			return nil
		}
		return v
	}
	return v
}

// reference returns the id of {id: ...}. A snapshot has that form where the gateway's export has the id alone.
func reference(kind, name string, v any) any {
	if m, is := v.(map[string]any); is && kind != "" && references[name] != "" {
		return m["id"]
	}
	return v
}

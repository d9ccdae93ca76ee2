// Package changes describes for people what differs between two snapshots: which entities, with their parents, and the old and new value of
// each field. For a value that may be secret it reports only that it changed. It does no I/O.
package changes

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/silverback-gateway/silverback/kong/entity"
	"github.com/silverback-gateway/silverback/kong/schema"
	"github.com/silverback-gateway/silverback/kong/snapshot"
)

// Bounds of what is listed, in bytes.
const (
	MaxValue  = 16 << 10 // of one value; a longer one is only marked as too long
	MaxValues = 32 << 20 // of all values and paths; later entities are listed without their fields
	maxFields = 1000     // of one entity
)

// A Change is one entity that differs.
type Change struct {
	Op      snapshot.ChangeOp
	Kind    string // in the singular
	ID      string
	Name    string   // empty when it has none
	Title   string   // for people: plugin rate-limiting of service orders
	Parents []Entity // the entities it belongs to, the nearest first
	Fields  []Field
	Cut     bool // there are more fields than listed
}

// An Entity identifies an entity for programs and for people.
type Entity struct {
	Kind, ID, Name, Title string
}

// A Field is a field that differs. A missing value is nil.
type Field struct {
	Path     string
	Old, New json.RawMessage
	Secret   bool // the values may be secret: neither is listed
	TooLong  bool // a value is over MaxValue: neither is listed
}

// Schemas is what the schemas of one kind of gateway declare about who may see a value.
type Schemas interface {
	Place(kind, sub string) schema.Place
}

// A List is the difference, up to the requested limit.
type List struct {
	Added, Changed, Removed int
	Changes                 []Change
}

// Compare describes the first limit entities that differ, in the order of snapshot.Pairs, and counts all. Markers are the gateways'
// schemas: a field is shown when the table of kinds or one of them describes it and none of them marks it.
func Compare(table *entity.Table, gateways []Schemas, old, now []byte, limit int) (List, error) {
	pairs, err := snapshot.Pairs(old, now)
	if err != nil {
		return List{}, err
	}
	var list List
	for _, p := range pairs {
		switch p.Op {
		case snapshot.Added:
			list.Added++
		case snapshot.Removed:
			list.Removed++
		default:
			list.Changed++
		}
	}
	list.Changes, err = Describe(table, gateways, pairs[:min(len(pairs), limit)], old, now)
	return list, err
}

// Describe describes pairs of two snapshots, one change for each. A pair whose two lines are equal is one whose snapshots differ in what
// they do not hold: its change has no fields.
func Describe(table *entity.Table, gateways []Schemas, pairs []snapshot.Pair, old, now []byte) ([]Change, error) {
	if len(pairs) == 0 {
		return nil, nil
	}
	index, err := newIndex(table, pairs, old, now)
	if err != nil {
		return nil, err
	}
	left := MaxValues
	told := make([]Change, 0, len(pairs))
	for _, p := range pairs {
		c, err := describe(index, gateways, p, left > 0)
		if err != nil {
			return nil, fmt.Errorf("compare %s %s: %w", p.Kind, p.ID, err)
		}
		for _, f := range c.Fields {
			left -= len(f.Path) + len(f.Old) + len(f.New)
		}
		told = append(told, c)
	}
	disambiguate(told)
	return told, nil
}

// disambiguate adds ids to the titles that several entities with the same change would share.
func disambiguate(all []Change) {
	type called struct {
		op    snapshot.ChangeOp
		title string
	}
	times := map[called]int{}
	for i := range all {
		times[called{all[i].Op, all[i].Title}]++
	}
	for i := range all {
		if c := &all[i]; times[called{c.Op, c.Title}] > 1 {
			c.Title += " (id " + c.ID + ")"
		}
	}
}

func describe(b *index, gateways []Schemas, p snapshot.Pair, fields bool) (Change, error) {
	before, err := parse(p.Old)
	if err != nil {
		return Change{}, err
	}
	after, err := parse(p.New)
	if err != nil {
		return Change{}, err
	}
	shown, side := after, b.now
	if after == nil {
		shown, side = before, b.old
	}
	self := b.entity(p.Kind, shown, side, 0)
	c := Change{Op: p.Op, Kind: self.Kind, ID: p.ID, Name: self.Name, Title: self.Title, Parents: b.parents(p.Kind, shown, side)}
	if !fields {
		c.Cut = true
		return c, nil
	}
	d := &differ{index: b, kind: b.table.Kind(p.Kind), gateways: gateways, into: &c}
	d.entity(p.Kind, before, after)
	return c, nil
}

func parse(line []byte) (map[string]any, error) {
	if line == nil {
		return nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber()
	var value map[string]any
	if err := dec.Decode(&value); err != nil {
		return nil, snapshot.ErrLayout
	}
	return value, nil
}

// differ adds the fields in which two forms of one entity differ.
type differ struct {
	index    *index
	kind     *entity.Kind // nil: the table does not know it
	gateways []Schemas
	into     *Change
}

// skipped are fields that are not listed. The id is shown separately, and times have no meaning.
var skipped = []string{"id", "created_at", "updated_at"}

func (d *differ) entity(plural string, before, after map[string]any) {
	parents := d.index.parentFields[plural]
	subs := [2]string{}
	subs[0], _ = before["name"].(string)
	subs[1], _ = after["name"].(string)
	for _, name := range keysOf(before, after) {
		old, was := before[name]
		now, is := after[name]
		if slices.Contains(skipped, name) || was == is && reflect.DeepEqual(old, now) {
			continue
		}
		if d.into.Op != snapshot.Changed && (slices.Contains(parents, name) || d.kind != nil && name == d.kind.NameField) {
			continue // its title has it
		}
		var f *entity.Field
		if d.kind != nil {
			f = d.kind.Field(name)
		}
		if f != nil && f.Type == entity.Ref {
			d.add(Field{Path: name, Old: d.reference(f.Ref, old, d.index.old), New: d.reference(f.Ref, now, d.index.now)})
			continue
		}
		d.value(name, d.viewOf(plural, name, f, subs), side{old, was}, side{now, is})
	}
}

// viewOf returns what the table and the schemas of the gateways declare about a field. Subs are the names of the plugin or vault, old and
// new.
func (d *differ) viewOf(plural, name string, f *entity.Field, subs [2]string) view {
	v := view{table: f, core: f != nil && f.Type != entity.Object && f.Type != entity.Any, last: name}
	v.config = f != nil && f.Type == entity.Object && name == "config" && (plural == "plugins" || plural == "vaults")
	for _, m := range d.gateways {
		for i, sub := range subs {
			if i == 0 || sub != subs[0] {
				v.places = append(v.places, m.Place(d.into.Kind, sub).In(name))
			}
		}
	}
	return v
}

// side is a value that may be missing.
type side struct {
	value any
	is    bool
}

func (s side) object() (map[string]any, bool) {
	o, ok := s.value.(map[string]any)
	return o, ok || !s.is
}

// value descends through records and maps, whose parts are compared separately. A list is one value: an index in it has no meaning for
// people.
func (d *differ) value(path string, v view, old, now side) {
	before, okOld := old.object()
	after, okNow := now.object()
	if okOld && okNow && v.opens() && len(before)+len(after) > 0 {
		for _, name := range keysOf(before, after) {
			a, was := before[name]
			b, is := after[name]
			if was == is && reflect.DeepEqual(a, b) {
				continue
			}
			d.value(path+"."+name, v.in(name), side{a, was}, side{b, is})
		}
		return
	}
	if (old.is && !v.shows(old.value)) || (now.is && !v.shows(now.value)) {
		d.add(Field{Path: path, Secret: true})
		return
	}
	d.add(Field{Path: path, Old: encode(old), New: encode(now)})
}

func (d *differ) add(f Field) {
	if len(d.into.Fields) >= maxFields {
		d.into.Cut = true
		return
	}
	if len(f.Path) > MaxValue || len(f.Old) > MaxValue || len(f.New) > MaxValue {
		f.Old, f.New, f.TooLong = nil, nil, true
		f.Path = f.Path[:min(len(f.Path), MaxValue)]
	}
	d.into.Fields = append(d.into.Fields, f)
}

// reference returns the name, for people, of the entity that is referred to.
func (d *differ) reference(kind string, value any, in *entities) json.RawMessage {
	id := idOf(value)
	if id == "" {
		return nil
	}
	title := d.index.title(kind, id, in, 0)
	return encode(side{title, true})
}

func encode(s side) json.RawMessage {
	if !s.is {
		return nil
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(s.value) != nil { // it was decoded from JSON, so this does not happen
		return nil
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func keysOf(a, b map[string]any) []string {
	keys := make([]string, 0, len(a)+len(b))
	for k := range a {
		keys = append(keys, k)
	}
	for k := range b {
		if _, both := a[k]; !both {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

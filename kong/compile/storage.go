package compile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// fragmentVersion is the first byte of a stored fragment. It grows when the stored form cannot express what the compiler now makes of the
// same documents.
const fragmentVersion = 1

// withHashes is the version of a fragment with hashed items. It ends with their positions.
const withHashes = 2

// ErrFragment means that a stored fragment is damaged or of another version. Its documents must be parsed again.
var ErrFragment = errors.New("unreadable fragment")

// Marshal returns the stored form of a fragment: the same for the same fragment,
// on every machine. It holds secrets, as the entities do.
func (f *Fragment) Marshal() []byte {
	size := 64
	for i := range f.items {
		size += 64 + len(f.items[i].body) + 48*len(f.items[i].refs)
	}
	e := &encoder{out: make([]byte, 0, size)}
	var hashed []int
	for i := range f.items {
		if f.items[i].hashed {
			hashed = append(hashed, i)
		}
	}
	version := byte(fragmentVersion)
	if len(hashed) > 0 {
		version = withHashes
	}
	e.out = append(e.out, version)
	e.count(len(f.Documents))
	e.texts(f.Documents...)
	e.count(len(f.Warnings))
	for _, w := range f.Warnings {
		e.texts(w.Document, w.Kind, w.Name, w.ID, w.Field, w.Class.String(), w.Message)
		e.count(w.Line)
		e.count(w.Column)
	}
	e.count(len(f.items))
	for i := range f.items {
		e.item(&f.items[i])
	}
	if version == withHashes {
		e.count(len(hashed))
		for _, i := range hashed {
			e.count(i)
		}
	}
	return binary.BigEndian.AppendUint32(e.out, crc32.Checksum(e.out, crc32.MakeTable(crc32.Castagnoli)))
}

type encoder struct{ out []byte }

func (e *encoder) count(n int) { e.out = binary.AppendUvarint(e.out, uint64(n)) }

func (e *encoder) texts(all ...string) {
	for _, s := range all {
		e.count(len(s))
		e.out = append(e.out, s...)
	}
}

func (e *encoder) place(p place) {
	e.count(p.document)
	e.count(p.line)
	e.count(p.column)
}

func (e *encoder) item(it *item) {
	e.texts(it.kind.Name, it.id, it.name)
	e.place(it.place)
	e.texts(it.body)
	e.count(len(it.splices))
	for _, s := range it.splices {
		bare := 0
		if s.bare {
			bare = 1
		}
		e.count(s.at)
		e.count((s.ref+1)<<1 | bare)
	}
	e.count(len(it.refs))
	for i := range it.refs {
		r := &it.refs[i]
		e.texts(r.field, r.path, r.target, r.id, r.name, r.other)
		e.count(r.local + 1)
		e.place(r.place)
	}
	e.count(len(it.keys))
	e.texts(it.keys...)
	e.count(len(it.unique))
	for _, u := range it.unique {
		e.texts(u.field, u.value)
	}
}

// Unmarshal reads the output of Marshal. Anything else is ErrFragment.
func (c *Compiler) Unmarshal(stored []byte) (*Fragment, error) {
	if len(stored) < 5 || stored[0] != fragmentVersion && stored[0] != withHashes {
		return nil, fmt.Errorf("%w: it has another version", ErrFragment)
	}
	body, tail := stored[:len(stored)-4], stored[len(stored)-4:]
	if crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) != binary.BigEndian.Uint32(tail) {
		return nil, fmt.Errorf("%w: the checksum is another", ErrFragment)
	}
	d := &decoder{rest: string(body[1:])}
	f := &Fragment{shared: len(body)}
	for range d.count(1) {
		f.Documents = append(f.Documents, d.text())
	}
	for range d.count(leastWarning) {
		var w Problem
		var class string
		for _, s := range []*string{&w.Document, &w.Kind, &w.Name, &w.ID, &w.Field, &class, &w.Message} {
			*s = d.text()
		}
		w.Class, w.Line, w.Column = fleet.ParseClass(class), d.number(), d.number()
		f.Warnings = append(f.Warnings, w)
	}
	n := d.count(leastItem)
	f.items = make([]item, n)
	for i := range f.items {
		if d.bad {
			break
		}
		c.item(d, &f.items[i], len(f.Documents), n)
	}
	if stored[0] == withHashes {
		for range d.count(1) {
			if i := d.number(); i < n {
				f.items[i].hashed = true
			} else {
				d.bad = true
			}
		}
	}
	d.bad = d.bad || !c.ordered(f.items)
	if d.bad || d.rest != "" {
		return nil, fmt.Errorf("%w: it is cut short or malformed", ErrFragment)
	}
	return f, nil
}

// ordered reports whether each reference leads to a kind that Merge resolves earlier, and each local one to an item of that kind. Merge
// relies on it.
func (c *Compiler) ordered(items []item) bool {
	for i := range items {
		own := c.table.Rank(items[i].kind.Name)
		for r := range items[i].refs {
			ref := &items[i].refs[r]
			if c.table.Rank(ref.target) >= own || ref.local >= 0 && items[ref.local].kind.Name != ref.target {
				return false
			}
		}
	}
	return true
}

// The least stored bytes of each, so that a few bytes cannot ask for much memory. A text and a number take at least one.
const (
	leastWarning   = 9
	leastItem      = 12
	leastSplice    = 2
	leastReference = 10
	leastUnique    = 2
)

// decoder reads a stored fragment; strings share its memory.
type decoder struct {
	rest string
	bad  bool
}

func (d *decoder) number() int {
	var v uint64
	for i := 0; i < len(d.rest) && i < 8; i++ {
		c := d.rest[i]
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			d.rest = d.rest[i+1:]
			return int(v)
		}
	}
	d.bad, d.rest = true, ""
	return 0
}

// count reads a number of things that each take at least so many bytes.
func (d *decoder) count(least int) int {
	n := d.number()
	if n > len(d.rest)/least {
		d.bad, d.rest = true, ""
		return 0
	}
	return n
}

func (d *decoder) text() string {
	n := d.count(1)
	s := d.rest[:n]
	d.rest = d.rest[n:]
	return s
}

func (d *decoder) place(documents int) place {
	p := place{d.number(), d.number(), d.number()}
	if p.document >= documents {
		d.bad = true
	}
	return p
}

func (c *Compiler) item(d *decoder, it *item, documents, items int) {
	if it.kind = c.table.Kind(d.text()); it.kind == nil {
		d.bad = true
		return
	}
	it.id, it.name, it.place, it.body = d.text(), d.text(), d.place(documents), d.text()
	it.splices = make([]splice, d.count(leastSplice))
	last := 0
	for i := range it.splices {
		at, ref := d.number(), d.number()
		it.splices[i] = splice{at: at, ref: ref>>1 - 1, bare: ref&1 == 1}
		d.bad = d.bad || at < last || at > len(it.body)
		last = at
	}
	it.refs = make([]reference, d.count(leastReference))
	for i := range it.refs {
		r := &it.refs[i]
		r.field, r.path, r.target, r.id, r.name, r.other = d.text(), d.text(), d.text(), d.text(), d.text(), d.text()
		r.local, r.place = d.number()-1, d.place(documents)
		d.bad = d.bad || r.local >= items || c.table.Kind(r.target) == nil
	}
	for _, s := range it.splices {
		d.bad = d.bad || s.ref >= len(it.refs)
	}
	if n := d.count(1); n > 0 {
		it.keys = make([]string, n)
		for i := range it.keys {
			it.keys[i] = d.text()
		}
	}
	d.bad = d.bad || len(it.keys) != len(it.kind.IDFields)
	for range d.count(leastUnique) {
		it.unique = append(it.unique, uniqueValue{d.text(), d.text()})
	}
}

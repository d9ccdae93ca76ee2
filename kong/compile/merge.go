package compile

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/silverback-gateway/silverback/kong/entity"
	"github.com/silverback-gateway/silverback/kong/snapshot"
)

// Origin is where an entity came from.
type Origin struct {
	Source   SourceID
	Document string
	Line     int
	Column   int
	Kind     string // in the singular
	Name     string // empty when the entity has none, or it is secret
}

// Result is a group's whole configuration.
type Result struct {
	Entities []snapshot.Entity // ready for snapshot.Seal
	Origins  []Origin          // of the entity at the same position
	Counts   map[string]int    // by kind, plural
	Warnings []Problem
	AsIs     bool              // something is hashed already: gateways must not transform it
	flaws    map[int][]Problem // of the entity at the position: only in a draft
	vague    map[int]bool      // whether its id is made up: only in a draft
}

// Merge joins the fragments of a group's sources. When there is any problem the
// result is nil. It keeps no part of the fragments but their strings.
func (c *Compiler) Merge(fragments map[SourceID]*Fragment) (*Result, []Problem) {
	m := c.merger(fragments)
	if len(m.problems) > 0 {
		return nil, finish(m.problems)
	}
	return m.emit(), nil
}

// merger returns a merger that has done all but write the result.
func (c *Compiler) merger(fragments map[SourceID]*Fragment) *merger {
	m := &merger{table: c.table, kinds: map[string]*kindIndex{}, unread: map[string]bool{}}
	for _, source := range slices.Sorted(maps.Keys(fragments)) {
		f := fragments[source]
		base := len(m.all)
		for i := range f.items {
			m.all = append(m.all, resolved{item: &f.items[i], fragment: f, source: source, base: base})
		}
		for i, flaws := range f.flaws {
			m.all[base+i].vague = vague(f.items[i].kind, flaws)
		}
		maps.Copy(m.unread, f.unread)
		for _, w := range f.Warnings {
			w.Source = source
			m.warnings = append(m.warnings, w)
		}
	}
	m.order()
	m.register()
	m.resolve()
	m.asIs = m.transform() >= 0
	return m
}

// resolved is an item on its way to an entity.
type resolved struct {
	*item
	fragment *Fragment
	source   SourceID
	base     int   // of its fragment in all
	targets  []int // of its references, in all; -1 when dangling
	id       string
	seed     string // of an invented id
	dropped  bool
	vague    bool // which entity it is, or where it belongs, is open: only in a draft
}

// kindIndex finds entities of a kind.
type kindIndex struct {
	given  map[string]int            // by explicit id
	ids    map[string]int            // by any id, as they are given
	unique map[string]map[string]int // by unique field and value
	scopes map[string]int
	twins  map[string]int // how often invented content was seen
}

type merger struct {
	table    *entity.Table
	all      []resolved
	ordered  []int // referred before referring
	kinds    map[string]*kindIndex
	problems []Problem
	warnings []Problem
	unread   map[string]bool // kinds of which entities could not be read
	asIs     bool
}

func (m *merger) index(kind string) *kindIndex {
	k := m.kinds[kind]
	if k == nil {
		k = &kindIndex{
			given: map[string]int{}, ids: map[string]int{}, unique: map[string]map[string]int{},
			scopes: map[string]int{}, twins: map[string]int{},
		}
		m.kinds[kind] = k
	}
	return k
}

func (m *merger) order() {
	buckets := make([][]int, len(m.table.Kinds()))
	for i := range m.all {
		rank := m.table.Rank(m.all[i].kind.Name)
		buckets[rank] = append(buckets[rank], i)
	}
	m.ordered = slices.Concat(buckets...)
}

func (m *merger) problem(i int, at place, field string, class Class, other int, message string) {
	e := &m.all[i]
	if len(m.problems) > 100*maxProblems {
		return
	}
	p := Problem{
		Source: e.source, Document: e.fragment.Documents[at.document], Line: at.line, Column: at.column,
		Kind: e.kind.Singular, Name: e.name, ID: e.item.id, Field: field, Class: class, Message: message,
	}
	if other >= 0 {
		o := &m.all[other]
		p.Other = &Place{Source: o.source, Document: o.fragment.Documents[o.place.document], Line: o.place.line}
	}
	m.problems = append(m.problems, p)
}

// clash reports two entities that claim the same thing. The message names both places.
func (m *merger) clash(first, second int, field, what string) {
	a, b := &m.all[first], &m.all[second]
	b.vague = true
	class, where := Duplicate, ""
	at := printable(a.fragment.Documents[a.place.document]) + ":" + strconv.Itoa(a.place.line)
	if a.source != b.source {
		class, where = Conflict, " of source "+quote(string(a.source))
	}
	m.problem(second, b.place, field, class, first, what+" is already at "+at+where)
}

// register indexes explicit ids and unique values, and reports duplicates.
func (m *merger) register() {
	for i := range m.all {
		e := &m.all[i]
		k := m.index(e.kind.Name)
		if e.item.id != "" {
			if first, there := k.given[e.item.id]; there {
				m.clash(first, i, "id", "a "+e.kind.Singular+" with the same id")
			} else {
				k.given[e.item.id] = i
			}
		}
		for _, u := range e.unique {
			values := k.unique[u.field]
			if values == nil {
				values = map[string]int{}
				k.unique[u.field] = values
			}
			if first, there := values[u.value]; there {
				m.clash(first, i, u.field, "a "+e.kind.Singular+" with the same "+u.field)
			} else {
				values[u.value] = i
			}
		}
	}
}

// resolve resolves references, assigns ids and checks scopes in one walk, since an id may depend on those of referenced entities.
func (m *merger) resolve() {
	var scope []byte
	for _, i := range m.ordered {
		e := &m.all[i]
		if len(e.refs) > 0 {
			e.targets = make([]int, len(e.refs))
			for r := range e.refs {
				e.targets[r] = m.find(i, &e.refs[r])
				e.vague = e.vague || e.targets[r] < 0
			}
		}
		k := m.index(e.kind.Name)
		if e.vague {
			e.id = vagueID(i)
			continue
		}
		if len(e.kind.Scope) > 0 {
			scope = m.scope(e, scope[:0])
			if first, there := k.scopes[string(scope)]; there {
				if e.kind.Name == "consumer_group_consumers" {
					e.dropped = true // the problem names both
					continue
				}
				m.clash(first, i, "", "a "+e.kind.Singular+" of the same "+e.kind.Scope[0]+" in the same scope")
			} else {
				k.scopes[string(scope)] = i
			}
		}
		m.identify(e, k)
		if first, there := k.ids[e.id]; there && e.item.id == "" && m.all[first].item.id != "" {
			m.clash(first, i, "id", "a "+e.kind.Singular+" with the id that this one would get")
		}
		if e.vague { // since a clash just now
			e.id = vagueID(i)
			continue
		}
		k.ids[e.id] = i
	}
}

// vagueID returns an id that no other entity has.
func vagueID(i int) string {
	return version5(inventedEntities, "vague", "\n", strconv.Itoa(i)).String()
}

// find returns the position of the entity that a reference means, or -1.
func (m *merger) find(i int, r *reference) int {
	e := &m.all[i]
	if r.local >= 0 {
		return e.base + r.local
	}
	k := m.index(r.target)
	if r.id != "" {
		for _, ids := range []map[string]int{k.given, k.ids} {
			if at, ok := ids[r.id]; ok {
				return at
			}
		}
	}
	target := m.table.Kind(r.target)
	if f := target.Field(target.NameField); r.name != "" && f != nil && f.Unique {
		if at, ok := k.unique[target.NameField][r.name]; ok {
			return at
		}
	}
	if r.other != "" {
		if at, ok := k.unique["custom_id"][r.other]; ok {
			return at
		}
	}
	if at, ok := k.given[strings.ToLower(r.name)]; ok { // an invalid id: reported at its entity
		return at
	}
	if m.unread[r.target] || m.unread[everything] {
		return -1
	}
	message := "there is no " + target.Singular + " " + quote(cmp.Or(r.name, r.id, r.other)) + " in any source of the group"
	if r.name != "" && len(m.problems) < maxProblems {
		message += didYouMean(r.name, m.names(k, target))
	}
	m.problem(i, r.place, r.path, DanglingReference, -1, message)
	return -1
}

func (m *merger) names(k *kindIndex, target *entity.Kind) []string {
	const most = 5000 // a suggestion is not worth more
	if target.NameField == "" || len(k.unique[target.NameField]) > most {
		return nil
	}
	return slices.Sorted(maps.Keys(k.unique[target.NameField]))
}

// value returns a key field of an entity; a reference is an id.
func (m *merger) value(e *resolved, field string) string {
	for r := range e.refs {
		if e.refs[r].field == field {
			return m.target(e, r)
		}
	}
	if i := slices.Index(e.kind.IDFields, field); i >= 0 {
		return e.keys[i]
	}
	return ""
}

func (m *merger) scope(e *resolved, dst []byte) []byte {
	for _, field := range e.kind.Scope {
		dst = append(append(dst, m.value(e, field)...), 0)
	}
	return dst
}

// identify assigns an id: the explicit one, else the one that Kong derives, else one derived from the content.
func (m *merger) identify(e *resolved, k *kindIndex) {
	e.id = e.item.id
	if e.id != "" {
		return
	}
	namespace := version5(kongEntities, e.kind.Name)
	switch e.kind.IDRule {
	case entity.ByName:
		if e.keys[0] != "" {
			e.id = version5(namespace, e.keys[0]).String()
			return
		}
	case entity.ByCacheKey:
		parts := []string{e.kind.Name, "*"}
		for _, field := range e.kind.IDFields {
			parts = append(parts, m.value(e, field))
		}
		// The open-source edition's key lacks these scopes. Plugins that differ only in them must not share an id.
		if e.kind.Name == "plugins" {
			for _, field := range []string{"consumer_group", "model"} {
				if value := m.value(e, field); value != "" {
					parts = append(parts, field, value)
				}
			}
		}
		e.id = version5(namespace, strings.Join(parts, ":")).String()
		return
	}
	seed := string(m.render(e, nil))
	if len(e.unique) > 0 { // so that edits of other fields leave the id alone
		seed = e.unique[0].field + "=" + e.unique[0].value
	}
	e.seed = seed
	twin := k.twins[seed]
	k.twins[seed]++
	e.id = version5(inventedEntities, e.kind.Name, "\n", seed, "\n", strconv.Itoa(twin)).String()
}

// render returns the JSON of an entity; without the id as long as it has none.
func (m *merger) render(e *resolved, dst []byte) []byte {
	start := len(dst)
	dst = append(dst, '{')
	from := 0
	for _, s := range e.splices {
		dst = append(dst, e.body[from:s.at]...)
		from = s.at
		switch {
		case s.ref < 0:
			if e.id != "" {
				dst = append(append(append(dst, `"id":"`...), e.id...), `",`...)
			}
		case s.bare:
			dst = append(append(append(dst, '"'), m.target(e, s.ref)...), '"')
		default:
			dst = append(append(append(dst, '"'), e.refs[s.ref].field...), `":{"id":"`...)
			dst = append(append(dst, m.target(e, s.ref)...), `"},`...)
		}
	}
	dst = append(dst, e.body[from:]...)
	if dst[len(dst)-1] == ',' && len(dst)-1 > start {
		dst = dst[:len(dst)-1]
	}
	return append(dst, '}')
}

// target returns the id of a referenced entity. A dangling reference has a placeholder, since validators check its form.
func (m *merger) target(e *resolved, r int) string {
	if at := e.targets[r]; at >= 0 {
		return m.all[at].id
	}
	return "00000000-0000-4000-8000-000000000000"
}

// emit writes the entities into one block of memory.
func (m *merger) emit() *Result {
	result := &Result{
		Entities: make([]snapshot.Entity, 0, len(m.all)), Origins: make([]Origin, 0, len(m.all)), Counts: map[string]int{},
		Warnings: m.warnings, AsIs: m.asIs, flaws: map[int][]Problem{}, vague: map[int]bool{},
	}
	size := 0
	for i := range m.all {
		size += len(m.all[i].body) + 64 + 64*len(m.all[i].refs)
	}
	block := make([]byte, 0, size)
	for _, i := range m.ordered {
		e := &m.all[i]
		if e.dropped {
			continue
		}
		start := len(block)
		block = m.render(e, block)
		key := e.name
		if key == "" && len(e.kind.Scope) > 0 {
			key = string(m.scope(e, nil))
		}
		result.Entities = append(result.Entities, snapshot.Entity{
			Kind: e.kind.Name, ID: e.id, Key: key, JSON: block[start:len(block):len(block)],
		})
		result.Origins = append(result.Origins, Origin{
			Source: e.source, Document: e.fragment.Documents[e.place.document], Line: e.place.line, Column: e.place.column,
			Kind: e.kind.Singular, Name: e.name,
		})
		result.Counts[e.kind.Name]++
		if flaws := e.fragment.flaws[i-e.base]; flaws != nil {
			result.flaws[len(result.Entities)-1] = flaws
		}
		if e.vague {
			result.vague[len(result.Entities)-1] = true
		}
	}
	return result
}

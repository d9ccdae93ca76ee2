package changes

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kong/entity"
	"github.com/silverback-gateway/silverback/kong/snapshot"
)

const (
	maxTitle = 240 // bytes of an entity's title
	maxDepth = 4   // of parents
	maxPart  = 60  // bytes of a path or a host in a title
)

// index finds entities that others refer to, by id.
type index struct {
	table        *entity.Table
	parentFields map[string][]string // by kind: the fields that refer to the parent
	old, now     *entities
}

// entities is the part of a snapshot to which others may refer.
type entities struct {
	lines map[string][]byte // by id
	snis  map[string]string // the first name of a certificate, by its id
}

// newIndex reads from both snapshots only the kinds to which the changed ones may refer.
func newIndex(table *entity.Table, pairs []snapshot.Pair, old, now []byte) (*index, error) {
	kinds, snis := referred(table, pairs)
	before, err := readEntities(old, kinds, snis)
	if err != nil {
		return nil, err
	}
	after, err := readEntities(now, kinds, snis)
	if err != nil {
		return nil, err
	}
	return &index{table: table, parentFields: parentFields(table), old: before, now: after}, nil
}

// referred returns the kinds that the changed entities refer to, directly or not, and whether titles of certificates need their SNIs.
func referred(table *entity.Table, pairs []snapshot.Pair) (kinds map[string]bool, snis bool) {
	kinds = map[string]bool{}
	var add func(kind string)
	add = func(kind string) {
		k := table.Kind(kind)
		if k == nil {
			return
		}
		for _, f := range k.Fields {
			if f.Type == entity.Ref && !kinds[f.Ref] {
				kinds[f.Ref] = true
				add(f.Ref)
			}
		}
	}
	for i, p := range pairs {
		if i == 0 || pairs[i-1].Kind != p.Kind {
			add(p.Kind)
			snis = snis || p.Kind == "certificates"
		}
	}
	return kinds, snis || kinds["certificates"]
}

func readEntities(canonical []byte, kinds map[string]bool, snis bool) (*entities, error) {
	e := &entities{lines: map[string][]byte{}, snis: map[string]string{}}
	if canonical == nil {
		return e, nil
	}
	return e, snapshot.Scan(canonical, func(kind string, line []byte, _ int) {
		if kinds[kind] {
			e.lines[snapshot.IDOf(line)] = line
		}
		var sni struct {
			Name        string
			Certificate struct{ ID string }
		}
		if snis && kind == "snis" && json.Unmarshal(line, &sni) == nil && e.snis[sni.Certificate.ID] == "" {
			e.snis[sni.Certificate.ID] = sni.Name
		}
	})
}

// parentFields finds the parents of each kind: the kinds in which it may be nested, and those that it requires.
func parentFields(table *entity.Table) map[string][]string {
	fields := map[string][]string{}
	add := func(kind, field string) {
		if !slices.Contains(fields[kind], field) {
			fields[kind] = append(fields[kind], field)
		}
	}
	for _, k := range table.Kinds() {
		for _, c := range k.Children {
			add(c.Kind, c.Ref)
		}
		for _, f := range k.Fields {
			if f.Type == entity.Ref && f.Required {
				add(k.Name, f.Name)
			}
		}
	}
	order := []string{"route", "service", "consumer", "consumer_group"}
	for _, list := range fields {
		slices.SortFunc(list, func(a, b string) int { return slices.Index(order, a) - slices.Index(order, b) })
	}
	return fields
}

// words are the names, for people, of kinds with unusual names in Kong's tables.
var words = map[string]string{
	"keyauth_credential":   "key-auth credential",
	"basicauth_credential": "basic-auth credential", "hmacauth_credential": "hmac-auth credential",
	"jwt_secret": "jwt credential", "oauth2_credential": "oauth2 credential", "mtls_auth_credential": "mtls-auth credential",
	"acl": "acl group",
}

func wordOf(singular string) string {
	if word := words[singular]; word != "" {
		return word
	}
	return strings.ReplaceAll(singular, "_", " ")
}

// entity names an entity, given as it is in one of the snapshots.
func (b *index) entity(plural string, fields map[string]any, in *entities, depth int) Entity {
	e := Entity{Kind: plural}
	e.ID, _ = fields["id"].(string)
	k := b.table.Kind(plural)
	if k != nil {
		e.Kind = k.Singular
		if k.NameField != "" {
			e.Name, _ = fields[k.NameField].(string)
		}
	}
	if e.Name == "" && plural == "consumers" {
		e.Name, _ = fields["custom_id"].(string)
	}
	title := wordOf(e.Kind)
	switch {
	case e.Name != "":
		title += " " + quoteName(e.Name)
	case plural == "routes":
		title += " " + criteria(fields)
	case plural == "certificates" && in.snis[e.ID] != "":
		title += " of sni " + quoteName(in.snis[e.ID])
	case len(b.parentFields[plural]) == 0:
		title += " " + e.ID
	}
	if instance, _ := fields["instance_name"].(string); instance != "" {
		title += " (" + quoteName(instance) + ")"
	}
	var of []string
	if depth < maxDepth {
		for _, name := range b.parentFields[plural] {
			if id := idOf(fields[name]); id != "" {
				of = append(of, b.title(k.Field(name).Ref, id, in, depth+1))
			}
		}
	}
	switch {
	case len(of) > 0:
		title += " of " + strings.Join(of, " and ")
	case plural == "plugins":
		title += " of every request"
	}
	e.Title = clean.Line(title, maxTitle)
	return e
}

// title returns the name, for people, of the entity with an id.
func (b *index) title(kind, id string, in *entities, depth int) string {
	return b.find(kind, id, in, depth).Title
}

func (b *index) find(kind, id string, in *entities, depth int) Entity {
	if fields, err := parse(in.lines[id]); err == nil && fields != nil {
		return b.entity(kind, fields, in, depth)
	}
	e := Entity{Kind: kind, ID: id}
	if k := b.table.Kind(kind); k != nil {
		e.Kind = k.Singular
	}
	e.Title = wordOf(e.Kind) + " " + id
	return e
}

// parents returns what an entity belongs to, and the parents of that, the nearest first.
func (b *index) parents(plural string, fields map[string]any, in *entities) []Entity {
	var all []Entity
	type step struct {
		kind   string
		fields map[string]any
	}
	for next := []step{{plural, fields}}; len(next) > 0 && len(all) < 2*maxDepth; {
		s := next[0]
		next = next[1:]
		for _, name := range b.parentFields[s.kind] {
			id := idOf(s.fields[name])
			if id == "" {
				continue
			}
			kind := b.table.Kind(s.kind).Field(name).Ref
			all = append(all, b.find(kind, id, in, 0))
			if above, err := parse(in.lines[id]); err == nil && above != nil {
				next = append(next, step{kind, above})
			}
		}
	}
	return all
}

func idOf(reference any) string {
	o, _ := reference.(map[string]any)
	id, _ := o["id"].(string)
	return id
}

var plain = regexp.MustCompile(`^[^\s"'(),;]+$`)

// quoteName returns a name as it appears in a sentence.
func quoteName(name string) string {
	if plain.MatchString(name) && !strings.ContainsFunc(name, clean.Unsafe) {
		return name
	}
	return strconv.Quote(name)
}

// criteria describes which requests a route without a name matches: (GET /a, host b).
func criteria(route map[string]any) string {
	first := func(field, word string) string {
		list, _ := route[field].([]any)
		if len(list) == 0 {
			return ""
		}
		text, _ := list[0].(string)
		text = word + quoteName(clean.Line(text, maxPart))
		if len(list) > 1 {
			text += fmt.Sprintf(" and %d more", len(list)-1)
		}
		return text
	}
	var methods []string
	list, _ := route["methods"].([]any)
	for _, m := range list {
		if text, _ := m.(string); text != "" {
			methods = append(methods, clean.Line(text, maxPart))
		}
	}
	var parts []string
	if path := strings.TrimSpace(strings.Join(methods, ",") + " " + first("paths", "")); path != "" {
		parts = append(parts, path)
	}
	for _, c := range [][2]string{{"hosts", "host "}, {"snis", "sni "}} {
		if text := first(c[0], c[1]); text != "" {
			parts = append(parts, text)
		}
	}
	if headers, _ := route["headers"].(map[string]any); len(headers) > 0 {
		names := keysOf(headers, nil)
		parts = append(parts, "header "+quoteName(clean.Line(names[0], maxPart)))
	}
	if text, _ := route["expression"].(string); text != "" {
		parts = append(parts, clean.Line(text, maxPart))
	}
	if len(parts) == 0 {
		id, _ := route["id"].(string)
		return id
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

package kongtest

import (
	"crypto/sha1" //nolint:gosec // what Kong keeps of passwords
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// emptyHash is what Kong reports for no configuration and for an empty one (F5).
const emptyHash = "00000000000000000000000000000000"

// loaded is a configuration in force. It is immutable. The posted text and the
// parsed document are gone by now: only what reads and routing need is kept.
type loaded struct {
	hash     string
	entities map[string][]entity // in the order of posting
	plain    map[string][]byte   // credentials by id as they were posted, where hashes are kept of them
	router   *router
}

type entity struct {
	id, key string
	raw     json.RawMessage // flat: references as {id}, nothing nested
}

// find looks through all entities of a kind: reads are rare, and an index would
// weigh as much as the routes.
func (l *loaded) find(kindName, idOrKey string) (entity, bool) {
	list := l.entities[kindName]
	i := slices.IndexFunc(list, func(e entity) bool { return e.id == idOrKey || e.key == idOrKey && e.key != "" })
	if i < 0 {
		return entity{}, false
	}
	return list[i], true
}

// loader turns a document into a configuration in force or says why not.
type loader struct {
	structure
	now time.Time
}

// refused is an error whose body is Kong's answer.
type refused struct{ body map[string]any }

func (r *refused) Error() string { return fmt.Sprint(r.body["message"]) }

// load reads a document. The error is errCrash or a *refused.
func (l *loader) load(doc map[string]any, flatten bool) (*loaded, error) {
	roots, errs, err := l.read(doc)
	if err != nil {
		return nil, err
	}
	if len(errs) > 0 {
		return nil, &refused{refusal(errs, flatten, roots, false)}
	}
	set := newPopulation(l.kinds)
	for _, k := range l.kinds.all {
		set.add(roots[k.name])
	}
	if len(set.errs) > 0 {
		return nil, &refused{refusal(set.errs, flatten, roots, true)}
	}
	if err := set.resolve(); err != nil {
		return nil, err
	}
	if len(set.errs) == 0 {
		set.uniqueFields()
	}
	if len(set.errs) > 0 {
		return nil, &refused{refusal(set.errs, flatten, roots, true)}
	}
	return l.seal(set, doc["_transform"] != false), nil
}

func (l *loader) seal(set *population, transform bool) *loaded {
	out := &loaded{entities: map[string][]entity{}, plain: map[string][]byte{}}
	var text []byte // of all entities of a kind, in one piece: a lab holds many gateways
	for _, k := range l.kinds.all {
		nodes := set.byKind[k.name]
		if len(nodes) == 0 {
			continue
		}
		list := make([]entity, len(nodes))
		ends := make([]int, len(nodes))
		text = text[:0]
		for i, n := range nodes {
			if password, ok := n.own["password"].(string); ok && transform && k.name == "basicauth_credentials" {
				out.plain[n.id] = l.appendFlat(nil, n, set) // what the answer shows
				n.own["password"] = hashPassword(password, set.target(n, "consumer"))
			}
			text = l.appendFlat(text, n, set)
			list[i] = entity{id: n.id, key: n.text(k.key)}
			ends[i] = len(text)
		}
		start, kept := 0, slices.Clip(slices.Clone(text))
		for i, end := range ends {
			list[i].raw = kept[start:end:end]
			start = end
		}
		out.entities[k.name] = list
	}
	out.router = compileRouter(set, l.flavor, l.lua)
	return out
}

// hashPassword is what basic-auth keeps of a password.
func hashPassword(password, consumer string) string {
	sum := sha1.Sum([]byte(password + consumer)) //nolint:gosec // as Kong does
	return hex.EncodeToString(sum[:])
}

// appendFlat writes the entity as Kong keeps it. Defaults are not filled in, but
// for the two dates.
func (l *loader) appendFlat(out []byte, n *node, set *population) []byte {
	start := len(out)
	put := func(name string, value any) {
		if len(out) > start+1 {
			out = append(out, ',')
		}
		out = append(appendJSON(out, name), ':')
		out = appendJSON(out, value)
	}
	out = append(out, '{')
	put("id", n.id)
	own := n.own
	if raw, ok := own["url"].(string); ok && n.kind.name == "services" {
		own = withURL(own, raw)
	}
	for name, value := range own {
		if f := n.kind.fields[name]; name == "id" || name == "_comment" || name == "_ignore" || name == "url" || f.ref != "" {
			continue
		}
		put(name, value)
	}
	for _, f := range n.kind.foreign {
		if id := set.target(n, f.name); id != "" {
			put(f.name, map[string]any{"id": id})
		}
	}
	for _, name := range []string{"created_at", "updated_at"} {
		if _, has := n.kind.fields[name]; has && n.own[name] == nil {
			put(name, float64(l.now.Unix()))
		}
	}
	return append(out, '}')
}

// appendJSON writes what encoding/json would, for the few types that a parsed
// document holds, without sorting: a third of the time of a load hangs on it.
func appendJSON(out []byte, value any) []byte {
	switch value := value.(type) {
	case string:
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' || r == utf8.RuneError }) {
			return append(out, marshal(value)...)
		}
		out = append(append(out, '"'), value...)
		return append(out, '"')
	case map[string]any:
		out = append(out, '{')
		first := true
		for name, item := range value {
			if !first {
				out = append(out, ',')
			}
			first = false
			out = append(appendJSON(out, name), ':')
			out = appendJSON(out, item)
		}
		return append(out, '}')
	case []any:
		out = append(out, '[')
		for i, item := range value {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendJSON(out, item)
		}
		return append(out, ']')
	case float64:
		if value == math.Trunc(value) && math.Abs(value) < 1<<53 {
			return strconv.AppendInt(out, int64(value), 10)
		}
	}
	return append(out, marshal(value)...)
}

// withURL expands the shorthand "url" of a service: what it says comes before what the fields say.
func withURL(own map[string]any, raw string) map[string]any {
	u, err := url.Parse(raw)
	if err != nil {
		return own
	}
	e := maps.Clone(own)
	e["host"] = u.Hostname()
	if u.Scheme != "" {
		e["protocol"] = u.Scheme
	}
	switch u.Scheme {
	case "http":
		e["port"] = float64(80)
	case "https":
		e["port"] = float64(443)
	}
	if port, err := strconv.Atoi(u.Port()); err == nil {
		e["port"] = float64(port)
	}
	if u.Path != "" {
		e["path"] = u.Path
	}
	return e
}

// population is every entity of a document, with what is needed to tell
// duplicates and to follow references.
type population struct {
	kinds  *kinds
	ns     namespaces
	byKind map[string][]*node
	byID   map[string]map[string]*node
	byKey  map[string]map[string]*node
	errs   tree
}

func newPopulation(ks *kinds) *population {
	p := &population{kinds: ks, ns: namespaces{}, byKind: map[string][]*node{}, byID: map[string]map[string]*node{},
		byKey: map[string]map[string]*node{}, errs: tree{}}
	for _, k := range ks.all {
		p.byID[k.name], p.byKey[k.name] = map[string]*node{}, map[string]*node{}
	}
	return p
}

// add gives ids and files duplicates. An equal natural key is filed under the
// kind and the place among siblings, even for nested entities; an equal id is
// filed where the entity stands. Kong does just so, and loses track of the former.
func (p *population) add(nodes []*node) {
	for _, n := range nodes {
		k := n.kind
		n.giveID(p.ns)
		key := n.text(k.key)
		unique := k.fields[k.key].unique
		if key != "" {
			if _, taken := p.byKey[k.name][key]; taken && unique {
				p.errs.put(fmt.Sprintf("uniqueness violation: '%s' entity with %s set to '%s' already declared", k.name, k.key, key), k.name,
					n.position)
				continue
			}
			p.byKey[k.name][key] = n
		}
		if _, taken := p.byID[k.name][n.id]; taken {
			p.errs.put(fmt.Sprintf("uniqueness violation: '%s' entity with primary key set to '%s' already declared", k.name, n.id), n.path()...)
			continue
		}
		p.byID[k.name][n.id] = n
		p.byKind[k.name] = append(p.byKind[k.name], n)
		for _, child := range p.kinds.all {
			p.add(n.children[child.name])
		}
	}
}

// resolve checks that references lead somewhere. What does not is filed under
// the name of the entity, where flattening loses it (F10). Kong crashes on a
// plugin with two dangling references (F14).
func (p *population) resolve() error {
	for _, k := range p.kinds.all {
		for _, n := range p.byKind[k.name] {
			dangling := 0
			for _, f := range k.foreign {
				name, value := f.name, n.own[f.name]
				if value == nil || p.target(n, name) != "" {
					continue
				}
				dangling++
				said, ok := value.(string)
				if !ok {
					said = string(marshal(value))
				}
				at := tree{1: fmt.Sprintf("invalid reference '%s: %s' (no such entry in '%s')", name, said, f.ref)}
				of, _ := p.errs[k.name].(tree)
				if of == nil {
					of = tree{}
					p.errs[k.name] = of
				}
				of[p.at(n)] = at
			}
			if dangling > 1 {
				return errCrash
			}
		}
	}
	return nil
}

func (p *population) at(n *node) string {
	if key := n.text(n.kind.key); key != "" {
		return key
	}
	return n.id
}

// target returns the id that a reference leads to, or nothing.
func (p *population) target(n *node, name string) string {
	f := n.kind.fields[name]
	if f.ref == "" {
		return ""
	}
	if n.parent != nil && n.parentField == name {
		return n.parent.id
	}
	word, ok := n.own[name].(string)
	if ref, isObject := n.own[name].(map[string]any); isObject {
		word, ok = ref["id"].(string)
	}
	if !ok {
		return ""
	}
	if found, ok := p.byKey[f.ref][word]; ok {
		return found.id
	}
	if found, ok := p.byID[f.ref][word]; ok {
		return found.id
	}
	return ""
}

// uniqueFields checks the fields beside the natural key that must differ.
func (p *population) uniqueFields() {
	for _, k := range p.kinds.all {
		var names []string
		for name, f := range k.fields {
			if f.unique && name != k.key {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		for _, name := range names {
			seen := map[string]bool{}
			for _, n := range p.byKind[k.name] {
				value := n.text(name)
				if value != "" && seen[value] {
					p.errs.put(fmt.Sprintf("uniqueness violation: '%s' entity with %s set to '%s' already declared", k.name, name, value), k.name, p.at(n))
				}
				seen[value] = true
			}
		}
	}
}

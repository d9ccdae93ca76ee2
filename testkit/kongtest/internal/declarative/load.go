// Package declarative turns a posted document into a configuration, or into Kong's refusal: it gives ids, follows references, finds
// duplicates, and flattens entities as Kong keeps them.
package declarative

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

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/check"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/document"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/entity"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/problems"
)

// EmptyHash is the configuration_hash of no configuration and of an empty one (F5).
const EmptyHash = "00000000000000000000000000000000"

// Configuration is what a gateway keeps of a document. It is immutable, but for Hash before it is in force.
type Configuration struct {
	Hash     string
	Entities map[string][]Entity // by kind, in the order of posting
	Plain    map[string][]byte   // by id: credentials as posted, where the gateway keeps a hash
}

// Entity is one flat entity: references are {id}, and nothing is nested.
type Entity struct {
	ID, Key string
	Raw     json.RawMessage
}

// Find looks through all entities of a kind. Reads are rare, and an index would weigh as much as the routes.
func (l *Configuration) Find(kindName, idOrKey string) (Entity, bool) {
	list := l.Entities[kindName]
	i := slices.IndexFunc(list, func(e Entity) bool { return e.ID == idOrKey || e.Key == idOrKey && e.Key != "" })
	if i < 0 {
		return Entity{}, false
	}
	return list[i], true
}

// Loader turns documents into configurations.
type Loader struct {
	check.Checker
	Now time.Time
}

// Load reads a document. With flatten, a refusal lists errors by entity. The error is document.ErrCrash or a *problems.Refused. The
// population is what the configuration was made of, for those who compile it further.
func (l *Loader) Load(doc map[string]any, flatten bool) (*Configuration, *Population, error) {
	roots, errs, err := l.Read(doc)
	if err != nil {
		return nil, nil, err
	}
	if len(errs) > 0 {
		return nil, nil, problems.Refuse(errs, flatten, roots, false)
	}
	set := newPopulation(l.Kinds)
	for _, k := range l.Kinds.All {
		set.add(roots[k.Name])
	}
	if len(set.errs) > 0 {
		return nil, nil, problems.Refuse(set.errs, flatten, roots, true)
	}
	if err := set.resolve(); err != nil {
		return nil, nil, err
	}
	if len(set.errs) == 0 {
		set.uniqueFields()
	}
	if len(set.errs) > 0 {
		return nil, nil, problems.Refuse(set.errs, flatten, roots, true)
	}
	return l.seal(set, doc["_transform"] != false), set, nil
}

func (l *Loader) seal(set *Population, transform bool) *Configuration {
	out := &Configuration{Entities: map[string][]Entity{}, Plain: map[string][]byte{}}
	var text []byte // of all entities of a kind, in one piece: a lab holds many gateways
	for _, k := range l.Kinds.All {
		nodes := set.ByKind[k.Name]
		if len(nodes) == 0 {
			continue
		}
		list := make([]Entity, len(nodes))
		ends := make([]int, len(nodes))
		text = text[:0]
		for i, n := range nodes {
			if password, ok := n.Own["password"].(string); ok && transform && k.Name == "basicauth_credentials" {
				out.Plain[n.ID] = l.appendFlat(nil, n, set) // what the answer shows
				n.Own["password"] = HashPassword(password, set.Target(n, "consumer"))
			}
			text = l.appendFlat(text, n, set)
			list[i] = Entity{ID: n.ID, Key: n.Text(k.Key)}
			ends[i] = len(text)
		}
		start, kept := 0, slices.Clip(slices.Clone(text))
		for i, end := range ends {
			list[i].Raw = kept[start:end:end]
			start = end
		}
		out.Entities[k.Name] = list
	}
	return out
}

// HashPassword returns what basic-auth keeps of a password.
func HashPassword(password, consumer string) string {
	sum := sha1.Sum([]byte(password + consumer)) //nolint:gosec // as Kong does
	return hex.EncodeToString(sum[:])
}

// appendFlat writes the entity as Kong keeps it. Of the defaults, only the two dates are filled in.
func (l *Loader) appendFlat(out []byte, n *entity.Node, set *Population) []byte {
	start := len(out)
	put := func(name string, value any) {
		if len(out) > start+1 {
			out = append(out, ',')
		}
		out = append(appendJSON(out, name), ':')
		out = appendJSON(out, value)
	}
	out = append(out, '{')
	put("id", n.ID)
	own := n.Own
	if raw, ok := own["url"].(string); ok && n.Kind.Name == "services" {
		own = WithURL(own, raw)
	}
	for name, value := range own {
		if f := n.Kind.Fields[name]; name == "id" || name == "_comment" || name == "_ignore" || name == "url" || f.Ref != "" {
			continue
		}
		put(name, value)
	}
	for _, f := range n.Kind.Foreign {
		if id := set.Target(n, f.Name); id != "" {
			put(f.Name, map[string]any{"id": id})
		}
	}
	for _, name := range []string{"created_at", "updated_at"} {
		if _, has := n.Kind.Fields[name]; has && n.Own[name] == nil {
			put(name, float64(l.Now.Unix()))
		}
	}
	return append(out, '}')
}

// appendJSON writes the few types that a parsed document holds, without sorting. It is a third of the time of a load.
func appendJSON(out []byte, value any) []byte {
	switch value := value.(type) {
	case string:
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' || r == utf8.RuneError }) {
			return append(out, document.Marshal(value)...)
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
	return append(out, document.Marshal(value)...)
}

// WithURL expands the shorthand "url" of a service, which wins over the fields.
func WithURL(own map[string]any, raw string) map[string]any {
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

// Population is every entity of a document, with the indexes that find duplicates and follow references.
type Population struct {
	kinds *entity.Kinds
	ns    entity.Namespaces
	// ByKind holds every entity that is not a duplicate.
	ByKind map[string][]*entity.Node
	byID   map[string]map[string]*entity.Node
	byKey  map[string]map[string]*entity.Node
	errs   problems.Tree
}

func newPopulation(ks *entity.Kinds) *Population {
	p := &Population{
		kinds: ks, ns: entity.Namespaces{}, ByKind: map[string][]*entity.Node{}, byID: map[string]map[string]*entity.Node{},
		byKey: map[string]map[string]*entity.Node{}, errs: problems.Tree{},
	}
	for _, k := range ks.All {
		p.byID[k.Name], p.byKey[k.Name] = map[string]*entity.Node{}, map[string]*entity.Node{}
	}
	return p
}

// add gives ids and files duplicates. An equal natural key is filed under the kind and the place among siblings, for nested entities too.
// An equal id is filed where the entity stands. Kong does the same.
func (p *Population) add(nodes []*entity.Node) {
	for _, n := range nodes {
		k := n.Kind
		n.GiveID(p.ns)
		key := n.Text(k.Key)
		unique := k.Fields[k.Key].Unique
		if key != "" {
			if _, taken := p.byKey[k.Name][key]; taken && unique {
				p.errs.Put(fmt.Sprintf("uniqueness violation: '%s' entity with %s set to '%s' already"+
					" declared", k.Name, k.Key, key), k.Name, n.Position)
				continue
			}
			p.byKey[k.Name][key] = n
		}
		if _, taken := p.byID[k.Name][n.ID]; taken {
			p.errs.Put(fmt.Sprintf("uniqueness violation: '%s' entity with primary key set to '%s' already declared", k.Name, n.ID), n.Path()...)
			continue
		}
		p.byID[k.Name][n.ID] = n
		p.ByKind[k.Name] = append(p.ByKind[k.Name], n)
		for _, child := range p.kinds.All {
			p.add(n.Children[child.Name])
		}
	}
}

// resolve checks that references resolve. A dangling one is filed under the name of the entity, where flattening loses it (F10). Kong
// crashes on a plugin with two dangling references (F14).
func (p *Population) resolve() error {
	for _, k := range p.kinds.All {
		for _, n := range p.ByKind[k.Name] {
			dangling := 0
			for _, f := range k.Foreign {
				name, value := f.Name, n.Own[f.Name]
				if value == nil || p.Target(n, name) != "" {
					continue
				}
				dangling++
				named, ok := value.(string)
				if !ok {
					named = string(document.Marshal(value))
				}
				ofKind, _ := p.errs[k.Name].(problems.Tree)
				if ofKind == nil {
					ofKind = problems.Tree{}
					p.errs[k.Name] = ofKind
				}
				ofKind[p.at(n)] = problems.Tree{1: fmt.Sprintf("invalid reference '%s: %s' (no such entry in '%s')", name, named, f.Ref)}
			}
			if dangling > 1 {
				return document.ErrCrash
			}
		}
	}
	return nil
}

func (p *Population) at(n *entity.Node) string {
	if key := n.Text(n.Kind.Key); key != "" {
		return key
	}
	return n.ID
}

// Target returns the id that a reference leads to, or an empty string.
func (p *Population) Target(n *entity.Node, name string) string {
	f := n.Kind.Fields[name]
	if f.Ref == "" {
		return ""
	}
	if n.Parent != nil && n.ParentField == name {
		return n.Parent.ID
	}
	word, ok := n.Own[name].(string)
	if ref, isObject := n.Own[name].(map[string]any); isObject {
		word, ok = ref["id"].(string)
	}
	if !ok {
		return ""
	}
	if found, ok := p.byKey[f.Ref][word]; ok {
		return found.ID
	}
	if found, ok := p.byID[f.Ref][word]; ok {
		return found.ID
	}
	return ""
}

// uniqueFields checks the fields beside the natural key that must differ.
func (p *Population) uniqueFields() {
	for _, k := range p.kinds.All {
		var names []string
		for name, f := range k.Fields {
			if f.Unique && name != k.Key {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		for _, name := range names {
			seen := map[string]bool{}
			for _, n := range p.ByKind[k.Name] {
				value := n.Text(name)
				if value != "" && seen[value] {
					p.errs.Put(fmt.Sprintf("uniqueness violation: '%s' entity with %s set to '%s' already declared", k.Name, name, value), k.Name, p.at(n))
				}
				seen[value] = true
			}
		}
	}
}

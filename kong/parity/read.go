package parity

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/kong/document"
	"github.com/silverback-gateway/silverback/kong/entity"
	"github.com/silverback-gateway/silverback/kong/proof"
)

// Form is where a configuration came from, as far as its text shows.
type Form string

// The forms.
const (
	File    Form = "file"    // a declarative configuration
	Dump    Form = "dump"    // what Kong Ingress Controller's diagnostics server answers: the configuration in an envelope with its hash
	Gateway Form = "gateway" // what a gateway without a database answers to GET /config: every default filled in, passwords hashed
)

// ErrNotConfiguration says that a text is none of these forms. It holds no content.
var ErrNotConfiguration = errors.New("not a configuration of Kong, nor a dump of one")

// Configuration is one side of a comparison.
type Configuration struct {
	Form  Form
	table *entity.Table
	items map[string][]*item // by kind
	kinds []string           // those that there are: referred before referring
}

// Count is how many entities there are.
func (c *Configuration) Count() int {
	n := 0
	for _, items := range c.items {
		n += len(items)
	}
	return n
}

// Expressions says whether a route is one of the router flavor expressions.
func (c *Configuration) Expressions() bool {
	return slices.ContainsFunc(c.items["routes"], func(e *item) bool { return e.fields["expression"] != nil })
}

// Plugins are the names of the plugins that there are, in order.
func (c *Configuration) Plugins() []string {
	var names []string
	for _, e := range c.items["plugins"] {
		if name, ok := e.fields["name"].(string); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// kindName is how kinds are named.
var kindName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

// item is an entity of one side.
type item struct {
	kind   string
	table  *entity.Kind // nil: a kind of a custom entity
	fields map[string]any
	refs   map[string]*item // what its fields refer to; those fields are not in fields
	id     string           // as given; empty when there is none
	key    string           // stands for the id in a comparison; equal for the two of a pair
	other  *item            // the one on the other side
}

// Read reads a configuration in any of the forms. The name tells JSON from YAML, as for document.Read. The error is an
// ErrNotConfiguration or a *document.Fault, and holds no content.
func Read(name string, text []byte) (*Configuration, error) {
	doc, root, err := open(name, text)
	if err != nil {
		return nil, err
	}
	form := File
	switch inner := root.Get("config"); {
	case inner == nil:
	case inner.Kind == document.String:
		form = Gateway
		if doc, root, err = open("config.yaml", []byte(inner.Text)); err != nil {
			return nil, err
		}
	case inner.Kind == document.Map:
		form, root = Dump, inner
	}
	if root.Get("_format_version") == nil {
		return nil, fmt.Errorf("%w: there is no _format_version", ErrNotConfiguration)
	}
	if transform := root.Get("_transform"); form == File && transform != nil && transform.Text == "false" {
		form = Gateway
	}
	c := &Configuration{Form: form, table: entity.NewTable(), items: map[string][]*item{}}
	for _, key := range root.Keys {
		if strings.HasPrefix(key.Name, "_") || key.Value.Kind != document.List {
			continue
		}
		if !kindName.MatchString(key.Name) {
			return nil, fmt.Errorf("%w: a list has no name that Kong could have", ErrNotConfiguration)
		}
		if fault := doc.Each(key.Value, func(_ int, e *document.Node) bool {
			if fields, ok := valueOf(e).(map[string]any); ok {
				c.add(key.Name, fields, "", nil)
			}
			return true
		}); fault != nil {
			return nil, fault
		}
	}
	c.settle()
	return c, nil
}

func open(name string, text []byte) (*document.Document, *document.Node, error) {
	doc, fault := document.Open(name, text, document.DefaultLimits())
	if fault != nil {
		return nil, nil, fault
	}
	if len(doc.Roots) != 1 || doc.Roots[0].Kind != document.Map {
		return nil, nil, ErrNotConfiguration
	}
	return doc, doc.Roots[0], nil
}

// valueOf is a node as encoding/json would have it, with numbers as json.Number.
func valueOf(n *document.Node) any {
	switch n.Kind {
	case document.Bool:
		return n.Text == "true"
	case document.Int, document.Float:
		return json.Number(n.Text)
	case document.String:
		return n.Text
	case document.List:
		list := make([]any, 0, len(n.Items))
		for _, e := range n.Items {
			list = append(list, valueOf(e))
		}
		return list
	case document.Map:
		fields := make(map[string]any, len(n.Keys))
		for _, key := range n.Keys {
			fields[key.Name] = valueOf(key.Value)
		}
		return fields
	}
	return nil
}

// stamps are fields that say nothing.
var stamps = []string{"created_at", "updated_at", "_ignore", "_comment"}

// add adds an entity and those that are nested in it; field is what refers to the parent.
func (c *Configuration) add(kind string, fields map[string]any, field string, parent *item) {
	e := &item{kind: kind, table: c.table.Kind(kind), fields: fields, refs: map[string]*item{}}
	e.id, _ = fields["id"].(string)
	if name, _ := fields["name"].(string); proof.Reserved(kind, e.id, name) || kind == "plugins" && fields["route"] == proof.RouteID {
		return // the gateway is one of a fleet
	}
	for _, name := range append([]string{"id"}, stamps...) {
		delete(fields, name)
	}
	if parent != nil {
		e.refs[field] = parent
		delete(fields, field)
	}
	c.items[kind] = append(c.items[kind], e)
	if e.table == nil {
		return
	}
	for _, child := range e.table.Children {
		nested, _ := fields[child.Key].([]any)
		delete(fields, child.Key)
		for _, inner := range nested {
			switch inner := inner.(type) {
			case map[string]any:
				c.add(child.Kind, inner, child.Ref, e)
			case string: // the names of a certificate, in short
				c.add(child.Kind, map[string]any{"name": inner}, child.Ref, e)
			}
		}
	}
	c.addMemberships(e)
}

// addMemberships makes entities of the groups of a consumer, as dumps and decK have them.
func (c *Configuration) addMemberships(consumer *item) {
	groups, ok := consumer.fields["groups"].([]any)
	if !ok || consumer.kind != "consumers" {
		return
	}
	delete(consumer.fields, "groups")
	for _, group := range groups {
		if named, ok := group.(map[string]any); ok {
			group = named["name"]
		}
		c.add("consumer_group_consumers", map[string]any{"consumer_group": group}, "consumer", consumer)
	}
}

// settle resolves references, and takes out what a gateway says twice.
func (c *Configuration) settle() {
	c.kinds = slices.SortedFunc(maps.Keys(c.items), func(a, b string) int { return c.rank(a) - c.rank(b) })
	index := map[[2]string]*item{}
	for _, kind := range c.kinds {
		for _, e := range c.items[kind] {
			if e.table != nil && e.table.NameField != "" {
				if name, ok := e.fields[e.table.NameField].(string); ok {
					index[[2]string{kind, name}] = e
				}
			}
		}
	}
	for _, kind := range c.kinds { // ids come before names
		for _, e := range c.items[kind] {
			if e.id != "" {
				index[[2]string{kind, e.id}] = e
			}
		}
	}
	for _, kind := range c.kinds {
		for _, e := range c.items[kind] {
			e.resolve(index)
		}
	}
	seen := map[string]bool{}
	c.items["snis"] = slices.DeleteFunc(c.items["snis"], func(e *item) bool {
		name, _ := e.fields["name"].(string)
		twice := seen[name]
		seen[name] = true
		return twice
	})
}

// rank orders kinds: those of custom entities come last, since they may refer to any other.
func (c *Configuration) rank(kind string) int {
	if c.table.Kind(kind) == nil {
		return len(c.table.Kinds())
	}
	return c.table.Rank(kind)
}

func (e *item) resolve(index map[[2]string]*item) {
	if e.table == nil {
		return
	}
	for _, f := range e.table.Fields {
		if f.Type != entity.Ref {
			continue
		}
		value := e.fields[f.Name]
		if inner, ok := value.(map[string]any); ok {
			if value = inner["id"]; value == nil {
				value = inner["name"]
			}
		}
		text, ok := value.(string)
		if !ok {
			continue
		}
		if target := index[[2]string{f.Ref, text}]; target != nil {
			e.refs[f.Name] = target
			delete(e.fields, f.Name)
		} else {
			e.fields[f.Name] = map[string]any{"id": text}
		}
	}
	if authorities, ok := e.fields["ca_certificates"].([]any); ok && e.kind == "services" {
		for i, id := range authorities {
			if text, ok := id.(string); ok && index[[2]string{"ca_certificates", text}] != nil {
				authorities[i] = index[[2]string{"ca_certificates", text}]
			}
		}
	}
}

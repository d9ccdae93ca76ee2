package entity

import (
	"crypto/rand"
	"crypto/sha1" // version 5 UUIDs are made of it
	"encoding/hex"
	"fmt"
	"maps"
)

// Node is one entity as it was posted, in its place among the others.
type Node struct {
	Kinds       *Kinds
	Kind        *Kind
	Own         map[string]any // the posted fields without nested entities
	Children    map[string][]*Node
	Parent      *Node
	ParentField string // the own field that refers to the parent
	Position    int    // from 1, among its siblings
	ID          string // empty before GiveID
}

// Shown returns the entity as an error repeats it: everything that was posted, without nested entities. The parent shows when its id is
// known by then. Expanded says that ids have been given.
func (n *Node) Shown(expanded bool) map[string]any {
	entity := maps.Clone(n.Own)
	if expanded && n.ID != "" {
		entity["id"] = n.ID
	}
	if n.Parent != nil {
		id, _ := n.Parent.Own["id"].(string)
		if expanded {
			id = n.Parent.ID
		}
		if id != "" {
			entity[n.ParentField] = map[string]any{"id": id}
		}
	}
	return entity
}

// Path is where Kong files errors about the entity.
func (n *Node) Path(more ...any) []any {
	var path []any
	if n.Parent != nil {
		path = n.Parent.Path()
	}
	return append(append(path, n.Kind.Name, n.Position), more...)
}

// Text returns a field that is a string, or an empty string.
func (n *Node) Text(name string) string {
	s, _ := n.Own[name].(string)
	return s
}

// GiveID sets the id: the posted one, or one made from the natural key, which is the same at each load. Without a key it is random (F24).
// The made ids of services, routes, consumers, upstreams and API keys equal Kong's. Those of plugins, targets, acls, vaults and other
// credentials are as stable as Kong's, but differ from them.
func (n *Node) GiveID(ns Namespaces) {
	n.ID = n.Text("id")
	if n.ID != "" {
		return
	}
	switch key := n.Text(n.Kind.Key); {
	case n.Kind.Name == "plugins":
		n.ID = ns.ID("plugins", fmt.Sprint(n.Text("name"), n.scope("route"), n.scope("service"), n.scope("consumer")))
	case n.Kind.Name == "targets":
		n.ID = ns.ID("targets", fmt.Sprint(key, n.scope("upstream")))
	case n.Kind.Name == "acls":
		n.ID = ns.ID("acls", fmt.Sprint(n.Text("group"), n.scope("consumer")))
	case key != "" && (n.Kind.Name != "snis" || n.Parent == nil): // Kong overlooks those nested in certificates
		n.ID = ns.ID(n.Kind.Name, key)
	default:
		n.ID = RandomID()
	}
}

// scope names what a field refers to, in the posted words.
func (n *Node) scope(name string) string {
	if n.Parent != nil && n.ParentField == name {
		return ":" + n.Parent.ID
	}
	if ref, ok := n.Own[name].(map[string]any); ok {
		return fmt.Sprint(":", ref["id"])
	}
	return ":" + n.Text(name)
}

// Namespaces caches the UUID namespace of each kind.
type Namespaces map[string][]byte

// ID returns the version 5 UUID of a name of a kind.
func (ns Namespaces) ID(kindName, name string) string {
	space, ok := ns[kindName]
	if !ok {
		root, _ := hex.DecodeString("fd02801f09574a15a55ac8d9606f30b5")
		space = UUID5(root, kindName)
		ns[kindName] = space
	}
	return FormatUUID(UUID5(space, name))
}

// FormatUUID writes 16 bytes as a UUID.
func FormatUUID(u []byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// UUID5 makes a version 5 UUID of a name in a namespace.
func UUID5(space []byte, name string) []byte {
	h := sha1.New() // see the import
	h.Write(space)
	h.Write([]byte(name))
	u := h.Sum(nil)[:16]
	u[6] = u[6]&0x0f | 0x50
	u[8] = u[8]&0x3f | 0x80
	return u
}

// RandomID makes a version 4 UUID.
func RandomID() string {
	u := make([]byte, 16)
	_, _ = rand.Read(u) // never fails
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return FormatUUID(u)
}

// IsUUID reports whether a text has the form of a UUID, in either case.
func IsUUID(text string) bool {
	if len(text) != 36 {
		return false
	}
	for i, c := range []byte(text) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (c == '-') || !dash && (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}

// Words returns the strings of a list, and no others.
func Words(value any) []string {
	list, _ := value.([]any)
	out := make([]string, 0, len(list))
	for _, item := range list {
		if word, ok := item.(string); ok {
			out = append(out, word)
		}
	}
	return out
}

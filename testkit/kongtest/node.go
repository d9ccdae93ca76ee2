package kongtest

import (
	"crypto/rand"
	"crypto/sha1" // version 5 UUIDs are made of it
	"encoding/hex"
	"fmt"
	"maps"
)

// node is one entity as it was posted, in its place among the others.
type node struct {
	kinds       *kinds
	kind        *kind
	own         map[string]any // the posted fields without nested entities
	children    map[string][]*node
	parent      *node
	parentField string // the own field that points to the parent
	position    int    // 1-based, among its siblings
	id          string // set once ids are given
}

// shown returns the entity as an error repeats it: everything posted but what
// was nested in it. The parent shows when its id is known by then.
func (n *node) shown(expanded bool) map[string]any {
	entity := maps.Clone(n.own)
	if expanded && n.id != "" {
		entity["id"] = n.id
	}
	if n.parent != nil {
		id, _ := n.parent.own["id"].(string)
		if expanded {
			id = n.parent.id
		}
		if id != "" {
			entity[n.parentField] = map[string]any{"id": id}
		}
	}
	return entity
}

// path is where errors about the entity are filed.
func (n *node) path(more ...any) []any {
	var path []any
	if n.parent != nil {
		path = n.parent.path()
	}
	return append(append(path, n.kind.name, n.position), more...)
}

func (n *node) text(name string) string {
	s, _ := n.own[name].(string)
	return s
}

// giveID settles the id: the posted one, or one made from the natural key, which
// is the same at each load, or for want of a key a random one, which is not (F24).
// The made ids of services, routes, consumers, upstreams and API keys are Kong's;
// those of plugins, targets, acls, vaults and other credentials are as stable
// here as there, but not the same.
func (n *node) giveID(ns namespaces) {
	n.id = n.text("id")
	if n.id != "" {
		return
	}
	switch key := n.text(n.kind.key); {
	case n.kind.name == "plugins":
		n.id = ns.id("plugins", fmt.Sprint(n.text("name"), n.scope("route"), n.scope("service"), n.scope("consumer")))
	case n.kind.name == "targets":
		n.id = ns.id("targets", fmt.Sprint(key, n.scope("upstream")))
	case n.kind.name == "acls":
		n.id = ns.id("acls", fmt.Sprint(n.text("group"), n.scope("consumer")))
	case key != "" && (n.kind.name != "snis" || n.parent == nil): // Kong overlooks those nested in certificates
		n.id = ns.id(n.kind.name, key)
	default:
		n.id = randomID()
	}
}

// scope names what a field points to, in the words it was posted with.
func (n *node) scope(name string) string {
	if n.parent != nil && n.parentField == name {
		return ":" + n.parent.id
	}
	if ref, ok := n.own[name].(map[string]any); ok {
		return fmt.Sprint(":", ref["id"])
	}
	return ":" + n.text(name)
}

// namespaces caches the UUID namespace of each kind.
type namespaces map[string][]byte

func (ns namespaces) id(kindName, name string) string {
	space, ok := ns[kindName]
	if !ok {
		root, _ := hex.DecodeString("fd02801f09574a15a55ac8d9606f30b5")
		space = uuid5(root, kindName)
		ns[kindName] = space
	}
	return formatUUID(uuid5(space, name))
}

func formatUUID(u []byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

func uuid5(space []byte, name string) []byte {
	h := sha1.New() // see the import
	h.Write(space)
	h.Write([]byte(name))
	u := h.Sum(nil)[:16]
	u[6] = u[6]&0x0f | 0x50
	u[8] = u[8]&0x3f | 0x80
	return u
}

func randomID() string {
	u := make([]byte, 16)
	_, _ = rand.Read(u) // never fails
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return formatUUID(u)
}

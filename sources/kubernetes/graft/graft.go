// Package graft keeps entities of an earlier content of a source in place where a new one lost them: the last good form of objects that
// were left out, or all that the shrink guard keeps. It works on Kong's entities, so that nothing but what was committed is needed. It is
// pure.
package graft

import (
	"slices"

	"github.com/silverback-gateway/silverback/kong/snapshot"
	"github.com/silverback-gateway/silverback/sources/kubernetes/content"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// belonging are the kinds whose entities come along with what they belong to.
var belonging = map[string]bool{
	"plugins": true, content.Targets: true, "snis": true, "keyauth_credentials": true, "basicauth_credentials": true,
	"hmacauth_credentials": true, "jwt_secrets": true, "acls": true, "oauth2_credentials": true, "mtls_auth_credentials": true,
	"consumer_group_consumers": true,
}

// apart are the kinds whose entities are kept only for their own object, never since something names them.
var apart = map[string]bool{"routes": true, "consumers": true, "consumer_groups": true}

// Contents are what a graft is made of.
type Contents struct {
	// Base is the earlier content; entities are taken from here.
	Base *content.Content
	// New is the content that lost them. An entity that it has is never replaced.
	New *content.Content
	// Current is a content whose targets are newer than those of Base, such as that of all objects, the broken ones included. Upstreams
	// that it has get the targets that they have there. It may be nil.
	Current *content.Content
	// Beside is what another source holds: its entities are there for those that need them. It may be nil.
	Beside *content.Content
}

// Objects are the entities of Base that came from one of the objects, by their tags, and that New lost, with what they need: the service of
// a route, its upstream with its targets, its plugins, the credentials of a consumer. An entity whose needs are neither in New nor in Base
// is left out, and so are entities for which drop returns true, with all that needs them.
func Objects(c Contents, objects []object.Ref, drop func(content.Key) bool) []content.Entity {
	wanted := map[object.Ref]bool{}
	for _, ref := range objects {
		ref.Group = ""
		wanted[ref] = true
	}
	return keep(c, drop, func(_ content.Entity, f content.Fields) bool {
		ref, ok := f.Object()
		ref.Group = ""
		return ok && wanted[ref]
	})
}

// Lost are all entities of Base that New lost, with what they need, but for targets of upstreams that New has.
func Lost(c Contents, drop func(content.Key) bool) []content.Entity {
	return keep(c, drop, func(e content.Entity, _ content.Fields) bool { return e.Kind != content.Targets })
}

// graph is what is known of the entities of Base.
type graph struct {
	Contents
	fields    map[content.Key]content.Fields
	byID      map[string]content.Key // ids are UUIDs: one for each entity
	upstreams map[string]content.Key // by name
	children  map[content.Key][]content.Key
	drop      func(content.Key) bool
	wanted    map[content.Key]bool
	kept      map[content.Key]bool // whether a visited entity is kept
}

func keep(c Contents, drop func(content.Key) bool, want func(content.Entity, content.Fields) bool) []content.Entity {
	g := graph{Contents: c, fields: map[content.Key]content.Fields{}, byID: map[string]content.Key{}, upstreams: map[string]content.Key{},
		children: map[content.Key][]content.Key{}, drop: drop, wanted: map[content.Key]bool{}, kept: map[content.Key]bool{}}
	g.read()
	for _, e := range c.Base.Entities() {
		if want(e, g.fields[e.Key]) {
			g.wanted[e.Key] = true
		}
	}
	for _, e := range c.Base.Entities() {
		if g.wanted[e.Key] {
			g.visit(e.Key)
		}
	}
	return g.list()
}

// read finds out what belongs to what.
func (g *graph) read() {
	for _, e := range g.Base.Entities() {
		f := e.Read()
		g.fields[e.Key] = f
		g.byID[e.ID] = e.Key
		if e.Kind == "upstreams" {
			g.upstreams[f.Name] = e.Key
		}
	}
	for _, e := range g.Base.Entities() {
		if !belonging[e.Kind] {
			continue
		}
		for _, id := range g.fields[e.Key].Refs {
			if parent, ok := g.byID[id]; ok {
				g.children[parent] = append(g.children[parent], e.Key)
			}
		}
	}
}

// visit keeps an entity with what it needs and what belongs to it, and says whether it is there then, here or in New.
func (g *graph) visit(key content.Key) bool {
	if _, there := g.New.Get(key); there {
		return true
	}
	if kept, visited := g.kept[key]; visited {
		return kept
	}
	g.kept[key] = g.mayKeep(key) // before its needs: entities may name each other
	for _, id := range g.fields[key].Refs {
		if !g.kept[key] {
			break
		}
		if need, known := g.byID[id]; known {
			g.kept[key] = g.visit(need)
		} else if !g.inNew(id) {
			g.kept[key] = false
		}
	}
	if !g.kept[key] {
		return false
	}
	if upstream, ok := g.upstreams[g.fields[key].Host]; ok && key.Kind == "services" {
		g.visit(upstream)
	}
	for _, child := range g.children[key] {
		g.visit(child)
	}
	return true
}

// mayKeep says whether an entity may be kept at all. What somebody deleted does not come back because a plugin of it is broken.
func (g *graph) mayKeep(key content.Key) bool {
	return (g.wanted[key] || !apart[key.Kind]) && (g.drop == nil || !g.drop(key))
}

// inNew says whether New, or what is beside it, has an entity with an id.
func (g *graph) inNew(id string) bool {
	return slices.ContainsFunc([]string{"services", "routes", "consumers", "consumer_groups", "certificates", "ca_certificates", "upstreams"},
		func(kind string) bool {
			_, ok := g.New.Get(content.Key{Kind: kind, ID: id})
			_, beside := g.Beside.Get(content.Key{Kind: kind, ID: id})
			return ok || beside
		})
}

// list is what is kept, in the order of Base, with the current targets of its upstreams.
func (g *graph) list() []content.Entity {
	var kept []content.Entity
	renewed := map[string]bool{}
	for _, e := range g.Base.Entities() {
		if _, there := g.New.Get(e.Key); there || !g.kept[e.Key] {
			continue
		}
		if _, current := g.Current.Get(e.Key); current && e.Kind == "upstreams" {
			renewed[e.ID] = true
		}
		kept = append(kept, e)
	}
	if len(renewed) == 0 {
		return kept
	}
	ofRenewed := func(e content.Entity) bool {
		return e.Kind == content.Targets && slices.ContainsFunc(e.Read().Refs, func(id string) bool { return renewed[id] })
	}
	kept = slices.DeleteFunc(kept, ofRenewed)
	for _, e := range g.Current.Entities() {
		if ofRenewed(e) {
			kept = append(kept, e)
		}
	}
	return kept
}

// Document is the text of entities as a document of a submission, an entity to a line. It holds secrets.
func Document(entities []content.Entity) ([]byte, error) {
	sealed := make([]snapshot.Entity, 0, len(entities))
	for _, e := range entities {
		sealed = append(sealed, snapshot.Entity{Kind: e.Kind, ID: e.ID, Key: e.ID, JSON: e.Line})
	}
	s, err := snapshot.Seal(sealed)
	if err != nil {
		return nil, err
	}
	return s.Canonical(), nil
}

// At is the entity on a line of a Document, from 1; false when there is none.
func At(document []byte, line int) (content.Key, bool) {
	c, err := content.Open(document)
	if err != nil {
		return content.Key{}, false
	}
	offset := 0
	for range line - 1 {
		next := slices.Index(document[offset:], '\n')
		if next < 0 {
			return content.Key{}, false
		}
		offset += next + 1
	}
	var found content.Key
	_ = snapshot.Scan(document, func(kind string, text []byte, at int) {
		if at == offset {
			for _, e := range c.Entities() {
				if e.Kind == kind && string(e.Line) == string(text) {
					found = e.Key
				}
			}
		}
	})
	return found, found != content.Key{}
}

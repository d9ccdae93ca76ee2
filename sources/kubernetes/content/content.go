// Package content holds what a source contributes to a group, entity by entity, in the canonical form of the translator: what was made of
// objects just now, and what a revision holds, can be compared line by line. It is pure.
package content

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/compile"
	"github.com/silverback-gateway/silverback/kong/snapshot"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// Targets is the kind of entities that endpoints come and go with. They are no part of the form of an object.
const Targets = "targets"

// Key names an entity: the plural of its kind, and its id.
type Key struct{ Kind, ID string }

// Sum is the digest of an entity's line.
type Sum [sha256.Size]byte

// Entity is one entity in canonical form. Its line holds secrets, and nobody may modify it.
type Entity struct {
	Key
	Line []byte
	// Name is the natural name, and Document and At are where it stood in what was compiled. They are empty for what was opened.
	Name, Document string
	At             int
	natural        string // the natural key, by which canonical bytes are in order; empty for what was opened
}

// Content is the entities of a source. Its methods may be called at the same time. The zero value and nil are empty.
type Content struct {
	entities []Entity // by kind, natural key and id
	index    map[Key]int
	sums     map[Key]Sum
	digest   string
	text     []byte
	sealed   sync.Once // of what was joined: text is made when it is asked for
}

// Document is one file of a submission.
type Document = compile.Document

// Compile is what the translator makes of documents as the only source of a group, or the problems that it would refuse them for.
func Compile(documents []Document) (*Content, []fleet.Problem) {
	c := compile.New(compile.DefaultLimits())
	fragment, problems := c.Parse(documents)
	if len(problems) > 0 {
		return nil, problems
	}
	return merge(c, map[compile.SourceID]*compile.Fragment{own: fragment})
}

// CompileBeside is what the translator makes of documents beside another one, which has what they refer to. The content is that of the
// documents alone. Problems of the other one do not count, and it may be empty.
func CompileBeside(documents []Document, beside Document) (*Content, []fleet.Problem) {
	c := compile.New(compile.DefaultLimits())
	fragment, problems := c.Parse(documents)
	if len(problems) > 0 {
		return nil, problems
	}
	fragments := map[compile.SourceID]*compile.Fragment{own: fragment}
	if other, refused := c.Parse([]Document{beside}); len(refused) == 0 {
		fragments["beside"] = other
	}
	return merge(c, fragments)
}

// own is the name of the source that is compiled, before all others in their order: what both claim is a problem of the other one.
const own = compile.SourceID("")

// merge is what own contributes to the merge of fragments.
func merge(c *compile.Compiler, fragments map[compile.SourceID]*compile.Fragment) (*Content, []fleet.Problem) {
	merged, problems := c.Merge(fragments)
	if len(problems) > 0 {
		return nil, problems
	}
	var entities []Entity
	for i, e := range merged.Entities {
		if from := merged.Origins[i]; from.Source == own {
			entities = append(entities, Entity{Key: Key{e.Kind, e.ID}, Line: e.JSON, Name: from.Name, Document: from.Document, At: from.Line,
				natural: e.Key})
		}
	}
	made := contentOf(entities, make(map[Key]Sum, len(entities)))
	if len(made.index) < len(entities) {
		return nil, []fleet.Problem{{Message: "two entities have one id"}}
	}
	return made, nil
}

// Join is what compiled contents come to together, or false when two of them hold the same entity. None may refer to another one by
// anything but ids.
func Join(contents []*Content) (*Content, bool) {
	if len(contents) == 1 {
		return contents[0], true
	}
	n := 0
	for _, c := range contents {
		n += len(c.Entities())
	}
	entities, sums := make([]Entity, 0, n), make(map[Key]Sum, n)
	for _, c := range contents {
		entities = append(entities, c.Entities()...)
		maps.Copy(sums, c.Sums())
	}
	if len(sums) < n {
		return nil, false
	}
	return contentOf(entities, sums), true
}

// contentOf puts entities in their order. Sums that are not known yet are added.
func contentOf(entities []Entity, sums map[Key]Sum) *Content {
	slices.SortFunc(entities, func(a, b Entity) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.natural, b.natural), cmp.Compare(a.ID, b.ID))
	})
	c := &Content{entities: entities, index: make(map[Key]int, len(entities)), sums: sums}
	hash := sha256.New()
	for i, e := range entities {
		c.index[e.Key] = i
		sum, known := sums[e.Key]
		if !known {
			sum = sha256.Sum256(e.Line)
			sums[e.Key] = sum
		}
		hash.Write([]byte(e.Kind))
		hash.Write(sum[:])
	}
	c.digest = hex.EncodeToString(hash.Sum(nil))
	return c
}

// Open reads canonical bytes, such as those of a revision's part of a source. It keeps them.
func Open(canonical []byte) (*Content, error) {
	c := &Content{index: map[Key]int{}, sums: map[Key]Sum{}, text: canonical}
	err := snapshot.Scan(canonical, func(kind string, line []byte, _ int) {
		var head struct {
			ID string `json:"id"`
		}
		_ = json.Unmarshal(line, &head) // an entity without an id cannot be referred to; canonical bytes have none
		key := Key{kind, head.ID}
		c.index[key] = len(c.entities)
		c.sums[key] = sha256.Sum256(line)
		c.entities = append(c.entities, Entity{Key: key, Line: line})
	})
	if err != nil {
		return nil, fmt.Errorf("read the content of the source: %w", err)
	}
	hash := sha256.New()
	for i := range c.entities {
		sum := c.sums[c.entities[i].Key]
		hash.Write([]byte(c.entities[i].Kind))
		hash.Write(sum[:])
	}
	c.digest = hex.EncodeToString(hash.Sum(nil))
	return c, nil
}

// Canonical is the text of the content. Nobody may modify it.
func (c *Content) Canonical() []byte {
	if c == nil {
		return nil
	}
	c.sealed.Do(func() {
		if c.text != nil {
			return
		}
		sealed := make([]snapshot.Entity, 0, len(c.entities))
		for _, e := range c.entities {
			sealed = append(sealed, snapshot.Entity{Kind: e.Kind, ID: e.ID, Key: e.natural, JSON: e.Line})
		}
		if s, err := snapshot.Seal(sealed); err == nil { // what was compiled can be sealed
			c.text = s.Canonical()
		}
	})
	return c.text
}

// SameForms says whether two contents differ in targets at most.
func (c *Content) SameForms(other *Content) bool {
	if c.Count() != other.Count() {
		return false
	}
	for key, sum := range c.Sums() {
		if key.Kind != Targets && other.Sums()[key] != sum {
			return false
		}
	}
	return true
}

// Fills says whether an upstream has targets that had none in an earlier content.
func (c *Content) Fills(before *Content) bool {
	had := before.filled()
	for upstream := range c.filled() {
		if !had[upstream] {
			return true
		}
	}
	return false
}

// filled are the ids of upstreams that have targets.
func (c *Content) filled() map[string]bool {
	ids := map[string]bool{}
	for _, e := range c.Entities() {
		if e.Kind != Targets {
			continue
		}
		for _, id := range e.Read().Refs {
			ids[id] = true
		}
	}
	return ids
}

// Digest tells contents apart. It is not the digest of a snapshot.
func (c *Content) Digest() string {
	if c == nil {
		return ""
	}
	return c.digest
}

// Entities lists the entities. Nobody may modify the list.
func (c *Content) Entities() []Entity {
	if c == nil {
		return nil
	}
	return c.entities
}

// Get finds an entity.
func (c *Content) Get(key Key) (Entity, bool) {
	if c == nil {
		return Entity{}, false
	}
	i, ok := c.index[key]
	if !ok {
		return Entity{}, false
	}
	return c.entities[i], true
}

// Sums are the digests of all entities, without those of targets. Nobody may modify them.
func (c *Content) Sums() map[Key]Sum {
	if c == nil {
		return nil
	}
	return c.sums
}

// Count is the number of entities without targets.
func (c *Content) Count() int {
	n := 0
	for _, e := range c.Entities() {
		if e.Kind != Targets {
			n++
		}
	}
	return n
}

// Fields are what is read of an entity's line.
type Fields struct {
	Name string
	Host string // of a service
	Tags []string
	// Refs are the ids of entities that it names.
	Refs []string
}

// nameFields are those that an entity is known by, in the order of preference.
var nameFields = []string{"name", "username", "custom_id", "prefix"}

// Read reads the fields of an entity.
func (e Entity) Read() Fields {
	var f Fields
	var all map[string]json.RawMessage
	if json.Unmarshal(e.Line, &all) != nil {
		return f
	}
	for _, field := range nameFields {
		if f.Name == "" {
			_ = json.Unmarshal(all[field], &f.Name)
		}
	}
	_ = json.Unmarshal(all["host"], &f.Host)
	_ = json.Unmarshal(all["tags"], &f.Tags)
	for _, field := range slices.Sorted(maps.Keys(all)) {
		value := all[field]
		if len(value) > 0 && value[0] == '{' && field != "config" {
			var ref struct {
				ID string `json:"id"`
			}
			if json.Unmarshal(value, &ref) == nil && ref.ID != "" {
				f.Refs = append(f.Refs, ref.ID)
			}
		}
	}
	var authorities []string
	if json.Unmarshal(all["ca_certificates"], &authorities) == nil {
		f.Refs = append(f.Refs, authorities...)
	}
	return f
}

// Object is the object that the tags name as where an entity came from; false without such tags.
func (f Fields) Object() (object.Ref, bool) {
	var ref object.Ref
	for _, tag := range f.Tags {
		name, value, _ := strings.Cut(tag, ":")
		switch name {
		case "k8s-kind":
			ref.Kind = value
		case "k8s-name":
			ref.Name = value
		case "k8s-namespace":
			ref.Namespace = value
		case "k8s-group":
			ref.Group = value
		}
	}
	return ref, ref.Kind != "" && ref.Name != ""
}

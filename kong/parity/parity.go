package parity

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/kong/changes"
	"github.com/silverback-gateway/silverback/kong/schema"
	"github.com/silverback-gateway/silverback/kong/snapshot"
)

// Report is what differs. Added is what ours has alone, removed what theirs has alone.
type Report struct {
	Equal, Added, Changed, Removed int
	Groups                         []Group
	Unknown                        Unknown
}

// Differs says whether anything is known to differ.
func (r *Report) Differs() bool { return r.Added+r.Changed+r.Removed > 0 }

// Unknown counts what cannot be compared.
type Unknown struct {
	Redacted int // values that their side hides
	Filled   int // settings of plugins that theirs has alone, and no schema tells from a default
	Absent   int // entities of ours of kinds that a dump never has
}

// Object is an object of Kubernetes, as tags name it. The zero Object is none.
type Object struct{ Kind, Namespace, Name string }

// String is how people name it.
func (o Object) String() string {
	switch {
	case o == Object{}:
		return "no object"
	case o.Namespace == "":
		return o.Kind + " " + o.Name
	}
	return o.Kind + " " + o.Namespace + "/" + o.Name
}

// Group is what differs of the entities of one object.
type Group struct {
	Object  Object
	Changes []changes.Change
}

// Compare says what differs between theirs and ours; both are of no use afterwards. Schemas tell which settings of plugins are defaults and
// which values may be shown; nil is none.
func Compare(theirs, ours *Configuration, schemas *schema.Bundle) (Report, error) {
	c := &comparer{schemas: schemas}
	c.dropAbsent(theirs, ours)
	pairAll(theirs, ours)
	for _, side := range []*Configuration{theirs, ours} {
		side.each(func(e *item) { e.normalize() })
	}
	ours.each(func(e *item) {
		if e.other != nil {
			c.reconcile(e.other, e)
		}
	})
	old, err := theirs.seal()
	if err != nil {
		return Report{}, err
	}
	now, err := ours.seal()
	if err != nil {
		return Report{}, err
	}
	pairs, err := snapshot.Pairs(old, now)
	if err != nil {
		return Report{}, err
	}
	return c.report(theirs, ours, pairs, old, now)
}

func (c *Configuration) each(do func(*item)) {
	for _, kind := range c.kinds {
		for _, e := range c.items[kind] {
			do(e)
		}
	}
}

// dumped are the kinds that a dump of Kong Ingress Controller can have. It sends others, those of KongCustomEntities, beside it.
var dumped = []string{
	"services", "routes", "plugins", "upstreams", "targets", "certificates", "snis", "ca_certificates", "vaults", "consumers",
	"consumer_groups", "keyauth_credentials", "basicauth_credentials", "hmacauth_credentials", "jwt_secrets", "acls", "oauth2_credentials",
	"mtls_auth_credentials", "licenses",
}

// dropAbsent leaves out what a dump never shows. A dump without secrets left out also loses which group a consumer is in.
func (c *comparer) dropAbsent(theirs, ours *Configuration) {
	if theirs.Form != Dump {
		return
	}
	for kind, items := range ours.items {
		if !slices.Contains(dumped, kind) && len(theirs.items[kind]) == 0 {
			c.unknown.Absent += len(items)
			delete(ours.items, kind)
		}
	}
}

// seal makes canonical bytes of all entities, by their keys.
func (c *Configuration) seal() ([]byte, error) {
	var all []snapshot.Entity
	var failed error
	c.each(func(e *item) {
		line, err := e.line()
		failed = cmp.Or(failed, err)
		all = append(all, snapshot.Entity{Kind: e.kind, ID: e.key, Key: e.key, JSON: line})
	})
	if failed != nil {
		return nil, failed
	}
	sealed, err := snapshot.Seal(all)
	if err != nil {
		return nil, err
	}
	return sealed.Canonical(), nil
}

func (e *item) line() ([]byte, error) {
	fields := maps.Clone(e.fields)
	fields["id"] = e.key
	for name, to := range e.refs {
		fields[name] = map[string]any{"id": to.key}
	}
	if authorities, ok := fields["ca_certificates"].([]any); ok {
		named := make([]any, 0, len(authorities))
		for _, a := range authorities {
			if to, ok := a.(*item); ok {
				a = to.key
			}
			named = append(named, a)
		}
		fields["ca_certificates"] = ordered("ca_certificates", named)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(fields); err != nil {
		return nil, fmt.Errorf("write one of %s: %w", e.kind, err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// report describes pairs, and those that differ in their ids only.
func (c *comparer) report(theirs, ours *Configuration, pairs []snapshot.Pair, old, now []byte) (Report, error) {
	found := map[[2]string]*item{}
	theirs.each(func(e *item) { found[[2]string{e.kind, e.key}] = e })
	ours.each(func(e *item) { found[[2]string{e.kind, e.key}] = e })
	differ := map[[2]string]bool{}
	for _, p := range pairs {
		differ[[2]string{p.Kind, p.ID}] = true
	}
	total := 0
	var failed error
	ours.each(func(e *item) {
		if e.other == nil {
			return
		}
		total++
		if at := [2]string{e.kind, e.key}; !differ[at] && e.idDiffers() {
			line, err := e.line()
			failed = cmp.Or(failed, err)
			pairs = append(pairs, snapshot.Pair{Kind: e.kind, ID: e.key, Op: snapshot.Changed, Old: line, New: line})
		}
	})
	if failed != nil {
		return Report{}, failed
	}
	var shown []changes.Schemas
	if c.schemas != nil {
		shown = append(shown, c.schemas)
	}
	told, err := changes.Describe(ours.table, shown, pairs, old, now)
	if err != nil {
		return Report{}, err
	}
	r := Report{Unknown: c.unknown}
	groups := map[Object]*Group{}
	for i, change := range told {
		e := found[[2]string{pairs[i].Kind, pairs[i].ID}]
		change.ID = e.id
		if e.id == "" && e.other != nil {
			change.ID = e.other.id
		}
		if e.idDiffers() {
			change.Fields = append([]changes.Field{{Path: "id", Old: quoted(e.other.id), New: quoted(e.id)}}, change.Fields...)
		}
		switch change.Op {
		case snapshot.Added:
			r.Added++
		case snapshot.Removed:
			r.Removed++
		default:
			r.Changed++
		}
		object := e.object()
		if groups[object] == nil {
			groups[object] = &Group{Object: object}
		}
		groups[object].Changes = append(groups[object].Changes, change)
	}
	r.Equal = total - r.Changed
	for _, object := range slices.SortedFunc(maps.Keys(groups), compareObjects) {
		r.Groups = append(r.Groups, *groups[object])
	}
	return r, nil
}

func compareObjects(a, b Object) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
}

func quoted(text string) json.RawMessage {
	out, err := json.Marshal(text)
	if err != nil {
		return nil
	}
	return out
}

// idDiffers says whether both sides give the entity an id, and not the same.
func (e *item) idDiffers() bool {
	return e.other != nil && e.id != "" && e.other.id != "" && e.id != e.other.id
}

// owners are the references that lead to what an entity without tags belongs to, in order.
var owners = []string{"route", "service", "consumer", "consumer_group", "upstream", "certificate", "set"}

// object is the object that an entity came from: by its own tags, or by those of what it belongs to.
func (e *item) object() Object {
	if o := objectOfTags(e.fields["tags"]); o != (Object{}) {
		return o
	}
	for _, name := range owners {
		if to := e.refs[name]; to != nil {
			if o := to.object(); o != (Object{}) {
				return o
			}
		}
	}
	return Object{}
}

func objectOfTags(tags any) Object {
	return Object{Kind: tagged(tags, "k8s-kind:"), Namespace: tagged(tags, "k8s-namespace:"), Name: tagged(tags, "k8s-name:")}
}

// tagged is what follows a prefix in one of some tags.
func tagged(tags any, prefix string) string {
	list, _ := tags.([]any)
	for _, tag := range list {
		text, _ := tag.(string)
		if value, ok := strings.CutPrefix(text, prefix); ok {
			return value
		}
	}
	return ""
}

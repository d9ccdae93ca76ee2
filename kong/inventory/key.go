package inventory

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/kit/clean"
)

// record is an entity by its fields: texts, lists and maps of these. Nulls are left out. References are ids.
type record struct {
	kind    string
	fields  map[string]any
	content [sha256.Size]byte // of all fields except its id, times and references
}

// rule is what identifies an entity of a kind.
type rule struct {
	by    []string   // fields that together identify one of a kind; references are resolved
	or    [][]string // used when one of those is missing: the first of these with any field set
	shown []string   // the first of these that is set is the name for people
	owner []string   // references that belong to the name: "rate-limiting of service orders"
}

// matches are the fields on which a route matches requests.
var matches = []string{"service", "hosts", "paths", "methods", "headers", "snis", "sources", "destinations", "expression"}

var scope = []string{"route", "service", "consumer", "consumer_group"}

var rules = map[string]rule{
	"services":        {by: []string{"name"}, or: [][]string{{"host", "port", "path"}}, shown: []string{"name", "host"}},
	"routes":          {by: []string{"name"}, or: [][]string{matches}, shown: []string{"name"}},
	"consumers":       {by: []string{"username"}, or: [][]string{{"custom_id"}}, shown: []string{"username", "custom_id"}},
	"consumer_groups": {by: []string{"name"}, shown: []string{"name"}},
	"plugins":         {by: append([]string{"name"}, scope...), shown: []string{"name"}, owner: scope},
	"upstreams":       {by: []string{"name"}, shown: []string{"name"}},
	"targets":         {by: []string{"upstream", "target"}, shown: []string{"target"}, owner: []string{"upstream"}},
	"certificates":    {by: []string{"cert"}},
	"ca_certificates": {by: []string{"cert"}},
	"snis":            {by: []string{"name"}, shown: []string{"name"}},
	"vaults":          {by: []string{"prefix"}, shown: []string{"prefix"}},
	"key_sets":        {by: []string{"name"}, shown: []string{"name"}},
	"keys":            {by: []string{"kid", "set"}, shown: []string{"name", "kid"}, owner: []string{"set"}},
	"filter_chains":   {by: []string{"route", "service"}, shown: []string{"name"}, owner: []string{"route", "service"}},

	"keyauth_credentials":   {by: []string{"key"}, owner: []string{"consumer"}},
	"basicauth_credentials": {by: []string{"username"}, shown: []string{"username"}, owner: []string{"consumer"}},
	"hmacauth_credentials":  {by: []string{"username"}, shown: []string{"username"}, owner: []string{"consumer"}},
	"jwt_secrets":           {by: []string{"key"}, owner: []string{"consumer"}},
	"oauth2_credentials":    {by: []string{"client_id"}, shown: []string{"name"}, owner: []string{"consumer"}},
	"acls":                  {by: []string{"consumer", "group"}, shown: []string{"group"}, owner: []string{"consumer"}},
	"mtls_auth_credentials": {by: []string{"consumer", "subject_name", "ca_certificate"}, shown: []string{"subject_name"},
		owner: []string{"consumer"}},
}

// references has the kinds to which fields refer.
var references = map[string]string{
	"service": "services", "route": "routes", "consumer": "consumers", "consumer_group": "consumer_groups", "upstream": "upstreams",
	"certificate":        "certificates",
	"client_certificate": "certificates", "set": "key_sets", "ca_certificate": "ca_certificates",
}

// parents is how many references are followed at most: sni, certificate; plugin, route, service.
const parents = 3

// namer computes the keys of entities.
type namer struct {
	byID map[string]record // by kind and id
}

func newNamer(all []record) *namer {
	n := &namer{byID: make(map[string]record, len(all))}
	for _, t := range all {
		if id := t.text("id"); id != "" {
			n.byID[t.kind+" "+id] = t
		}
	}
	return n
}

// key returns the key of an entity. It is equal for entities that people regard as the same.
func (n *namer) key(t record) string {
	sum := sha256.Sum256([]byte(n.identity(t, parents)))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

func (n *namer) identity(t record, depth int) string {
	r, known := rules[t.kind]
	if !known {
		return t.kind + " " + t.text("id")
	}
	fields := r.by
	if len(r.or) > 0 && t.text(r.by[0]) == "" {
		fields = r.or[0]
	}
	var out strings.Builder
	out.WriteString(t.kind)
	for _, f := range fields {
		v, there := t.fields[f]
		if !there {
			continue
		}
		fmt.Fprintf(&out, "\x00%s\x01", f)
		switch kind := references[f]; {
		case kind != "":
			id := text(v)
			if parent, there := n.byID[kind+" "+id]; there && depth > 0 {
				out.WriteString(n.identity(parent, depth-1))
			} else {
				out.WriteString(id)
			}
		case f == "cert":
			out.WriteString(certificate(text(v)))
		default:
			out.WriteString(render(v))
		}
	}
	return out.String()
}

// content returns a hash that does not depend on ids.
func (n *namer) content(t record) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s\x00%x", n.identity(t, parents), t.content)
	for _, f := range slices.Sorted(maps.Keys(references)) {
		if id := t.text(f); id != "" {
			parent, there := n.byID[references[f]+" "+id]
			if there {
				id = n.identity(parent, parents)
			}
			fmt.Fprintf(&out, "\x00%s\x01%s", f, id)
		}
	}
	return out.String()
}

// contentHash is a hash of the fields that content does not handle separately. The order of lists counts.
func contentHash(fields map[string]any) [sha256.Size]byte {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if name != "id" && name != "created_at" && name != "updated_at" && references[name] == "" {
			fmt.Fprintf(h, "%q:", name)
			write(h, fields[name])
		}
	}
	return [sha256.Size]byte(h.Sum(nil))
}

func write(h io.Writer, v any) {
	switch v := v.(type) {
	case []any:
		fmt.Fprintf(h, "[%d", len(v))
		for _, e := range v {
			write(h, e)
		}
	case map[string]any:
		fmt.Fprintf(h, "{%d", len(v))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			fmt.Fprintf(h, "%q:", name)
			write(h, v[name])
		}
	default:
		fmt.Fprintf(h, "%q", v)
	}
}

// name is the entity's name for people: "route orders", "plugin rate-limiting of service orders", "route without a name, of service orders,
// /u".
func (n *namer) name(t record) string {
	r := rules[t.kind]
	said := ""
	for _, f := range r.shown {
		if said = t.text(f); said != "" {
			break
		}
	}
	owner := ""
	for _, f := range r.owner {
		if parent, there := n.byID[references[f]+" "+t.text(f)]; there {
			owner = " of " + Singular(parent.kind) + " " + cmp.Or(n.name(parent), "without a name")
			break
		}
	}
	if said == "" && t.kind == "routes" {
		var words []string
		for _, f := range []string{"methods", "hosts", "paths", "snis", "expression"} {
			if v, there := t.fields[f]; there {
				words = append(words, render(v))
			}
		}
		said = strings.Join(words, " ")
	}
	return clean.Line(strings.TrimSpace(said+owner), maxName)
}

// Singular returns the singular name of a kind.
func Singular(kind string) string { return strings.TrimSuffix(kind, "s") }

// certificate returns the same text for each spelling of the same PEM.
func certificate(text string) string {
	if block, _ := pem.Decode([]byte(text)); block != nil {
		sum := sha256.Sum256(block.Bytes)
		return hex.EncodeToString(sum[:])
	}
	return strings.TrimSpace(text)
}

func (t record) text(name string) string { return text(t.fields[name]) }

func text(v any) string {
	s, _ := v.(string)
	return s
}

// render writes a value so that equal values give equal texts. The order of a list does not count: none of these lists has one.
func render(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		all := make([]string, len(v))
		for i, e := range v {
			all[i] = render(e)
		}
		slices.Sort(all)
		return strings.Join(all, ",")
	case map[string]any:
		all := make([]string, 0, len(v))
		for k, e := range v {
			all = append(all, k+"="+render(e))
		}
		slices.Sort(all)
		return strings.Join(all, ";")
	}
	return ""
}

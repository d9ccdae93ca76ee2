package parity

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A naming is what entities of two sides may be paired by; the empty text is nothing.
type naming func(*item) string

// pairAll pairs the entities of two sides, those that others refer to first, and gives every one its key.
func pairAll(theirs, ours *Configuration) {
	kinds := slices.Concat(theirs.kinds, ours.kinds)
	slices.SortStableFunc(kinds, func(a, b string) int { return ours.rank(a) - ours.rank(b) })
	for _, kind := range distinct(kinds) {
		for _, name := range namings(kind) {
			pair(theirs.items[kind], ours.items[kind], name)
		}
		taken := map[string]bool{}
		for _, side := range [][]*item{ours.items[kind], theirs.items[kind]} {
			for _, e := range side {
				e.takeKey(taken)
			}
		}
	}
}

func distinct(list []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(list), func(text string) bool {
		twice := seen[text]
		seen[text] = true
		return twice
	})
}

// plainID is an id that a line of a snapshot can have as it is; those of Kong are UUIDs.
var plainID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// takeKey chooses the key of an entity and of its other: the id of one of them, or else a number.
func (e *item) takeKey(taken map[string]bool) {
	if e.key != "" {
		return
	}
	key := e.id
	if key == "" && e.other != nil {
		key = e.other.id
	}
	for n := len(taken); !plainID.MatchString(key) || taken[key]; n++ {
		key = fmt.Sprintf("%s-%d", strings.TrimSuffix(e.kind, "s"), n)
	}
	taken[key] = true
	e.key = key
	if e.other != nil {
		e.other.key = key
	}
}

// pair pairs what has no other yet and the same name; several of one name in their order.
func pair(theirs, ours []*item, name naming) {
	waiting := map[string][]*item{}
	for _, e := range theirs {
		if text := name(e); e.other == nil && text != "" {
			waiting[text] = append(waiting[text], e)
		}
	}
	for _, e := range ours {
		if e.other != nil {
			continue
		}
		if same := waiting[name(e)]; len(same) > 0 {
			e.other, same[0].other = same[0], e
			waiting[name(e)] = same[1:]
		}
	}
}

// namings are what entities of a kind are paired by, the best first.
func namings(kind string) []naming {
	switch kind {
	case "certificates", "ca_certificates":
		return []naming{byID, byCertificate, byObject, byContent}
	case "keyauth_credentials":
		return []naming{byFields("consumer", "key"), byRedactedKey, byID, byOwnObject("consumer"), byFields("consumer"), byContent}
	case "jwt_secrets":
		return []naming{byFields("consumer", "key"), byID, byOwnObject("consumer"), byFields("consumer"), byContent}
	case "oauth2_credentials":
		return []naming{byFields("consumer", "client_id"), byID, byFields("consumer", "name"), byContent}
	case "licenses":
		return []naming{byID, func(*item) string { return "license" }}
	}
	return []naming{byName, byID, byContent}
}

func byID(e *item) string { return e.id }

// byName is by the fields that together are unique, or the name.
func byName(e *item) string {
	switch {
	case e.table == nil:
		return ""
	case len(e.table.Scope) > 0:
		return byFields(e.table.Scope...)(e)
	case e.table.NameField == "":
		return ""
	case e.kind == "consumers" && e.fields["username"] == nil:
		return byFields("custom_id")(e)
	case e.fields[e.table.NameField] == nil:
		return ""
	}
	return byFields(e.table.NameField)(e)
}

// byFields is by some fields; a reference counts as what it refers to.
func byFields(names ...string) naming {
	return func(e *item) string {
		var text strings.Builder
		for _, name := range names {
			if to := e.refs[name]; to != nil {
				fmt.Fprintf(&text, "%s=%q ", name, to.key)
			} else if value := e.fields[name]; value != nil {
				fmt.Fprintf(&text, "%s:%s ", name, encode(value))
			}
		}
		return text.String()
	}
}

// byContent is by all fields.
func byContent(e *item) string {
	names := make([]string, 0, len(e.fields)+len(e.refs))
	for name := range e.fields {
		names = append(names, name)
	}
	for name := range e.refs {
		names = append(names, name)
	}
	slices.Sort(names)
	return "all " + byFields(names...)(e) // even one without fields has a name
}

// byCertificate is by a certificate, however its text is laid out.
func byCertificate(e *item) string {
	text, _ := e.fields["cert"].(string)
	if block, _ := pem.Decode([]byte(text)); block != nil {
		sum := sha256.Sum256(block.Bytes)
		return hex.EncodeToString(sum[:])
	}
	return strings.TrimSpace(text)
}

// byObject is by the object of Kubernetes that an entity's own tags name.
func byObject(e *item) string {
	if o := objectOfTags(e.fields["tags"]); o != (Object{}) {
		return o.String()
	}
	return ""
}

func byOwnObject(owner string) naming {
	return func(e *item) string {
		if object := byObject(e); object != "" {
			return byFields(owner)(e) + object
		}
		return ""
	}
}

// byRedactedKey pairs a key with what Kong Ingress Controller writes in its place.
func byRedactedKey(e *item) string {
	key, _ := e.fields["key"].(string)
	if key == "" {
		return ""
	}
	if !redacted.MatchString(key) {
		key = redactionOf(key)
	}
	return byFields("consumer")(e) + key
}

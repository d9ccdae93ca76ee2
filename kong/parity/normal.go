package parity

import (
	"crypto/sha1" //nolint:gosec // Kong's choice: what gateways compare passwords with
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/kong/schema"
)

// defaults are those of Kong 3.9 for entities, but for the settings of plugins. A field that has its default is as one that is not given.
var defaults = parseDefaults(map[string]string{
	"services": `{"retries":5,"protocol":"http","port":80,"connect_timeout":60000,"read_timeout":60000,"write_timeout":60000,"enabled":true}`,
	"routes": `{"protocols":["http","https"],"https_redirect_status_code":426,"strip_path":true,"preserve_host":false,` +
		`"request_buffering":true,"response_buffering":true,"regex_priority":0,"path_handling":"v0"}`,
	"upstreams": `{"algorithm":"round-robin","hash_on":"none","hash_fallback":"none","hash_on_cookie_path":"/","slots":10000,` +
		`"use_srv_name":false,"healthchecks":{"threshold":0,"passive":{"type":"http",` +
		`"healthy":{"successes":0,"http_statuses":[200,201,202,203,204,205,206,207,208,226,300,301,302,303,304,305,306,307,308]},` +
		`"unhealthy":{"http_statuses":[429,500,503],"timeouts":0,"http_failures":0,"tcp_failures":0}},` +
		`"active":{"type":"http","http_path":"/","https_verify_certificate":true,"timeout":1,"concurrency":10,` +
		`"healthy":{"http_statuses":[200,302],"successes":0,"interval":0},` +
		`"unhealthy":{"http_statuses":[429,404,500,501,502,503,504,505],"interval":0,"timeouts":0,"http_failures":0,"tcp_failures":0}}}}`,
	"targets":            `{"weight":100}`,
	"plugins":            `{"enabled":true}`,
	"filter_chains":      `{"enabled":true}`,
	"jwt_secrets":        `{"algorithm":"HS256"}`,
	"oauth2_credentials": `{"hash_secret":false,"client_type":"confidential"}`,
})

func parseDefaults(texts map[string]string) map[string]map[string]any {
	parsed := map[string]map[string]any{}
	for kind, text := range texts {
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		var fields map[string]any
		if err := decoder.Decode(&fields); err != nil {
			panic(err) // a mistake of the program, which shows at its start
		}
		parsed[kind] = fields
	}
	return parsed
}

// sets are fields whose order says nothing, and those within maps too. The router orders paths itself.
var sets = []string{
	"tags", "protocols", "hosts", "paths", "methods", "snis", "headers", "ca_certificates", "http_statuses", "redirect_uris",
}

// texts are fields of which white space at the end says nothing.
var texts = []string{"cert", "key", "cert_alt", "key_alt", "rsa_public_key", "public_key", "private_key"}

// normalize takes out of the fields of an entity what does not matter, whatever the other side has.
func (e *item) normalize() {
	e.fields = normal(e.fields, defaults[e.kind], e.kind == "plugins" || e.kind == "vaults" || e.table == nil)
}

// normal returns fields without those that are null, empty or a default; with settings, config is left as it is.
func normal(fields, usual map[string]any, settings bool) map[string]any {
	kept := map[string]any{}
	for name, value := range fields {
		if settings && name == "config" {
			kept[name] = value
			continue
		}
		if inner, ok := value.(map[string]any); ok {
			below, _ := usual[name].(map[string]any)
			value = normal(inner, below, false)
		}
		value = ordered(name, value)
		if usual[name] == nil && unset(value) || usual[name] != nil && equal(value, ordered(name, usual[name])) || emptyMap(value) {
			continue
		}
		kept[name] = value
	}
	return kept
}

func emptyMap(value any) bool {
	m, ok := value.(map[string]any)
	return ok && len(m) == 0
}

// unset says whether a value is as one that is not given, where no default is another.
func unset(value any) bool {
	list, isList := value.([]any)
	return value == nil || isList && len(list) == 0 || emptyMap(value)
}

// ordered is a value with the sets in it sorted and its texts trimmed.
func ordered(name string, value any) any {
	switch value := value.(type) {
	case string:
		if slices.Contains(texts, name) {
			return strings.TrimSpace(value)
		}
	case []any:
		if slices.Contains(sets, name) {
			value = slices.Clone(value)
			slices.SortFunc(value, func(a, b any) int { return strings.Compare(encode(a), encode(b)) })
			return value
		}
	case map[string]any:
		if !slices.Contains(sets, name) {
			return value
		}
		inner := make(map[string]any, len(value))
		for key, v := range value {
			inner[key] = ordered(name, v)
		}
		return inner
	}
	return value
}

func equal(a, b any) bool { return encode(a) == encode(b) }

// encode is a text that is the same for equal values.
func encode(value any) string {
	switch value := value.(type) {
	case *item:
		return value.key
	case map[string]any, []any, string, json.Number, bool, nil:
		text, err := json.Marshal(value)
		if err == nil {
			return string(text)
		}
	}
	return fmt.Sprintf("%q", value)
}

// redacted are the texts that Kong Ingress Controller writes in place of secrets: one that is the same for all, and for keys a hash of the
// key, or in older versions a random UUID.
var (
	redacted   = regexp.MustCompile(`^\{vault://([0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})\}$`)
	randomText = regexp.MustCompile(`^\{vault://[0-9a-f]{8}-`)
)

const redactedValue = "{vault://redacted-value}"

// redactionOf is what newer versions of Kong Ingress Controller write in place of a key.
func redactionOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return fmt.Sprintf("{vault://%x}", sum[:16])
}

// comparer makes the two sides of pairs alike where a difference says nothing, and counts what cannot be known.
type comparer struct {
	schemas *schema.Bundle // nil: none
	unknown Unknown
}

// reconcile looks at one pair.
func (c *comparer) reconcile(theirs, ours *item) {
	c.reveal(theirs.fields, ours.fields)
	c.password(theirs, ours)
	dropOneSided(theirs.fields, ours.fields, "cert_digest")
	dropObjectIDs(theirs, ours)
	if ours.kind != "plugins" && ours.kind != "vaults" {
		return
	}
	name, _ := ours.fields["name"].(string)
	var place schema.Place
	known := false
	if c.schemas != nil {
		place = c.schemas.Place(strings.TrimSuffix(ours.kind, "s"), name)
		known = c.schemas.HasPlugin(name) || c.schemas.HasVault(name)
	}
	a, b := settingsOf(theirs), settingsOf(ours)
	if !known && b["protocols"] == nil {
		delete(a, "protocols") // those that the plugin speaks: nobody wrote them
	}
	c.fill(a, b, place, known)
	maps.Copy(theirs.fields, a)
	maps.Copy(ours.fields, b)
}

// settingsOf takes out of the fields of a plugin those that depend on its schema.
func settingsOf(e *item) map[string]any {
	taken := map[string]any{"config": map[string]any{}}
	for _, name := range []string{"config", "protocols"} {
		if value := e.fields[name]; value != nil {
			taken[name] = value
		}
		delete(e.fields, name)
	}
	return taken
}

// fill takes out settings that one side alone has and that are not set on purpose, as far as schemas tell: Kong's defaults. Without a
// schema, or where it hides the default, those of the other side count as unknown: a controller and a gateway fill them in.
func (c *comparer) fill(theirs, ours map[string]any, place schema.Place, known bool) {
	for name, value := range theirs {
		at := place.In(name)
		mine, both := ours[name]
		switch {
		case both:
			a, isMap := value.(map[string]any)
			b, areMaps := mine.(map[string]any)
			if isMap && areMaps {
				c.fill(a, b, at, known)
			}
			if unset(value) && unset(mine) {
				delete(theirs, name)
				delete(ours, name)
			}
		case unset(value) || known && isDefault(at, value):
			delete(theirs, name)
		case !known || at.Marked():
			c.unknown.Filled += leaves(value)
			delete(theirs, name)
		}
	}
	for name, value := range ours {
		if _, both := theirs[name]; !both && (unset(value) || known && isDefault(place.In(name), value)) {
			delete(ours, name)
		}
	}
}

func leaves(value any) int {
	inner, ok := value.(map[string]any)
	if !ok {
		return 1
	}
	n := 0
	for _, v := range inner {
		if !unset(v) {
			n += leaves(v)
		}
	}
	return n
}

// isDefault says whether a value is what a gateway fills in.
func isDefault(place schema.Place, value any) bool {
	if unset(value) {
		return true
	}
	if usual, ok := place.Default(); ok && equal(sorted(usual), sorted(value)) {
		return true
	}
	fields, ok := value.(map[string]any)
	if !ok || !place.IsRecord() {
		return false
	}
	for name, inner := range fields {
		if !isDefault(place.In(name), inner) {
			return false
		}
	}
	return true
}

// sorted is a list in an order that does not count.
func sorted(value any) any { return ordered(sets[0], value) }

// reveal takes what a dump hides for what the other side has there.
func (c *comparer) reveal(theirs, ours map[string]any) {
	for name, value := range theirs {
		mine, both := ours[name]
		if !both {
			continue
		}
		if inner, ok := value.(map[string]any); ok {
			if other, ok := mine.(map[string]any); ok {
				c.reveal(inner, other)
			}
			continue
		}
		text, isText := value.(string)
		other, areTexts := mine.(string)
		if !isText || !areTexts || text == other {
			continue
		}
		switch {
		case text == redactedValue, name == "key" && randomText.MatchString(text):
			c.unknown.Redacted++
			theirs[name] = other
		case name == "key" && text == redactionOf(other):
			theirs[name] = other
		}
	}
}

// password compares a password with the hash that a gateway made of it.
func (c *comparer) password(theirs, ours *item) {
	switch ours.kind {
	case "basicauth_credentials":
		text, _ := ours.fields["password"].(string)
		consumer := theirs.refs["consumer"]
		if text == "" || consumer == nil {
			return
		}
		hash := sha1.Sum([]byte(text + consumer.id)) //nolint:gosec // as above
		if theirs.fields["password"] == hex.EncodeToString(hash[:]) {
			theirs.fields["password"] = text
		}
	case "oauth2_credentials":
		text, _ := theirs.fields["client_secret"].(string)
		if strings.HasPrefix(text, "$") && ours.fields["client_secret"] != nil && ours.fields["hash_secret"] == true {
			c.unknown.Redacted++
			theirs.fields["client_secret"] = ours.fields["client_secret"]
		}
	}
}

func dropOneSided(a, b map[string]any, name string) {
	if a[name] == nil || b[name] == nil {
		delete(a, name)
		delete(b, name)
	}
}

// uidTag begins the tag that has the UID of an object. Manifests that were never in a cluster have none.
const uidTag = "k8s-uid:"

// dropObjectIDs drops the tag with the UID where one side has none, and the id of a certificate, which is that UID.
func dropObjectIDs(a, b *item) {
	has := func(e *item) bool { return tagged(e.fields["tags"], uidTag) != "" }
	if has(a) == has(b) {
		return
	}
	for _, e := range []*item{a, b} {
		tags, _ := e.fields["tags"].([]any)
		tags = slices.DeleteFunc(slices.Clone(tags), func(tag any) bool {
			text, _ := tag.(string)
			return strings.HasPrefix(text, uidTag)
		})
		if e.fields["tags"] = tags; len(tags) == 0 {
			delete(e.fields, "tags")
		}
		if e.kind == "certificates" {
			e.id = ""
		}
	}
}

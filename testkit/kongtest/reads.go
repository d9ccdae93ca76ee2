package kongtest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// credentialSegments are the names that credentials have below a consumer.
func credentialSegments() map[string]string {
	return map[string]string{
		"key-auth": "keyauth_credentials", "basic-auth": "basicauth_credentials", "hmac-auth": "hmacauth_credentials",
		"jwt": "jwt_secrets", "oauth2": "oauth2_credentials",
	}
}

// serveEntities reads entities and refuses to write them (F33, F34).
func (g *Gateway) serveEntities(w http.ResponseWriter, r *http.Request, path []string) {
	k := g.kinds.bySegment(path[0])
	if k == nil || k.name == "workspaces" {
		answer(w, http.StatusNotFound, message("Not found"))
		return
	}
	l := g.inForce()
	if l == nil {
		l = &loaded{}
	}
	if len(path) == 1 {
		g.serveList(w, r, k, l.entities[k.name])
		return
	}
	e, found := l.find(k.name, path[1])
	if len(path) == 2 {
		g.serveOne(w, r, k, path[1], e, found)
		return
	}
	if !found || len(path) > 3 {
		answer(w, http.StatusNotFound, message("Not found"))
		return
	}
	if f, ok := k.fields[path[2]]; ok && f.ref != "" { // /routes/r/service
		ref, found := l.find(f.ref, refID(e, f.name))
		g.serveOne(w, r, g.kinds.byName[f.ref], refID(e, f.name), ref, found)
		return
	}
	childName := path[2]
	if name, ok := credentialSegments()[childName]; ok {
		childName = name
	}
	field, nested := g.kinds.nested[k.name][childName]
	if !nested {
		answer(w, http.StatusNotFound, message("Not found"))
		return
	}
	var children []entity
	for _, child := range l.entities[childName] {
		if refID(child, field) == e.id {
			children = append(children, child)
		}
	}
	g.serveList(w, r, g.kinds.byName[childName], children)
}

func refID(e entity, name string) string {
	var fields map[string]json.RawMessage
	var ref struct{ ID string }
	if json.Unmarshal(e.raw, &fields) != nil || fields[name] == nil || json.Unmarshal(fields[name], &ref) != nil {
		return ""
	}
	return ref.ID
}

func (g *Gateway) serveList(w http.ResponseWriter, r *http.Request, k *kind, list []entity) {
	switch r.Method {
	case http.MethodPost:
		unsupported(w, fmt.Sprintf("cannot create '%s' entities when not using a database", k.name))
		return
	case http.MethodGet, http.MethodHead:
	default:
		allowed(w, r, "GET, HEAD, OPTIONS, POST")
		return
	}
	query := r.URL.Query()
	size := 100
	if asked := query.Get("size"); asked != "" {
		n, err := strconv.Atoi(asked)
		if err != nil || n < 1 || n > 1000 {
			answer(w, http.StatusBadRequest, map[string]any{"code": 9, "name": "invalid size",
				"message": "size must be an integer between 1 and 1000"})
			return
		}
		size = n
	}
	if tags := query.Get("tags"); tags != "" {
		var ok bool
		if list, ok = tagged(list, tags); !ok {
			// Kong takes the null of an entity without tags for a list (F33).
			answer(w, http.StatusInternalServerError, message("An unexpected error occurred"))
			return
		}
	}
	if id := query.Get("custom_id"); id != "" && k.name == "consumers" {
		list = slices.DeleteFunc(slices.Clone(list), func(e entity) bool {
			var c struct {
				CustomID string `json:"custom_id"`
			}
			return json.Unmarshal(e.raw, &c) != nil || c.CustomID != id
		})
	}
	start := 0
	if offset := query.Get("offset"); offset != "" {
		after, err := base64.RawURLEncoding.DecodeString(offset)
		at := slices.IndexFunc(list, func(e entity) bool { return e.id == string(after) })
		if err != nil || at < 0 {
			answer(w, http.StatusBadRequest, map[string]any{"code": 7, "name": "invalid offset",
				"message": fmt.Sprintf("'%s' is not a valid offset: bad base64 encoding", offset)})
			return
		}
		start = at + 1
	}
	page := list[start:min(start+size, len(list))]
	data := make([]json.RawMessage, len(page))
	for i, e := range page {
		data[i] = e.raw
	}
	body := map[string]any{"data": data, "next": nil}
	if start+size < len(list) {
		offset := base64.RawURLEncoding.EncodeToString([]byte(page[len(page)-1].id))
		next := url.Values{"offset": {offset}}
		if query.Has("size") {
			next.Set("size", query.Get("size"))
		}
		body["offset"], body["next"] = offset, r.URL.Path+"?"+next.Encode()
	}
	answer(w, http.StatusOK, body)
}

// tagged keeps the entities with all tags of "a,b" or any of "a/b". It gives up
// on an entity without tags.
func tagged(list []entity, expr string) ([]entity, bool) {
	all := strings.Split(expr, ",")
	anyOf := strings.Split(expr, "/")
	var kept []entity
	for _, e := range list {
		var has struct{ Tags []string }
		if json.Unmarshal(e.raw, &has) != nil || has.Tags == nil {
			return nil, false
		}
		carries := func(tag string) bool { return slices.Contains(has.Tags, tag) }
		lacks := func(tag string) bool { return !carries(tag) }
		if len(anyOf) > 1 && slices.ContainsFunc(anyOf, carries) || len(anyOf) == 1 && !slices.ContainsFunc(all, lacks) {
			kept = append(kept, e)
		}
	}
	return kept, true
}

func (g *Gateway) serveOne(w http.ResponseWriter, r *http.Request, k *kind, named string, e entity, found bool) {
	by := k.key
	if isUUID(named) {
		by = "id"
	}
	verb := map[string]string{http.MethodPatch: "update", http.MethodPut: "create or update", http.MethodDelete: "remove"}[r.Method]
	switch {
	case verb == "" && r.Method != http.MethodGet && r.Method != http.MethodHead:
		allowed(w, r, "DELETE, GET, HEAD, OPTIONS, PATCH, PUT")
	case verb == "" && found:
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		write(w, http.StatusOK, e.raw)
	case verb == "":
		answer(w, http.StatusNotFound, message("Not found"))
	case r.Method == http.MethodDelete && !found:
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodPatch && !found:
		answer(w, http.StatusNotFound, map[string]any{
			"code": 6, "name": "not found", "fields": map[string]any{by: named},
			"message": fmt.Sprintf("could not find the entity with '{%s=%q}'", by, named),
		})
	default:
		unsupported(w, fmt.Sprintf("cannot %s '%s' entities by '%s' when not using a database", verb, k.name, by))
	}
}

func unsupported(w http.ResponseWriter, text string) {
	answer(w, http.StatusMethodNotAllowed, map[string]any{"code": 12, "name": "operation unsupported", "message": text})
}

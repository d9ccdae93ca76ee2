package admin

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/declarative"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/entity"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/reply"
)

// credentialSegments are the names that credentials have below a consumer.
func credentialSegments() map[string]string {
	return map[string]string{
		"key-auth": "keyauth_credentials", "basic-auth": "basicauth_credentials", "hmac-auth": "hmacauth_credentials",
		"jwt": "jwt_secrets", "oauth2": "oauth2_credentials",
	}
}

// serveEntities reads entities and refuses to write them (F33, F34).
func (a *API) serveEntities(w http.ResponseWriter, r *http.Request, path []string) {
	k := a.Kinds.BySegment(path[0])
	if k == nil || k.Name == "workspaces" {
		reply.JSON(w, http.StatusNotFound, reply.Message("Not found"))
		return
	}
	l := a.gateway.State().Configuration
	if l == nil {
		l = &declarative.Configuration{}
	}
	if len(path) == 1 {
		a.serveList(w, r, k, l.Entities[k.Name])
		return
	}
	e, found := l.Find(k.Name, path[1])
	if len(path) == 2 {
		a.serveOne(w, r, k, path[1], e, found)
		return
	}
	if found && k.Name == "upstreams" && a.serveUpstream(w, r, e, path[2:]) {
		return
	}
	if !found || len(path) > 3 {
		reply.JSON(w, http.StatusNotFound, reply.Message("Not found"))
		return
	}
	if f, ok := k.Fields[path[2]]; ok && f.Ref != "" { // /routes/r/service
		ref, found := l.Find(f.Ref, refID(e, f.Name))
		a.serveOne(w, r, a.Kinds.ByName[f.Ref], refID(e, f.Name), ref, found)
		return
	}
	childName := path[2]
	if name, ok := credentialSegments()[childName]; ok {
		childName = name
	}
	field, nested := a.Kinds.Nested[k.Name][childName]
	if !nested {
		reply.JSON(w, http.StatusNotFound, reply.Message("Not found"))
		return
	}
	var children []declarative.Entity
	for _, child := range l.Entities[childName] {
		if refID(child, field) == e.ID {
			children = append(children, child)
		}
	}
	a.serveList(w, r, a.Kinds.ByName[childName], children)
}

func refID(e declarative.Entity, name string) string {
	var fields map[string]json.RawMessage
	var ref struct{ ID string }
	if json.Unmarshal(e.Raw, &fields) != nil || fields[name] == nil || json.Unmarshal(fields[name], &ref) != nil {
		return ""
	}
	return ref.ID
}

func (a *API) serveList(w http.ResponseWriter, r *http.Request, k *entity.Kind, list []declarative.Entity) {
	switch r.Method {
	case http.MethodPost:
		unsupported(w, fmt.Sprintf("cannot create '%s' entities when not using a database", k.Name))
		return
	case http.MethodGet, http.MethodHead:
	default:
		allowed(w, r, "GET, HEAD, OPTIONS, POST")
		return
	}
	query := r.URL.Query()
	size := 100
	if text := query.Get("size"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 1000 {
			reply.JSON(w, http.StatusBadRequest, map[string]any{"code": 9, "name": "invalid size",
				"message": "size must be an integer between 1 and 1000"})
			return
		}
		size = n
	}
	if tags := query.Get("tags"); tags != "" {
		var ok bool
		if list, ok = tagged(list, tags); !ok {
			// Kong takes the null of an entity without tags for a list (F33).
			reply.JSON(w, http.StatusInternalServerError, reply.Message("An unexpected error occurred"))
			return
		}
	}
	if id := query.Get("custom_id"); id != "" && k.Name == "consumers" {
		list = slices.DeleteFunc(slices.Clone(list), func(e declarative.Entity) bool {
			var c struct {
				CustomID string `json:"custom_id"`
			}
			return json.Unmarshal(e.Raw, &c) != nil || c.CustomID != id
		})
	}
	start := 0
	if offset := query.Get("offset"); offset != "" {
		after, err := base64.RawURLEncoding.DecodeString(offset)
		at := slices.IndexFunc(list, func(e declarative.Entity) bool { return e.ID == string(after) })
		if err != nil || at < 0 {
			reply.JSON(w, http.StatusBadRequest, map[string]any{"code": 7, "name": "invalid offset",
				"message": fmt.Sprintf("'%s' is not a valid offset: bad base64 encoding", offset)})
			return
		}
		start = at + 1
	}
	page := list[start:min(start+size, len(list))]
	data := make([]json.RawMessage, len(page))
	for i, e := range page {
		data[i] = e.Raw
	}
	body := map[string]any{"data": data, "next": nil}
	if start+size < len(list) {
		offset := base64.RawURLEncoding.EncodeToString([]byte(page[len(page)-1].ID))
		next := url.Values{"offset": {offset}}
		if query.Has("size") {
			next.Set("size", query.Get("size"))
		}
		body["offset"], body["next"] = offset, r.URL.Path+"?"+next.Encode()
	}
	reply.JSON(w, http.StatusOK, body)
}

// tagged keeps the entities with all tags of "a,b" or any of "a/b". It reports false at an entity without tags.
func tagged(list []declarative.Entity, expr string) ([]declarative.Entity, bool) {
	all := strings.Split(expr, ",")
	anyOf := strings.Split(expr, "/")
	var kept []declarative.Entity
	for _, e := range list {
		var has struct{ Tags []string }
		if json.Unmarshal(e.Raw, &has) != nil || has.Tags == nil {
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

func (a *API) serveOne(w http.ResponseWriter, r *http.Request, k *entity.Kind, named string, e declarative.Entity, found bool) {
	by := k.Key
	if entity.IsUUID(named) {
		by = "id"
	}
	verb := map[string]string{http.MethodPatch: "update", http.MethodPut: "create or update", http.MethodDelete: "remove"}[r.Method]
	switch {
	case verb == "" && r.Method != http.MethodGet && r.Method != http.MethodHead:
		allowed(w, r, "DELETE, GET, HEAD, OPTIONS, PATCH, PUT")
	case verb == "" && found:
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		reply.Write(w, http.StatusOK, e.Raw)
	case verb == "":
		reply.JSON(w, http.StatusNotFound, reply.Message("Not found"))
	case r.Method == http.MethodDelete && !found:
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodPatch && !found:
		reply.JSON(w, http.StatusNotFound, map[string]any{
			"code": 6, "name": "not found", "fields": map[string]any{by: named},
			"message": fmt.Sprintf("could not find the entity with '{%s=%q}'", by, named),
		})
	default:
		unsupported(w, fmt.Sprintf("cannot %s '%s' entities by '%s' when not using a database", verb, k.Name, by))
	}
}

func unsupported(w http.ResponseWriter, text string) {
	reply.JSON(w, http.StatusMethodNotAllowed, map[string]any{"code": 12, "name": "operation unsupported", "message": text})
}

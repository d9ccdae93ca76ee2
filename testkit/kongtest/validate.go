package kongtest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/kong/schema"
)

// validateEntity answers POST /schemas/{kind}/validate (F23): one entity is
// checked, without looking at others, and more strictly than in a configuration.
func (g *Gateway) validateEntity(w http.ResponseWriter, r *http.Request) {
	if !allowed(w, r, "OPTIONS, POST") {
		return
	}
	name := strings.Split(strings.Trim(r.URL.Path, "/"), "/")[1]
	k := g.kinds.byName[name]
	if k == nil || g.opts.Schemas == nil || !g.opts.Schemas.Knows(k.singular) {
		answer(w, http.StatusNotFound, message(fmt.Sprintf("No entity named '%s'", name)))
		return
	}
	body, ok := g.readBody(w, r)
	if !ok {
		return
	}
	own, err := readEntity(r.Header.Get("Content-Type"), body)
	if err != nil {
		g.refuseBody(w, err)
		return
	}
	errs := g.validate(&node{kinds: g.kinds, kind: k, own: own})
	if len(errs) == 0 {
		answer(w, http.StatusOK, message("schema validation successful"))
		return
	}
	answer(w, http.StatusBadRequest, map[string]any{"code": 2, "name": "schema violation", "fields": errs.plain(),
		"message": violations(errs)})
}

func (g *Gateway) validate(n *node) tree {
	errs := tree{}
	complain := func(message string, field ...any) { errs.put(message, field...) }
	s := structure{kinds: g.kinds, plugins: g.plugins, flavor: g.opts.RouterFlavor, schemas: g.opts.Schemas}
	if name := n.text("name"); n.kind.name == "plugins" && name != "" && !g.plugins[name] {
		s.pluginRules(n, complain)
		return errs
	}
	for _, e := range own(g.opts.Schemas.CheckStrict(context.Background(), schema.NewBudget(math.MaxInt64), n.kind.singular, n.own)) {
		complain(e.Message, place(e)...)
	}
	s.codeRules(n, complain)
	return errs
}

// readEntity reads one entity from a JSON object or a form.
func readEntity(contentType string, body []byte) (map[string]any, error) {
	media, _, _ := mime.ParseMediaType(contentType)
	switch media {
	case "application/json":
		value, err := parseJSON(body)
		if err != nil && !errors.Is(err, errCrash) {
			return nil, errBadJSON
		}
		own, ok := value.(map[string]any)
		if !ok {
			return nil, errCrash
		}
		return own, nil
	case "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, errBadJSON
		}
		own := map[string]any{}
		for name, values := range form {
			if list, is := strings.CutSuffix(name, "[]"); is {
				items := make([]any, len(values))
				for i, value := range values {
					items[i] = value
				}
				own[list] = items
				continue
			}
			own[name] = values[0]
		}
		return own, nil
	}
	return nil, errMediaType
}

// violations is the sentence over a table of errors: those of the entity first,
// then the fields by name.
func violations(errs tree) string {
	var parts []string
	for _, key := range errs.keys() {
		for _, leaf := range leaves(fmt.Sprint(key), errs[key]) {
			part := fmt.Sprint(leaf["message"])
			if field, ok := leaf["field"]; ok {
				part = fmt.Sprintf("%v: %s", field, part)
			}
			parts = append(parts, part)
		}
	}
	slices.Sort(parts)
	if len(parts) == 1 {
		return "schema violation (" + parts[0] + ")"
	}
	return fmt.Sprintf("%d schema violations (%s)", len(parts), strings.Join(parts, "; "))
}

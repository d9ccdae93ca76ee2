package admin

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/check"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/document"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/reply"
)

// validateEntity answers POST /schemas/{kind}/validate (F23). One entity is checked without others, more strictly than in a configuration.
func (a *API) validateEntity(w http.ResponseWriter, r *http.Request) {
	if !allowed(w, r, "OPTIONS, POST") {
		return
	}
	name := strings.Split(strings.Trim(r.URL.Path, "/"), "/")[1]
	k := a.Kinds.ByName[name]
	if k == nil || a.Schemas == nil || !a.Schemas.Knows(k.Singular) {
		reply.JSON(w, http.StatusNotFound, reply.Message(fmt.Sprintf("No entity named '%s'", name)))
		return
	}
	body, ok := a.readBody(w, r)
	if !ok {
		return
	}
	own, err := readEntity(r.Header.Get("Content-Type"), body)
	if err != nil {
		a.refuseBody(w, err)
		return
	}
	checker := check.Checker{Kinds: a.Kinds, Plugins: a.Plugins, Flavor: a.RouterFlavor, Schemas: a.Schemas}
	errs := checker.Validate(k, own)
	if len(errs) == 0 {
		reply.JSON(w, http.StatusOK, reply.Message("schema validation successful"))
		return
	}
	reply.JSON(w, http.StatusBadRequest, map[string]any{"code": 2, "name": "schema violation", "fields": errs.Plain(),
		"message": errs.Violations()})
}

// readEntity reads one entity from a JSON object or a form.
func readEntity(contentType string, body []byte) (map[string]any, error) {
	media, _, _ := mime.ParseMediaType(contentType)
	switch media {
	case "application/json":
		value, err := document.ParseJSON(body)
		if err != nil && !errors.Is(err, document.ErrCrash) {
			return nil, errBadJSON
		}
		own, ok := value.(map[string]any)
		if !ok {
			return nil, document.ErrCrash
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

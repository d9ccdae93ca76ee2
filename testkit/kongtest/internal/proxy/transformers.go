package proxy

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/entity"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/request"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/sandbox"
)

// edits are what a transformer does to values with names, in the order in which Kong does it.
type edits struct{ remove, rename, replace, add, append []edit }

// edit is one line of a transformer's configuration, name:value. Without a value only removing has an effect.
type edit struct {
	name, value string
	template    sandbox.Template
}

// editsOf reads what a transformer's configuration asks for: of headers or of the query string.
func editsOf(config map[string]any, of string) (e edits) {
	for part, into := range map[string]*[]edit{
		"remove": &e.remove, "rename": &e.rename, "replace": &e.replace, "add": &e.add, "append": &e.append,
	} {
		fields, _ := config[part].(map[string]any)
		for _, line := range entity.Words(fields[of]) {
			name, value, _ := strings.Cut(line, ":")
			value = strings.TrimLeft(value, ":")
			*into = append(*into, edit{name, value, sandbox.ParseTemplate(value)})
		}
	}
	return e
}

func (e edits) none() bool {
	return len(e.remove)+len(e.rename)+len(e.replace)+len(e.add)+len(e.append) == 0
}

// rendered returns the edits with the values that their templates come to.
func (e edits) rendered(render func(sandbox.Template) (string, error)) (edits, error) {
	for _, list := range []*[]edit{&e.remove, &e.rename, &e.replace, &e.add, &e.append} {
		*list = slices.Clone(*list)
		for i := range *list {
			var err error
			if (*list)[i].value, err = render((*list)[i].template); err != nil {
				return edits{}, err
			}
		}
	}
	return e, nil
}

// requestHeaders changes the headers of a request. The host is no header like the others: it can only be replaced, and the one that
// replaces it is returned.
func (e edits) requestHeaders(h http.Header) (host string) {
	for _, x := range e.remove {
		h.Del(x.name)
	}
	for _, x := range e.rename {
		if values := h.Values(x.name); len(values) > 0 && x.value != "" {
			h[http.CanonicalHeaderKey(x.value)] = values
			h.Del(x.name)
		}
	}
	for _, x := range e.replace {
		switch {
		case strings.EqualFold(x.name, "host"):
			host = x.value
		case len(h.Values(x.name)) > 0 && x.value != "":
			h.Set(x.name, x.value)
		}
	}
	for _, x := range e.add {
		if len(h.Values(x.name)) == 0 && x.value != "" && !strings.EqualFold(x.name, "host") {
			h.Set(x.name, x.value)
		}
	}
	for _, x := range e.append {
		if x.value != "" && !strings.EqualFold(x.name, "host") {
			h.Add(x.name, x.value)
		}
	}
	return host
}

// responseHeaders changes the headers of an answer. What is there is judged by the headers before the first change: a header that is
// removed is not added again.
func (e edits) responseHeaders(h http.Header) {
	before := h.Clone()
	has := func(name string) bool { return len(before.Values(name)) > 0 }
	for _, x := range e.remove {
		h.Del(x.name)
	}
	for _, x := range e.rename {
		if has(x.name) && x.value != "" {
			h[http.CanonicalHeaderKey(x.value)] = before.Values(x.name)
			h.Del(x.name)
		}
	}
	for _, x := range e.replace {
		if has(x.name) && x.value != "" {
			h.Set(x.name, x.value)
		}
	}
	for _, x := range e.add {
		if !has(x.name) && x.value != "" {
			h.Set(x.name, x.value)
		}
	}
	for _, x := range e.append {
		if x.value != "" {
			h.Add(x.name, x.value)
		}
	}
}

// query changes a query string.
func (e edits) query(q url.Values) {
	for _, x := range e.remove {
		q.Del(x.name)
	}
	for _, x := range e.rename {
		if values, has := q[x.name]; has {
			q[x.value] = values
			q.Del(x.name)
		}
	}
	for _, x := range e.replace {
		if q.Has(x.name) {
			q.Set(x.name, x.value)
		}
	}
	for _, x := range e.add {
		if !q.Has(x.name) {
			q.Set(x.name, x.value)
		}
	}
	for _, x := range e.append {
		q.Add(x.name, x.value)
	}
}

// requestTransformer changes path, method, headers and query string on their way to the upstream, in this order. Templates see the request
// as it came, but for headers that an earlier plugin changed. Bodies are not changed here.
func requestTransformer(config map[string]any, luaAllowed bool) func(http.ResponseWriter, *http.Request, *turn) bool {
	headers, query := editsOf(config, "headers"), editsOf(config, "querystring")
	replace, _ := config["replace"].(map[string]any)
	uri, hasURI := replace["uri"].(string)
	path := sandbox.ParseTemplate(uri)
	method, _ := config["http_method"].(string)
	transform := func(ctx context.Context, r *http.Request, t *turn) error {
		v := sandbox.Variables{Header: r.Header.Clone(), Query: t.queryOf(r), Captures: t.captures}
		render := func(text sandbox.Template) (string, error) { return text.Render(ctx, luaAllowed, v) }
		if hasURI && uri != "" {
			text, err := render(path)
			if err != nil {
				return err
			}
			if !strings.HasPrefix(text, "/") {
				return errRelativePath
			}
			t.path = text
		}
		if method != "" {
			r.Method = strings.ToUpper(method)
		}
		change, err := headers.rendered(render)
		if err != nil {
			return err
		}
		if host := change.requestHeaders(r.Header); host != "" {
			t.host = host
		}
		if query.none() {
			return nil
		}
		if change, err = query.rendered(render); err != nil {
			return err
		}
		values := t.queryOf(r)
		change.query(values)
		t.query, t.queryChanged = "?"+strings.ReplaceAll(values.Encode(), "+", "%20"), true
		return nil
	}
	return func(w http.ResponseWriter, r *http.Request, t *turn) bool {
		if err := transform(r.Context(), r, t); err != nil {
			t.fail(w, http.StatusInternalServerError, "An unexpected error occurred")
			return true
		}
		return false
	}
}

// queryOf is the query string as plugins left it.
func (t *turn) queryOf(r *http.Request) url.Values {
	text := request.Of(r).Query
	if t.queryChanged {
		text = t.query
	}
	values, _ := url.ParseQuery(strings.TrimPrefix(text, "?")) // keeps what can be read
	return values
}

// filtered is an answer whose headers plugins change just before they are sent, whoever made it.
type filtered struct {
	http.ResponseWriter
	change []func(http.Header)
	sent   bool
}

// WriteHeader sends the headers. Those of an informational answer are left alone.
func (f *filtered) WriteHeader(status int) {
	if !f.sent && status >= http.StatusOK {
		f.sent = true
		for _, change := range f.change {
			change(f.Header())
		}
	}
	f.ResponseWriter.WriteHeader(status)
}

// Write sends a part of the body.
func (f *filtered) Write(body []byte) (int, error) {
	if !f.sent {
		f.WriteHeader(http.StatusOK)
	}
	return f.ResponseWriter.Write(body)
}

// Unwrap lets a response controller find the connection.
func (f *filtered) Unwrap() http.ResponseWriter { return f.ResponseWriter }

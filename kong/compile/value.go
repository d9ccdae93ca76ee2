package compile

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/silverback-gateway/silverback/kong/document"
	"github.com/silverback-gateway/silverback/kong/entity"
	"github.com/silverback-gateway/silverback/kong/schema"
)

// value checks a value against its field and appends it in canonical form.
func (p *parser) value(s subject, f *entity.Field, n *document.Node, path string, dst []byte) []byte {
	if !fits(f.Type, n) {
		p.wrongType(s, n, path, f.Type.String())
		return document.Append(dst, n) // validators then see the wrong value rather than none
	}
	switch f.Type {
	case entity.String:
		text := n.Text
		if f.Form != nil {
			text = f.Form(text)
		}
		p.text(s, f, n, text, path)
		return document.AppendString(dst, text)
	case entity.Integer, entity.Number:
		p.oneOf(s, f, n, path)
		if f.Ranged {
			if v, err := strconv.ParseFloat(n.Text, 64); err != nil || v < float64(f.Min) || v > float64(f.Max) {
				p.problem(s, n.Pos, path, BadValue, "must be from %d to %d", f.Min, f.Max)
			}
		}
	case entity.List:
		dst = append(dst, '[')
		for i, e := range n.Items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = p.value(s, f.Elem, e, path+"["+strconv.Itoa(i)+"]", dst)
		}
		return append(dst, ']')
	case entity.Record:
		if n.Kind == document.List {
			return append(dst, "{}"...)
		}
		return p.record(s, f, n, path, dst)
	case entity.Map:
		return p.entries(s, f, n, path, dst)
	}
	return document.Append(dst, n)
}

// fits reports whether a value can be of a type. An empty list and an empty map are the same in Lua.
func fits(t entity.Type, n *document.Node) bool {
	switch t {
	case entity.String:
		return n.Kind == document.String
	case entity.Integer:
		return n.Kind == document.Int
	case entity.Number:
		return n.Kind == document.Int || n.Kind == document.Float
	case entity.Boolean:
		return n.Kind == document.Bool
	case entity.List:
		return n.Kind == document.List || n.Kind == document.Map && len(n.Keys) == 0
	case entity.Record:
		return n.Kind == document.Map || n.Kind == document.List && len(n.Items) == 0
	case entity.Map, entity.Object:
		return n.Kind == document.Map
	}
	return true
}

// entries checks and appends a map whose keys are not fields.
func (p *parser) entries(s subject, f *entity.Field, n *document.Node, path string, dst []byte) []byte {
	dst = append(dst, '{')
	for i, k := range document.Sorted(n.Keys) {
		if i > 0 {
			dst = append(dst, ',')
		}
		if f.KeyCheck != nil {
			if why := f.KeyCheck(k.Name); why != "" {
				p.problem(s, k.Pos, path, BadValue, "%s", why)
			}
		}
		dst = append(document.AppendString(dst, k.Name), ':')
		dst = p.value(s, f.Elem, k.Value, path+"."+printable(k.Name), dst)
	}
	return append(dst, '}')
}

func (p *parser) record(s subject, f *entity.Field, n *document.Node, path string, dst []byte) []byte {
	dst = append(dst, '{')
	first := true
	for _, k := range document.Sorted(n.Keys) {
		i := slices.IndexFunc(f.Fields, func(have entity.Field) bool { return have.Name == k.Name })
		if i < 0 {
			var names []string
			for _, have := range f.Fields {
				names = append(names, have.Name)
			}
			p.problem(s, k.Pos, path+"."+printable(k.Name), UnknownField, "unknown field%s", didYouMean(k.Name, names))
			continue
		}
		if k.Value.Kind == document.Null && f.Fields[i].NullIsAbsent {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(document.AppendString(dst, k.Name), ':')
		if k.Value.Kind == document.Null {
			dst = append(dst, "null"...)
			continue
		}
		dst = p.value(s, &f.Fields[i], k.Value, path+"."+k.Name, dst)
	}
	for i := range f.Fields {
		if f.Fields[i].Required && n.Get(f.Fields[i].Name) == nil && !slices.ContainsFunc(n.Keys, func(k document.Key) bool {
			return nearest(k.Name, []string{f.Fields[i].Name}) != ""
		}) {
			p.problem(s, n.Pos, path+"."+f.Fields[i].Name, MissingField, "the field is required")
		}
	}
	return append(dst, '}')
}

// placeholder is how shells and build tools write what is to be replaced.
var placeholder = regexp.MustCompile(`\$\{[A-Za-z_][A-Za-z0-9_]*\}`)

// text checks a string, in the form that gateways receive.
func (p *parser) text(s subject, f *entity.Field, n *document.Node, text, path string) {
	if strings.IndexByte(n.Text, 0) >= 0 {
		p.problem(s, n.Pos, path, Encoding, "a NUL within a string")
	}
	p.oneOf(s, f, n, path)
	if f.Check != nil {
		why := f.Check(text)
		if why != "" && placeholder.MatchString(text) && f.Check(placeholder.ReplaceAllString(text, "x")) == "" {
			p.warn(s, n.Pos, path, Env, "a placeholder like ${NAME} was not replaced; gateways will hardly take the value as it is")
		} else if why != "" {
			p.problem(s, n.Pos, path, BadValue, "%s", why)
		}
	}
	if f.Warn != nil {
		if why := f.Warn(text); why != "" {
			p.warn(s, n.Pos, path, BadValue, "%s", why)
		}
	}
}

// oneOf checks a text or a number against the values that Kong takes.
func (p *parser) oneOf(s subject, f *entity.Field, n *document.Node, path string) {
	if len(f.OneOf) > 0 && !slices.Contains(f.OneOf, n.Text) && !strings.HasPrefix(n.Text, "{vault://") {
		p.problem(s, n.Pos, path, BadValue, "must be one of %s%s", strings.Join(f.OneOf, ", "), didYouMean(n.Text, f.OneOf))
	}
}

// serviceURL expands url into protocol, host, port and path. As in Kong, url takes precedence over these fields.
func (p *parser) serviceURL(s subject, n *document.Node, keys []document.Key) []document.Key {
	url := n.Get("url")
	if url == nil {
		return keys
	}
	keys = slices.DeleteFunc(slices.Clone(keys), func(k document.Key) bool { return k.Name == "url" })
	if url.Kind == document.Null {
		return keys
	}
	if url.Kind != document.String {
		p.wrongType(s, url, "url", "a string")
		return withHost(keys, url)
	}
	fields := schema.ServiceURL(url.Text)
	if why := wrongURL(fields); why != "" {
		p.problem(s, url.Pos, "url", BadValue, "%s", why)
		return withHost(keys, url)
	}
	var ignored []string
	for _, f := range fields {
		kind := document.String
		if f.Integer {
			kind = document.Int
		}
		k := document.Key{Name: f.Name, Pos: url.Pos, Value: &document.Node{Kind: kind, Text: f.Text, Pos: url.Pos}}
		i := slices.IndexFunc(keys, func(k document.Key) bool { return k.Name == f.Name })
		switch {
		case i < 0:
			keys = append(keys, k)
			continue
		case keys[i].Value.Kind != document.Null && (keys[i].Value.Kind != kind || keys[i].Value.Text != f.Text):
			ignored = append(ignored, f.Name)
		}
		keys[i] = k
	}
	if i := slices.IndexFunc(keys, func(k document.Key) bool { return k.Name == "path" }); i >= 0 && fields[len(fields)-1].Name != "path" {
		if keys[i].Value.Kind != document.Null {
			ignored = append(ignored, "path") // a url without a path leaves none
		}
		keys = slices.Delete(keys, i, i+1)
	}
	if len(ignored) > 0 {
		p.warn(s, url.Pos, "url", Conflict, "the url differs from %s and takes precedence: what %s is ignored; leave one of the two out",
			strings.Join(ignored, ", "), map[bool]string{true: "this field says", false: "these fields say"}[len(ignored) == 1])
	}
	return keys
}

// wrongURL returns what is wrong with a url as a whole. Protocol and path are checked as fields.
func wrongURL(fields []schema.URLField) string {
	host := false
	low, high, _ := schema.Range("services", "port")
	for _, f := range fields {
		switch f.Name {
		case "host":
			if host = true; schema.Host(placeholder.ReplaceAllString(f.Text, "x")) != "" {
				return "the host of the URL is not a host name or an address"
			}
		case "port":
			if n, err := strconv.ParseInt(f.Text, 10, 64); !f.Integer || err != nil || n < low || n > high {
				return fmt.Sprintf("the port of the URL is not a number from %d to %d", low, high)
			}
		}
	}
	if !host {
		return "the URL has no host; write it like http://example.com:8080/path"
	}
	return ""
}

// withHost gives a service with a wrong url a host, so that the missing host is no second problem.
func withHost(keys []document.Key, url *document.Node) []document.Key {
	keys = slices.DeleteFunc(keys, func(k document.Key) bool { return k.Name == "host" && k.Value.Kind == document.Null })
	if slices.ContainsFunc(keys, func(k document.Key) bool { return k.Name == "host" }) {
		return keys
	}
	return append(keys, document.Key{Name: "host", Pos: url.Pos, Value: &document.Node{Kind: document.String, Text: "invalid", Pos: url.Pos}})
}

// paths writes the paths of a route, and converts those of old formats.
func (p *parser) paths(s subject, list *entity.Field, n *document.Node, dst []byte) []byte {
	dst = append(dst, '[')
	for i, e := range n.Items {
		field := fmt.Sprintf("paths[%d]", i)
		if i > 0 {
			dst = append(dst, ',')
		}
		if e.Kind != document.String {
			p.wrongType(s, e, field, "a string")
			dst = document.Append(dst, e)
			continue
		}
		path := e.Text
		if p.header.migrate {
			path = migratePath(path)
		}
		if why := list.Elem.Check(path); why != "" {
			p.problem(s, e.Pos, field, BadValue, "%s", why)
		} else if strings.HasPrefix(path, "~") && len(path) > maxRegex {
			p.problem(s, e.Pos, field, BadValue, "the regular expression is too long")
		} else if why := cmp.Or(regexWarning(path), entity.RoutePath(path)); why != "" {
			p.warn(s, e.Pos, field, BadValue, "%s", why)
		}
		dst = document.AppendString(dst, path)
	}
	return append(dst, ']')
}

package translate

import (
	"errors"
	"fmt"
	"strings"

	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/declarative"
	"github.com/silverback-gateway/silverback/sources/kubernetes/kongcrd"
)

// transformer is the configuration of a plugin that changes headers or the path: of request-transformer or response-transformer.
type transformer struct {
	replace, add, append, remove []string
	uri                          string
}

// plugin makes the plugin, or none where nothing is changed.
func (c transformer) plugin(name string) []declarative.Plugin {
	config := declarative.Fields{}
	replace := declarative.Fields{}
	if len(c.replace) > 0 {
		replace["headers"] = c.replace
	}
	if c.uri != "" {
		replace["uri"] = c.uri
	}
	if len(replace) > 0 {
		config["replace"] = replace
	}
	for part, headers := range map[string][]string{"add": c.add, "append": c.append, "remove": c.remove} {
		if len(headers) > 0 {
			config[part] = declarative.Fields{"headers": headers}
		}
	}
	return []declarative.Plugin{{Name: name, Config: config}}
}

// modify adds the changes of a header filter. What is set replaces a header, or adds it where there is none.
func (c *transformer) modify(f *gateway.HTTPHeaderFilter) {
	if f == nil {
		return
	}
	for _, header := range f.Set {
		c.replace = append(c.replace, headerText(string(header.Name), header.Value))
		c.add = append(c.add, headerText(string(header.Name), header.Value))
	}
	for _, header := range f.Add {
		c.append = append(c.append, headerText(string(header.Name), header.Value))
	}
	c.remove = append(c.remove, f.Remove...)
}

func headerText(name, value string) string {
	if value == "" {
		return name
	}
	return name + ":" + value
}

// filtered is what the filters of a rule come to.
type filtered struct {
	request, response   *transformer
	others              []declarative.Plugin
	extensions          []string
	paths               []string // instead of those of the route, where a prefix is replaced
	redirectPlugin      bool
	captureByExpression bool
}

// filter puts what filters ask for on a route.
func (m httpRouteMaker) filter(r *route, filters []gateway.HTTPRouteFilter, at place, tags []string) error {
	f := filtered{redirectPlugin: m.redirectPlugin, captureByExpression: m.expressions}
	for _, one := range filters {
		if err := f.add(one, at); err != nil {
			return err
		}
	}
	plugins := f.others
	if f.request != nil {
		plugins = append(plugins, f.request.plugin("request-transformer")...)
	}
	if f.response != nil {
		plugins = append(plugins, f.response.plugin("response-transformer")...)
	}
	for i := range plugins {
		plugins[i].Tags = tags
	}
	r.Plugins = append(r.Plugins, plugins...)
	if f.paths != nil {
		r.Paths = f.paths
	}
	if len(f.extensions) > 0 {
		if r.annotations == nil {
			r.annotations = map[string]string{}
		}
		appendTo(r.annotations, annotationPlugins, strings.Join(f.extensions, ","))
	}
	return nil
}

func made(t **transformer) *transformer {
	if *t == nil {
		*t = &transformer{}
	}
	return *t
}

func (f *filtered) add(filter gateway.HTTPRouteFilter, at place) error {
	switch filter.Type {
	case gateway.HTTPRouteFilterRequestHeaderModifier:
		made(&f.request).modify(filter.RequestHeaderModifier)
	case gateway.HTTPRouteFilterResponseHeaderModifier:
		made(&f.response).modify(filter.ResponseHeaderModifier)
	case gateway.HTTPRouteFilterRequestRedirect:
		if filter.RequestRedirect == nil {
			return errors.New("a redirect says nothing")
		}
		f.redirect(filter.RequestRedirect, at)
	case gateway.HTTPRouteFilterURLRewrite:
		return f.rewrite(filter.URLRewrite, at.path)
	case gateway.HTTPRouteFilterExtensionRef:
		ref := filter.ExtensionRef
		if ref == nil || ref.Group != kongcrd.Group || ref.Kind != kongcrd.KindPlugin {
			return errors.New("an extension is no KongPlugin")
		}
		f.extensions = append(f.extensions, string(ref.Name))
	default:
		return fmt.Errorf("the filter %s has no equivalent", filter.Type)
	}
	return nil
}

// rewrite changes the host, and the path or a prefix of it, on its way to the backend.
func (f *filtered) rewrite(to *gateway.HTTPURLRewriteFilter, matched string) error {
	if to == nil || to.Path == nil && to.Hostname == nil {
		return errors.New("a rewrite changes neither path nor host")
	}
	c := made(&f.request)
	if to.Path != nil {
		var uri string
		switch {
		case to.Path.Type == gateway.FullPathHTTPPathModifier && to.Path.ReplaceFullPath != nil:
			uri = *to.Path.ReplaceFullPath
		case to.Path.Type == gateway.PrefixMatchHTTPPathModifier:
			if to.Path.ReplacePrefixMatch == nil && !f.captureByExpression {
				matched = ""
			}
			prefix := withoutTrailingSlash(matched)
			uri = replacedPrefix(to.Path.ReplacePrefixMatch, prefix)
			if !f.captureByExpression {
				f.paths = capturing(prefix)
			}
		default:
			return fmt.Errorf("a path cannot be rewritten as %s", to.Path.Type)
		}
		if c.uri == "" {
			c.uri = uri
		}
	}
	if to.Hostname != nil {
		host := headerText("host", string(*to.Hostname))
		c.replace, c.add = append(c.replace, host), append(c.add, host)
	}
	return nil
}

// capturing are paths of a route that match a prefix and capture what follows it: with its slash, unless the prefix is the root.
func capturing(prefix string) []string {
	if prefix == "/" {
		return []string{kongRegexPrefix + "/$", kongRegexPrefix + "/(.*)"}
	}
	return []string{kongRegexPrefix + prefix + "$", kongRegexPrefix + prefix + "(/.*)"}
}

// replacedPrefix is the template of a path in which a prefix is replaced. What was captured is nil where nothing followed.
func replacedPrefix(with *string, prefix string) string {
	if with == nil {
		return "/"
	}
	base := strings.TrimSuffix(*with, "/")
	switch root := prefix == "/"; {
	case base == "" && root:
		return `$(uri_captures[1] == nil and "/" or "/" .. uri_captures[1])`
	case base == "":
		return `$(uri_captures[1] == nil and "/" or uri_captures[1])`
	case root:
		return base + `$(uri_captures[1] == nil and "" or "/" .. uri_captures[1])`
	}
	return base + `$(uri_captures[1])`
}

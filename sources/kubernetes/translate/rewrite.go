package translate

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/silverback-gateway/silverback/sources/kubernetes/declarative"
)

// rewrite adds the plugin that the annotation konghq.com/rewrite asks for.
func (t *translation) rewrite(r *route) error {
	uri, asked := r.annotations[annotationRewrite]
	if !asked {
		return nil
	}
	if !t.RewriteURIs {
		return errors.New("the annotation konghq.com/rewrite is not enabled")
	}
	if uri == "" {
		uri = "/"
	}
	template, err := rewriteTemplate(uri)
	if err != nil {
		return fmt.Errorf("the annotation konghq.com/rewrite: %w", err)
	}
	r.Plugins = append(r.Plugins, declarative.Plugin{
		Name: "request-transformer", Config: declarative.Fields{"replace": declarative.Fields{"uri": template}},
	})
	return nil
}

// rewriteTemplate makes a template of Kong of a URI in which $1 stands for the first part that the path's regular expression captures; \$
// is a dollar.
func rewriteTemplate(uri string) (string, error) {
	var out strings.Builder
	for rest := uri; rest != ""; {
		at := strings.IndexAny(rest, `$\`)
		if at < 0 {
			out.WriteString(rest)
			break
		}
		out.WriteString(rest[:at])
		mark := rest[at]
		rest = rest[at+1:]
		if mark == '\\' {
			if !strings.HasPrefix(rest, "$") {
				return "", errors.New(`a backslash may only stand before a dollar`)
			}
			out.WriteByte('$')
			rest = rest[1:]
			continue
		}
		after := strings.TrimLeftFunc(rest, unicode.IsDigit)
		if len(after) == len(rest) {
			return "", errors.New(`a dollar must be followed by the number of a capture, or be written \$`)
		}
		out.WriteString("$(uri_captures[" + rest[:len(rest)-len(after)] + "])")
		rest = after
	}
	return out.String(), nil
}

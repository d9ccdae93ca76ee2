package router

import (
	"regexp"
	"strings"

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/pattern"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/request"
)

// pathCriterion is one path of a route: a prefix, or a regular expression. Kong anchors it by a caret before it, which belongs to the first
// alternative alone.
type pathCriterion struct {
	prefix  string
	pattern *regexp.Regexp
}

func pathCriterionOf(path string) (pathCriterion, error) {
	if !isRegexPath(path) {
		return pathCriterion{prefix: path}, nil
	}
	// Kong rewrites the names of groups to the older form, and overlooks escapes.
	compiled, err := pattern.Compile("^" + strings.ReplaceAll(path[1:], "?<", "?P<"))
	return pathCriterion{pattern: compiled}, err
}

func (p pathCriterion) met(path string) (matched request.Matched, ok bool) {
	if p.pattern == nil {
		return request.Matched{Text: p.prefix}, strings.HasPrefix(path, p.prefix)
	}
	return request.Match(p.pattern, path)
}

// firstMet tries paths in the order in which the route lists them.
func firstMet(paths []pathCriterion, path string) (matched request.Matched, ok bool) {
	for _, p := range paths {
		if matched, ok := p.met(path); ok {
			return matched, true
		}
	}
	return request.Matched{}, len(paths) == 0
}

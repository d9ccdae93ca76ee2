package router

import (
	"regexp"
	"strings"

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/pattern"
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

// met returns the part of the path that it matched.
func (p pathCriterion) met(path string) (matched string, ok bool) {
	if p.pattern == nil {
		return p.prefix, strings.HasPrefix(path, p.prefix)
	}
	at := p.pattern.FindStringIndex(path)
	if at == nil {
		return "", false
	}
	return path[at[0]:at[1]], true
}

// firstMet tries paths in the order in which the route lists them.
func firstMet(paths []pathCriterion, path string) (matched string, ok bool) {
	for _, p := range paths {
		if matched, ok := p.met(path); ok {
			return matched, true
		}
	}
	return "", len(paths) == 0
}

package kongtest

import (
	"regexp"
	"strings"
)

// pathCriterion is one path of a route: a prefix, or a regular expression that is
// anchored in the way of Kong: a caret before it, which is that of its first
// alternative alone.
type pathCriterion struct {
	prefix  string
	pattern *regexp.Regexp
}

func pathCriterionOf(path string) (pathCriterion, error) {
	if !isRegexPath(path) {
		return pathCriterion{prefix: path}, nil
	}
	// Kong writes groups' names in the older way, and does not look what is escaped.
	pattern, err := compileRust("^" + strings.ReplaceAll(path[1:], "?<", "?P<"))
	return pathCriterion{pattern: pattern}, err
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

// firstMet looks at paths in the order in which the route lists them.
func firstMet(paths []pathCriterion, path string) (matched string, ok bool) {
	for _, p := range paths {
		if matched, ok := p.met(path); ok {
			return matched, true
		}
	}
	return "", len(paths) == 0
}

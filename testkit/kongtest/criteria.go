package kongtest

import (
	"regexp"
	"slices"
	"strings"
)

// criteria are what a route demands of a request, but for paths. All kinds must
// be met, of each kind one.
type criteria struct {
	methods   []string
	hosts     []hostCriterion
	snis      []textCriterion
	headers   []headerCriterion
	protocols []string // in the flavor "expressions" alone
}

// textCriterion compares with a text, or with its end or beginning.
type textCriterion struct {
	text           string
	suffix, prefix bool
}

type hostCriterion struct {
	textCriterion
	port    int
	hasPort bool
}

// headerCriterion wants one of the values of a header to be one of the texts, or
// to match the pattern. Values are compared in lower case.
type headerCriterion struct {
	name     string // in lower case, with underscores
	texts    []string
	patterns []*regexp.Regexp
}

// criteriaOf reads them from a route as posted. It reports false when the route
// can never be built.
func criteriaOf(n *node) (c criteria, ok bool) {
	c.methods = words(n.own["methods"])
	for _, host := range words(n.own["hosts"]) {
		name, port, hasPort := splitPort(host)
		c.hosts = append(c.hosts, hostCriterion{wildcard(name), port, hasPort})
	}
	for _, sni := range words(n.own["snis"]) {
		if len(sni) > 1 && !strings.HasSuffix(sni, "*") {
			sni = strings.TrimSuffix(sni, ".")
		}
		c.snis = append(c.snis, wildcard(sni))
	}
	headers, _ := n.own["headers"].(map[string]any)
	for name, values := range headers {
		h := headerCriterion{name: strings.ReplaceAll(lowerASCII(name), "-", "_")}
		for _, value := range words(values) {
			source, isPattern := strings.CutPrefix(lowerASCII(value), "~*")
			if !isPattern {
				h.texts = append(h.texts, source)
				continue
			}
			pattern, err := compileRust(source)
			if err != nil {
				return c, false
			}
			h.patterns = append(h.patterns, pattern)
		}
		c.headers = append(c.headers, h)
	}
	return c, true
}

func wildcard(text string) textCriterion {
	if end, is := strings.CutPrefix(text, "*"); is {
		return textCriterion{text: end, suffix: true}
	}
	if start, is := strings.CutSuffix(text, "*"); is {
		return textCriterion{text: start, prefix: true}
	}
	return textCriterion{text: text}
}

// lowerASCII leaves other letters as they are, as Lua does. The values of requests
// lose the case of all letters, so some can never match.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

func (t textCriterion) met(text string) bool {
	switch {
	case t.suffix:
		return strings.HasSuffix(text, t.text)
	case t.prefix:
		return strings.HasPrefix(text, t.text)
	}
	return text == t.text
}

func (c *criteria) met(a asked) bool {
	if len(c.methods) > 0 && !slices.Contains(c.methods, a.method) {
		return false
	}
	if len(c.hosts) > 0 && !slices.ContainsFunc(c.hosts, func(h hostCriterion) bool {
		return h.met(a.host) &&
			(!h.hasPort || h.port == a.port)
	}) {
		return false
	}
	if len(c.snis) > 0 && a.https && !slices.ContainsFunc(c.snis, func(s textCriterion) bool { return a.sni != "" && s.met(a.sni) }) {
		return false
	}
	if len(c.protocols) > 0 && !slices.Contains(c.protocols, a.protocol()) {
		return false
	}
	for _, h := range c.headers {
		if !slices.ContainsFunc(a.values(h.name), h.met) {
			return false
		}
	}
	return true
}

func (h headerCriterion) met(value string) bool {
	value = strings.ToLower(value)
	return slices.Contains(h.texts, value) || slices.ContainsFunc(h.patterns, func(p *regexp.Regexp) bool { return p.MatchString(value) })
}

func (a asked) protocol() string {
	if a.https {
		return "https"
	}
	return "http"
}

package router

import (
	"regexp"
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/entity"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/pattern"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/request"
)

// criteria are what a route demands of a request, except for paths. Every kind must be met by one of its values.
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

// headerCriterion is met when a value of the header is one of the texts or matches a pattern. Values are compared in lower case.
type headerCriterion struct {
	name     string // in lower case, with underscores
	texts    []string
	patterns []*regexp.Regexp
}

// criteriaOf reads them from a route as posted. It reports false for a route that cannot be built.
func criteriaOf(n *entity.Node) (c criteria, ok bool) {
	c.methods = entity.Words(n.Own["methods"])
	for _, host := range entity.Words(n.Own["hosts"]) {
		name, port, hasPort := request.SplitPort(host)
		c.hosts = append(c.hosts, hostCriterion{wildcard(name), port, hasPort})
	}
	for _, sni := range entity.Words(n.Own["snis"]) {
		if len(sni) > 1 && !strings.HasSuffix(sni, "*") {
			sni = strings.TrimSuffix(sni, ".")
		}
		c.snis = append(c.snis, wildcard(sni))
	}
	headers, _ := n.Own["headers"].(map[string]any)
	for name, values := range headers {
		h := headerCriterion{name: strings.ReplaceAll(request.LowerASCII(name), "-", "_")}
		for _, value := range entity.Words(values) {
			source, isPattern := strings.CutPrefix(request.LowerASCII(value), "~*")
			if !isPattern {
				h.texts = append(h.texts, source)
				continue
			}
			compiled, err := pattern.Compile(source)
			if err != nil {
				return c, false
			}
			h.patterns = append(h.patterns, compiled)
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

func (t textCriterion) met(text string) bool {
	switch {
	case t.suffix:
		return strings.HasSuffix(text, t.text)
	case t.prefix:
		return strings.HasPrefix(text, t.text)
	}
	return text == t.text
}

func (c *criteria) met(a request.Request) bool {
	if len(c.methods) > 0 && !slices.Contains(c.methods, a.Method) {
		return false
	}
	if len(c.hosts) > 0 && !slices.ContainsFunc(c.hosts, func(h hostCriterion) bool {
		return h.met(a.Host) &&
			(!h.hasPort || h.port == a.Port)
	}) {
		return false
	}
	if len(c.snis) > 0 && a.HTTPS && !slices.ContainsFunc(c.snis, func(s textCriterion) bool { return a.SNI != "" && s.met(a.SNI) }) {
		return false
	}
	if len(c.protocols) > 0 && !slices.Contains(c.protocols, a.Protocol()) {
		return false
	}
	for _, h := range c.headers {
		if !slices.ContainsFunc(a.Values(h.name), h.met) {
			return false
		}
	}
	return true
}

func (h headerCriterion) met(value string) bool {
	value = strings.ToLower(value)
	return slices.Contains(h.texts, value) || slices.ContainsFunc(h.patterns, func(p *regexp.Regexp) bool { return p.MatchString(value) })
}

package request

import (
	"regexp"
	"strconv"
)

// Matched is what a route was chosen by in a path.
type Matched struct {
	Text     string            // the part that strip_path removes
	Captures map[string]string // of a regular expression, by number from 1 and by name; a group without a part in the match is absent
}

// Match compares a value with a regular expression.
func Match(p *regexp.Regexp, value string) (Matched, bool) {
	if !p.MatchString(value) { // most do not, and this is faster
		return Matched{}, false
	}
	at := p.FindStringSubmatchIndex(value)
	m := Matched{Text: value[at[0]:at[1]]}
	for i, name := range p.SubexpNames() {
		if i == 0 || at[2*i] < 0 {
			continue
		}
		if m.Captures == nil {
			m.Captures = map[string]string{}
		}
		text := value[at[2*i]:at[2*i+1]]
		m.Captures[strconv.Itoa(i)] = text
		if name != "" {
			m.Captures[name] = text
		}
	}
	return m, true
}

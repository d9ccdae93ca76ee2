package gateway

import (
	"encoding/json"
	"regexp"
	"sort"
	"strings"
	"unicode/utf8"
)

const (
	redacted   = "[redacted]"
	maxMessage = 500
	ellipsis   = "…" // where a text was clipped
)

// openKinds hold no secrets. Their values may be shown in a message. Every other kind, known or not, is
// treated as a holder of secrets.
var openKinds = map[string]bool{
	"service": true, "route": true, "consumer": true, "consumer_group": true, "upstream": true, "target": true,
	"sni": true, "acl": true, "key_set": true,
}

var (
	quoted = regexp.MustCompile(`'[^']*'|"[^"]*"`)
	setTo  = regexp.MustCompile(`set to '.*' already`)
)

// scrubber takes secrets out of Kong's messages about one entity.
type scrubber struct {
	secretKind bool
	kind       string
	values     []string        // of the entity, longest first
	fields     map[string]bool // names of the entity's fields, and of the fields of its config
}

func newScrubber(kind string, entity json.RawMessage) scrubber {
	s := scrubber{kind: kind, secretKind: !openKinds[kind]}
	if !s.secretKind || len(entity) == 0 {
		return s
	}
	var fields map[string]any
	if json.Unmarshal(entity, &fields) != nil {
		return s
	}
	s.fields = map[string]bool{}
	for name, value := range fields {
		s.fields[name] = true
		if config, ok := value.(map[string]any); ok && name == "config" {
			for name := range config {
				s.fields[name] = true
			}
		}
		switch name {
		case "id", "name", "tags", "instance_name", "protocols", "consumer", "service", "route", "algorithm":
			continue
		}
		s.values = collect(s.values, value)
	}
	sort.Slice(s.values, func(i, j int) bool { return len(s.values[i]) > len(s.values[j]) })
	return s
}

// collect returns the texts of a value. It skips those so short that they would match other words.
func collect(values []string, value any) []string {
	switch value := value.(type) {
	case string:
		if len(value) >= 4 {
			values = append(values, value)
		}
	case []any:
		for _, v := range value {
			values = collect(values, v)
		}
	case map[string]any:
		for _, v := range value {
			values = collect(values, v)
		}
	}
	return values
}

// scrub returns a message without the values of the entity. Kong's fixed phrases, which quote names of fields, stay.
func (s scrubber) scrub(field, message string) string {
	if !s.secretKind {
		return clip(message)
	}
	switch {
	case strings.HasPrefix(message, "expected one of"), message == "unknown field", message == "required field missing":
		return clip(message)
	case s.kind == "plugin" && field == "name":
		return clip(message)
	case strings.Contains(message, "of these fields must"), strings.HasPrefix(message, "failed conditional validation given value of field"):
		return clip(message)
	}
	if strings.Contains(message, "with primary key set to") {
		return clip(message) // an id
	}
	if setTo.MatchString(message) {
		return clip(setTo.ReplaceAllString(message, "set to "+redacted+" already"))
	}
	for _, v := range s.values {
		message = strings.ReplaceAll(message, v, redacted)
	}
	message = s.lua(message)
	return clip(quoted.ReplaceAllStringFunc(message, func(q string) string {
		if s.known(q[1 : len(q)-1]) {
			return q
		}
		return redacted
	}))
}

// clip returns at most maxMessage bytes of a text, in valid UTF-8.
func clip(text string) string {
	text = strings.ToValidUTF8(text, "?")
	if len(text) <= maxMessage {
		return text
	}
	cut := maxMessage
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + ellipsis
}

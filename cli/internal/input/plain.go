package input

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// plain reports whether a value stays one scalar when it is written without quotes in YAML, in block or flow style.
func plain(value string) bool {
	if value == "" || strings.TrimSpace(value) != value {
		return false
	}
	if strings.ContainsAny(value, "\n\r\t\"'{}[],#&*!|>%@`\\") || strings.Contains(value, ": ") || strings.HasSuffix(value, ":") {
		return false
	}
	return value[0] != '-' && value[0] != '?' && value[0] != ':' || len(value) > 1 && value[1] != ' '
}

// jsonQuote quotes a value as JSON does, which is a double-quoted scalar in YAML too. It returns false for a value that is not valid UTF-8.
func jsonQuote(value string) (string, bool) {
	if !utf8.ValidString(value) {
		return "", false
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return "", false
	}
	return strings.TrimSuffix(b.String(), "\n"), true
}

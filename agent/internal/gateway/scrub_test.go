package gateway

import (
	"encoding/json"
	"strings"
	"testing"
)

// A message is one line, and is made one only after the values, which may be several lines, were found in it.
func TestMessagesAreOneLineWithoutValues(t *testing.T) {
	entity, err := json.Marshal(map[string]any{"name": "pre-function", "config": map[string]any{"access": []string{"return\n  kong.s3cret("}}})
	if err != nil {
		t.Fatal(err)
	}
	got := newScrubber("plugin", entity).scrub("config.access.1", "error parsing:\n\treturn\n  kong.s3cret( near EOF\n ")
	if got != "error parsing: [redacted] near EOF" {
		t.Errorf("got %q", got)
	}
	if got := newScrubber("route", nil).scrub("paths.1", "bad\r\n  path\n"+strings.Repeat("x ", 1000)); strings.ContainsAny(got, "\r\n\t") || len(got) > maxMessage+len(ellipsis) {
		t.Errorf("got %q", got)
	}
}

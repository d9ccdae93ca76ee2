package clean_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/silverback-gateway/silverback/kit/clean"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
)

func TestLine(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"plain text stays", "3.9.3 (Ubuntu) – naïve ümläut 漢字", "3.9.3 (Ubuntu) – naïve ümläut 漢字"},
		{"an escape cannot colour or clear", "\x1b[2J\x1b[31mred", "\ufffd[2J\ufffd[31mred"},
		{"a line cannot be forged", "ok\nlevel=ERROR msg=forged\r\nmore", "ok level=ERROR msg=forged\ufffd more"},
		{"unicode's separators of lines neither", "a\u2028b\u2029c\u0085d", "a\ufffdb\ufffdc\ufffdd"},
		{"direction stays", "user\u202egnp.exe \u2066x\u2069 \u200f", "user\ufffdgnp.exe \ufffdx\ufffd \ufffd"},
		{"nothing without width", "ad\u200bmin\ufeff\u00ad", "ad\ufffdmin\ufffd\ufffd"},
		{"C1 is control too", "\u009b31m", "\ufffd31m"},
		{"bytes that are no UTF-8", "a\xff\xc3b", "a\ufffd\ufffdb"},
		{"too long", strings.Repeat("é", 60), strings.Repeat("é", 48) + "…"},
		{"tags cannot hide text", "a\U000e0041b", "a\ufffdb"},
	} {
		if got := clean.Line(tt.in, 100); got != tt.want {
			t.Errorf("%s: Line(%q) = %q, want %q", tt.name, tt.in, got, tt.want)
		}
	}
	if got := clean.Text("a\n\tb\x1b", 100); got != "a\n\tb\ufffd" {
		t.Errorf("Text keeps lines: %q", got)
	}
}

func FuzzLine(f *testing.F) {
	f.Add("a\x1b\u202e\xff", 5)
	f.Add(strings.Repeat("\xff", 300), 256)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		limit = min(max(limit, 4), 4096)
		got := clean.Line(text, limit)
		if len(got) > limit || !utf8.ValidString(got) || strings.ContainsFunc(got, clean.Unsafe) {
			t.Errorf("Line(%q, %d) = %q", text, limit, got)
		}
		if clean.Line(got, limit) != got {
			t.Errorf("cleaning %q twice changes it", got)
		}
	})
}

func TestMessageCleansEveryString(t *testing.T) {
	status := &fleetv1.NodeStatus{
		Digest:     "d\x1b",
		Conditions: []*fleetv1.Condition{{Type: "A\n", Message: strings.Repeat("x", 50)}},
		Health:     &fleetv1.Health{Probes: []*fleetv1.ProbeResult{{Path: "/\u202e", Reason: "status 503"}}},
	}
	clean.Message(status, 32)
	want := &fleetv1.NodeStatus{
		Digest:     "d\ufffd",
		Conditions: []*fleetv1.Condition{{Type: "A ", Message: strings.Repeat("x", 29) + "…"}},
		Health:     &fleetv1.Health{Probes: []*fleetv1.ProbeResult{{Path: "/\ufffd", Reason: "status 503"}}},
	}
	if diff := cmp.Diff(want, status, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	c := &fleetv1.Capabilities{KongVersion: "3.9.3", Plugins: map[string]string{"cors": "1", "a\x1b": "2", "b": "\n"}}
	clean.Message(c, 32)
	if diff := cmp.Diff(map[string]string{"cors": "1", "a\ufffd": "2", "b": " "}, c.GetPlugins()); diff != "" {
		t.Error(diff)
	}
	var none *fleetv1.Capabilities
	clean.Message(none, 32) // there is nothing to clean, and nothing panics
}

func TestJSONMeansTheSame(t *testing.T) {
	text := "{\n\t\"a\": \"x\u202ey\u009bz\U000e0041\x7f ü\"}"
	got := clean.JSON([]byte(text))
	for _, r := range string(got) {
		if r != '\n' && r != '\t' && clean.Unsafe(r) {
			t.Errorf("%q still has %U", got, r)
		}
	}
	var before, after map[string]string
	if err := json.Unmarshal([]byte(text), &before); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(got, &after); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Error(diff)
	}
}

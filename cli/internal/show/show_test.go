package show_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/kit/clean"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

func TestMessageKeepsProtoNames(t *testing.T) {
	m := &translatorv1.Revision{Group: "edge", Number: 7, SizeBytes: 12, Message: "yes: it's \"quoted\""}
	var b bytes.Buffer
	if err := show.Message(&b, show.JSON, m); err != nil {
		t.Fatal(err)
	}
	if want := "{\n  \"group\": \"edge\",\n  \"number\": \"7\",\n  \"size_bytes\": \"12\",\n  \"message\": \"yes: it's \\\"quoted\\\"\"\n}\n"; b.String() != want {
		t.Errorf("json:\n%s\nwant:\n%s", b.String(), want)
	}
	b.Reset()
	if err := show.Message(&b, show.YAML, m); err != nil {
		t.Fatal(err)
	}
	if want := "group: edge\nnumber: \"7\"\nsize_bytes: \"12\"\nmessage: 'yes: it''s \"quoted\"'\n"; b.String() != want {
		t.Errorf("yaml:\n%s\nwant:\n%s", b.String(), want)
	}
}

func TestProblem(t *testing.T) {
	for want, p := range map[string]*fleetv1.Problem{
		`team-a.yaml:14: route "orders": paths[0]: no`: {Document: "team-a.yaml", Line: 14, Kind: "route", Name: "orders", Field: "paths[0]", Message: "no"},
		`a.yaml: nothing in it`:                        {Document: "a.yaml", Message: "nothing in it"},
		`a.yaml:3: service "s": twice (also at b.yaml:9 (source "other"))`: {
			Document: "a.yaml", Line: 3, Kind: "service", Name: "s", Message: "twice", Other: &fleetv1.Problem_Place{Source: "other", Document: "b.yaml", Line: 9},
		},
		`a.yaml:3: service "s": already at b.yaml:9 of source "other"`: {
			Document: "a.yaml", Line: 3, Kind: "service", Name: "s", Message: `already at b.yaml:9 of source "other"`, Other: &fleetv1.Problem_Place{Source: "other", Document: "b.yaml", Line: 9},
		},
	} {
		if got := show.Problem(p); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestGrid(t *testing.T) {
	g := show.Grid{Header: []string{"A", "LONG"}}
	g.Add("x", "")
	var b bytes.Buffer
	if err := g.Write(&b); err != nil {
		t.Fatal(err)
	}
	if b.String() != "A   LONG\nx   -\n" {
		t.Errorf("%q", b.String())
	}
}

func TestStreamKeepsColumns(t *testing.T) {
	s := show.Stream{Header: []string{"NAME", "STATE", "SINCE"}}
	var b bytes.Buffer
	for _, row := range [][]string{{"gw-1", "unreachable", "1s"}, {"gw-2", "ready", "2s"}, {"a-long-name", "", "3s"}, {"gw-1", "deleted"}} {
		if err := s.Write(&b, row...); err != nil {
			t.Fatal(err)
		}
	}
	want := "NAME     STATE         SINCE\n" +
		"gw-1     unreachable   1s\n" +
		"gw-2     ready         2s\n" +
		"a-long-name   -             3s\n" +
		"gw-1          deleted\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

func TestPeopleForms(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	for got, want := range map[string]string{
		show.Age(now, timestamppb.New(now.Add(-90*time.Second))): "90s",
		show.Age(now, timestamppb.New(now.Add(-3*time.Hour))):    "3h",
		show.Span(durationpb.New(1234 * time.Millisecond)):       "1.23s",
		show.Digest("sha256:" + strings.Repeat("ab", 32)):        "abababababab",
		show.Bytes(1536):                                "1.5 KiB",
		show.Count(1, "node", "nodes"):                  "1 node",
		show.Enum(fleetv1.Proof_PROOF_WORKER, "PROOF_"): "worker",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

const hostile = "ok\x1b[2J\u202e\u009b\u200bname"

func TestNothingFromElsewhereReachesTheTerminalAsItIs(t *testing.T) {
	for what, write := range map[string]func(w *bytes.Buffer) error{
		"table": func(w *bytes.Buffer) error {
			g := show.Grid{Header: []string{"A", "B"}}
			g.Add(hostile, "x\ny\tz")
			return g.Write(w)
		},
		"stream": func(w *bytes.Buffer) error {
			s := show.Stream{Header: []string{"A", "B"}}
			return s.Write(w, hostile, "x\ny\tz")
		},
		"fields": func(w *bytes.Buffer) error {
			show.Printf(w, "Version: %s (%v)\n", hostile, errors.New(hostile))
			return nil
		},
		"json": func(w *bytes.Buffer) error { return show.Message(w, show.JSON, &fleetv1.Condition{Message: hostile}) },
		"yaml": func(w *bytes.Buffer) error { return show.Message(w, show.YAML, &fleetv1.Condition{Message: hostile}) },
		"problem": func(w *bytes.Buffer) error {
			w.WriteString(show.Problem(&fleetv1.Problem{Name: hostile, Kind: "route", Message: hostile}))
			return nil
		},
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsFunc(b.String(), func(r rune) bool { return r != '\n' && clean.Unsafe(r) }) || !strings.Contains(b.String(), "name") {
			t.Errorf("%s: %q", what, b.String())
		}
		if lines := strings.Count(b.String(), "\n"); (what == "table" || what == "stream") && lines != 2 {
			t.Errorf("%s: a cell made %d lines", what, lines)
		}
	}
	var b bytes.Buffer
	show.Printf(&b, "Message: %s\n", "one\nState: ready")
	if strings.Contains(b.String(), "\nState") {
		t.Errorf("a message forged a field: %q", b.String())
	}
}

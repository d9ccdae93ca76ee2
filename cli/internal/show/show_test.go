package show_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kit/screen"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

func TestMessageHasNumbersAndZeros(t *testing.T) {
	m := &translatorv1.Revision{
		Group: "edge", Number: 7, Message: "yes: it's \"7\"", Entities: map[string]int64{"routes": 2},
		CreateTime: timestamppb.New(time.Unix(0, 0)),
		Sources:    []*translatorv1.SourceRef{{Name: "a", EntityCount: 2}}, Changes: &translatorv1.ChangeSummary{Added: 2},
	}
	for format, want := range map[show.Format]string{
		show.JSON: `{
  "group": "edge",
  "number": 7,
  "digest": "",
  "size_bytes": 0,
  "entities": {
    "routes": 2
  },
  "sources": [
    {
      "name": "a",
      "digest": "",
      "entity_count": 2
    }
  ],
  "source": "",
  "author": "",
  "message": "yes: it's \"7\"",
  "create_time": "1970-01-01T00:00:00Z",
  "changes": {
    "added": 2,
    "changed": 0,
    "removed": 0
  },
  "request_id": "",
  "traceparent": "",
  "replaces_unmanaged": [],
  "restored_revision": 0
}
`,
		show.YAML: `group: edge
number: 7
digest: ""
size_bytes: 0
entities:
  routes: 2
sources:
  - name: a
    digest: ""
    entity_count: 2
source: ""
author: ""
message: 'yes: it''s "7"'
create_time: "1970-01-01T00:00:00Z"
changes:
  added: 2
  changed: 0
  removed: 0
request_id: ""
traceparent: ""
replaces_unmanaged: []
restored_revision: 0
`,
	} {
		var b bytes.Buffer
		if err := show.Message(&b, format, m); err != nil {
			t.Fatal(err)
		}
		if b.String() != want {
			t.Errorf("%s:\n%s\nwant:\n%s", format, b.String(), want)
		}
	}
}

// Whatever a service answers, a program finds no number in quotes: every field of 64 bits that a message has is set, also in lists, maps
// and messages below.
func TestNoAnswerHasANumberInQuotes(t *testing.T) {
	for _, m := range []proto.Message{
		&registryv1.ListNodesResponse{}, &registryv1.ListGroupsResponse{}, &translatorv1.ListRevisionsResponse{},
		&translatorv1.ListSourcesResponse{},
		&translatorv1.DiffConfigResponse{}, &translatorv1.SubmitConfigResponse{}, &translatorv1.ValidateConfigResponse{},
		&distributorv1.ListRolloutsResponse{}, &distributorv1.GetLedgerResponse{},
	} {
		set := fill(m.ProtoReflect(), 5)
		text, err := show.Raw(m)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(string(text), "4242"); got != set || strings.Contains(string(text), `"4242"`) {
			t.Errorf("%T: %d numbers of %d in %s", m, got, set, text)
		}
	}
}

// fill sets the 64-bit fields of a message and of those below, and counts them.
func fill(m protoreflect.Message, depth int) (set int) {
	const n = 4242
	if depth == 0 || m.Descriptor().FullName().Parent() == "google.protobuf" {
		return 0
	}
	for i := range m.Descriptor().Fields().Len() {
		f := m.Descriptor().Fields().Get(i)
		is64 := func(f protoreflect.FieldDescriptor) bool {
			return f.Kind() == protoreflect.Int64Kind || f.Kind() == protoreflect.Uint64Kind
		}
		value := protoreflect.ValueOfInt64(n)
		if f.Kind() == protoreflect.Uint64Kind {
			value = protoreflect.ValueOfUint64(n)
		}
		switch {
		case f.ContainingOneof() != nil: // one of them would hide the other
		case f.IsMap():
			if is64(f.MapValue()) {
				m.Mutable(f).Map().Set(protoreflect.ValueOfString("k").MapKey(), value)
				set++
			}
		case f.IsList() && f.Message() != nil:
			set += fill(m.Mutable(f).List().AppendMutable().Message(), depth-1)
		case f.IsList():
			if is64(f) {
				m.Mutable(f).List().Append(value)
				set++
			}
		case f.Message() != nil:
			set += fill(m.Mutable(f).Message(), depth-1)
		case is64(f):
			m.Set(f, value)
			set++
		}
	}
	return set
}

func TestProblem(t *testing.T) {
	for want, p := range map[string]*fleetv1.Problem{
		`team-a.yaml:14: route "orders": paths[0]: no`: {Document: "team-a.yaml", Line: 14, Kind: "route", Name: "orders", Field: "paths[0]",
			Message: "no"},
		`a.yaml: nothing in it`: {Document: "a.yaml", Message: "nothing in it"},
		`a.yaml:3: service "s": twice (also at b.yaml:9 (source "other"))`: {
			Document: "a.yaml", Line: 3, Kind: "service", Name: "s", Message: "twice",
			Other: &fleetv1.Problem_Place{Source: "other", Document: "b.yaml", Line: 9},
		},
		`a.yaml:3: service "s": already at b.yaml:9 of source "other"`: {
			Document: "a.yaml", Line: 3, Kind: "service", Name: "s", Message: `already at b.yaml:9 of source "other"`,
			Other: &fleetv1.Problem_Place{Source: "other", Document: "b.yaml", Line: 9},
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

func TestTablesFitTheTerminal(t *testing.T) {
	g := show.Grid{Header: []string{"GROUP", "NODE", "STATE", "REASON", "DIGEST"}, More: 1}
	g.Add("edge", "kong-eu-west-1-blue-000000000000000000000017", "ready", "it is the third of its kind, and a long story", "76cd36626d1a")
	g.Add("日本", "gw-2", "degraded", "", "76cd36626d1a")
	for _, tt := range []struct {
		layout show.Layout
		want   string
	}{
		{show.Layout{}, `GROUP   NODE                                           STATE      REASON
edge    kong-eu-west-1-blue-000000000000000000000017   ready      it is the third of its kind, and a long story
日本    gw-2                                           degraded   -
`},
		{show.Layout{Width: 60}, `GROUP  NODE                  STATE     REASON
edge   kong-eu-we…000000017  ready     it is the third of i…
日本   gw-2                  degraded  -
`},
		{show.Layout{Width: 20, Wide: true}, `GROUP  NODE      ST…
edge   kong…017  re…
日本   gw-2      de…
`},
	} {
		var b bytes.Buffer
		if err := g.Draw(&b, tt.layout); err != nil {
			t.Fatal(err)
		}
		if b.String() != tt.want {
			t.Errorf("%+v: got\n%s\nwant\n%s", tt.layout, b.String(), tt.want)
		}
		for line := range strings.Lines(b.String()) {
			if w := screen.Width(strings.TrimSuffix(line, "\n")); tt.layout.Width > 0 && w > tt.layout.Width {
				t.Errorf("%+v: a line takes %d cells: %q", tt.layout, w, line)
			}
		}
	}
}

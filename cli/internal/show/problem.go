package show

import (
	"fmt"
	"io"
	"strings"

	"github.com/silverback-gateway/silverback/kit/clean"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
)

// Problem prints the place and the message: team-a.yaml:14: route "orders": paths[0]: …
func Problem(p *fleetv1.Problem) string {
	var parts []string
	if place := placeOf(p.GetSource(), p.GetDocument(), p.GetLine()); place != "" {
		parts = append(parts, place)
	}
	if object := Object(p.GetKind(), p.GetName(), p.GetId()); object != "" {
		parts = append(parts, object)
	}
	if p.GetField() != "" {
		parts = append(parts, p.GetField())
	}
	parts = append(parts, p.GetMessage())
	line := strings.Join(parts, ": ")
	if o := p.GetOther(); o != nil && !strings.Contains(p.GetMessage(), placeOf("", o.GetDocument(), o.GetLine())) {
		line += fmt.Sprintf(" (also at %s)", placeOf(o.GetSource(), o.GetDocument(), o.GetLine()))
	}
	return Clean(line)
}

func placeOf(source, document string, line int32) string {
	place := document
	if line > 0 {
		place = fmt.Sprintf("%s:%d", document, line)
	}
	switch {
	case source == "":
		return place
	case place == "":
		return fmt.Sprintf("source %q", source)
	}
	return fmt.Sprintf("%s (source %q)", place, source)
}

// Object returns the name of an entity: route "orders", or its id when it has no name.
func Object(kind, name, id string) string {
	switch {
	case kind == "":
		return ""
	case name != "":
		return fmt.Sprintf("%s %q", kind, name)
	case id != "":
		return fmt.Sprintf("%s %s", kind, id)
	}
	return kind
}

// maxText bounds the output of one foreign text.
const maxText = 64 << 10

// Clean makes foreign text safe for a terminal: it cannot move the cursor, colour the screen or change the direction of text.
func Clean(text string) string { return clean.Text(text, maxText) }

// CleanAll cleans the texts and errors among arguments.
func CleanAll(args []any) []any {
	for i, arg := range args {
		switch v := arg.(type) {
		case string:
			args[i] = Clean(v)
		case error:
			args[i] = Clean(v.Error())
		}
	}
	return args
}

// Printf prints with cleaned arguments. Their further lines are indented. Use fmt for output with colours.
func Printf(w io.Writer, format string, args ...any) {
	for i, arg := range CleanAll(args) {
		if text, ok := arg.(string); ok {
			args[i] = strings.ReplaceAll(text, "\n", "\n             ")
		}
	}
	fmt.Fprintf(w, format, args...)
}

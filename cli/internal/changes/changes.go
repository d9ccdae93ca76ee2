// Package changes prints the differences between two configurations of a group: for people, as lines that fit a terminal; for programs, as
// one document whose shape docs/api.md defines. It calls no service.
package changes

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/kit/clean"
	kongchanges "github.com/silverback-gateway/silverback/kong/changes"
	"github.com/silverback-gateway/silverback/kong/snapshot"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// Most is how many changes a command requests: the limit of the translator.
const Most = 100_000

// Few is how many changes a command shows with its own result.
const Few = 20

// width is how long a line may be.
const width = 80

// hidden replaces a value that may be secret.
const hidden = "(hidden)"

// A Report is a difference for programs.
type Report struct {
	Revision   int64             `json:"revision"`    // the old side; 0 is an empty group
	ToRevision int64             `json:"to_revision"` // the new side; 0 means submitted files
	Digest     string            `json:"digest"`
	Summary    summary           `json:"summary"`
	Changes    []change          `json:"changes"`
	Warnings   []json.RawMessage `json:"warnings"`
}

type summary struct {
	Added   int64 `json:"added"`
	Changed int64 `json:"changed"`
	Removed int64 `json:"removed"`
}

type change struct {
	Operation string   `json:"operation"`
	Kind      string   `json:"kind"`
	Name      string   `json:"name"`
	ID        string   `json:"id"`
	Title     string   `json:"title"`
	Parents   []parent `json:"parents"`
	Fields    []field  `json:"fields"`
	Cut       bool     `json:"cut"`
}

type parent struct {
	Kind  string `json:"kind"`
	Name  string `json:"name"`
	ID    string `json:"id"`
	Title string `json:"title"`
}

type field struct {
	Path    string          `json:"path"`
	Old     json.RawMessage `json:"old,omitempty"`
	New     json.RawMessage `json:"new,omitempty"`
	Secret  bool            `json:"secret"`
	TooLong bool            `json:"too_long"`
}

// Of returns a change of two snapshots as the translator would return it.
func Of(c *kongchanges.Change) *translatorv1.Change {
	m := &translatorv1.Change{Operation: operations[c.Op], Kind: c.Kind, Name: c.Name, Id: c.ID, Title: c.Title, Cut: c.Cut}
	for _, p := range c.Parents {
		m.Parents = append(m.Parents, &translatorv1.NamedEntity{Kind: p.Kind, Name: p.Name, Id: p.ID, Title: p.Title})
	}
	for _, f := range c.Fields {
		m.Values = append(m.Values, &translatorv1.FieldChange{Path: f.Path, Old: string(f.Old), New: string(f.New), Secret: f.Secret,
			TooLong: f.TooLong})
	}
	return m
}

var operations = map[snapshot.ChangeOp]translatorv1.Change_Operation{
	snapshot.Added: translatorv1.Change_OPERATION_ADDED, snapshot.Changed: translatorv1.Change_OPERATION_CHANGED,
	snapshot.Removed: translatorv1.Change_OPERATION_REMOVED,
}

// ReportOf turns an answer into a Report.
func ReportOf(answer *translatorv1.DiffConfigResponse) (Report, error) {
	s := answer.GetSummary()
	r := Report{
		Revision: answer.GetRevision(), ToRevision: answer.GetToRevision(), Digest: answer.GetDigest(),
		Summary: summary{Added: s.GetAdded(), Changed: s.GetChanged(), Removed: s.GetRemoved()},
		Changes: make([]change, 0, len(answer.GetChanges())), Warnings: []json.RawMessage{},
	}
	for _, c := range answer.GetChanges() {
		out := change{
			Operation: c.GetOperation().String(), Kind: c.GetKind(), Name: c.GetName(), ID: c.GetId(), Title: c.GetTitle(), Cut: c.GetCut(),
			Parents: make([]parent, 0, len(c.GetParents())), Fields: make([]field, 0, len(c.GetValues())),
		}
		for _, p := range c.GetParents() {
			out.Parents = append(out.Parents, parent{Kind: p.GetKind(), Name: p.GetName(), ID: p.GetId(), Title: p.GetTitle()})
		}
		for _, f := range c.GetValues() {
			out.Fields = append(out.Fields, field{Path: f.GetPath(), Old: value(f.GetOld()), New: value(f.GetNew()), Secret: f.GetSecret(),
				TooLong: f.GetTooLong()})
		}
		r.Changes = append(r.Changes, out)
	}
	for _, w := range answer.GetWarnings() {
		text, err := show.Raw(w)
		if err != nil {
			return Report{}, err
		}
		r.Warnings = append(r.Warnings, text)
	}
	return r, nil
}

// value returns a value of the wire as JSON. A text that is not JSON becomes a string.
func value(text string) json.RawMessage {
	if text == "" || json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	quoted, _ := json.Marshal(text)
	return quoted
}

// Print prints a response in the format of -o.
func Print(a *app.App, answer *translatorv1.DiffConfigResponse) error {
	if a.Flags.Output == show.Table {
		List(a, answer)
		return nil
	}
	r, err := ReportOf(answer)
	if err != nil {
		return err
	}
	return show.Value(a.Out, a.Flags.Output, r)
}

// List prints the changes of a response for people, and how many are not in it.
func List(a *app.App, answer *translatorv1.DiffConfigResponse) {
	for _, c := range answer.GetChanges() {
		Write(a, c)
	}
	if more := Count(answer.GetSummary()) - int64(len(answer.GetChanges())); more > 0 {
		fmt.Fprintf(a.Out, "… and %s more\n", show.Count(more, "entity", "entities"))
	}
}

// Write prints one change for people.
func Write(a *app.App, c *translatorv1.Change) {
	for i, line := range Lines(c) {
		if i == 0 {
			line = a.Colour(colourOf(c.GetOperation()), line)
		}
		fmt.Fprintln(a.Out, line)
	}
}

// Count returns how many entities a change touches.
func Count(s *translatorv1.ChangeSummary) int64 {
	return s.GetAdded() + s.GetChanged() + s.GetRemoved()
}

// Lines returns a change in lines of at most 80 columns: the entity, then each field.
func Lines(c *translatorv1.Change) []string {
	title := c.GetTitle()
	if title == "" { // a translator of an older version
		title = show.Object(c.GetKind(), c.GetName(), c.GetId())
	}
	lines := []string{truncate(sign(c.GetOperation())+" "+line(title), width)}
	if c.GetOperation() == translatorv1.Change_OPERATION_REMOVED {
		return lines
	}
	for _, f := range c.GetValues() {
		lines = append(lines, fieldLines(c.GetOperation(), f)...)
	}
	if len(c.GetValues()) == 0 {
		for _, path := range c.GetFields() {
			lines = append(lines, truncate("    "+line(path), width))
		}
	}
	if c.GetCut() {
		lines = append(lines, "    … and more")
	}
	return lines
}

func fieldLines(op translatorv1.Change_Operation, f *translatorv1.FieldChange) []string {
	const indent = "    "
	added := op == translatorv1.Change_OPERATION_ADDED
	head := indent + line(f.GetPath()) + ":"
	switch {
	case f.GetSecret() && added:
		return []string{truncate(head+" "+hidden, width)}
	case f.GetSecret():
		return []string{truncate(head+" changed "+hidden, width)}
	case f.GetTooLong() && added:
		return []string{truncate(head+" (too long to show)", width)}
	case f.GetTooLong():
		return []string{truncate(head+" changed (too long to show)", width)}
	case added:
		return []string{truncate(head+" "+line(f.GetNew()), width)}
	}
	old, now := line(orNone(f.GetOld())), line(orNone(f.GetNew()))
	if one := head + " " + old + " → " + now; utf8.RuneCountInString(one) <= width {
		return []string{one}
	}
	room := width - len(indent) - len("  - ")
	old, now = around(old, now, room)
	return []string{truncate(head, width), indent + "  - " + old, indent + "  + " + now}
}

func orNone(text string) string {
	if text == "" {
		return "(none)"
	}
	return text
}

// maxLine bounds how much of one text is read before it is shortened.
const maxLine = 32 << 10

func line(text string) string { return clean.Line(text, maxLine) }

// truncate shortens a text to room characters.
func truncate(text string, room int) string {
	if utf8.RuneCountInString(text) <= room {
		return text
	}
	return string([]rune(text)[:room-1]) + "…"
}

// context is how many common characters of two long texts are shown before their difference.
const context = 12

// around shortens two texts so that their difference is shown.
func around(a, b string, room int) (string, string) {
	x, y := []rune(a), []rune(b)
	same := 0
	for same < len(x) && same < len(y) && x[same] == y[same] {
		same++
	}
	if from := same - context; from > 0 && (len(x) > room || len(y) > room) {
		x, y = append([]rune("…"), x[from:]...), append([]rune("…"), y[from:]...)
	}
	return truncate(string(x), room), truncate(string(y), room)
}

func sign(op translatorv1.Change_Operation) string {
	switch op {
	case translatorv1.Change_OPERATION_ADDED:
		return "+"
	case translatorv1.Change_OPERATION_REMOVED:
		return "-"
	default:
		return "~"
	}
}

func colourOf(op translatorv1.Change_Operation) app.Colour {
	switch op {
	case translatorv1.Change_OPERATION_ADDED:
		return app.Green
	case translatorv1.Change_OPERATION_REMOVED:
		return app.Red
	default:
		return app.Yellow
	}
}

// Summary returns the numbers of changes: 2 added, 1 changed, 0 removed.
func Summary(c *translatorv1.ChangeSummary) string {
	return fmt.Sprintf("%d added, %d changed, %d removed", c.GetAdded(), c.GetChanged(), c.GetRemoved())
}

package advise

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kong/compile"
	"github.com/silverback-gateway/silverback/kong/schema"
)

// A verdict is what becomes of a field.
type verdict string

// The verdicts. The first two are reasons not to upgrade as it is.
const (
	refused    verdict = "refused"
	changed    verdict = "changed"
	deprecated verdict = "deprecated"
	added      verdict = "new"
)

var order = []verdict{refused, changed, deprecated, added}

// finding is the same news about one or more entities.
type finding struct {
	Verdict verdict `json:"verdict"`
	Kind    string  `json:"kind"`
	Plugin  string  `json:"plugin,omitempty"` // or the kind of vault
	Field   string  `json:"field"`            // without positions in lists; empty is the entity as a whole
	Reason  string  `json:"reason"`
	// True when the gateways of now refuse it as well.
	Already bool `json:"refused_now,omitempty"`
	// The gateways that say so, when there are several kinds of that version.
	By     []string `json:"by,omitempty"`
	Count  int      `json:"count"` // of entities
	Places []place  `json:"places"`

	seen map[int]bool // entities that were counted
}

// place is where an entity is.
type place struct {
	Source   string `json:"source,omitempty"`
	Document string `json:"document,omitempty"`
	Line     int    `json:"line,omitempty"`
	Name     string `json:"name,omitempty"`
	Of       string `json:"of,omitempty"` // what a plugin or a target belongs to
}

// maxPlaces is how many places of a finding are told.
const maxPlaces = 20

func (p place) String() string {
	text := p.Document
	if p.Line > 0 {
		text = fmt.Sprintf("%s:%d", p.Document, p.Line)
	}
	if p.Source != "" {
		text = "source " + p.Source
	}
	if p.Name != "" {
		text += " " + p.Name
	}
	if p.Of != "" {
		text += " of " + p.Of
	}
	return text
}

// judge fills in the findings.
func (c *configuration) judge(ctx context.Context, r *report) error {
	r.Entities, r.Findings = len(c.result.Entities), []*finding{}
	j := judge{configuration: c, report: r, found: map[string]*finding{}, names: map[string]string{}}
	size := 0
	for i, e := range c.result.Entities {
		size += len(e.JSON)
		if name := c.result.Origins[i].Name; name != "" {
			j.names[e.ID] = clean.Line(c.result.Origins[i].Kind+" "+name, clean.MaxWord)
		}
	}
	for _, by := range r.By {
		budget, budgetNow := schema.BudgetFor(r.Entities, size), schema.BudgetFor(r.Entities, size)
		for i := range c.result.Entities {
			if err := j.entity(ctx, i, by, budget, budgetNow); err != nil {
				return err
			}
		}
	}
	j.locate()
	slices.SortStableFunc(r.Findings, func(x, y *finding) int {
		return cmp.Or(cmp.Compare(slices.Index(order, x.Verdict), slices.Index(order, y.Verdict)), cmp.Compare(x.Kind, y.Kind),
			cmp.Compare(x.Plugin, y.Plugin), cmp.Compare(x.Field, y.Field))
	})
	return nil
}

// judge collects findings.
type judge struct {
	*configuration
	*report
	found    map[string]*finding
	names    map[string]string // of entities, by id
	problems []compile.Problem // one for each place in a file
	of       []*finding        // of each problem
	at       []int             // the place in it
}

// entity judges one entity by one kind of gateway.
func (j *judge) entity(ctx context.Context, i int, by *kong, budget, budgetNow *schema.Budget) error {
	kind := j.result.Origins[i].Kind
	entity, err := j.decoded(i)
	if err != nil {
		return err
	}
	wrong, err := by.bundle.Check(ctx, budget, kind, entity)
	if err != nil {
		return fmt.Errorf("judge by the schemas of %s: %w", by.name(), err)
	}
	if len(wrong) == 0 { // a refused entity has no meaning
		var now *schema.Bundle
		if j.Now != nil {
			now = j.Now.bundle
		}
		for _, m := range by.bundle.Changes(now, kind, entity) {
			j.add(i, entity, by, finding{Verdict: verdictOf(m.Meaning), Field: m.Path.String(), Reason: m.Message})
		}
		return nil
	}
	var wrongNow []schema.FieldError
	if j.Now != nil {
		if wrongNow, err = j.Now.bundle.Check(ctx, budgetNow, kind, entity); err != nil {
			return fmt.Errorf("judge by the schemas of %s: %w", j.Now.name(), err)
		}
	}
	for _, w := range wrong {
		already := slices.ContainsFunc(wrongNow, func(n schema.FieldError) bool { return n.Rule == w.Rule && n.Path.String() == w.Path.String() })
		if !w.Follows {
			j.add(i, entity, by, finding{Verdict: refused, Field: w.Path.String(), Reason: w.Message, Already: already})
		}
	}
	return nil
}

func verdictOf(m schema.Meaning) verdict {
	switch m {
	case schema.Deprecated:
		return deprecated
	case schema.Added:
		return added
	}
	return changed
}

// add counts a finding about an entity. Texts of schemas and files are cleaned: nodes write bundles.
func (j *judge) add(i int, entity map[string]any, by *kong, f finding) {
	from := j.result.Origins[i]
	at := place{Source: string(from.Source), Name: clean.Line(from.Name, clean.MaxWord), Of: j.owner(entity)}
	if f.Kind = from.Kind; f.Kind == "plugin" || f.Kind == "vault" {
		name, _ := entity["name"].(string)
		f.Plugin, at.Name = clean.Line(name, clean.MaxWord), ""
	}
	path := f.Field
	f.Field, f.Reason = clean.Line(withoutPositions(path), clean.MaxMessage), clean.Line(f.Reason, clean.MaxMessage)
	key := strings.Join([]string{string(f.Verdict), f.Kind, f.Plugin, f.Field, f.Reason, fmt.Sprint(f.Already)}, "\x00")
	same := j.found[key]
	if same == nil {
		f.seen, same = map[int]bool{}, &f
		j.found[key], j.Findings = same, append(j.Findings, same)
	}
	if who := by.name() + " of " + some(by.Nodes); len(j.By) > 1 && !slices.Contains(same.By, who) {
		same.By = append(same.By, who)
	}
	if same.seen[i] {
		return
	}
	same.seen[i] = true
	if same.Count++; len(same.Places) == maxPlaces {
		return
	}
	if j.files {
		j.of, j.at = append(j.of, same), append(j.at, len(same.Places))
		j.problems = append(j.problems, compile.Problem{Document: from.Document, Line: from.Line, Column: from.Column, Kind: from.Kind,
			Field: path})
		at.Document, at.Line = clean.Line(from.Document, clean.MaxWord), from.Line
	}
	same.Places = append(same.Places, at)
}

// locate moves the places in files from the entities to the fields.
func (j *judge) locate() {
	j.compiler.Locate(j.documents, j.problems)
	for k, p := range j.problems {
		j.of[k].Places[j.at[k]].Line = p.Line
	}
}

// owner names what an entity belongs to, such as the route of a plugin.
func (j *judge) owner(entity map[string]any) string {
	for _, field := range []string{"consumer", "consumer_group", "route", "service", "upstream", "certificate"} {
		id, _ := entity[field].(string)
		if of, ok := entity[field].(map[string]any); ok {
			id, _ = of["id"].(string)
		}
		if name := j.names[id]; name != "" {
			return name
		}
	}
	return ""
}

// withoutPositions makes config.hosts[].port of config.hosts[3].port, so that equal findings are one.
func withoutPositions(path string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(path, "[")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		at, after, closed := strings.Cut(rest, "]")
		if !closed || strings.Trim(at, "0123456789") != "" {
			b.WriteString("[" + rest)
			return b.String()
		}
		b.WriteString("[]")
		path = after
	}
}

// print prints the report and returns the exit code.
func (r report) print(a *app.App) error {
	counts := map[verdict]int{}
	for _, f := range r.Findings {
		counts[f.Verdict]++
	}
	if a.Flags.Output != show.Table {
		if err := show.Value(a.Out, a.Flags.Output, r); err != nil {
			return err
		}
	} else {
		if len(r.Findings) > 0 {
			grid := &show.Grid{Header: []string{"VERDICT", "OBJECT", "FIELD", "COUNT", "REASON", "WHERE"}, More: 1}
			for _, f := range r.Findings {
				object, reason := strings.TrimSpace(f.Kind+" "+f.Plugin), f.Reason
				if f.Already {
					reason += " (now too)"
				}
				if len(f.By) > 0 && len(f.By) < len(r.By) {
					reason += " (" + strings.Join(f.By, ", ") + ")"
				}
				grid.Add(string(f.Verdict), object, f.Field, fmt.Sprint(f.Count), reason, f.Places[0].String())
			}
			if err := grid.Draw(a.Out, a.Layout()); err != nil {
				return err
			}
		}
		r.summary(a, counts)
		printUnknown(a, r.Unknown)
	}
	if counts[refused]+counts[changed] > 0 {
		return &app.Exit{Code: app.ExitDifference}
	}
	return nil
}

// printUnknown prints what the answer leaves open.
func printUnknown(a *app.App, unknown []string) {
	for _, u := range unknown {
		fmt.Fprintln(a.Err, show.Fold("not known: "+show.Clean(u), 2, a.Layout().Width))
	}
}

func (r report) summary(a *app.App, counts map[verdict]int) {
	var by []string
	for _, k := range r.By {
		by = append(by, k.name()+" of "+some(k.Nodes))
	}
	text := fmt.Sprintf("%s by the schemas of %s", show.Count(int64(r.Entities), "entity", "entities"), strings.Join(by, " and "))
	if r.Now != nil {
		text += ", compared with " + r.Now.name() + " of " + some(r.Now.Nodes)
	}
	if counts[refused]+counts[changed] == 0 {
		a.Line(2, "nothing is refused or known to mean something else: %s", text)
		return
	}
	a.Line(2, "%d refused, %d changed: %s", counts[refused], counts[changed], text)
}

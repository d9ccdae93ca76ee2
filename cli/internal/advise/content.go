package advise

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/input"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/kit/wire"
	"github.com/silverback-gateway/silverback/kong/compile"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// report is what is printed of a configuration.
type report struct {
	Kong     string     `json:"kong"`          // as asked
	By       []*kong    `json:"schemas"`       // of that version
	Now      *kong      `json:"compared_with"` // what the gateways are now; null when that is not known
	Entities int        `json:"entities"`
	Findings []*finding `json:"findings"`
	Unknown  []string   `json:"unknown"`
}

// content judges files, or the configuration of a group.
func (q request) content(ctx context.Context, a *app.App) error {
	nodes, err := nodesOf(ctx, a, "")
	if err != nil {
		return err
	}
	r := report{Kong: q.version.String(), Unknown: []string{}}
	of := nodesWith(nodes, func(n *registryv1.Node) bool { v, ok := versionOf(n); return ok && q.version.Is(v) })
	if r.By, r.Unknown, err = kongsOf(ctx, a, of); err != nil {
		return err
	}
	if len(r.By) == 0 {
		return q.unknown(nodes, r.Unknown)
	}
	if q.group != "" {
		if err := a.CheckGroup(ctx, q.group); err != nil {
			return err
		}
		kongs, problems, err := kongsOf(ctx, a, nodesWith(nodes, func(n *registryv1.Node) bool {
			v, ok := versionOf(n)
			return n.GetGroup() == q.group && ok && !q.version.Is(v)
		}))
		if err != nil {
			return err
		}
		if r.Unknown = append(r.Unknown, problems...); len(kongs) > 0 {
			r.Now = kongs[0]
		}
		for _, other := range kongs[min(1, len(kongs)):] {
			r.Unknown = append(r.Unknown, fmt.Sprintf("what changes for %s with other schemas: %s", other.name(), some(other.Nodes)))
		}
	}
	if r.Now == nil {
		why := "give -g GROUP to compare with what its gateways make of it now"
		if q.group != "" {
			why = "no gateway of group " + q.group + " with another version has brought its schemas"
		}
		r.Unknown = append(r.Unknown, "what would mean something else: "+why)
	}
	c, err := q.read(ctx, a)
	if err != nil {
		return err
	}
	if err := c.judge(ctx, &r); err != nil {
		return err
	}
	return r.print(a)
}

func nodesWith(nodes []*registryv1.Node, keep func(*registryv1.Node) bool) (kept []*registryv1.Node) {
	for _, n := range nodes {
		if keep(n) {
			kept = append(kept, n)
		}
	}
	return kept
}

// unknown is the error when nobody has the schemas of the version.
func (q request) unknown(nodes []*registryv1.Node, problems []string) error {
	text := "what Kong " + q.version.String() + " would refuse or read otherwise is not known: "
	if len(problems) > 0 {
		return errors.New(text + "these cannot be had: " + strings.Join(problems, "; "))
	}
	have := map[string]bool{}
	var versions []string
	for _, n := range nodes {
		if v := show.Clean(n.GetCapabilities().GetKongVersion()); v != "" && !have[v] {
			have[v], versions = true, append(versions, v)
		}
	}
	slices.Sort(versions)
	text += "no gateway of the fleet runs it"
	if len(versions) > 0 {
		text += " (they run " + some(versions) + ")"
	}
	return errors.New(text + "; start one, with its agent in a group of its own, which brings its schemas")
}

// configuration is what is judged.
type configuration struct {
	documents []compile.Document // of files
	compiler  *compile.Compiler
	result    *compile.Result
	files     bool
}

// read reads the files, or the sources of the group.
func (q request) read(ctx context.Context, a *app.App) (*configuration, error) {
	c := &configuration{compiler: compile.New(compile.DefaultLimits()), files: len(q.files) > 0}
	sources := map[compile.SourceID][]compile.Document{}
	if c.files {
		documents, err := input.Reader{Stdin: a.In, LookupEnv: a.LookupEnv}.Read(q.files)
		if err != nil {
			return nil, err
		}
		for _, d := range documents {
			c.documents = append(c.documents, compile.Document{Name: d.GetName(), Content: d.GetContent()})
		}
		sources[""] = c.documents
	} else if err := q.sources(ctx, a, sources); err != nil {
		return nil, err
	}
	fragments := map[compile.SourceID]*compile.Fragment{}
	var problems []compile.Problem
	for name, documents := range sources {
		fragment, more := c.compiler.Read(documents)
		problems = append(problems, more...)
		if fragment != nil {
			fragments[name] = fragment
		}
	}
	result, more := c.compiler.Draft(fragments)
	// What files refer to may be in other sources.
	problems = slices.DeleteFunc(append(problems, more...), func(p compile.Problem) bool { return p.Class == compile.DanglingReference })
	for _, p := range compile.Ordered(problems) {
		fmt.Fprintln(a.Err, show.Problem(wire.ProblemMessage(p)))
	}
	if len(problems) > 0 {
		return nil, &app.Exit{Code: app.ExitDifference, Err: errors.New("the configuration is refused, whatever the version of Kong")}
	}
	c.result = result
	return c, nil
}

// sources reads each source of the group, so that findings name it.
func (q request) sources(ctx context.Context, a *app.App, into map[compile.SourceID][]compile.Document) error {
	ctx, cancel := a.Call(ctx)
	defer cancel()
	var names []string
	for token := ""; ; {
		page, err := a.Translator().ListSources(ctx, &translatorv1.ListSourcesRequest{Group: q.group, PageSize: pageSize, PageToken: token})
		if err != nil {
			return err
		}
		for _, s := range page.GetSources() {
			names = append(names, s.GetName())
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	if len(names) == 0 {
		return fmt.Errorf("group %s has no configuration; judge files with -f", q.group)
	}
	for _, name := range names {
		stream, err := a.Translator().GetSnapshot(ctx, &translatorv1.GetSnapshotRequest{Group: q.group, Source: name,
			Format: translatorv1.RenderConfigRequest_FORMAT_YAML})
		if err != nil {
			return err
		}
		var text []byte
		for {
			piece, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			text = append(text, piece.GetContent()...)
		}
		into[compile.SourceID(name)] = []compile.Document{{Name: name, Content: text}}
	}
	return nil
}

// decoded returns an entity as it is posted.
func (c *configuration) decoded(i int) (map[string]any, error) {
	var entity map[string]any
	dec := json.NewDecoder(strings.NewReader(string(c.result.Entities[i].JSON)))
	dec.UseNumber()
	if err := dec.Decode(&entity); err != nil {
		return nil, fmt.Errorf("read %s: %w", c.result.Origins[i].Kind, err)
	}
	return entity, nil
}

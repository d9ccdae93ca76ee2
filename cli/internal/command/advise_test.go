package command_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/command"
	"github.com/silverback-gateway/silverback/kong/schema"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/testkit/screentest"
)

// adviseFleet has gateways of several versions, some of which have brought schemas, and a group with two sources.
type adviseFleet struct {
	registryv1.UnimplementedRegistryServiceServer
	translatorv1.UnimplementedTranslatorServiceServer
	nodes   []*registryv1.Node
	bundles map[string]*schema.Bundle
	sources map[string]string
}

func (f *adviseFleet) ListNodes(_ context.Context, q *registryv1.ListNodesRequest) (*registryv1.ListNodesResponse, error) {
	answer := &registryv1.ListNodesResponse{}
	for _, n := range f.nodes {
		if q.GetGroup() == "" || q.GetGroup() == n.GetGroup() {
			answer.Nodes = append(answer.Nodes, n)
		}
	}
	return answer, nil
}

func (f *adviseFleet) GetGroup(_ context.Context, q *registryv1.GetGroupRequest) (*registryv1.GetGroupResponse, error) {
	if q.GetName() == "edge" || q.GetName() == "canary" {
		return &registryv1.GetGroupResponse{Group: &registryv1.Group{Name: q.GetName()}}, nil
	}
	return nil, status.Error(codes.NotFound, "no such group")
}

func (f *adviseFleet) GetSchemas(_ context.Context, q *registryv1.GetSchemasRequest) (*registryv1.GetSchemasResponse, error) {
	if b := f.bundles[q.GetDigest()]; b != nil {
		return &registryv1.GetSchemasResponse{Zstd: schema.Pack(b)}, nil
	}
	return nil, status.Error(codes.NotFound, "no such schemas")
}

func (f *adviseFleet) ListSources(_ context.Context, q *translatorv1.ListSourcesRequest) (*translatorv1.ListSourcesResponse, error) {
	answer := &translatorv1.ListSourcesResponse{}
	for name := range f.sources {
		answer.Sources = append(answer.Sources, &translatorv1.Source{Group: q.GetGroup(), Name: name})
	}
	return answer, nil
}

func (f *adviseFleet) GetSnapshot(q *translatorv1.GetSnapshotRequest,
	out grpc.ServerStreamingServer[translatorv1.GetSnapshotResponse]) error {
	text := f.sources[q.GetSource()] // in two pieces, as large ones come
	for _, piece := range []string{text[:len(text)/2], text[len(text)/2:]} {
		if err := out.Send(&translatorv1.GetSnapshotResponse{Content: []byte(piece)}); err != nil {
			return err
		}
	}
	return nil
}

func (f *adviseFleet) add(group, name, version string, b *schema.Bundle) {
	n := &registryv1.Node{Group: group, Name: name, State: registryv1.Node_STATE_READY,
		Capabilities: &fleetv1.Capabilities{KongVersion: version}}
	if b != nil {
		n.Capabilities.SchemaDigest = string(b.Digest())
		f.bundles[string(b.Digest())] = b
	}
	f.nodes = append(f.nodes, n)
}

// adviseBundle is a Kong with the plugin limit, and, unless it is newer, the plugin old.
func adviseBundle(t *testing.T, version string, newer bool) *schema.Bundle {
	t.Helper()
	limit := `{"minute":{"type":"integer","default":60}},{"policy":{"type":"string","one_of":["local","redis"],"default":"local"}},` +
		`{"redis_host":{"type":"string"}},{"secret":{"type":"string","encrypted":true}}`
	plugins := map[string]json.RawMessage{"old": json.RawMessage(`{"fields":[{"config":{"type":"record","required":true,"fields":[]}}]}`)}
	if newer {
		limit = `{"minute":{"type":"integer","default":10}},{"policy":{"type":"string","one_of":["local"],"default":"local"}},` +
			`{"redis":{"type":"record","required":true,"fields":[{"host":{"type":"string"}}]}},{"sync":{"type":"integer","default":1}},` +
			`{"secret":{"type":"string","encrypted":true,"len_min":16}}`
		plugins = map[string]json.RawMessage{}
	}
	plugins["limit"] = json.RawMessage(`{"fields":[{"config":{"type":"record","required":true,"fields":[` + limit + `]}}]}`)
	b, err := schema.New(schema.Texts{KongVersion: version, Plugins: plugins, Entities: map[string]json.RawMessage{
		"services": json.RawMessage(`{"fields":[{"id":{"type":"string"}},{"name":{"type":"string"}},{"host":{"type":"string"}},` +
			`{"port":{"type":"integer"}},{"protocol":{"type":"string"}}]}`),
		"routes": json.RawMessage(`{"fields":[{"id":{"type":"string"}},{"name":{"type":"string"}},` +
			`{"paths":{"type":"array","elements":{"type":"string"}}},` +
			`{"service":{"type":"foreign","reference":"services"}}]}`),
		"plugins": json.RawMessage(`{"fields":[{"id":{"type":"string"}},{"name":{"type":"string"}},` +
			`{"config":{"type":"record","abstract":true}},` +
			`{"route":{"type":"foreign","reference":"routes"}}]}`),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const adviseTeamA = `_format_version: "3.0"
services:
- name: orders
  host: orders.internal
  routes:
  - name: orders
    paths: [/orders]
    plugins:
    - name: limit
      config:
        policy: redis
        redis_host: cache
        secret: hunter2
`

func adviseFleetOf(t *testing.T) *adviseFleet {
	t.Helper()
	f := &adviseFleet{bundles: map[string]*schema.Bundle{}, sources: map[string]string{
		"team-a": adviseTeamA,
		"team-b": "_format_version: '3.0'\nplugins:\n- name: old\n- name: limit\n",
	}}
	old := adviseBundle(t, "3.9.2", false)
	f.add("edge", "gw-1", "3.9.2", old)
	f.add("edge", "gw-2", "3.9.2", old)
	f.add("canary", "gw-9", "3.10.0.13", adviseBundle(t, "3.10.0.13", true))
	f.add("edge", "gw-3", "3.99.0", nil)
	f.add("edge", "gw-4", "", nil)
	gone := &registryv1.Node{Group: "edge", Name: "gw-0", State: registryv1.Node_STATE_GONE,
		Capabilities: &fleetv1.Capabilities{KongVersion: "3.4.0"}}
	f.nodes = append(f.nodes, gone)
	return f
}

// advise runs the command and returns what it prints.
func advise(t *testing.T, f *adviseFleet, a *app.App, args ...string) int {
	t.Helper()
	address := serve(t, func(s *grpc.Server) {
		registryv1.RegisterRegistryServiceServer(s, f)
		translatorv1.RegisterTranslatorServiceServer(s, f)
	})
	a.In, a.LookupEnv = strings.NewReader(adviseTeamA), func(string) (string, bool) { return "", false }
	a.Now = func() time.Time { return screenTime }
	return command.Run(context.Background(), a, "test", append([]string{"advise", "--registry", address, "--translator", address}, args...))
}

func TestAdviseScreens(t *testing.T) {
	for name, args := range map[string][]string{
		"group": {"--kong", "3.10", "-g", "edge"}, "cve": {"--cve"}, "version": {"--kong", "3.10"},
	} {
		for _, width := range []int{80, 120} {
			t.Run(fmt.Sprintf("%s-%d", name, width), func(t *testing.T) {
				terminal := screentest.New(width, 40)
				a := &app.App{Out: terminal, Err: terminal, Terminal: true, Size: terminal.Size}
				if code := advise(t, adviseFleetOf(t), a, args...); code != app.ExitDifference {
					t.Errorf("exit code %d", code)
				}
				golden(t, fmt.Sprintf("advise-%s-%d.txt", name, width), terminal.Screen())
				terminal.Fits(t)
			})
		}
	}
}

func TestAdvise(t *testing.T) {
	file := filepath.Join(t.TempDir(), "team-a.yaml")
	if err := os.WriteFile(file, []byte(adviseTeamA), 0o600); err != nil {
		t.Fatal(err)
	}
	dangling := filepath.Join(t.TempDir(), "dangling.yaml")
	if err := os.WriteFile(dangling, []byte("_format_version: '3.0'\nplugins: [{name: limit, route: orders}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(t.TempDir(), "broken.yaml")
	if err := os.WriteFile(broken, []byte("_format_version: '3.0'\nservices: [{name: a, hots: b}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		change func(*testing.T, *adviseFleet)
		args   []string
		code   int
		want   []string // parts of both streams
		never  []string
	}{
		{name: "nothing asked", code: app.ExitError, want: []string{"give either --kong VERSION or --cve"}},
		{name: "too much asked", args: []string{"--kong", "3.10", "--cve"}, code: app.ExitError, want: []string{"give either"}},
		{name: "no version", args: []string{"--kong", "latest"}, code: app.ExitError, want: []string{`--kong "latest": give a release`}},
		{name: "a group that is not there", args: []string{"--kong", "3.10", "-g", "egde"}, code: app.ExitError,
			want: []string{`there is no group "egde"`}},
		{name: "a version whose schemas nobody has", args: []string{"--kong", "3.11", "-g", "edge"}, code: app.ExitError,
			want: []string{"what Kong 3.11 would refuse or read otherwise is not known: no gateway of the fleet runs it " +
				"(they run 3.10.0.13, 3.9.2, 3.99.0); start one"}},
		{name: "a version whose gateway brought none", args: []string{"--kong", "3.99", "-g", "edge"}, code: app.ExitError,
			want: []string{"is not known: these cannot be had: the schemas of node edge/gw-3, whose agent could not read them yet"}},
		{name: "a line whose name begins alike", args: []string{"--kong", "3.1", "-g", "edge"}, code: app.ExitError,
			want: []string{"what Kong 3.1 would"}},
		{name: "a group", args: []string{"--kong", "3.10.0.13", "-g", "edge"}, code: app.ExitDifference, want: []string{
			"refused plugin limit config.policy", "source team-a of route orders",
			"refused plugin old name",
			"changed plugin limit config.minute 1 the default was 60, and is 10",
			"new plugin limit config.sync",
			"Kong 3.10.0.13 of canary/gw-9, compared with Kong 3.9.2 of edge/gw-1, edge/gw-2",
			"4 refused, 1 changed: 5 entities",
		}, never: []string{"hunter2"}},
		{name: "files have lines", args: []string{"--kong", "3.10", "-g", "edge", "-f", file}, code: app.ExitDifference, want: []string{
			file + ":11 of route orders", file + ":12 of route orders"}, never: []string{"plugin old", "hunter2"}},
		{name: "files alone", args: []string{"--kong", "3.10", "-f", "-"}, code: app.ExitDifference, want: []string{"stdin:11",
			"not known: what would mean something else: give -g GROUP"}, never: []string{"the default was"}},
		{name: "files for the version that runs", args: []string{"--kong", "3.9.2", "-f", file}, code: app.ExitDone,
			want: []string{"nothing is refused or known to mean something else: 3 entities by the schemas of Kong 3.9.2 of edge/gw-1, edge/gw-2"}},
		{name: "what is refused now too", args: []string{"--kong", "3.10", "-g", "edge"}, code: app.ExitDifference,
			change: func(_ *testing.T, f *adviseFleet) {
				f.sources = map[string]string{"x": "_format_version: '3.0'\nplugins:\n- {name: limit, config: {colour: red}}\n"}
			}, want: []string{"unknown field (now too)"}},
		{name: "two kinds of the new version", args: []string{"--kong", "3.10", "-f", file}, code: app.ExitDifference,
			change: func(t *testing.T, f *adviseFleet) {
				f.add("canary", "gw-8", "3.10.0.14", adviseBundle(t, "3.10.0.14", false))
			},
			want: []string{"(Kong 3.10.0.13 of canary/gw-9)", "by the schemas of Kong 3.10.0.13 of canary/gw-9 and Kong 3.10.0.14 of canary/gw-8"}},
		{name: "a group whose gateways all run it", args: []string{"--kong", "3.10", "-g", "canary"}, code: app.ExitDifference,
			want: []string{"no gateway of group canary with another version has brought its schemas"}, never: []string{"the default was"}},
		{name: "a file that is not there", args: []string{"--kong", "3.10", "-f", file + "x"}, code: app.ExitError,
			want: []string{"no such file"}},
		{name: "a file that is no configuration", args: []string{"--kong", "3.10", "-f", broken}, code: app.ExitDifference,
			want: []string{broken + ":2:", "the configuration is refused, whatever the version of Kong"}},
		{name: "references into other sources", args: []string{"--kong", "3.9", "-f", dangling}, code: app.ExitDone,
			want: []string{"nothing is refused or known to mean something else: 1 entity"}},
		{name: "fixes", args: []string{"--cve"}, code: app.ExitDifference, want: []string{
			"3.9.2 2 end of support", "ended 2025-12-12",
			"3.9.2 2 CVE-2026-49975 fixed in 3.9.3", "3.9.2 2 CVE-2026-1642 no fix on record",
			"3.10.0.13 1 CVE-2026-49975 fixed in 3.10.0.14",
			"The table is of 2026-08-21, 100 days ago",
			"not known: the fixes and the support of Kong 3.99.0, which is not in the table: edge/gw-3",
			"not known: the version of the Kong of edge/gw-4, whose agent does not tell one",
		}, never: []string{"3.4.0", "CVE-2026-14917 no fix"}},
		{name: "fixes of a group", args: []string{"--cve", "-g", "canary"}, code: app.ExitDifference, never: []string{"3.9.2", "not known"}},
		{name: "a version", args: []string{"--kong", "3.10"}, code: app.ExitDifference, want: []string{
			"3.9.2 2 3.10.0.17 edition", "community enterprise",
			"ended 2025-12-12 until 2028-03-31", "CVE-2026-49975 needs 3.9.3 fixed",
		}, never: []string{"not known: what Kong 3.10"}},
		{name: "a version without schemas", args: []string{"--kong", "3.14.0.11"}, code: app.ExitDifference, want: []string{
			"no fix on record needs 3.14.0.12", "not known: what Kong 3.14.0.11 would refuse"}},
		{name: "a version that the table does not know", args: []string{"--kong", "3.99"}, code: app.ExitError,
			want: []string{"nothing is known of Kong 3.99: the table of 2026-08-21 has the lines 3.4 to 3.15"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := adviseFleetOf(t)
			if tt.change != nil {
				tt.change(t, f)
			}
			var out bytes.Buffer
			if code := advise(t, f, &app.App{Out: &out, Err: &out}, append([]string{"-o", "wide"}, tt.args...)...); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			said := strings.Join(strings.FieldsFunc(out.String(), func(r rune) bool { return r == ' ' }), " ") // however wide the columns are
			for _, want := range tt.want {
				if !strings.Contains(said, want) {
					t.Errorf("it does not say %q", want)
				}
			}
			for _, never := range tt.never {
				if strings.Contains(said, never) {
					t.Errorf("it says %q", never)
				}
			}
			if t.Failed() {
				t.Log("\n" + out.String())
			}
		})
	}
}

func TestAdviseForPrograms(t *testing.T) {
	var out bytes.Buffer
	code := advise(t, adviseFleetOf(t), &app.App{Out: &out, Err: &out}, "--kong", "3.10", "-g", "edge", "-o", "json")
	if code != app.ExitDifference {
		t.Errorf("exit code %d", code)
	}
	var report struct {
		Kong    string
		Schemas []struct {
			KongVersion string `json:"kong_version"`
		}
		Findings []struct {
			Verdict, Plugin, Field, Reason string
			Count                          int
			Places                         []struct{ Source, Of string }
		}
		Unknown []string
	}
	if err := json.Unmarshal(out.Bytes(), &report); err != nil || len(report.Findings) == 0 || report.Schemas[0].KongVersion != "3.10.0.13" {
		t.Fatalf("%v\n%s", err, &out)
	}
	if f := report.Findings[0]; f.Verdict != "refused" || f.Plugin != "limit" || f.Count != 1 || f.Places[0].Source != "team-a" ||
		f.Places[0].Of != "route orders" {
		t.Errorf("%+v", f)
	}
	out.Reset()
	if code := advise(t, adviseFleetOf(t), &app.App{Out: &out, Err: &out}, "--cve", "-o", "json"); code != app.ExitDifference {
		t.Errorf("exit code %d", code)
	}
	var fixes struct {
		AsOf     string `json:"as_of"`
		Unknown  []string
		Gateways []struct {
			KongVersion string `json:"kong_version"`
			Missing     []struct {
				IDs     []string
				FixedIn string `json:"fixed_in"`
				Sources []string
			}
		}
	}
	if err := json.Unmarshal(out.Bytes(), &fixes); err != nil || fixes.AsOf == "" || len(fixes.Gateways) != 2 || len(fixes.Unknown) != 2 {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, m := range fixes.Gateways[0].Missing {
		if len(m.IDs) == 0 || len(m.Sources) == 0 || !strings.HasPrefix(m.Sources[0], "https://") {
			t.Errorf("%+v", m)
		}
	}
}

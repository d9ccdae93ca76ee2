package command_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/command"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// ending is a control plane with the group edge, which keeps what it was asked to delete.
type ending struct {
	registryv1.UnimplementedRegistryServiceServer
	translatorv1.UnimplementedTranslatorServiceServer
	nodes   []string
	sources []string
	late    string // a source that is submitted while the group is deleted
	deleted []string
}

func (e *ending) GetGroup(_ context.Context, r *registryv1.GetGroupRequest) (*registryv1.GetGroupResponse, error) {
	if r.GetName() != "edge" {
		return nil, status.Errorf(codes.NotFound, "there is no group %q", r.GetName())
	}
	return &registryv1.GetGroupResponse{Group: &registryv1.Group{Name: "edge"}}, nil
}

func (e *ending) ListNodes(context.Context, *registryv1.ListNodesRequest) (*registryv1.ListNodesResponse, error) {
	answer := &registryv1.ListNodesResponse{}
	for _, name := range e.nodes {
		answer.Nodes = append(answer.Nodes, &registryv1.Node{Group: "edge", Name: name})
	}
	return answer, nil
}

func (e *ending) GetNode(_ context.Context, r *registryv1.GetNodeRequest) (*registryv1.GetNodeResponse, error) {
	return &registryv1.GetNodeResponse{Node: &registryv1.Node{Group: "edge", Name: r.GetNode()}}, nil
}

func (e *ending) ListSources(context.Context, *translatorv1.ListSourcesRequest) (*translatorv1.ListSourcesResponse, error) {
	answer := &translatorv1.ListSourcesResponse{}
	for _, name := range e.sources {
		answer.Sources = append(answer.Sources, &translatorv1.Source{Group: "edge", Name: name, EntityCount: 3})
	}
	return answer, nil
}

func (e *ending) GetSource(_ context.Context, r *translatorv1.GetSourceRequest) (*translatorv1.GetSourceResponse, error) {
	return &translatorv1.GetSourceResponse{Source: &translatorv1.Source{Group: "edge", Name: r.GetSource(), EntityCount: 3}}, nil
}

func (e *ending) DeleteSource(_ context.Context, r *translatorv1.DeleteSourceRequest) (*translatorv1.DeleteSourceResponse, error) {
	e.deleted = append(e.deleted, "source "+r.GetSource())
	e.sources = slices.DeleteFunc(e.sources, func(name string) bool { return name == r.GetSource() })
	return &translatorv1.DeleteSourceResponse{Revision: &translatorv1.Revision{Number: 7}}, nil
}

func (e *ending) DeleteNode(_ context.Context, r *registryv1.DeleteNodeRequest) (*registryv1.DeleteNodeResponse, error) {
	e.deleted = append(e.deleted, "node "+r.GetNode())
	return &registryv1.DeleteNodeResponse{}, nil
}

func (e *ending) DeleteGroup(_ context.Context, r *registryv1.DeleteGroupRequest) (*registryv1.DeleteGroupResponse, error) {
	e.deleted = append(e.deleted, "group "+r.GetName())
	if e.late != "" {
		e.sources = append(e.sources, e.late)
	}
	return &registryv1.DeleteGroupResponse{}, nil
}

// run runs a command against it; an answer of a person means that there is a terminal.
func (e *ending) run(t *testing.T, answer string, args ...string) (code int, out, errs string) {
	t.Helper()
	address := serve(t, func(s *grpc.Server) {
		registryv1.RegisterRegistryServiceServer(s, e)
		translatorv1.RegisterTranslatorServiceServer(s, e)
	})
	var stdout, stderr bytes.Buffer
	a := &app.App{
		In: strings.NewReader(answer), Out: &stdout, Err: &stderr, Asks: answer != "", Now: time.Now,
		LookupEnv: func(string) (string, bool) { return "", false },
	}
	code = command.Run(t.Context(), a, "test", append(args, "--registry", address, "--translator", address))
	return code, stdout.String(), stderr.String()
}

func TestDeleteGroup(t *testing.T) {
	t.Parallel()
	const refused = `error: group "edge" has 2 sources, which the next group of that name would get with their secrets: a, b; ` +
		"delete each with silverback delete source NAME -g edge, or all with --purge\n"
	const asked = "This will delete source \"a\" of group \"edge\" with its 3 entities.\nThis will delete source \"b\" of group \"edge\" " +
		"with its 3 entities.\n" +
		"This will delete group \"edge\".\nGo on? [y/N] "
	const ended = "source \"a\" of group \"edge\" deleted\nsource \"b\" of group \"edge\" deleted\n"
	all := []string{"source a", "source b", "group edge"}
	for _, tt := range []struct {
		name      string
		plane     ending
		answer    string
		args      []string
		code      int
		out, errs string
		deleted   []string
	}{
		{name: "a group without sources goes", out: "group \"edge\" deleted\n", deleted: []string{"group edge"}},
		{name: "one with sources is refused by their names", plane: ending{sources: []string{"a", "b"}}, code: app.ExitError, errs: refused},
		{
			name: "one with nodes keeps its sources, purged or not", plane: ending{nodes: []string{"gw-1"}, sources: []string{"a"}},
			args: []string{"--purge"}, code: app.ExitError,
			errs: "error: group \"edge\" has 1 node; delete them first: silverback delete node NAME -g edge\n",
		},
		{
			name: "a purge takes the sources first", plane: ending{sources: []string{"a", "b"}}, args: []string{"--purge"},
			out: "group \"edge\" deleted\n", errs: ended, deleted: all,
		},
		{
			name: "a dry run only says it", plane: ending{sources: []string{"a", "b"}}, answer: "y\n", args: []string{"--purge", "--dry-run"},
			out: "would delete source \"a\" of group \"edge\" with its 3 entities\nwould delete source \"b\" of group \"edge\" with its 3 " +
				"entities\nwould delete group \"edge\"\n",
		},
		{name: "a dry run is refused as the deletion is", plane: ending{sources: []string{"a", "b"}}, args: []string{"--dry-run"},
			code: app.ExitError, errs: refused},
		{
			name: "a person says yes", plane: ending{sources: []string{"a", "b"}}, answer: "y\n", args: []string{"--purge"},
			out:  "group \"edge\" deleted\n",
			errs: asked + ended, deleted: all,
		},
		{name: "a person says no", plane: ending{sources: []string{"a", "b"}}, answer: "n\n", args: []string{"--purge"}, code: app.ExitError,
			errs: asked + "error: nothing was done\n"},
		{name: "a person is not asked", answer: "n\n", args: []string{"--yes"}, out: "group \"edge\" deleted\n", deleted: []string{"group edge"}},
		{
			name: "a source of the same moment is told", plane: ending{late: "c"}, code: app.ExitError, deleted: []string{"group edge"},
			errs: "error: group \"edge\" is deleted, but meanwhile somebody submitted 1 source: c; the next group of that name would get what " +
				"they hold: create it again, and delete it with --purge\n",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, out, errs := tt.plane.run(t, tt.answer, append([]string{"delete", "group", "edge"}, tt.args...)...)
			if code != tt.code || out != tt.out || errs != tt.errs || !slices.Equal(tt.plane.deleted, tt.deleted) {
				t.Errorf("it ended with %d, deleted %q, and said\n%s%s\nwant %d, %q and\n%s%s", code, tt.plane.deleted, out, errs, tt.code, tt.deleted,
					tt.out, tt.errs)
			}
		})
	}
}

func TestDeleteSourceAndNodeMakeSure(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ args, does, deleted string }{
		{"delete source a -g edge", `delete source "a" of group "edge", and its 3 entities from every gateway of the group`, "source a"},
		{"delete node gw-1 -g edge", `forget node "gw-1" of group "edge", which enrols again if its agent still runs`, "node gw-1"},
		{"delete node gw-1 -g edge --keep-certificates", `forget node "gw-1" of group "edge", which enrols again if its agent still runs`,
			"node gw-1"},
	} {
		args := strings.Fields(tt.args)
		for answer, want := range map[string]int{"n\n": 0, "y\n": 1, "": 1} { // without a terminal nobody is asked
			e := &ending{}
			code, _, errs := e.run(t, answer, args...)
			if asked := strings.Contains(errs, "This will "+tt.does+".\nGo on? [y/N] "); asked != (answer != "") || len(e.deleted) != want ||
				(code == app.ExitDone) != (want == 1) {
				t.Errorf("%s with the answer %q ended with %d, deleted %q and said %q", tt.args, answer, code, e.deleted, errs)
			}
		}
		e := &ending{}
		if code, out, errs := e.run(t, "", append(args, "--dry-run")...); code != app.ExitDone || out != "would "+tt.does+"\n" || errs != "" ||
			len(e.deleted) > 0 {
			t.Errorf("a dry run of %s ended with %d, deleted %q and said %q%q", tt.args, code, e.deleted, out, errs)
		}
		if _, out, _ := e.run(t, "", append(args, "--dry-run", "-o", "json")...); !strings.Contains(out, `"dry_run": true`) ||
			!strings.Contains(out, "would") {
			t.Errorf("a dry run of %s printed %s", tt.args, out)
		}
	}
}

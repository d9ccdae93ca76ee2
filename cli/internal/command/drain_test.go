package command_test

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/command"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// drains is a registry whose agents obey at once, but for gw-3's, which is unreachable.
type drains struct {
	zones
	mu   sync.Mutex
	said []string
}

func (d *drains) GetNode(ctx context.Context, q *registryv1.GetNodeRequest) (*registryv1.GetNodeResponse, error) {
	list, _ := d.ListNodes(ctx, nil)
	for _, n := range list.GetNodes() {
		if n.GetName() == q.GetNode() && (q.GetGroup() == "" || q.GetGroup() == n.GetGroup()) {
			return &registryv1.GetNodeResponse{Node: n}, nil
		}
	}
	return nil, status.Error(codes.NotFound, "no such node")
}

func (d *drains) DrainNode(_ context.Context, q *registryv1.DrainNodeRequest) (*registryv1.DrainNodeResponse, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.said = append(d.said, q.GetGroup()+"/"+q.GetNode()+" "+q.GetReason())
	n := &registryv1.Node{Group: q.GetGroup(), Name: q.GetNode(), State: registryv1.Node_STATE_DRAINING, Drain: &registryv1.Drain{},
		Status: &fleetv1.NodeStatus{Draining: true}}
	if q.GetNode() == "gw-3" {
		n.State, n.Status = registryv1.Node_STATE_UNREACHABLE, nil
	}
	return &registryv1.DrainNodeResponse{Node: n}, nil
}

func (d *drains) orders() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	said := strings.Join(d.said, ", ")
	d.said = nil
	return said
}

func TestDrainingSeveralNodes(t *testing.T) {
	t.Parallel()
	d := &drains{}
	address := serve(t, func(s *grpc.Server) { registryv1.RegisterRegistryServiceServer(s, d) })
	for _, tt := range []struct {
		args, orders string
		code         int
		out, errs    string
	}{
		{"drain -l zone=a --reason move", "edge/gw-2 move, edge/gw-10 move", app.ExitDone,
			"node \"gw-2\" of group \"edge\" is draining\nnode \"gw-10\" of group \"edge\" is draining\n", ""},
		{"drain gw-10 gw-10 gw-2 -g edge", "edge/gw-10 , edge/gw-2 ", app.ExitDone,
			"node \"gw-10\" of group \"edge\" is draining\nnode \"gw-2\" of group \"edge\" is draining\n", ""},
		{"drain -l zone --dry-run -g edge", "", app.ExitDone, "would drain node \"gw-2\" of group \"edge\"\n", ""},
		{"drain gw-10 --dry-run", "", app.ExitDone, "would drain node \"gw-10\" of group \"edge\"\n", ""},
		{"drain gw-10 -o json", "edge/gw-10 ", app.ExitDone, "{\n  \"node\"", ""},
		{"drain -l zone=a -o json", "edge/gw-2 , edge/gw-10 ", app.ExitDone, "{\n  \"nodes\"", ""},
		{"drain gw-10 gw-3 -g edge", "edge/gw-10 , edge/gw-3 ", app.ExitDifference, "node \"gw-10\" of group \"edge\" is draining\n",
			"node \"gw-3\" of group \"edge\" is to be drained, and the order stands, but its agent is unreachable"},
		{"drain gw-10 gw-99", "", app.ExitError, "", "no such node"},
		{"drain -l zone=c", "", app.ExitError, "", "no node has the labels zone=c"},
		{"drain", "", app.ExitError, "", "silverback drain needs the names of nodes, or their labels with -l"},
		{"drain gw-2 -l zone=a", "", app.ExitError, "", "takes names or labels, not both"},
	} {
		code, out, errs := run("127.0.0.1:1", append(strings.Fields(tt.args), "--registry", address)...)
		if got := d.orders(); code != tt.code || got != tt.orders || !strings.HasPrefix(out, tt.out) || !strings.Contains(errs, tt.errs) {
			t.Errorf("%s ended with %d, orders %q,\n%q and\n%q", tt.args, code, got, out, errs)
		}
	}
}

func TestUnknownCommandsAreSaidToBe(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"revert -g edge 3":    "error: unknown command \"silverback revert\"; did you mean rollback?; see silverback --help\n",
		"drian gw-1 --reason": "error: unknown command \"silverback drian\"; did you mean drain?; see silverback --help\n",
		"ls":                  "error: unknown command \"silverback ls\"; did you mean get?; see silverback --help\n",
		"rollout stats -g x":  "error: unknown command \"silverback rollout stats\"; did you mean status?; see silverback rollout --help\n",
		"delete nod -g x":     "error: unknown command \"silverback delete nod\"; did you mean node?; see silverback delete --help\n",
		"--nosuch":            "error: unknown flag: --nosuch; see silverback --help\n",
	} {
		if code, _, errs := run("127.0.0.1:1", strings.Fields(args)...); code != app.ExitError || errs != want {
			t.Errorf("%s ended with %d and %q, want %q", args, code, errs, want)
		}
	}
}

func TestNamesAreCompleted(t *testing.T) {
	t.Parallel()
	address := serve(t, func(s *grpc.Server) { registryv1.RegisterRegistryServiceServer(s, &drains{}) })
	for args, want := range map[string]string{
		"drain -g edge":         "gw-2 gw-3 gw-10",
		"drain gw-2 -g edge":    "gw-3 gw-10",
		"describe":              "group node revision rollout source",
		"describe node":         "gw-2 gw-3 gw-10",
		"get nodes":             "gw-2 gw-3 gw-10",
		"delete node -g edge":   "gw-2 gw-3 gw-10",
		"revoke node":           "gw-2 gw-3 gw-10",
		"describe nosuch":       "",
		"get nodes gw-2 -g x y": "",
	} {
		var out bytes.Buffer
		a := &app.App{In: strings.NewReader(""), Out: &out, Err: io.Discard, LookupEnv: func(string) (string, bool) { return "", false },
			Now: time.Now}
		code := command.Run(t.Context(), a, "test", append(append([]string{"__complete"}, strings.Fields(args)...), "--registry", address, ""))
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if got := strings.Join(lines[:len(lines)-1], " "); code != app.ExitDone || got != want {
			t.Errorf("%s: %d, %q, want %q", args, code, got, want)
		}
	}
}

package export

import (
	"bytes"
	"context"
	"flag"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func node(group, name, proxy, agent string, state registryv1.Node_State) *registryv1.Node {
	return &registryv1.Node{Group: group, Name: name, ProxyAddress: proxy, AgentAddress: agent, State: state,
		Status: &fleetv1.NodeStatus{Revision: 3}}
}

// roster has every case that an export has an opinion about.
func roster() []*registryv1.Node {
	ready := registryv1.Node_STATE_READY
	labelled := node("edge", "gw-2", "10.0.0.2:8000", "[::]:7453", ready)
	labelled.Labels = map[string]string{"zone": "b", "rack.row": "7"}
	asked := node("edge", "gw-5", "10.0.0.5:8000", "10.0.0.5:7453", ready)
	asked.Drain = &registryv1.Drain{Reason: "new disk"} // its agent has not heard it yet
	drifted := node("edge", "gw-11", "10.0.0.11:8000", "10.0.0.11:7453", registryv1.Node_STATE_DEGRADED)
	drifted.Status.GatewayReady = true
	kept := node("edge", "gw-10", "10.0.0.10:8000", "10.0.0.10:7453", ready)
	kept.Quarantine = &registryv1.Quarantine{Reason: "keeps the old plugin"}
	young := node("young", "gw-8", "10.2.0.8:8000", "10.2.0.8:7453", registryv1.Node_STATE_JOINING)
	young.Status = nil
	return []*registryv1.Node{
		labelled, asked, young, drifted, kept,
		node("edge", "gw-12", "10.0.0.12:8000", "10.0.0.12:7453", registryv1.Node_STATE_UNREACHABLE),
		node("edge", "gw-1", "10.0.0.1:8000", "127.0.0.1:7453", ready),
		node("edge", "gw-3", "10.0.0.3:8000", "10.9.0.3:7453", registryv1.Node_STATE_DEGRADED),
		node("edge", "gw-4", "10.0.0.4:8000", "10.0.0.4:7453", registryv1.Node_STATE_GONE),
		node("edge", "gw-6", "10.0.0.6:8000", "", ready),
		node("inner", "gw-7", "[fd00::7]:8000", "[fd00::7]:7453", registryv1.Node_STATE_UNREACHABLE),
	}
}

func TestTexts(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
	}{
		{name: "prometheus.json", args: []string{"prometheus-sd"}},
		{name: "prometheus-https.json", args: []string{"prometheus-sd", "-g", "inner", "--scheme", "https"}},
		{name: "haproxy.cfg", args: []string{"haproxy"}},
		{name: "haproxy-tls.cfg", args: []string{"haproxy", "-g", "inner", "--check-ca-file", "/etc/haproxy/silverback-ca.crt"}},
		{name: "haproxy-weights.cfg", args: []string{"haproxy", "-g", "edge", "--weight", "zone=b:1"}},
		{name: "nginx.conf", args: []string{"nginx"}},
		{name: "nginx-weights.conf", args: []string{"nginx", "-g", "edge", "--weight", "zone=a:50", "--weight", "zone=b:1"}},
		{name: "haproxy-cookie.cfg", args: []string{"haproxy", "-g", "edge", "--persistence", "cookie", "--weight", "zone=b:1"}},
		{name: "haproxy-source.cfg", args: []string{"haproxy", "-g", "edge", "--persistence", "source"}},
		{name: "nginx-cookie.conf", args: []string{"nginx", "-g", "edge", "--persistence", "cookie"}},
		{name: "nginx-source.conf", args: []string{"nginx", "-g", "edge", "--persistence", "source"}},
		{name: "haproxy-nobody.cfg", args: []string{"haproxy", "-g", "nobody"}},
		{name: "nginx-nobody.conf", args: []string{"nginx", "-g", "nobody"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t)
			r.nodes = roster()
			a, out, problems := newApp(r)
			if err := run(t, a, c.args...); err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", c.name)
			if *update {
				if err := os.WriteFile(golden, out.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got := out.String(); got != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
			if len(c.args) == 1 && !strings.Contains(problems.String(), "node gw-6 of edge has no HTTP listener") {
				t.Errorf("what was left out is told as %q", problems)
			}
		})
	}
}

func TestAFileIsReplacedOnlyByAnother(t *testing.T) {
	r := start(t)
	r.nodes = roster()
	file := filepath.Join(t.TempDir(), "agents.json")
	a, _, said := newApp(r)
	for range 2 {
		if err := run(t, a, "prometheus-sd", "--out", file); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(said.String(), file); n != 1 {
		t.Errorf("the same roster twice wrote the file %d times", n)
	}
	before := read(t, file)
	r.nodes = nil
	if err := run(t, a, "prometheus-sd", "--out", file); err != nil {
		t.Fatal(err)
	}
	if read(t, file) != before {
		t.Error("an empty roster emptied the file")
	}
	r.stop()
	if err := run(t, a, "prometheus-sd", "--out", file); err == nil {
		t.Error("a dead registry is no error")
	}
	if read(t, file) != before {
		t.Error("a dead registry changed the file")
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(file), "*")); len(left) != 1 {
		t.Errorf("left behind: %q", left)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != fileMode {
		t.Errorf("the file can be read by nobody else: %v %v", info.Mode(), err)
	}
}

func TestWatchFollowsTheRosterAndOutlivesTheRegistry(t *testing.T) {
	r := start(t)
	r.nodes = roster()
	file := filepath.Join(t.TempDir(), "silverback.cfg")
	a, _, _ := newApp(r)
	said := newLines()
	a.Err = said
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- runIn(ctx, a, "haproxy", "--watch", "--out", file) }()
	said.wait(t, file+": 9 nodes")
	r.events <- &registryv1.WatchNodesResponse{Event: &registryv1.WatchNodesResponse_Upserted{
		Upserted: node("edge", "gw-13", "10.0.0.13:8000", "10.0.0.13:7453", registryv1.Node_STATE_READY),
	}}
	said.wait(t, file+": 10 nodes")
	r.events <- &registryv1.WatchNodesResponse{Event: &registryv1.WatchNodesResponse_Deleted_{
		Deleted: &registryv1.WatchNodesResponse_Deleted{Group: "edge", Node: "gw-1"},
	}}
	said.wait(t, file+": 9 nodes")
	before := read(t, file)
	if !strings.Contains(before, "gw-13") || strings.Contains(before, "gw-1 ") {
		t.Errorf("the file is:\n%s", before)
	}
	r.stop()
	said.wait(t, "is unchanged")
	if read(t, file) != before {
		t.Error("the registry's death changed the file")
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("an interrupted watch ends with %v", err)
	}
}

func TestARegistryThatForgotEverybodyTakesNobodyOut(t *testing.T) {
	r := start(t)
	r.nodes = roster()
	file := filepath.Join(t.TempDir(), "silverback.conf")
	a, _, _ := newApp(r)
	said := newLines()
	a.Err = said
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- runIn(ctx, a, "nginx", "--watch", "--out", file) }()
	said.wait(t, file+": 9 nodes")
	before := read(t, file)
	for _, e := range []*registryv1.WatchNodesResponse{
		{Event: &registryv1.WatchNodesResponse_Listing_{Listing: &registryv1.WatchNodesResponse_Listing{}}},
		{Event: &registryv1.WatchNodesResponse_Synced_{Synced: &registryv1.WatchNodesResponse_Synced{}}},
	} {
		r.events <- e
	}
	said.wait(t, "the roster has no node")
	if read(t, file) != before {
		t.Error("an empty list emptied the file")
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestWatchNeedsAFile(t *testing.T) {
	a, _, _ := newApp(start(t))
	if err := run(t, a, "nginx", "--watch"); err == nil || !strings.Contains(err.Error(), "--out") {
		t.Errorf("got %v", err)
	}
	if err := run(t, a, "prometheus-sd", "--scheme", "ftp"); err == nil {
		t.Error("any scheme will do")
	}
}

// registry answers with a roster, and with the events that a test gives it.
type registry struct {
	registryv1.UnimplementedRegistryServiceServer
	address string
	nodes   []*registryv1.Node
	events  chan *registryv1.WatchNodesResponse
	stop    func()
}

func start(t *testing.T) *registry {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &registry{address: l.Addr().String(), events: make(chan *registryv1.WatchNodesResponse)}
	server := grpc.NewServer()
	registryv1.RegisterRegistryServiceServer(server, r)
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(l) }() // that it ended early shows in who asks it
	r.stop = server.Stop
	t.Cleanup(func() { server.Stop(); <-ended })
	return r
}

func (r *registry) of(group string) (some []*registryv1.Node) {
	for _, n := range r.nodes {
		if group == "" || n.GetGroup() == group {
			some = append(some, n)
		}
	}
	return some
}

// GetGroup implements registryv1.RegistryServiceServer.
func (r *registry) GetGroup(context.Context, *registryv1.GetGroupRequest) (*registryv1.GetGroupResponse, error) {
	return &registryv1.GetGroupResponse{}, nil
}

// ListNodes implements registryv1.RegistryServiceServer, in pages of three.
func (r *registry) ListNodes(_ context.Context, q *registryv1.ListNodesRequest) (*registryv1.ListNodesResponse, error) {
	all, from := r.of(q.GetGroup()), len(q.GetPageToken())
	answer := &registryv1.ListNodesResponse{Nodes: all[from:min(from+3, len(all))]}
	if from+3 < len(all) {
		answer.NextPageToken = strings.Repeat("x", from+3)
	}
	return answer, nil
}

// WatchNodes implements registryv1.RegistryServiceServer.
func (r *registry) WatchNodes(q *registryv1.WatchNodesRequest, to grpc.ServerStreamingServer[registryv1.WatchNodesResponse]) error {
	send := []*registryv1.WatchNodesResponse{{Event: &registryv1.WatchNodesResponse_Listing_{
		Listing: &registryv1.WatchNodesResponse_Listing{}}}}
	for _, n := range r.of(q.GetGroup()) {
		send = append(send, &registryv1.WatchNodesResponse{Event: &registryv1.WatchNodesResponse_Upserted{Upserted: n}})
	}
	send = append(send, &registryv1.WatchNodesResponse{Event: &registryv1.WatchNodesResponse_Synced_{
		Synced: &registryv1.WatchNodesResponse_Synced{ResumeToken: "1"}}})
	for _, e := range send {
		if err := to.Send(e); err != nil {
			return err
		}
	}
	for {
		select {
		case <-to.Context().Done():
			return nil
		case e := <-r.events:
			if err := to.Send(e); err != nil {
				return err
			}
		}
	}
}

func newApp(r *registry) (a *app.App, out, said *bytes.Buffer) {
	out, said = &bytes.Buffer{}, &bytes.Buffer{}
	return &app.App{
		Out: out, Err: said, LookupEnv: func(string) (string, bool) { return "", false }, Now: time.Now,
		Flags: app.Flags{Registry: []string{r.address}, Timeout: time.Minute},
	}, out, said
}

func run(t *testing.T, a *app.App, args ...string) error {
	t.Helper()
	return runIn(t.Context(), a, args...)
}

func runIn(ctx context.Context, a *app.App, args ...string) error {
	defer a.Close()
	cmd := Command(a)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	return cmd.ExecuteContext(ctx)
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// lines lets a test wait for what is said.
type lines chan string

func newLines() lines { return make(lines, 100) } // more than any test says

// Write takes what is said.
func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

func (l lines) wait(t *testing.T, want string) {
	t.Helper()
	patience := time.After(time.Minute)
	for {
		select {
		case line := <-l:
			if strings.Contains(line, want) {
				return
			}
		case <-patience:
			t.Fatalf("nobody said %q", want)
		}
	}
}

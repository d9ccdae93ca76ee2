package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/kit/rpc"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/test/process"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

const (
	badService = "_format_version: \"3.0\"\nservices:\n- name: orders\n  url: http://orders.internal\n  retires: 5\n"
	twoRoutes  = "_format_version: \"3.0\"\nroutes:\n- name: orders\n  paths: [/orders]\n- name: orders\n  paths: [/others]\n"
	dangling   = "_format_version: \"3.0\"\nroutes:\n- name: orders\n  paths: [/orders]\n  service: {name: nobody}\n"
	secret     = "_format_version: \"3.0\"\nconsumers:\n- username: partner\n  keyauth_credentials:\n  - key: hunter2-is-secret\n    colour: red\n"
)

// bomb is small and would be huge.
func bomb() string {
	var b strings.Builder
	b.WriteString("_format_version: \"3.0\"\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	return b.String()
}

// TestBadInput gives a fleet of processes what it cannot take. Each must be refused with words, change nothing, and cost little.
func TestBadInput(t *testing.T) {
	etcd := etcdtest.Start(t)
	f := process.StartFleet(t, binaries, etcd.Endpoints, process.Config{Registries: 1, Translators: 1, Distributors: 1, Gateways: 1})
	cli := f.CLI()
	good := "_format_version: \"3.0\"\nroutes:\n- name: good\n  paths: [/good]\n  plugins:\n  - {name: request-termination, config: {status_code: 200}}\n"
	want(t, cli.Run(t, "apply", "-g", process.Group, "--wait", write(t, "good.yaml", good)), 0)

	big := write(t, "big.yaml", good)
	if err := os.Truncate(big, 65<<20); err != nil {
		t.Fatal(err)
	}
	full := write(t, "full.yaml", good+"# "+strings.Repeat("x", 63<<20)+"\n")
	for _, tt := range []struct {
		name, file, text string
		code             int
		say              []string
	}{
		{name: "an unknown field", file: "a.yaml", text: badService, code: 2, say: []string{`a.yaml:5: service "orders": retires: unknown field; did you mean "retries"?`}},
		{name: "a name twice", file: "a.yaml", text: twoRoutes, code: 2, say: []string{`a.yaml:5: route "orders": name: `}},
		{name: "a dangling reference", file: "a.yaml", text: dangling, code: 2, say: []string{`a.yaml:5: route "orders": service: there is no service "nobody"`}},
		{name: "a secret stays one", file: "a.yaml", text: secret, code: 2, say: []string{"a.yaml:6: ", "colour: unknown field"}},
		{name: "nothing", file: "a.yaml", text: "", code: 2, say: []string{"a.yaml"}},
		{name: "a comment", file: "a.yaml", text: "# soon\n", code: 2, say: []string{"a.yaml"}},
		{name: "binary junk", file: "a.yaml", text: "\x7fELF\x00\x01\xff\xfe\x00 \x80\x81", code: 2, say: []string{"a.yaml"}},
		{name: "JSON cut off", file: "a.json", text: `{"_format_version":"3.0","services":[{"name":"a"`, code: 2, say: []string{"a.json:1"}},
		{name: "a YAML bomb", file: "a.yaml", text: bomb(), code: 2, say: []string{"a.yaml"}},
		{name: "deep nesting", file: "a.yaml", text: strings.Repeat("[", 200_000), code: 2, say: []string{"a.yaml"}},
		{name: "a shrinking group", file: "a.yaml", text: "_format_version: \"3.0\"\n", code: 1, say: []string{"allow_shrink"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, tt.file, tt.text)
			r := want(t, cli.Run(t, "apply", "-g", process.Group, "--wait", path), tt.code, tt.say...)
			t.Log(strings.ReplaceAll(r.Stderr, filepath.Dir(path)+"/", ""))
			if strings.Contains(r.Stdout+r.Stderr, "hunter2") {
				t.Errorf("the refusal tells a secret: %s", r.Stderr)
			}
			if strings.Contains(r.Stderr, "goroutine ") || strings.Contains(r.Stderr, "rpc error") {
				t.Errorf("the refusal is not for people: %s", r.Stderr)
			}
			untouched(t, f)
		})
	}
	t.Run("65 MiB", func(t *testing.T) {
		want(t, cli.Run(t, "apply", "-g", process.Group, big), 1, "over the limit of 64 MiB")
		untouched(t, f)
	})
	t.Run("65 MiB past the command line", func(t *testing.T) {
		conn, err := rpc.Dial(rpc.ClientConfig{Addresses: cli.Translator})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		_, err = translatorv1.NewTranslatorServiceClient(conn).SubmitConfig(t.Context(), &translatorv1.SubmitConfigRequest{
			Group: process.Group, Documents: []*translatorv1.Document{{Name: "big.yaml", Content: make([]byte, 65<<20)}},
		})
		if status.Code(err) != codes.InvalidArgument || !strings.Contains(status.Convert(err).Message(), "67108864") {
			t.Errorf("want it refused with the limit, got %v", err)
		}
		untouched(t, f)
	})
	t.Run("almost 64 MiB", func(t *testing.T) {
		want(t, cli.Run(t, "apply", "-g", process.Group, "--wait", full), 0, "unchanged") // one long comment
		untouched(t, f)
	})
	t.Run("a connection that closes half way", func(t *testing.T) {
		large := write(t, "large.yaml", shop("127.0.0.1:1", manyPaths(20_000)...))
		cut := cutter(t, f.Translators[0].GRPC, 256<<10)
		broken := cli
		broken.Translator = []string{cut.address}
		r := want(t, broken.Run(t, "apply", "-g", process.Group, "--timeout", "20s", large), 1, "error: ")
		if strings.Contains(r.Stderr, "rpc error") {
			t.Errorf("not for people: %s", r.Stderr)
		}
		t.Logf("cut %d times: %s", cut.cuts.Load(), r.Stderr)
		if cut.cuts.Load() == 0 {
			t.Error("no connection was cut")
		}
		untouched(t, f)
	})
	t.Run("a client that is killed half way", func(t *testing.T) {
		large := write(t, "large.yaml", shop("127.0.0.1:1", manyPaths(20_000)...))
		cut := cutter(t, f.Translators[0].GRPC, 1<<40)
		slow := cli
		slow.Translator = []string{cut.address}
		k := slow.Start(t, nil, "validate", large) // validate, since an apply that arrived whole may be committed
		<-cut.first
		k.Kill()
		k.Wait()
		untouched(t, f)
	})
	t.Run("memory", func(t *testing.T) {
		rss := f.Translators[0].RSS()
		if rss == 0 {
			t.Fatal("the system does not say what the process has resident")
		}
		t.Logf("the translator had at most %d MiB resident", rss>>20)
		if rss > 1200<<20 {
			t.Errorf("the translator had %d MiB resident for inputs of up to 64 MiB", rss>>20)
		}
	})
	want(t, cli.Run(t, "apply", "-g", process.Group, "--wait", "--allow-shrink", write(t, "next.yaml", strings.ReplaceAll(good, "good", "next"))), 0, "revision 2 committed")
}

// untouched fails the test unless there is one revision and the gateway serves it.
func untouched(t *testing.T, f *process.Fleet) {
	t.Helper()
	r := f.CLI().Run(t, "get", "revisions", "-g", process.Group, "-o", "json")
	var answer struct{ Revisions []struct{ Number string } }
	if err := json.Unmarshal([]byte(r.Stdout), &answer); err != nil || len(answer.Revisions) != 1 {
		t.Errorf("want one revision, got %v: %+v", err, r)
	}
	for _, g := range f.Gateways {
		if err := g.Serves(1); err != nil {
			t.Error(err)
		}
		if status, body, err := g.Route("/good"); err != nil || status != 200 {
			t.Errorf("%s answers %d %s %v", g.Name, status, body, err)
		}
	}
}

func manyPaths(n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("path-%06d", i))
	}
	return all
}

// A cut is a way to a service on which every connection breaks after so many bytes from the client.
type cut struct {
	address string
	cuts    atomic.Int64
	first   chan struct{} // closed when the first 64 KiB have passed
}

func cutter(t *testing.T, to string, after int64) *cut {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cut{address: l.Addr().String(), first: make(chan struct{})}
	t.Cleanup(func() { _ = l.Close() })
	var passed atomic.Bool
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return // the test is over
			}
			service, err := net.Dial("tcp", to)
			if err != nil {
				_ = client.Close()
				continue
			}
			go func() { _, _ = io.Copy(client, service); _ = client.Close() }()
			go func() {
				n, _ := io.CopyN(service, client, min(after, 64<<10))
				if n == 64<<10 && passed.CompareAndSwap(false, true) {
					close(c.first)
				}
				more, _ := io.CopyN(service, client, after-n)
				if n+more == after {
					c.cuts.Add(1)
				}
				_ = service.Close()
				_ = client.Close()
			}()
		}
	}()
	return c
}

// TestEveryCommandPrintsJSON reads what each command prints for programs.
func TestEveryCommandPrintsJSON(t *testing.T) {
	etcd := etcdtest.Start(t)
	f := process.StartFleet(t, binaries, etcd.Endpoints, process.Config{Registries: 1, Translators: 1, Distributors: 1, Gateways: 1})
	cli := f.CLI()
	cli.Env = []string{"NO_COLOR=1", "TERM=xterm-256color"}
	file := write(t, "a.yaml", "_format_version: \"3.0\"\nroutes:\n- name: a\n  paths: [/a]\n")
	bad := write(t, "bad.yaml", badService)

	want(t, cli.Run(t, "rollout", "status", "-g", process.Group), 1) // nothing was ever decided
	want(t, cli.Run(t, "status"), 0, "nothing submitted yet")
	for _, args := range [][]string{
		{"apply", "-g", process.Group, "--dry-run", file},
		{"apply", "-g", process.Group, "--wait", file},
		{"diff", "-g", process.Group, file},
		{"validate", file},
		{"validate", "-g", process.Group, file},
		{"render", file},
		{"dump", "-g", process.Group},
		{"get", "groups"},
		{"get", "nodes", "-g", process.Group},
		{"get", "sources", "-g", process.Group},
		{"get", "revisions", "-g", process.Group},
		{"get", "rollouts", "-g", process.Group},
		{"rollout", "status", "-g", process.Group},
		{"rollout-status", "-g", process.Group},
		{"rollout", "history", "-g", process.Group},
		{"describe", "node", "gw-1", "-g", process.Group},
		{"describe", "revision", "1", "-g", process.Group},
		{"status"},
	} {
		t.Run(strings.ReplaceAll(strings.Join(args, " "), filepath.Dir(file)+"/", ""), func(t *testing.T) {
			r := want(t, cli.Run(t, append([]string{"-o", "json"}, args...)...), 0)
			dec := json.NewDecoder(bytes.NewReader([]byte(r.Stdout)))
			n := 0
			for {
				var m map[string]any
				err := dec.Decode(&m)
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatalf("not JSON: %v\n%s", err, r.Stdout)
				}
				n++
			}
			if n == 0 {
				t.Error("nothing was printed")
			}
			yaml := want(t, cli.Run(t, append([]string{"-o", "yaml"}, args...)...), 0)
			table := want(t, cli.Run(t, append([]string{"-o", "table"}, args...)...), 0)
			if yaml.Stdout == "" || table.Stdout == "" {
				t.Error("nothing was printed as yaml, or as a table")
			}
		})
	}
	var refused struct {
		Problems []struct{ Document, Class, Field string }
	}
	decode(t, want(t, cli.Run(t, "validate", "-o", "json", bad), 2), &refused)
	if len(refused.Problems) != 1 || refused.Problems[0].Class != "CLASS_UNKNOWN_FIELD" || refused.Problems[0].Field != "retires" {
		t.Errorf("problems of a bad file: %+v", refused)
	}
	want(t, cli.Run(t, "render", bad), 2, "bad.yaml:5")
	want(t, cli.Run(t, "diff", "-g", process.Group, bad), 2, "bad.yaml:5")
	want(t, cli.Run(t, "apply", "-g", "nobody", file), 1, "nobody")
	want(t, cli.Run(t, "apply", file), 1, "group")
}

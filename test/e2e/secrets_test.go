package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/silverback-gateway/silverback/kit/tlsfiles/tlstest"
	"github.com/silverback-gateway/silverback/test/e2e/suite"
	"github.com/silverback-gateway/silverback/test/process"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

// mark begins every secret but the private key, so that a part of one is found as well.
const mark = "zq7secret"

// secretive is a configuration full of secrets; the number makes it another one.
func secretive(cert, key string, n int) string {
	indent := func(text string) string { return strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ") }
	return fmt.Sprintf(`_format_version: "3.0"
services:
- name: shop
  url: http://127.0.0.1:1/shop
  routes:
  - {name: shop, paths: [/shop, /shop-%[3]d]}
certificates:
- id: 5b1f9a4e-6f0e-4c5a-9b1e-000000000001
  cert: |
    %[1]s
  key: |
    %[2]s
consumers:
- username: alice
  keyauth_credentials: [{key: "%[4]s-keyauth"}]
  basicauth_credentials: [{username: alice, password: "%[4]s-basic pass'word"}]
  hmacauth_credentials: [{username: alice, secret: "%[4]s-hmac"}]
  jwt_secrets: [{key: alice, secret: "%[4]s-jwt"}]
plugins:
- {name: key-auth}
- name: http-log
  config: {http_endpoint: "http://u:%[4]s-endpoint@127.0.0.1:1/log", headers: {Authorization: "%[4]s-header"}}
- name: request-transformer
  config: {add: {headers: ["x-token:%[4]s-transformer"]}}
`, indent(cert), indent(key), n, mark)
}

// liar stands before an Admin API and answers a post in whatever way it is told to, knowing what was posted.
type liar struct {
	*httptest.Server
	mu     sync.Mutex
	answer func(w http.ResponseWriter, posted []byte)
	told   int
}

func startLiar(t *testing.T, admin string) *liar {
	t.Helper()
	to, err := url.Parse(admin)
	if err != nil {
		t.Fatal(err)
	}
	l := &liar{}
	through := httputil.NewSingleHostReverseProxy(to)
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		answer := l.answer
		l.mu.Unlock()
		if r.Method != http.MethodPost || r.URL.Path != "/config" || answer == nil {
			through.ServeHTTP(w, r)
			return
		}
		posted, _ := io.ReadAll(r.Body)
		answer(w, posted)
		l.mu.Lock()
		l.told++
		l.mu.Unlock()
	}))
	t.Cleanup(l.Close)
	return l
}

func (l *liar) say(answer func(http.ResponseWriter, []byte)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answer, l.told = answer, 0
}

func (l *liar) times() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.told
}

// entities returns what was posted, of one kind.
func entities(posted []byte, kind string) []map[string]any {
	var all map[string]json.RawMessage
	_ = json.Unmarshal(posted, &all)
	var list []map[string]any
	_ = json.Unmarshal(all[kind], &list)
	return list
}

// texts are all texts within a value, those that are secret.
func texts(value any) (all []string) {
	switch value := value.(type) {
	case string:
		if strings.Contains(value, mark) || strings.Contains(value, "PRIVATE KEY") {
			all = append(all, value)
		}
	case []any:
		for _, v := range value {
			all = append(all, texts(v)...)
		}
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(value)) {
			all = append(all, texts(value[k])...)
		}
	}
	return all
}

var holders = map[string]string{
	"certificates": "certificate", "keyauth_credentials": "keyauth_credential", "basicauth_credentials": "basicauth_credential",
	"hmacauth_credentials": "hmacauth_credential", "jwt_secrets": "jwt_secret", "plugins": "plugin",
}

func answerJSON(status int, body func(posted []byte) any) func(http.ResponseWriter, []byte) {
	return func(w http.ResponseWriter, posted []byte) {
		text, _ := json.Marshal(body(posted))
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(status)
		_, _ = w.Write(text)
	}
}

func answerText(status int, kind string) func(http.ResponseWriter, []byte) {
	return func(w http.ResponseWriter, posted []byte) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, "<html><body>%s</body></html>", posted)
	}
}

// flattened echoes every entity that holds a secret (fact F12), with messages that quote each of its secrets.
func flattened(message func(secret string) string) func(posted []byte) any {
	return func(posted []byte) any {
		var list []any
		for _, plural := range slices.Sorted(maps.Keys(holders)) {
			for _, e := range entities(posted, plural) {
				var said []any
				for _, secret := range texts(e) {
					said = append(said, map[string]any{"type": "field", "field": "config.value", "message": message(secret)},
						map[string]any{"type": "entity", "message": message(secret)})
				}
				if len(said) > 0 {
					list = append(list, map[string]any{"entity": e, "entity_type": holders[plural], "entity_name": e["name"], "entity_id": e["id"],
						"errors": said})
				}
			}
		}
		return map[string]any{"code": 14, "name": "invalid declarative configuration", "message": "declarative config is invalid: {}",
			"fields": map[string]any{}, "flattened_errors": list}
	}
}

// plain is the other shape: by kind and position, with messages that quote.
func plain(posted []byte) any {
	fields := map[string]any{}
	said := ""
	for plural := range holders {
		var list []any
		for _, e := range entities(posted, plural) {
			for _, secret := range texts(e) {
				list = append(list, map[string]any{"value": "invalid value '" + secret + "'", "@entity": []any{"found " + secret}}, nil,
					fmt.Sprintf("uniqueness violation: '%s' entity with key set to '%s' already declared", plural, secret))
				said += secret + " "
			}
		}
		fields[plural] = list
	}
	return map[string]any{"code": 14, "name": "invalid declarative configuration", "message": "declarative config is invalid: " + said,
		"fields": fields, "flattened_errors": map[string]any{}}
}

func all(posted []byte) (secrets []string) {
	for _, plural := range slices.Sorted(maps.Keys(holders)) {
		for _, e := range entities(posted, plural) {
			secrets = append(secrets, texts(e)...)
		}
	}
	return secrets
}

// sink takes whatever is exported by OTLP, and keeps its bytes.
type sink struct {
	address string
	mu      sync.Mutex
	bytes   bytes.Buffer
}

func startSink(t *testing.T) *sink {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{address: l.Addr().String()}
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		var m emptypb.Empty // all that it does not know it keeps
		if err := stream.RecvMsg(&m); err != nil {
			return err
		}
		s.mu.Lock()
		s.bytes.Write(m.ProtoReflect().GetUnknown())
		s.mu.Unlock()
		return stream.SendMsg(&emptypb.Empty{})
	}))
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	return s
}

func (s *sink) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes.String()
}

// leaks says which secrets are in a text.
func leaks(text string, secrets []string) (found []string) {
	for _, secret := range secrets {
		if strings.Contains(text, secret) {
			found = append(found, secret)
		}
	}
	return found
}

// TestNoSecretLeavesTheNode has a gateway refuse configurations in every way, repeating secrets as Kong does and worse, and looks for them
// in all that any process writes, answers, stores or exports, and in what an agent that crashes prints.
func TestNoSecretLeavesTheNode(t *testing.T) {
	issued := tlstest.New(t).IssueFor("shop", "shop.example")
	certPEM, err := os.ReadFile(issued.Cert)
	if err != nil {
		t.Fatal(err)
	}
	keyPEM, err := os.ReadFile(issued.Key)
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{mark}
	for line := range strings.Lines(string(keyPEM)) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "-") && line != "" {
			secrets = append(secrets, line, line[:min(len(line), 16)])
		}
	}
	if len(secrets) < 3 || leaks(secretive(string(certPEM), string(keyPEM), 1), secrets) == nil {
		t.Fatalf("no secrets to look for: %d", len(secrets))
	}
	traces := startSink(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+traces.address)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
	kong := kongtest.Start(t, kongtest.Workers(2))
	admin := startLiar(t, kong.AdminURL())
	etcd := etcdtest.Start(t)
	p := startOne(t, etcd, kong, admin.URL)
	submit := func(n int, more ...string) process.Result {
		return p.cli.Run(t, append([]string{"apply", "-g", "default", suite.Write(t, "kong.yaml",
			secretive(string(certPEM), string(keyPEM), n))}, more...)...)
	}
	outputs := map[string]string{}
	keep := func(from string, r process.Result) { outputs[from] += r.Stdout + r.Stderr }
	first := submit(1, "--wait")
	if first.Code != 0 {
		t.Fatalf("the good one: %+v", first)
	}
	keep("the first apply", first)

	shapes := []struct {
		name    string
		refuses bool
		answer  func(http.ResponseWriter, []byte)
	}{
		{"flattened, quoted", true, answerJSON(400, flattened(func(s string) string { return "invalid value '" + s + "'" }))},
		{"flattened, quoted doubly", true, answerJSON(400, flattened(func(s string) string { return `expected a number, got "` + s + `"` }))},
		{"flattened, not quoted", true, answerJSON(400, flattened(func(s string) string { return "cannot use " + s + " here" }))},
		{"flattened, already declared", true, answerJSON(400, flattened(func(s string) string {
			return "uniqueness violation: 'x' entity with key set to '" + s + "' already declared"
		}))},
		{"by kind and position", true, answerJSON(400, plain)},
		{"a message alone", true, answerJSON(400, func(b []byte) any {
			return map[string]any{"message": "failed parsing declarative configuration: 12:3: did not find expected key near '" +
				strings.Join(all(b), "' '") + "'"}
		})},
		{"a message alone, not quoted", true, answerJSON(400, func(b []byte) any {
			return map[string]any{"message": strings.Join(all(b), " ")}
		})},
		{"a text as fields", true, answerJSON(400, func(b []byte) any {
			return map[string]any{"message": "x",
				"fields": strings.Join(all(b), " ")}
		})},
		{"JSON that is cut off", true, func(w http.ResponseWriter, b []byte) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(400)
			_, _ = fmt.Fprintf(w, `{"message":"no","flattened_errors":[{"entity":%q`, all(b))
		}},
		{"500 of Kong", true, answerJSON(500, func(b []byte) any {
			return map[string]any{"message": "An unexpected error occurred: " + strings.Join(all(b), " ")}
		})},
		{"413 of Kong", true, answerJSON(413, func(b []byte) any { return map[string]any{"message": strings.Join(all(b), " ")} })},
		{"413 of nginx", true, answerText(413, "text/html")},
		{"400 of nginx", false, answerText(400, "text/html")},
		{"500 of nginx", false, answerText(500, "text/html")},
		{"415", false, answerText(415, "text/html")},
		{"429", false, answerJSON(429, func(b []byte) any { return map[string]any{"message": strings.Join(all(b), " ")} })},
		{"a status nobody knows", false, func(w http.ResponseWriter, b []byte) {
			w.Header().Set("X-Error", strings.ReplaceAll(all(b)[0], "\n", " "))
			answerText(418, "text/plain")(w, b)
		}},
		{"a connection that breaks", false, func(w http.ResponseWriter, b []byte) {
			conn, raw, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_, _ = fmt.Fprintf(raw, "HTTP/1.1 %s\r\n", strings.ReplaceAll(all(b)[0], "\n", " "))
				_ = raw.Flush()
				_ = conn.Close()
			}
		}},
	}
	for i, s := range shapes {
		admin.say(s.answer)
		if s.refuses {
			r := submit(i+2, "--wait")
			if r.Code != 2 || !strings.Contains(r.Stderr+r.Stdout, "halted") {
				t.Errorf("%s: %+v", s.name, r)
			}
			keep("apply: "+s.name, r)
		} else {
			keep("apply: "+s.name, submit(i+2))
			process.Eventually(t, 30*time.Second, s.name+" is answered", func() error {
				if admin.times() == 0 {
					return errors.New("not yet")
				}
				return nil
			})
			process.Eventually(t, 30*time.Second, s.name+" is a condition", func() error {
				if text := p.get(t, "/status"); !strings.Contains(text, "LoadFailing") {
					return errors.New("not yet")
				}
				return nil
			})
		}
		for _, path := range []string{"/status", "/metrics", "/readyz"} {
			outputs["the agent's "+path] += p.get(t, path)
		}
		keep("rollout status", p.cli.Run(t, "rollout", "status", "-g", "default", "-o", "json"))
	}
	for _, args := range [][]string{{"status"}, {"status", "-o", "json"}, {"describe", "node", "n1", "-g", "default"},
		{"get", "nodes", "-g", "default", "-o", "json"}, {"get", "revisions", "-g", "default", "-o", "json"}} {
		keep(strings.Join(args, " "), p.cli.Run(t, args...))
	}
	for _, s := range p.services {
		_, body, err := process.Get("http://" + s.http + "/metrics")
		if err != nil {
			t.Error(err)
		}
		outputs["metrics of "+s.Name] = string(body)
	}
	answer, err := etcd.Client(t).Get(context.Background(), "/silverback/v1/", clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	for _, kv := range answer.Kvs {
		// Content is the configuration; what the translator keeps of sources is no more than where things stood.
		if key := string(kv.Key); !strings.HasPrefix(key, "/silverback/v1/content/") {
			outputs["etcd"] += key + " " + string(kv.Value) + "\n"
		}
	}
	process.Eventually(t, 20*time.Second, "traces arrive", func() error {
		if !strings.Contains(traces.text(), "FollowAssignment") && !strings.Contains(traces.text(), "SubmitConfig") {
			return errors.New("none yet")
		}
		return nil
	})
	p.agent.Crash()
	outputs["traces"] = traces.text()
	outputs["the log of the agent"] = p.agent.Log()
	for _, s := range p.services {
		outputs["the log of "+s.Name] = s.Log()
	}
	if !strings.Contains(outputs["the log of the agent"], "goroutine ") ||
		!strings.Contains(outputs["the log of the agent"], "snapshot refused") {
		t.Error("the agent wrote no log, or no crash")
	}
	if !strings.Contains(outputs["etcd"], "decided/rollouts") || !strings.Contains(outputs["etcd"], "keyauth_credential") {
		t.Error("etcd holds no refusal")
	}
	for _, from := range slices.Sorted(maps.Keys(outputs)) {
		if found := leaks(outputs[from], secrets); found != nil {
			text := outputs[from]
			at := strings.Index(text, found[0])
			t.Errorf("%s holds a secret: …%s…", from, text[max(0, at-200):min(len(text), at+60)])
		}
	}
	t.Logf("looked for %d texts in %d outputs of %d answers", len(secrets), len(outputs), len(shapes))

	// What is on the node's disk is the configuration itself, for nobody but its owner; the boot file for Kong's group, too.
	seen := 0
	for dir, most := range map[string]fs.FileMode{p.state: 0o600, filepath.Dir(p.boot): 0o640} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := d.Info()
			if err == nil && info.Mode().Perm()&^most != 0 {
				t.Errorf("%s has the mode %v", filepath.Base(path), info.Mode())
			}
			seen++
			return err
		})
		if err != nil || seen == 0 {
			t.Errorf("%d files: %v", seen, err)
		}
	}
}

// one is a fleet of one gateway, which runs in the test, with every process at its most talkative.
type one struct {
	services    []*service
	agent       *process.Process
	agentHTTP   string
	cli         process.CLI
	state, boot string
}

type service struct {
	*process.Process
	grpc, http string
}

func startOne(t *testing.T, etcd *etcdtest.Server, kong *kongtest.Gateway, admin string) *one {
	t.Helper()
	p := &one{agentHTTP: process.Address(t)}
	start := func(kind string, flags ...string) *service {
		s := &service{grpc: process.Address(t), http: process.Address(t)}
		s.Process = process.Start(t, kind, binaries.Path(kind), append([]string{"--listen=" + s.grpc, "--http-listen=" + s.http,
			"--log-level=debug",
			"--etcd-endpoints=" + strings.Join(etcd.Endpoints, ",")}, flags...)...)
		p.services = append(p.services, s)
		return s
	}
	registry := start("registry", "--default-group=default")
	translator := start("translator", "--registry="+registry.grpc)
	distributor := start("distributor", "--registry="+registry.grpc, "--translator="+translator.grpc)
	for _, s := range p.services {
		process.Eventually(t, process.StartTime, s.Name+" is ready", func() error { return process.Ready("http://" + s.http + "/readyz") })
	}
	dir := t.TempDir()
	p.state, p.boot = filepath.Join(dir, "state"), filepath.Join(t.TempDir(), "kong.yaml")
	p.agent = process.Start(t, "agent", binaries.Path("agent"), "--group=default", "--node=n1", "--kong-admin="+admin, "--kong-proxy="+
		kong.ProxyURL(),
		"--kong-status="+kong.StatusURL(), "--registry="+registry.grpc, "--distributor="+distributor.grpc, "--state-dir="+p.state,
		"--boot-file="+p.boot,
		"--http-listen="+p.agentHTTP, "--log-level=debug")
	p.cli = process.CLI{Path: binaries.Path("silverback"), Registry: []string{registry.grpc}, Translator: []string{translator.grpc},
		Distributor: []string{distributor.grpc}}
	process.Eventually(t, process.StartTime, "the agent has joined", func() error {
		if text := p.get(t, "/status"); !strings.Contains(text, `"enrolled": true`) || !strings.Contains(text, `"connected": true`) {
			return errors.New("not yet")
		}
		return nil
	})
	return p
}

// get asks the agent; empty when it does not answer.
func (p *one) get(t *testing.T, path string) string {
	t.Helper()
	_, body, err := process.Get("http://" + p.agentHTTP + path)
	if err != nil {
		return ""
	}
	return string(body)
}

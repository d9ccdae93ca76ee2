package kong_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/testkit/kongtest"
	"github.com/silverback-gateway/silverback/testkit/port"
)

const (
	patience = 90 * time.Second // for what a gateway does in its own time
	tick     = 10 * time.Millisecond
	zeros    = "00000000000000000000000000000000"
	baseline = `{"_format_version":"3.0","services":[{"name":"baseline","url":"http://127.0.0.1:9","routes":[{"name":"baseline",` +
		`"paths":["/baseline"]}]}]}`
)

// target is a gateway under test.
type target struct {
	admin, status, proxy string             // URLs
	secure               string             // URL of a listener of the proxy for TLS; empty: none is known
	restart              func(t *testing.T) // nil: it cannot be restarted
	simulation           *kongtest.Gateway  // nil: it is a real one
	real                 bool
}

// simulated are the ways in which the simulated gateway is tested.
var simulated = map[string]kongtest.Options{
	"simulated, one worker":    {},
	"simulated, three workers": {Workers: 3},
	"simulated, expressions":   {Workers: 3, RouterFlavor: "expressions"},
	"simulated, without Lua":   {Workers: 2, UntrustedLua: "off"},
}

// each runs a test against every gateway there is.
func each(t *testing.T, check func(t *testing.T, k *target)) {
	t.Helper()
	for name, options := range simulated {
		t.Run(name, func(t *testing.T) { check(t, simulate(t, options)) })
	}
	t.Run("real", func(t *testing.T) { check(t, live(t)) })
}

func simulate(t *testing.T, o kongtest.Options, more ...kongtest.Option) *target {
	o.SecureProxy = port.Address(t)
	g := kongtest.Start(t, append([]kongtest.Option{kongtest.With(o)}, more...)...)
	return &target{
		secure: g.SecureProxyURL(),
		admin:  g.AdminURL(), status: g.StatusURL(), proxy: g.ProxyURL(), simulation: g,
		restart: func(t *testing.T) {
			if err := g.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
	}
}

// live is a real gateway; it skips the test when none is given.
func live(t *testing.T) *target {
	t.Helper()
	k := &target{real: true}
	for name, at := range map[string]*string{
		"SILVERBACK_TEST_KONG_ADMIN": &k.admin, "SILVERBACK_TEST_KONG_STATUS": &k.status, "SILVERBACK_TEST_KONG_PROXY": &k.proxy,
	} {
		if *at = strings.TrimSuffix(os.Getenv(name), "/"); *at == "" {
			t.Skipf("no real gateway: %s is not set (see docs/kong.md)", name)
		}
	}
	k.secure = strings.TrimSuffix(os.Getenv("SILVERBACK_TEST_KONG_SECURE_PROXY"), "/")
	if command := os.Getenv("SILVERBACK_TEST_KONG_RESTART"); command != "" {
		k.restart = func(t *testing.T) {
			// A file, not a pipe: what the command leaves running would keep that open.
			out, err := os.Create(filepath.Join(t.TempDir(), "restart"))
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			cmd := exec.CommandContext(t.Context(), "sh", "-c", command)
			cmd.Stdout, cmd.Stderr = out, out
			if err := cmd.Run(); err != nil {
				said, _ := os.ReadFile(out.Name())
				t.Fatalf("restart the gateway with %q: %v\n%s", command, err, said)
			}
			eventually(t, "the gateway answers again", func() error {
				for _, url := range []string{k.admin + "/status", k.status + "/status", k.proxy + "/"} {
					if _, err := try(t, http.MethodGet, url, ""); err != nil {
						return err
					}
				}
				return nil
			})
		}
	}
	t.Cleanup(func() {
		eventually(t, "the gateway is left with a small configuration", func() error {
			got, err := try(t, http.MethodPost, k.admin+"/config", baseline, "Content-Type", "text/yaml")
			if err == nil && got.code != http.StatusCreated {
				err = fmt.Errorf("%s", got)
			}
			return err
		})
	})
	return k
}

// lacks skips the test for what a real gateway may be without, by how it was set up. The simulated one has everything.
func (k *target) lacks(t *testing.T, format string, args ...any) {
	t.Helper()
	if !k.real {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// restartable skips the test when the gateway cannot be restarted.
func (k *target) restartable(t *testing.T) {
	t.Helper()
	if k.restart == nil {
		k.lacks(t, "the gateway cannot be restarted: SILVERBACK_TEST_KONG_RESTART is not set (see docs/kong.md)")
	}
}

// client makes a connection for each request.
var client = &http.Client{
	Timeout: patience,
	Transport: &http.Transport{
		DisableKeepAlives:     true,
		DisableCompression:    true,
		ExpectContinueTimeout: 10 * time.Second,
		TLSClientConfig:       &tls.Config{InsecureSkipVerify: true}, // of a gateway for tests
	},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

type reply struct {
	code   int
	header http.Header
	body   []byte
}

func (r reply) String() string {
	return fmt.Sprintf("%d %s", r.code, bytes.TrimSpace(r.body[:min(len(r.body), 1000)]))
}

func (r reply) message() string {
	var said struct{ Message string }
	_ = json.Unmarshal(r.body, &said)
	return said.Message
}

func (r reply) html() bool {
	return strings.HasPrefix(r.header.Get("Content-Type"), "text/html") && bytes.Contains(r.body, []byte("<html>"))
}

func try(t *testing.T, method, url, body string, header ...string) (reply, error) {
	t.Helper()
	// Cleanups ask too, when the test's own context is over.
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		} else if header[i+1] == "" {
			req.Header[header[i]] = nil
		} else {
			req.Header.Set(header[i], header[i+1])
		}
	}
	res, err := client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return reply{res.StatusCode, res.Header, text}, err
}

func ask(t *testing.T, method, url, body string, header ...string) reply {
	t.Helper()
	got, err := try(t, method, url, body, header...)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	return got
}

func get(t *testing.T, url string, header ...string) reply {
	t.Helper()
	return ask(t, http.MethodGet, url, "", header...)
}

// post is how the agent posts.
func (k *target) post(t *testing.T, text string) reply {
	t.Helper()
	return k.postAs(t, "text/yaml", text, "check_hash=1&flatten_errors=1")
}

// postAs waits while a gateway of several workers is busy with an earlier post.
func (k *target) postAs(t *testing.T, contentType, body, query string) (got reply) {
	t.Helper()
	eventually(t, "the gateway is not busy", func() error {
		got = ask(t, http.MethodPost, k.admin+"/config?"+query, body, "Content-Type", contentType)
		if got.code == http.StatusTooManyRequests {
			return fmt.Errorf("%s", got)
		}
		return nil
	})
	return got
}

// load posts what must be accepted and waits until the gateway is ready with it.
func (k *target) load(t *testing.T, text string) reply {
	t.Helper()
	got := k.post(t, text)
	if got.code != http.StatusCreated && got.code != http.StatusNotModified {
		t.Fatalf("post %s: %s", short(text), got)
	}
	k.settled(t, md5Hex(text))
	return got
}

func (k *target) settled(t *testing.T, hash string) {
	t.Helper()
	eventually(t, "the gateway is ready with what was posted", func() error {
		if got := k.hash(t); got != hash {
			return fmt.Errorf("hash %s, want %s", got, hash)
		}
		if got := get(t, k.status+"/status/ready"); got.code != http.StatusOK {
			return fmt.Errorf("%s", got)
		}
		return nil
	})
}

func (k *target) hash(t *testing.T) string {
	t.Helper()
	return hashAt(t, k.status)
}

func hashAt(t *testing.T, url string) string {
	t.Helper()
	var said struct {
		Hash string `json:"configuration_hash"`
	}
	decode(t, get(t, url+"/status"), &said)
	return said.Hash
}

// root is what GET / says, as far as tests need it.
type root struct {
	Version string
	NodeID  string `json:"node_id"`
	PIDs    struct {
		Master  int
		Workers []json.Number
	}
	Configuration struct {
		RouterFlavor string          `json:"router_flavor"`
		UntrustedLua string          `json:"untrusted_lua"`
		Workers      json.RawMessage `json:"nginx_worker_processes"`
		BodyLimit    string          `json:"nginx_admin_client_max_body_size"`
		Declarative  string          `json:"declarative_config"`
		NodeID       string          `json:"node_id"`
		Database     string
	}
	Plugins struct {
		Available map[string]json.RawMessage `json:"available_on_server"`
	}
}

func (k *target) root(t *testing.T) (r root) {
	t.Helper()
	decode(t, get(t, k.admin+"/"), &r)
	return r
}

// served waits until every worker answers a path as wanted: so many answers in a row as would hardly miss one.
func (k *target) served(t *testing.T, path string, code int, message string, header ...string) {
	t.Helper()
	streak := 8 * max(len(k.root(t).PIDs.Workers), 1)
	eventually(t, fmt.Sprintf("every worker answers %s with %d %s", path, code, message), func() error {
		for i := range streak {
			got, err := try(t, http.MethodGet, k.proxy+path, "", header...)
			if err != nil {
				return err
			}
			if got.code != code || message != "" && got.message() != message {
				return fmt.Errorf("answer %d: %s", i, got)
			}
		}
		return nil
	})
}

// refused wants a 400 and returns its parts.
func (k *target) refused(t *testing.T, text string) refusal {
	t.Helper()
	got := k.post(t, text)
	if got.code != http.StatusBadRequest {
		t.Fatalf("post %s: %s, want 400", short(text), got)
	}
	var r refusal
	decode(t, got, &r)
	return r
}

// refusal is the body of a 400.
type refusal struct {
	Code      int
	Name      string
	Message   string
	Fields    map[string]any
	Flattened json.RawMessage `json:"flattened_errors"`
}

type flatError struct {
	Entity     map[string]any
	EntityType string `json:"entity_type"`
	EntityName string `json:"entity_name"`
	EntityID   string `json:"entity_id"`
	Errors     []struct{ Type, Field, Message string }
}

func (r refusal) flat(t *testing.T) (list []flatError) {
	t.Helper()
	if err := json.Unmarshal(r.Flattened, &list); err != nil {
		t.Fatalf("flattened_errors is no list: %s", r.Flattened)
	}
	return list
}

// says reports whether an error about an entity of a type says something of a field.
func (r refusal) says(t *testing.T, entityType, field, message string) bool {
	t.Helper()
	for _, f := range r.flat(t) {
		for _, e := range f.Errors {
			if f.EntityType == entityType && e.Field == field && strings.Contains(e.Message, message) {
				return true
			}
		}
	}
	return false
}

func decode(t *testing.T, r reply, into any) {
	t.Helper()
	if !strings.HasPrefix(r.header.Get("Content-Type"), "application/json") {
		t.Fatalf("no JSON: %s", r)
	}
	if err := json.Unmarshal(r.body, into); err != nil {
		t.Fatalf("%v: %s", err, r)
	}
}

func eventually(t *testing.T, what string, is func() error) {
	t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	next := time.NewTicker(tick)
	defer next.Stop()
	for {
		err := is()
		if err == nil {
			return
		}
		select {
		case <-next.C:
		case <-late.C:
			t.Fatalf("not in %s: %s: %v", patience, what, err)
		}
	}
}

func md5Hex(text string) string {
	sum := md5.Sum([]byte(text)) // Kong's choice
	return hex.EncodeToString(sum[:])
}

func short(text string) string {
	if len(text) > 200 {
		return text[:200] + "…"
	}
	return text
}

// echo is an upstream on this machine that answers with what it was asked.
func echo(t *testing.T) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"message": "echo " + r.URL.Path})
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// ending is a route that Kong answers itself.
func ending(name, fields string) string {
	return fmt.Sprintf(`{"name":%q,%s,"plugins":[{"name":"request-termination","config":{"status_code":200,"message":%q}}]}`, name, fields,
		name)
}

// routes is a configuration of such routes.
func routes(list ...string) string {
	return `{"_format_version":"3.0","routes":[` + strings.Join(list, ",") + `]}`
}

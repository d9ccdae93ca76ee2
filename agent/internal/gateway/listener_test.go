package gateway

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/tlsfiles"
	"github.com/silverback-gateway/silverback/kit/tlsfiles/tlstest"
	"github.com/silverback-gateway/silverback/kong/proof"
	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

const (
	emptySnapshot = "{\"_format_version\":\"3.0\"}\n"
	oneService    = "{\"_format_version\":\"3.0\",\n" +
		"\"services\":[\n{\"host\":\"127.0.0.1\",\"id\":\"00000000-0000-4000-8000-000000000001\",\"name\":\"s\"}\n]}\n"
)

// bytesWithProof returns what an agent posts for a small snapshot that it calls by a digest.
func bytesWithProof(t *testing.T, mark string, form proof.Form) ([]byte, fleet.Digest) {
	t.Helper()
	digest := fleet.Digest("sha256:" + strings.Repeat(mark, 64))
	posted, err := proof.Insert([]byte(oneService), digest, form, proof.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return posted, digest
}

// works loads and proves one snapshot.
func works(t *testing.T, g *Gateway, mark string, form proof.Form) {
	t.Helper()
	c, err := g.Capabilities(t.Context())
	if err != nil {
		t.Fatalf("capabilities: %v", err)
	}
	posted, digest := bytesWithProof(t, mark, form)
	if err := g.Load(t.Context(), posted, false); err != nil {
		t.Fatalf("load: %v", err)
	}
	s, err := g.Observe(t.Context())
	if err != nil || s.Hash != fleet.GatewayHashOf(posted) || !s.Ready {
		t.Fatalf("look: %+v, %v", s, err)
	}
	if _, err := g.Prove(t.Context(), Claim{Digest: digest, Hash: s.Hash, Form: form, Workers: c.Workers, Grace: time.Minute}); err != nil {
		t.Fatalf("prove: %v", err)
	}
}

func TestParseListener(t *testing.T) {
	for text, want := range map[string]Listener{
		"http://127.0.0.1:8001":        {base: "http://127.0.0.1:8001", host: "127.0.0.1"},
		"https://kong.example:8444/":   {base: "https://kong.example:8444", host: "kong.example", secure: true},
		"http://u:p@[::1]:8001/kong":   {base: "http://u:p@[::1]:8001/kong", host: "::1"},
		"unix:///run/kong/admin.sock":  {base: "http://localhost", socket: "/run/kong/admin.sock"},
		"":                             {},
		"127.0.0.1:8001":               {},
		"ftp://127.0.0.1":              {},
		"http://":                      {},
		"unix://run/kong.sock":         {},
		"unix:///":                     {},
		"http://u:s3cret@h:1/?x=y":     {},
		"http://u:s3cret@h:port":       {},
		"http://127.0.0.1:8001/#frag":  {},
		"https://u:s3cret@ho st.local": {},
	} {
		got, err := ParseListener(text)
		if got != want || (err == nil) != (want != Listener{}) {
			t.Errorf("%q: got %+v, %v", text, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("the error repeats the URL: %v", err)
		}
	}
	for text, want := range map[string]bool{
		"http://127.0.0.1:8000": true, "https://localhost:8443": true, "http://[::1]:80": true, "http://127.3.2.1": true,
		"unix:///a.sock": true, "http://10.0.0.1:8000": false, "http://kong:8000": false, "http://0.0.0.0:8000": false,
	} {
		if l, err := ParseListener(text); err != nil || l.Local() != want {
			t.Errorf("%s is local: %v, %v", text, l.Local(), err)
		}
	}
	if _, err := New(Options{Admin: "http://u:s3cret@h:port", Proxy: "http://127.0.0.1:1"}); err == nil ||
		strings.Contains(err.Error(), "s3cret") {
		t.Errorf("New: %v", err)
	}
}

func TestEverythingOverSockets(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return "unix:" + filepath.Join(dir, name) }
	kong := kongtest.Start(t, kongtest.With(kongtest.Options{Admin: at("a"), Status: at("s"), Proxy: at("p"), Workers: 2}))
	g, err := New(Options{Admin: kong.AdminURL(), Status: kong.StatusURL(), Proxy: kong.ProxyURL(), LoadTimeout: time.Minute,
		ProofTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	works(t, g, "1", proof.Worker)
	works(t, g, "2", proof.None)
	kong.Kill()
	var failure *verdict.Failure
	if err := g.Load(t.Context(), nil, false); !errors.As(err, &failure) || failure.Reason != verdict.Unreachable || failure.Uncertain {
		t.Errorf("a socket that nobody listens on: %#v", err)
	}
}

// secureKong asks clients of its Admin and Status API for a certificate of the authority.
func secureKong(t *testing.T, a *tlstest.Authority, o kongtest.Options) *kongtest.Gateway {
	t.Helper()
	o.AdminTLS = a.Server("127.0.0.1", "kong.test")
	o.AdminTLS.ClientAuth, o.AdminTLS.ClientCAs = tls.RequireAndVerifyClientCert, a.Pool()
	o.StatusTLS = o.AdminTLS
	o.ProxyTLS = a.Server("api.example.com") // not for the reserved host, and not for the address
	o.ProxyTLS.NextProtos = []string{"h2", "http/1.1"}
	return kongtest.Start(t, kongtest.With(o))
}

func secureGateway(t *testing.T, kong *kongtest.Gateway, files TLS) *Gateway {
	t.Helper()
	g, err := New(Options{Admin: kong.AdminURL(), Status: kong.StatusURL(), Proxy: kong.ProxyURL(), TLS: files, LoadTimeout: time.Minute,
		ProofTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

func TestEverythingOverTLS(t *testing.T) {
	a := tlstest.New(t)
	for _, form := range []proof.Form{proof.Worker, proof.Route, proof.None} {
		kong := secureKong(t, a, kongtest.Options{Workers: 3})
		files := TLS{Files: a.IssueFor("agent", "agent")}
		works(t, secureGateway(t, kong, files), "1", proof.Worker)
		files.ServerName = "kong.test"
		works(t, secureGateway(t, kong, files), "2", form)
	}
}

// Silverback's own listeners speak TLS 1.3 only; what a gateway speaks is its operator's choice.
func TestAGatewayOfTLS12(t *testing.T) {
	a := tlstest.New(t)
	config := a.Server("127.0.0.1")
	config.MaxVersion = tls.VersionTLS12
	kong := kongtest.Start(t, kongtest.With(kongtest.Options{AdminTLS: config, StatusTLS: config}))
	works(t, secureGateway(t, kong, TLS{Files: tlsfiles.Files{CA: a.File}}), "1", proof.Worker)
}

// A load is refused by the handshake, not by the gateway: nothing was posted, and the message says what to mend.
func TestTLSThatDoesNotFit(t *testing.T) {
	a, stranger := tlstest.New(t), tlstest.New(t)
	kong := secureKong(t, a, kongtest.Options{})
	good, other := a.IssueFor("agent", "agent"), stranger.IssueFor("agent", "agent")
	for name, tt := range map[string]struct {
		files tlsfiles.Files
		of    string // the server's name
		want  string
	}{
		"no certificate":           {tlsfiles.Files{CA: good.CA}, "", "certificate"},
		"a stranger's certificate": {tlsfiles.Files{CA: good.CA, Cert: other.Cert, Key: other.Key}, "", "certificate"},
		"another authority":        {tlsfiles.Files{CA: other.CA, Cert: good.Cert, Key: good.Key}, "", "unknown authority"},
		"the system's authorities": {tlsfiles.Files{Cert: good.Cert, Key: good.Key}, "", "unknown authority"},
		"another name":             {good, "else.test", "else.test"},
	} {
		g := secureGateway(t, kong, TLS{Files: tt.files, ServerName: tt.of})
		var failure *verdict.Failure
		err := g.Load(t.Context(), []byte(emptySnapshot), false)
		if !errors.As(err, &failure) || failure.Reason != verdict.Unreachable || failure.Uncertain ||
			!strings.Contains(failure.Message, tt.want) {
			t.Errorf("%s: %#v", name, err)
		}
	}
	if kong.Posts() != 0 {
		t.Errorf("%d posts came through", kong.Posts())
	}
}

func TestUnusableFilesAreNamed(t *testing.T) {
	good := tlstest.New(t).IssueFor("agent", "agent")
	other := tlstest.New(t).IssueFor("agent", "agent")
	for name, tt := range map[string]struct {
		files tlsfiles.Files
		want  []string
	}{
		"authorities that are nowhere": {tlsfiles.Files{CA: good.CA + "x"}, []string{good.CA + "x", "no such file"}},
		"authorities that are none":    {tlsfiles.Files{CA: good.Key}, []string{good.Key, "no certificate"}},
		"a key of another certificate": {tlsfiles.Files{Cert: good.Cert, Key: other.Key}, []string{good.Cert, other.Key, "does not match"}},
		"a key without certificate":    {tlsfiles.Files{Key: good.Key}, []string{"go together"}},
	} {
		_, err := New(Options{Admin: "https://127.0.0.1:1", Proxy: "http://127.0.0.1:1", TLS: TLS{Files: tt.files}})
		for _, want := range tt.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v, want %q", name, err, want)
			}
		}
	}
}

func TestRenewedFilesAreReadAgain(t *testing.T) {
	first, second := tlstest.New(t), tlstest.New(t)
	kong, other := secureKong(t, first, kongtest.Options{}), secureKong(t, second, kongtest.Options{})
	dir := t.TempDir()
	files := tlsfiles.Files{CA: filepath.Join(dir, "ca"), Cert: filepath.Join(dir, "cert"), Key: filepath.Join(dir, "key")}
	put := func(text, file string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	renew := func(by *tlstest.Authority) {
		issued := by.IssueFor("agent", "agent")
		for from, to := range map[string]string{issued.CA: files.CA, issued.Cert: files.Cert, issued.Key: files.Key} {
			text, err := os.ReadFile(from)
			if err != nil {
				t.Fatal(err)
			}
			put(string(text), to)
		}
	}
	renew(first)
	logs := &logged{}
	open := func(kong *kongtest.Gateway) *Gateway {
		g, err := New(Options{
			Admin: kong.AdminURL(), Status: kong.StatusURL(), Proxy: kong.ProxyURL(), TLS: TLS{Files: files}, LoadTimeout: time.Minute,
			ProofTimeout: time.Minute,
			Log:          slog.New(slog.NewTextHandler(logs, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(g.Close)
		return g
	}
	g := open(kong)
	works(t, g, "1", proof.Worker)
	renew(second)
	until(t, "the old authority is trusted no more", func() bool {
		g.Close() // what is open stays good; only new connections need the new files
		_, err := g.Observe(t.Context())
		return err != nil && strings.Contains(err.Error(), "unknown authority")
	})
	g = open(other)
	works(t, g, "2", proof.Worker)
	// A file that is half written does not end what works.
	put("-----BEGIN", files.Key)
	until(t, "the log names the file", func() bool {
		g.Close()
		if _, err := g.Observe(t.Context()); err != nil {
			t.Fatal(err)
		}
		return strings.Contains(logs.String(), "cannot be used") && strings.Contains(logs.String(), files.Key)
	})
	works(t, g, "3", proof.Worker)
}

// logged is a log that is read while it is written.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(text)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// until waits for something to become true of which there is no event: files are looked at once a second at most.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !is() {
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("not in a minute: %s", what)
		}
	}
}

func TestTheTokenIsReadForEachRequest(t *testing.T) {
	var mu sync.Mutex
	var admin, status []string
	note := func(to *[]string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			*to = append(*to, r.Header.Get("Kong-Admin-Token"))
			w.Header().Set("Content-Type", jsonType)
			_, _ = w.Write([]byte(`{"version":"3.9.3","configuration_hash":"x"}`))
		}
	}
	file := filepath.Join(t.TempDir(), "token")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one\n")
	at := serve(t, note(&admin)).admin.base
	g, err := New(Options{Admin: at, Status: serve(t, note(&status)).admin.base, Proxy: at, TokenFile: file})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	ask := func() {
		if _, err := g.Capabilities(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ask()
	write(" two ")
	ask()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	ask()
	if _, err := g.Observe(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(admin, " "); got != "one two two" {
		t.Errorf("the Admin API was sent %q", got)
	}
	if got := strings.Join(status, ""); got != "" {
		t.Errorf("the Status API, which needs none, was sent %q", got)
	}
}

// With HTTP/2 or a kept connection, every answer would come from one worker.
func TestProofUsesAConnectionForEachQuestion(t *testing.T) {
	a := tlstest.New(t)
	kong := secureKong(t, a, kongtest.Options{Workers: 8})
	works(t, secureGateway(t, kong, TLS{Files: a.IssueFor("agent", "agent")}), "1", proof.Worker)
}

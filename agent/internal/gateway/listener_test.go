package gateway

import (
	"crypto/tls"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/proof"
	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

const (
	emptySnapshot = "{\"_format_version\":\"3.0\"}\n"
	oneService    = "{\"_format_version\":\"3.0\",\n\"services\":[\n{\"host\":\"127.0.0.1\",\"id\":\"00000000-0000-4000-8000-000000000001\",\"name\":\"s\"}\n]}\n"
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

// works goes the way of one directive.
func works(t *testing.T, g *Gateway, mark string, form proof.Form) {
	t.Helper()
	c, err := g.Capabilities(t.Context())
	if err != nil {
		t.Fatalf("capabilities: %v", err)
	}
	posted, digest := bytesWithProof(t, mark, form)
	if err := g.Load(t.Context(), posted); err != nil {
		t.Fatalf("load: %v", err)
	}
	s, err := g.Look(t.Context())
	if err != nil || s.Hash != fleet.GatewayHashOf(posted) || !s.Ready {
		t.Fatalf("look: %+v, %v", s, err)
	}
	if err := g.Prove(t.Context(), digest, s.Hash, form, c.Workers); err != nil {
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
	if _, err := New(Options{Admin: "http://u:s3cret@h:port", Proxy: "http://127.0.0.1:1"}); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("New: %v", err)
	}
}

func TestEverythingOverSockets(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return "unix:" + filepath.Join(dir, name) }
	kong := kongtest.Start(t, kongtest.With(kongtest.Options{Admin: at("a"), Status: at("s"), Proxy: at("p"), Workers: 2}))
	g, err := New(Options{Admin: kong.AdminURL(), Status: kong.StatusURL(), Proxy: kong.ProxyURL(), LoadTimeout: time.Minute, ProofTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	works(t, g, "1", proof.Worker)
	works(t, g, "2", proof.None)
	kong.Kill()
	var failure *verdict.Failure
	if err := g.Load(t.Context(), nil); !errors.As(err, &failure) || failure.Reason != verdict.Unreachable || failure.Uncertain {
		t.Errorf("a socket that nobody listens on: %#v", err)
	}
}

// files writes what an authority issued for the agent and returns it as options.
func files(t *testing.T, a *kongtest.Authority) TLSFiles {
	t.Helper()
	dir := t.TempDir()
	f := TLSFiles{CA: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	renew(t, a, f)
	return f
}

func renew(t *testing.T, a *kongtest.Authority, f TLSFiles) {
	t.Helper()
	certPEM, keyPEM := a.Issue("agent")
	for name, text := range map[string][]byte{f.CA: a.PEM, f.Cert: certPEM, f.Key: keyPEM} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// secureKong asks clients of its Admin and Status API for a certificate of the authority.
func secureKong(t *testing.T, a *kongtest.Authority, o kongtest.Options) *kongtest.Gateway {
	t.Helper()
	o.AdminTLS = a.Server("127.0.0.1", "kong.test")
	o.AdminTLS.ClientAuth, o.AdminTLS.ClientCAs = tls.RequireAndVerifyClientCert, a.Pool()
	o.StatusTLS = o.AdminTLS
	o.ProxyTLS = a.Server("api.example.com") // not for the reserved host, and not for the address
	o.ProxyTLS.NextProtos = []string{"h2", "http/1.1"}
	return kongtest.Start(t, kongtest.With(o))
}

func secureGateway(t *testing.T, kong *kongtest.Gateway, f TLSFiles) *Gateway {
	t.Helper()
	g, err := New(Options{Admin: kong.AdminURL(), Status: kong.StatusURL(), Proxy: kong.ProxyURL(), TLS: f, LoadTimeout: time.Minute, ProofTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

func TestEverythingOverTLS(t *testing.T) {
	a := kongtest.NewAuthority(t)
	for _, form := range []proof.Form{proof.Worker, proof.Route, proof.None} {
		kong := secureKong(t, a, kongtest.Options{Workers: 3})
		f := files(t, a)
		works(t, secureGateway(t, kong, f), "1", proof.Worker)
		f.ServerName = "kong.test"
		works(t, secureGateway(t, kong, f), "2", form)
	}
}

// A load is refused by the handshake, not by the gateway: nothing was posted, and the message says what to mend.
func TestTLSThatDoesNotFit(t *testing.T) {
	a, stranger := kongtest.NewAuthority(t), kongtest.NewAuthority(t)
	kong := secureKong(t, a, kongtest.Options{})
	good := files(t, a)
	other := files(t, stranger)
	for name, tt := range map[string]struct {
		files TLSFiles
		want  string
	}{
		"no certificate":            {TLSFiles{CA: good.CA}, "certificate"},
		"a stranger's certificate":  {TLSFiles{CA: good.CA, Cert: other.Cert, Key: other.Key}, "certificate"},
		"another authority":         {TLSFiles{CA: other.CA, Cert: good.Cert, Key: good.Key}, "unknown authority"},
		"the system's authorities":  {TLSFiles{Cert: good.Cert, Key: good.Key}, "unknown authority"},
		"another name":              {TLSFiles{CA: good.CA, Cert: good.Cert, Key: good.Key, ServerName: "else.test"}, "else.test"},
		"a file that is not there":  {TLSFiles{CA: good.CA + "x"}, "no such file"},
		"a key without certificate": {TLSFiles{Key: good.Key}, "go together"},
	} {
		g := secureGateway(t, kong, tt.files)
		var failure *verdict.Failure
		err := g.Load(t.Context(), []byte(emptySnapshot))
		if !errors.As(err, &failure) || failure.Reason != verdict.Unreachable || failure.Uncertain || !strings.Contains(failure.Message, tt.want) {
			t.Errorf("%s: %#v", name, err)
		}
	}
	if kong.Posts() != 0 {
		t.Errorf("%d posts came through", kong.Posts())
	}
}

func TestRenewedFilesAreReadAgain(t *testing.T) {
	first, second := kongtest.NewAuthority(t), kongtest.NewAuthority(t)
	kong := secureKong(t, first, kongtest.Options{})
	f := files(t, first)
	g := secureGateway(t, kong, f)
	works(t, g, "1", proof.Worker)

	renew(t, second, f)
	g.Close() // what is open stays good; only new connections need the new files
	if _, err := g.Look(t.Context()); err == nil {
		t.Error("the old authority is still trusted")
	}
	other := secureKong(t, second, kongtest.Options{})
	works(t, secureGateway(t, other, f), "2", proof.Worker)

	// A file that is half written does not end what works.
	h := secureGateway(t, other, f)
	works(t, h, "3", proof.Worker)
	if err := os.WriteFile(f.Key, []byte("-----BEGIN"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.Close()
	works(t, h, "4", proof.Worker)
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
	if _, err := g.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(admin, " "); got != "one two two" {
		t.Errorf("the Admin API was sent %q", got)
	}
	if got := strings.Join(status, ""); got != "" {
		t.Errorf("the Status API, which needs none, was sent %q", got)
	}
}

// Were HTTP/2 spoken, or a connection kept, every answer would come from one worker.
func TestProofUsesAConnectionForEachQuestion(t *testing.T) {
	a := kongtest.NewAuthority(t)
	kong := secureKong(t, a, kongtest.Options{Workers: 8})
	works(t, secureGateway(t, kong, files(t, a)), "1", proof.Worker)
}

package kongtest_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kit/tlsfiles/tlstest"
	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

// over asks with a transport of its own.
func over(t *testing.T, transport *http.Transport, url string) (*http.Response, string, error) {
	t.Helper()
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res, string(body), err
}

func TestListenersWithTLS(t *testing.T) {
	authority, stranger := tlstest.New(t), tlstest.New(t)
	admin, proxy := authority.Server("kong.test"), authority.Server("api.example.com")
	admin.ClientAuth, admin.ClientCAs = tls.RequireAndVerifyClientCert, authority.Pool()
	proxy.NextProtos = []string{"h2", "http/1.1"}
	g := kongtest.Start(t, kongtest.With(kongtest.Options{AdminTLS: admin, ProxyTLS: proxy}))
	if !strings.HasPrefix(g.AdminURL(), "https://") || !strings.HasPrefix(g.StatusURL(), "http://") {
		t.Errorf("admin %s, status %s", g.AdminURL(), g.StatusURL())
	}
	client := func(by *tlstest.Authority) *tls.Config {
		c := &tls.Config{RootCAs: authority.Pool(), ServerName: "kong.test", MinVersion: tls.VersionTLS12}
		if by != nil {
			c.Certificates = by.Server("agent").Certificates
		}
		return c
	}
	if _, body, err := over(t, &http.Transport{TLSClientConfig: client(authority)}, g.AdminURL()+"/status"); err != nil ||
		!strings.Contains(body, zeros) {
		t.Errorf("with a certificate: %v %s", err, body)
	}
	for name, by := range map[string]*tlstest.Authority{"no certificate": nil, "a stranger's certificate": stranger} {
		if _, body, err := over(t, &http.Transport{TLSClientConfig: client(by)}, g.AdminURL()+"/status"); err == nil {
			t.Errorf("%s: answered %s", name, body)
		}
	}
	for _, http2 := range []bool{false, true} {
		res, _, err := over(t, &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: http2}, g.ProxyURL()+
			"/")
		if err != nil || res.StatusCode != http.StatusNotFound || (res.ProtoMajor == 2) != http2 {
			t.Errorf("proxy with HTTP/2 %v: %v, %v", http2, res, err)
		}
	}
}

func TestListenersOnSockets(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.sock")
	g := kongtest.Start(t, kongtest.With(kongtest.Options{Admin: "unix:" + path}))
	if g.AdminURL() != "unix://"+path {
		t.Fatalf("admin %s", g.AdminURL())
	}
	ask := func() error {
		_, _, err := over(t, &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		}}, "http://kong/status")
		return err
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	g.Kill()
	if err := ask(); err == nil {
		t.Error("a killed gateway answers")
	}
	if err := g.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := ask(); err != nil {
		t.Error(err)
	}
	if g, err := kongtest.New(kongtest.Options{Admin: "unix:relative"}); err == nil {
		g.Close()
		t.Error("a relative path was taken")
	}
}

func TestF29_AnotherMinorVersionDropsThePrefix(t *testing.T) {
	for version, kept := range map[string]bool{"3.9.4": true, "3.10.0": false, "4.9.3": false} {
		g := kongtest.Start(t, kongtest.With(kongtest.Options{Prefix: t.TempDir()}))
		mustPost(t, g, terminating("a"))
		if err := g.Upgrade(t.Context(), version); err != nil {
			t.Fatal(err)
		}
		if got := hashOf(t, g.StatusURL()); (got != zeros) != kept {
			t.Errorf("%s: hash %s", version, got)
		}
		contains(t, get(t, g.AdminURL()).body, `"version":"`+version+`"`)
	}
}

package main

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

func TestTLSFiles(t *testing.T) {
	dir := t.TempDir()
	authority := kongtest.NewAuthority(t)
	certPEM, keyPEM := authority.Issue("127.0.0.1")
	f := tlsFiles{cert: filepath.Join(dir, "cert"), key: filepath.Join(dir, "key"), clientCA: filepath.Join(dir, "ca")}
	for name, text := range map[string][]byte{f.cert: certPEM, f.key: keyPEM, f.clientCA: authority.PEM} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var o kongtest.Options
	if err := f.apply(&o); err != nil {
		t.Fatal(err)
	}
	g := kongtest.Start(t, kongtest.With(o))
	ask := func(url string, certificates ...tls.Certificate) error {
		transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: authority.Pool(), Certificates: certificates}}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := transport.RoundTrip(req)
		if err != nil {
			return err
		}
		return res.Body.Close()
	}
	if err := ask(g.ProxyURL()); err != nil {
		t.Errorf("the proxy: %v", err)
	}
	if err := ask(g.AdminURL()); err == nil {
		t.Error("the Admin API answers who shows no certificate")
	}
	if err := ask(g.AdminURL(), o.AdminTLS.Certificates...); err != nil {
		t.Errorf("the Admin API: %v", err)
	}
	for _, args := range [][]string{{"--cert-file=" + f.cert}, {"--client-ca-file=" + f.clientCA}, {"--cert-file=" + f.cert, "--key-file=" + f.cert}} {
		var stderr bytes.Buffer
		if got := run(t.Context(), args, io.Discard, &stderr); got != 1 || stderr.Len() == 0 {
			t.Errorf("%s: exit status %d, said %q", args, got, stderr.String())
		}
	}
}

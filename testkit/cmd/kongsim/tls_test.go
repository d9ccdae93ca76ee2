package main

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"testing"

	"github.com/silverback-gateway/silverback/kit/tlsfiles/tlstest"
	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

func TestTLSFiles(t *testing.T) {
	authority := tlstest.New(t)
	f := authority.Issue("kong")
	var o kongtest.Options
	if err := secure(&o, f); err != nil {
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
	if err := ask(g.AdminURL(), authority.Server("client").Certificates...); err != nil {
		t.Errorf("the Admin API: %v", err)
	}
	for _, args := range [][]string{{"--cert-file=" + f.Cert}, {"--client-ca-file=" + f.CA},
		{"--cert-file=" + f.Cert, "--key-file=" + f.Cert}} {
		var stderr bytes.Buffer
		if got := run(t.Context(), args, io.Discard, &stderr); got != 1 || stderr.Len() == 0 {
			t.Errorf("%s: exit status %d, said %q", args, got, stderr.String())
		}
	}
}

package webhook_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/silverback-gateway/silverback/kit/tlsfiles"
	"github.com/silverback-gateway/silverback/kit/tlsfiles/tlstest"
	"github.com/silverback-gateway/silverback/sources/kubernetes/webhook"
)

// served starts a server and returns where reviews are asked for. It ends with the test.
func served(t *testing.T, c webhook.ServerConfig) string {
	t.Helper()
	url, stop := serve(t, c, newBench(t, shop, nil).Reviewer)
	t.Cleanup(stop)
	return url
}

// serve starts a server of a reviewer, until stop is called.
func serve(t *testing.T, c webhook.ServerConfig, reviewer *webhook.Reviewer) (url string, stop func()) {
	t.Helper()
	c.Listen = "127.0.0.1:0"
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	s, err := webhook.Listen(c, reviewer, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	return "https://" + s.Address() + webhook.Path, sync.OnceFunc(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("it ended with %v", err)
		}
	})
}

// asking is a client that trusts an authority, and shows a certificate when there is one.
func asking(t *testing.T, authority *tlstest.Authority, own tlsfiles.Files) *http.Client {
	t.Helper()
	config := &tls.Config{RootCAs: authority.Pool(), ServerName: "localhost"}
	if own.Cert != "" {
		pair, err := tls.LoadX509KeyPair(own.Cert, own.Key)
		if err != nil {
			t.Fatal(err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func ask(t *testing.T, c *http.Client, url string) (int, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body(t, request(t, "", pluginOf("new", "5")))))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := c.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	return answer.StatusCode, nil
}

// TestCertificatesAreReadAgain replaces the certificate by one of another authority while the server runs.
func TestCertificatesAreReadAgain(t *testing.T) {
	first, second := tlstest.New(t), tlstest.New(t)
	files, next := first.IssueFor("webhook", "localhost"), second.IssueFor("webhook", "localhost")
	url := served(t, webhook.ServerConfig{CertFile: files.Cert, KeyFile: files.Key})
	if code, err := ask(t, asking(t, first, tlsfiles.Files{}), url); err != nil || code != http.StatusOK {
		t.Fatalf("code %d, %v", code, err)
	}
	for to, from := range map[string]string{files.Cert: next.Cert, files.Key: next.Key} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	renewed := asking(t, second, tlsfiles.Files{})
	for {
		code, err := ask(t, renewed, url)
		if err == nil && code == http.StatusOK {
			return
		}
		if t.Context().Err() != nil {
			t.Fatal("the new certificate is not used")
		}
	}
}

// TestStrangersMayBeKeptOut lets only those ask whose certificate an authority signed.
func TestStrangersMayBeKeptOut(t *testing.T) {
	authority := tlstest.New(t)
	files, caller := authority.IssueFor("webhook", "localhost"), authority.Issue("apiserver")
	url := served(t, webhook.ServerConfig{CertFile: files.Cert, KeyFile: files.Key, ClientCAFile: files.CA})
	if code, err := ask(t, asking(t, authority, caller), url); err != nil || code != http.StatusOK {
		t.Errorf("a known caller: code %d, %v", code, err)
	}
	if code, err := ask(t, asking(t, authority, tlsfiles.Files{}), url); err == nil {
		t.Errorf("a stranger is answered with %d", code)
	}
}

func TestSettingsOfTheServerAreChecked(t *testing.T) {
	for want, c := range map[string]webhook.ServerConfig{
		"TLS only":        {Listen: "127.0.0.1:0"},
		"want host:port":  {Listen: "here"},
		"go together":     {Listen: "127.0.0.1:0", CertFile: "a.crt"},
		"missing-one.crt": {Listen: "127.0.0.1:0", CertFile: "missing-one.crt", KeyFile: "missing-one.key"},
	} {
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", c, err, want)
		}
	}
}

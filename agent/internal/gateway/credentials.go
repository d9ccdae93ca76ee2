package gateway

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/silverback-gateway/silverback/kit/tlsfiles"
)

// TLS configures TLS with the Admin and the Status API. The files may be renewed at any time: new connections use the new
// files, or the last usable ones.
type TLS struct {
	tlsfiles.Files
	ServerName string // what the gateway's certificate must be for; empty: the host of the URL
}

// tlsDialer uses what the files hold when it dials.
type tlsDialer struct {
	source     *tlsfiles.Source
	serverName string
}

// tlsError means that the handshake failed, so nothing was sent.
type tlsError struct{ err error }

func (e *tlsError) Error() string { return e.err.Error() }
func (e *tlsError) Unwrap() error { return e.err }

func (d *tlsDialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	config := d.source.Config().Clone()
	config.MinVersion = tls.VersionTLS12 // what Kong speaks is its operator's choice
	config.ServerName = d.serverName
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(address)
	}
	plain, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(plain, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = plain.Close()
		return nil, &tlsError{err}
	}
	return conn, nil
}

// withToken sends the content of the token file, or the last one read when the file cannot be read.
type withToken struct {
	*http.Transport
	file string

	mu   sync.Mutex
	last string
}

func (w *withToken) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	if token, err := ReadToken(w.file); err == nil {
		w.last = token
	}
	token := w.last
	w.mu.Unlock()
	r = r.Clone(r.Context())
	r.Header.Set("Kong-Admin-Token", token)
	return w.Transport.RoundTrip(r)
}

// ReadToken returns the content of a token file without the space around it. Its errors do not repeat the content.
func ReadToken(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(text))
	if token == "" || strings.ContainsFunc(token, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return "", fmt.Errorf("%s must hold a token in a single line", file)
	}
	return token, nil
}

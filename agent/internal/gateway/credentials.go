package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
)

// TLSFiles name what the Admin and the Status API are asked with where they speak TLS. The files are in PEM form and
// are read for each connection, so that a renewed certificate is used without a restart; what was read last stays in
// use while one of them cannot be read.
type TLSFiles struct {
	CA         string // authorities that the gateway's certificate must come from; empty: the system's
	Cert, Key  string // the agent's certificate and its key; empty: none is shown
	ServerName string // what the gateway's certificate must be for; empty: the host of the URL
}

// CheckCA reports why the authorities cannot be used.
func (f TLSFiles) CheckCA() error {
	_, err := f.authorities()
	return err
}

// CheckPair reports why the certificate and its key cannot be used.
func (f TLSFiles) CheckPair() error {
	_, err := f.pair()
	return err
}

// authorities returns nil for the system's.
func (f TLSFiles) authorities() (*x509.CertPool, error) {
	if f.CA == "" {
		return nil, nil
	}
	text, err := os.ReadFile(f.CA)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", f.CA)
	}
	return pool, nil
}

func (f TLSFiles) pair() ([]tls.Certificate, error) {
	switch {
	case f.Cert == "" && f.Key == "":
		return nil, nil
	case f.Cert == "" || f.Key == "":
		return nil, errors.New("a certificate and its key go together")
	}
	cert, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return nil, err
	}
	return []tls.Certificate{cert}, nil
}

func (f TLSFiles) read() (*tls.Config, error) {
	pool, err := f.authorities()
	if err != nil {
		return nil, err
	}
	pair, err := f.pair()
	if err != nil {
		return nil, err
	}
	return &tls.Config{RootCAs: pool, Certificates: pair, MinVersion: tls.VersionTLS12}, nil
}

// tlsDialer makes connections with what the files hold at that time.
type tlsDialer struct {
	files TLSFiles

	mu   sync.Mutex
	last *tls.Config
}

// tlsError is why there is no connection: nothing was sent over it.
type tlsError struct{ err error }

func (e *tlsError) Error() string { return e.err.Error() }
func (e *tlsError) Unwrap() error { return e.err }

func (d *tlsDialer) config() (*tls.Config, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now, err := d.files.read()
	if err == nil {
		d.last = now
	}
	if d.last == nil {
		return nil, err
	}
	return d.last.Clone(), nil
}

func (d *tlsDialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	config, err := d.config()
	if err != nil {
		return nil, &tlsError{err}
	}
	config.ServerName = d.files.ServerName
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

// withToken sends what the token file holds at that time; what was read last while it cannot be read.
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
		return "", fmt.Errorf("%s does not hold a token in one line", file)
	}
	return token, nil
}

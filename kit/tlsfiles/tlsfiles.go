// Package tlsfiles provides TLS from PEM files that may be replaced at any time. Each handshake uses the present files; open connections
// are not affected. Files that cannot be read, or do not fit together, change nothing: the last good ones stay in use, and the log reports
// it once.
package tlsfiles

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc/credentials"
)

// Files name the PEM files of one side of a connection.
type Files struct {
	Cert string // the own certificate, with intermediate ones; together with Key or not at all
	Key  string
	CA   string // the authorities that must have signed the other side's certificate
}

// Check returns what is wrong with the present files. The names of the three flags are for the messages.
func (f Files) Check(certFlag, keyFlag, caFlag string) error {
	var problems []error
	switch {
	case (f.Cert == "") != (f.Key == ""):
		problems = append(problems, fmt.Errorf("--%s and --%s go together", certFlag, keyFlag))
	default:
		if _, err := f.pair(); err != nil {
			problems = append(problems, fmt.Errorf("--%s and --%s: %w", certFlag, keyFlag, err))
		}
	}
	if _, err := f.authorities(); err != nil {
		problems = append(problems, fmt.Errorf("--%s: %w", caFlag, err))
	}
	return errors.Join(problems...)
}

// pair reads the certificate and its key. It returns none when neither is named.
func (f Files) pair() ([]tls.Certificate, error) {
	switch {
	case f.Cert == "" && f.Key == "":
		return nil, nil
	case f.Cert == "" || f.Key == "":
		return nil, errors.New("a certificate and its key go together")
	}
	pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	var unread *fs.PathError
	if err != nil && !errors.As(err, &unread) { // the error names the file
		return nil, fmt.Errorf("%s with the key %s: %w", f.Cert, f.Key, err)
	}
	return []tls.Certificate{pair}, err
}

// authorities returns nil for the authorities of the machine.
func (f Files) authorities() (*x509.CertPool, error) {
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

// lookInterval bounds how often the files are checked, however many handshakes there are.
const lookInterval = time.Second

// Source provides the configuration of the present files. It is safe for concurrent use.
type Source struct {
	files Files
	build func(*tls.Config) *tls.Config
	log   *slog.Logger

	mu     sync.Mutex
	looked time.Time
	stamps [3]stamp
	failed [3]stamp // stamps that could not be used, so that the log says so once
	config *tls.Config
}

// stamp changes when a file is replaced. A link with another target counts: that is how Kubernetes replaces secrets.
type stamp struct {
	size    int64
	written time.Time
	inode   os.FileInfo
}

func (s stamp) same(other stamp) bool {
	if (s.inode == nil) != (other.inode == nil) {
		return false
	}
	return s.size == other.size && s.written.Equal(other.written) && (s.inode == nil || os.SameFile(s.inode, other.inode))
}

func stampOf(file string) stamp {
	if file == "" {
		return stamp{}
	}
	info, err := os.Stat(file)
	if err != nil {
		return stamp{size: -1}
	}
	return stamp{size: info.Size(), written: info.ModTime(), inode: info}
}

// Server reads the files of a server that speaks the protocols, such as "h2". With a CA, callers must present a certificate that it signed.
func Server(f Files, log *slog.Logger, protocols ...string) (*Source, error) {
	return open(f, log, func(c *tls.Config) *tls.Config {
		c.NextProtos = protocols
		if c.RootCAs != nil {
			c.ClientCAs, c.RootCAs, c.ClientAuth = c.RootCAs, nil, tls.RequireAndVerifyClientCert
		}
		return c
	})
}

// Client reads the files of a client. Without a CA the authorities of the machine are trusted.
func Client(f Files, log *slog.Logger) (*Source, error) {
	return open(f, log, func(c *tls.Config) *tls.Config { return c })
}

func open(f Files, log *slog.Logger, build func(*tls.Config) *tls.Config) (*Source, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Source{files: f, build: build, log: log, looked: time.Now()}
	s.stamps = s.stamp()
	var err error
	if s.config, err = s.read(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Source) stamp() [3]stamp {
	return [3]stamp{stampOf(s.files.Cert), stampOf(s.files.Key), stampOf(s.files.CA)}
}

func (s *Source) read() (*tls.Config, error) {
	certificates, err := s.files.pair()
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	authorities, err := s.files.authorities()
	if err != nil {
		return nil, fmt.Errorf("read authority: %w", err)
	}
	return s.build(&tls.Config{MinVersion: tls.VersionTLS13, Certificates: certificates, RootCAs: authorities}), nil
}

// Config returns the configuration of the present files. It must not be modified.
func (s *Source) Config() *tls.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); now.Sub(s.looked) >= lookInterval {
		s.looked = now
		s.refresh()
	}
	return s.config
}

func (s *Source) refresh() {
	now := s.stamp()
	if equal(now, s.stamps) || equal(now, s.failed) {
		return
	}
	config, err := s.read()
	if err != nil {
		s.failed = now
		s.log.Warn("certificate files changed and cannot be used; the previous ones stay in use", "error", err)
		return
	}
	s.config, s.stamps, s.failed = config, now, [3]stamp{}
	s.log.Info("certificate files were reloaded")
}

func equal(a, b [3]stamp) bool {
	for i := range a {
		if !a[i].same(b[i]) {
			return false
		}
	}
	return true
}

// ServerCredentials returns gRPC credentials that follow the files.
func (s *Source) ServerCredentials() credentials.TransportCredentials {
	return credentials.NewTLS(s.ServerConfig())
}

// ServerConfig returns a configuration for a listener that follows the files.
func (s *Source) ServerConfig() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		NextProtos:         s.Config().NextProtos,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.Config(), nil },
	}
}

// ClientCredentials returns gRPC credentials that follow the files.
func (s *Source) ClientCredentials() credentials.TransportCredentials {
	return &following{source: s, TransportCredentials: credentials.NewTLS(s.Config())}
}

// following makes the credentials of each handshake anew: tls cannot change the roots of a client while it is in use.
type following struct {
	credentials.TransportCredentials
	source *Source
}

// ClientHandshake implements credentials.TransportCredentials.
func (f *following) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return credentials.NewTLS(f.source.Config()).ClientHandshake(ctx, authority, conn)
}

// Clone implements credentials.TransportCredentials.
func (f *following) Clone() credentials.TransportCredentials {
	return &following{source: f.source, TransportCredentials: f.TransportCredentials.Clone()}
}

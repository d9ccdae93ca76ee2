// Package tlstest makes authorities and certificates for tests.
package tlstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/tlsfiles"
)

// Authority signs certificates. It belongs to one test.
type Authority struct {
	tb   testing.TB
	dir  string
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	File string // the PEM file of its certificate
}

// New makes an authority in a folder of the test.
func New(tb testing.TB) *Authority {
	tb.Helper()
	a := &Authority{tb: tb, dir: tb.TempDir()}
	a.key = newKey(tb)
	template := &x509.Certificate{
		SerialNumber: serial(tb), Subject: pkix.Name{CommonName: "test authority"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour),
		IsCA:     true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		tb.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		tb.Fatal(err)
	}
	a.File = filepath.Join(a.dir, "ca.crt")
	a.write(a.File, "CERTIFICATE", der)
	return a
}

// Load returns an authority that was made elsewhere, with its key, to sign more certificates.
func Load(tb testing.TB, certFile, keyFile string) *Authority {
	tb.Helper()
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		tb.Fatal(err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		tb.Fatalf("%s holds a %T", keyFile, pair.PrivateKey)
	}
	return &Authority{tb: tb, dir: tb.TempDir(), key: key, cert: pair.Leaf, File: certFile}
}

// Issue makes a certificate for 127.0.0.1 and localhost, with the URIs, in files of the name. Issuing it again replaces the files, each
// atomically, as in a rotation.
func (a *Authority) Issue(name string, uris ...*url.URL) tlsfiles.Files {
	a.tb.Helper()
	return a.issue(name, hourAgo(), time.Now().Add(time.Hour), []string{"127.0.0.1", "localhost"}, uris)
}

// IssueUntil is Issue with an expiry time.
func (a *Authority) IssueUntil(expiry time.Time, name string, uris ...*url.URL) tlsfiles.Files {
	a.tb.Helper()
	return a.issue(name, hourAgo(), expiry, []string{"127.0.0.1", "localhost"}, uris)
}

// IssueAt is Issue with an issue time; otherwise it is an hour ago.
func (a *Authority) IssueAt(issued time.Time, name string, uris ...*url.URL) tlsfiles.Files {
	a.tb.Helper()
	return a.issue(name, issued, time.Now().Add(time.Hour), []string{"127.0.0.1", "localhost"}, uris)
}

func hourAgo() time.Time { return time.Now().Add(-time.Hour) }

// IssueFor is Issue for other hosts: names and addresses.
func (a *Authority) IssueFor(name string, hosts ...string) tlsfiles.Files {
	a.tb.Helper()
	return a.issue(name, hourAgo(), time.Now().Add(time.Hour), hosts, nil)
}

// Server returns the configuration of a listener with a certificate for the hosts.
func (a *Authority) Server(hosts ...string) *tls.Config {
	a.tb.Helper()
	f := a.IssueFor("listener", hosts...)
	pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		a.tb.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
}

// Pool returns a pool with only this authority.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

func (a *Authority) issue(name string, issued, expiry time.Time, hosts []string, uris []*url.URL) tlsfiles.Files {
	a.tb.Helper()
	key := newKey(a.tb)
	template := &x509.Certificate{
		SerialNumber: serial(a.tb), Subject: pkix.Name{CommonName: name}, NotBefore: issued, NotAfter: expiry,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		URIs: uris,
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.tb.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.tb.Fatal(err)
	}
	f := tlsfiles.Files{Cert: filepath.Join(a.dir, name+".crt"), Key: filepath.Join(a.dir, name+".key"), CA: a.File}
	a.write(f.Key, "PRIVATE KEY", keyDER)
	a.write(f.Cert, "CERTIFICATE", der)
	return f
}

func (a *Authority) write(file, kind string, der []byte) {
	a.tb.Helper()
	next := file + ".next"
	if err := os.WriteFile(next, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.tb.Fatal(err)
	}
	if err := os.Rename(next, file); err != nil {
		a.tb.Fatal(err)
	}
}

func newKey(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func serial(tb testing.TB) *big.Int {
	tb.Helper()
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

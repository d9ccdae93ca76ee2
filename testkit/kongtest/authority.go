package kongtest

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
	"testing"
	"time"
)

// Authority signs throwaway certificates for tests of TLS. It is new each time.
type Authority struct {
	tb   testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	// PEM is the authority's certificate.
	PEM []byte
}

// NewAuthority makes an authority that lasts a day.
func NewAuthority(tb testing.TB) *Authority {
	tb.Helper()
	a := &Authority{tb: tb}
	template := template("silverback test authority")
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign
	a.PEM, _, a.key = a.sign(template, template, nil)
	block, _ := pem.Decode(a.PEM)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		tb.Fatalf("read the authority's certificate: %v", err)
	}
	a.cert = cert
	return a
}

// Issue signs a certificate for servers and clients of the given names and
// addresses, and returns it and its key in PEM form.
func (a *Authority) Issue(names ...string) (certPEM, keyPEM []byte) {
	a.tb.Helper()
	template := template("silverback test")
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	certPEM, keyPEM, _ = a.sign(template, a.cert, a.key)
	return certPEM, keyPEM
}

// Server returns the configuration of a listener with a certificate of the given
// names and addresses.
func (a *Authority) Server(names ...string) *tls.Config {
	a.tb.Helper()
	certPEM, keyPEM := a.Issue(names...)
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		a.tb.Fatalf("pair certificate and key: %v", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
}

// Pool holds the authority alone.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

func template(name string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62)) // never fails
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
}

// sign makes a key and a certificate of it; without a signer's key it signs itself.
func (a *Authority) sign(template, by *x509.Certificate, with *ecdsa.PrivateKey) (certPEM, keyPEM []byte, key *ecdsa.PrivateKey) {
	a.tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.tb.Fatalf("make a key: %v", err)
	}
	if with == nil {
		with = key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by, key.Public(), with)
	if err != nil {
		a.tb.Fatalf("sign a certificate: %v", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.tb.Fatalf("write a key: %v", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), key
}

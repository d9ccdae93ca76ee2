package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// backdate lets certificates be used by machines whose clocks are a little behind. For as long, on top of its skew, a revocation keeps out
// new ones.
const backdate = time.Minute

// issue makes the certificates that are missing or no longer valid, in a folder.
func issue(dir string, list []wanted, l life, now time.Time) ([]made, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the folder for the certificates: %w", err)
	}
	var rows []made
	authorities := map[string]*authority{}
	for _, by := range []string{callersAuthority, etcdAuthority} {
		if by != callersAuthority && !slices.ContainsFunc(list, func(w wanted) bool { return w.by == by }) {
			continue
		}
		ca, row, err := openAuthority(dir, by, l.authority, now)
		if err != nil {
			return rows, err
		}
		authorities[by], rows = ca, append(rows, row)
	}
	for _, w := range list {
		row, err := authorities[w.by].ensure(dir, w, l.leaf, now)
		if err != nil {
			return rows, fmt.Errorf("%s: %w", w.name, err)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

var subjects = map[string]string{callersAuthority: "Silverback lab authority", etcdAuthority: "Silverback lab authority of etcd"}

// openAuthority reads the authority of a folder, or makes one. An existing authority is never replaced: all certificates that it signed
// would become invalid.
func openAuthority(dir, name string, life time.Duration, now time.Time) (*authority, made, error) {
	certFile, keyFile := filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	row := made{File: certFile}
	_, noCert := os.Stat(certFile)
	_, noKey := os.Stat(keyFile)
	if errors.Is(noCert, fs.ErrNotExist) {
		// A key without a certificate remains after a run that was interrupted.
		ca, err := newAuthority(certFile, keyFile, subjects[name], life, now)
		if err != nil {
			return nil, row, err
		}
		row.Expires, row.Made = ca.cert.NotAfter, true
		return ca, row, nil
	}
	if errors.Is(noKey, fs.ErrNotExist) {
		return nil, row, fmt.Errorf("%s exists without %s: restore the key, or remove the certificate to start again", certFile, keyFile)
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, row, fmt.Errorf("read the authority: %w", err)
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok || !pair.Leaf.IsCA {
		return nil, row, fmt.Errorf("%s is not the certificate of an authority", certFile)
	}
	if !now.Before(pair.Leaf.NotAfter) {
		return nil, row, fmt.Errorf("the authority of %s expired on %s: remove it and its key to start again", certFile,
			pair.Leaf.NotAfter.UTC().Format(time.DateOnly))
	}
	row.Expires = pair.Leaf.NotAfter
	return &authority{cert: pair.Leaf, key: key}, row, nil
}

func newAuthority(certFile, keyFile, subject string, life time.Duration, now time.Time) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: subject}, NotBefore: now.Add(-backdate), NotAfter: now.Add(life),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	cert, err := write(certFile, keyFile, template, template, key, key)
	if err != nil {
		return nil, err
	}
	return &authority{cert: cert, key: key}, nil
}

// ensure keeps a valid certificate, and makes it otherwise.
func (ca *authority) ensure(dir string, w wanted, life time.Duration, now time.Time) (made, error) {
	certFile, keyFile := filepath.Join(dir, w.name+".crt"), filepath.Join(dir, w.name+".key")
	row := made{File: certFile, Hosts: w.hosts}
	if w.uri != nil {
		row.URI = w.uri.String()
	}
	if pair, err := tls.LoadX509KeyPair(certFile, keyFile); err == nil && ca.good(pair.Leaf, w, now) {
		row.Expires = pair.Leaf.NotAfter
		return row, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return row, fmt.Errorf("make a key: %w", err)
	}
	serial, err := newSerial()
	if err != nil {
		return row, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: w.common}, NotBefore: now.Add(-backdate),
		NotAfter: earlier(now.Add(life), ca.cert.NotAfter),
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if w.client {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	}
	if len(w.hosts) > 0 {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	template.DNSNames, template.IPAddresses = names(w.hosts)
	if w.uri != nil {
		template.URIs = []*url.URL{w.uri}
	}
	cert, err := write(certFile, keyFile, template, ca.cert, key, ca.key)
	if err != nil {
		return row, err
	}
	row.Expires, row.Made = cert.NotAfter, true
	return row, nil
}

// good reports whether a certificate is the wanted one and valid for more than a third of its lifetime.
func (ca *authority) good(cert *x509.Certificate, w wanted, now time.Time) bool {
	dns, ips := names(w.hosts)
	uris := []string{}
	for _, u := range cert.URIs {
		uris = append(uris, u.String())
	}
	want := []string{}
	if w.uri != nil {
		want = append(want, w.uri.String())
	}
	life := cert.NotAfter.Sub(cert.NotBefore)
	return cert.CheckSignatureFrom(ca.cert) == nil && cert.Subject.CommonName == w.common && slices.Equal(uris, want) &&
		slices.Equal(cert.DNSNames, dns) &&
		slices.EqualFunc(cert.IPAddresses, ips, net.IP.Equal) && cert.NotAfter.Sub(now) > life/3
}

// names splits hosts into names and addresses.
func names(hosts []string) (dns []string, ips []net.IP) {
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			ips = append(ips, ip)
		} else {
			dns = append(dns, host)
		}
	}
	return dns, ips
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func newSerial() (*big.Int, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("make a serial number: %w", err)
	}
	return n, nil
}

// write signs a certificate and writes it with its key. The key is written first: a certificate without its key would be regarded as valid.
func write(certFile, keyFile string, template, parent *x509.Certificate, key *ecdsa.PrivateKey, signer crypto.Signer) (*x509.Certificate,
	error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode the key: %w", err)
	}
	if err := replace(keyFile, "PRIVATE KEY", keyDER, 0o600); err != nil {
		return nil, err
	}
	if err := replace(certFile, "CERTIFICATE", der, 0o644); err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read what was signed: %w", err)
	}
	return cert, nil
}

// replace writes a file atomically: readers see the old or the new one.
func replace(file, kind string, der []byte, mode fs.FileMode) error {
	next := file + ".next"
	defer func() { _ = os.Remove(next) }() // removed already, when all went well
	if err := os.WriteFile(next, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	if err := os.Rename(next, file); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}

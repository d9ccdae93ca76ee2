package apiserver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// lifetime is how long certificates are valid: a lab that is kept is made anew before.
const lifetime = 10 * 365 * 24 * time.Hour

// keys are what clients and server know each other by.
type keys struct {
	authority []byte // PEM of the certificate that signed the server's
	token     string // of a member of system:masters
	files     struct{ authority, cert, key, tokens, accounts string }
}

// makeKeys writes certificates and tokens into a folder, or takes those that are there.
func makeKeys(dir string) (keys, error) {
	var k keys
	for name, file := range map[string]*string{
		"ca.crt": &k.files.authority, "server.crt": &k.files.cert, "server.key": &k.files.key, "tokens.csv": &k.files.tokens,
		"accounts.key": &k.files.accounts,
	} {
		*file = filepath.Join(dir, name)
	}
	token := filepath.Join(dir, "token")
	if _, err := os.Stat(token); errors.Is(err, os.ErrNotExist) {
		if err := k.write(token); err != nil {
			return k, fmt.Errorf("make keys for an API server: %w", err)
		}
	}
	text, err := os.ReadFile(token)
	if err != nil {
		return k, fmt.Errorf("read the token: %w", err)
	}
	k.token = string(text)
	if k.authority, err = os.ReadFile(k.files.authority); err != nil {
		return k, fmt.Errorf("read the authority: %w", err)
	}
	return k, nil
}

// write makes all files; the one with the token comes last and says that the others are there.
func (k *keys) write(tokenFile string) error {
	parent := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "an API server on loopback"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(lifetime), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	child := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "kube-apiserver"}, NotBefore: parent.NotBefore, NotAfter: parent.NotAfter,
		DNSNames: []string{"localhost", "kubernetes.default.svc"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	var all [3]*ecdsa.PrivateKey // of the authority, of the server, for tokens of service accounts
	for i := range all {
		var err error
		if all[i], err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return err
		}
	}
	signed, err := x509.CreateCertificate(rand.Reader, parent, parent, all[0].Public(), all[0])
	if err != nil {
		return err
	}
	server, err := x509.CreateCertificate(rand.Reader, child, parent, all[1].Public(), all[0])
	if err != nil {
		return err
	}
	token := rand.Text()
	files := []struct {
		name    string
		content []byte
	}{
		{k.files.authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed})},
		{k.files.cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server})},
		{k.files.key, nil},
		{k.files.accounts, nil},
		{k.files.tokens, []byte(token + `,admin,admin,"system:masters"` + "\n")},
		{tokenFile, []byte(token)},
	}
	for i, file := range files {
		if file.content == nil {
			der, err := x509.MarshalECPrivateKey(all[i-1])
			if err != nil {
				return err
			}
			file.content = pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
		}
		if err := os.WriteFile(file.name, file.content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

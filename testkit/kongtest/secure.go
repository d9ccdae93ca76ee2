package kongtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"time"
)

// ownCertificate is what a TLS listener of the proxy shows to whom the configuration has nothing to show: a certificate that signs itself,
// as Kong makes one at its first start.
func ownCertificate() (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
	}, nil
}

// bySNI lets the configuration of the gateway choose the certificate that a TLS listener of the proxy shows; without one for the name it
// stays the listener's.
func (g *Gateway) bySNI(listener *tls.Config) *tls.Config {
	config := listener.Clone()
	own := config.GetCertificate
	config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if chosen, err := g.proxy.Certificate(hello); chosen != nil || err != nil || own == nil {
			return chosen, err
		}
		return own(hello)
	}
	return config
}

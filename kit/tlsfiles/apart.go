package tlsfiles

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
)

// Apart returns an error when certificates of one file's authorities are trusted through the other file too: when both hold the same key,
// or when an authority of narrow is itself signed by one of wide. It ignores files that cannot be read; other checks report those.
func Apart(narrow, wide string) error {
	inner, outer := certificates(narrow), certificates(wide)
	pool := x509.NewCertPool()
	for _, w := range outer {
		pool.AddCert(w)
	}
	for _, n := range inner {
		for _, w := range outer {
			if bytes.Equal(n.RawSubjectPublicKeyInfo, w.RawSubjectPublicKeyInfo) {
				return fmt.Errorf("%s and %s hold the same authority, %q", narrow, wide, w.Subject.CommonName)
			}
		}
		// Validity times do not matter here: an expired authority may be renewed with the same key.
		if _, err := n.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: n.NotBefore,
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err == nil {
			return fmt.Errorf("the authority %q of %s is signed by one of %s", n.Subject.CommonName, narrow, wide)
		}
	}
	return nil
}

func certificates(file string) (all []*x509.Certificate) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil && block.Type == "CERTIFICATE" {
			all = append(all, cert)
		}
	}
	return all
}

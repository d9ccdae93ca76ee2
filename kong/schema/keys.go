package schema

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"time"
)

// PEM is checked only as far as Go's parsers agree with OpenSSL. Curves, signatures and encryptions that Go does not know are accepted.

// The cost of parsing one, besides its bytes. Parsing a private key takes arithmetic.
const (
	perCertificate = 4_000
	perKey         = 20_000
)

// blocks returns the PEM blocks of a text.
func blocks(s string) []*pem.Block {
	var list []*pem.Block
	for rest := []byte(s); ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			return list
		}
		list = append(list, b)
	}
}

func isASN1(der []byte) bool {
	var raw asn1.RawValue
	_, err := asn1.Unmarshal(der, &raw)
	return err == nil && raw.Tag == asn1.TagSequence
}

func certificate(s string) string {
	for _, b := range blocks(s) {
		if strings.HasSuffix(b.Type, "CERTIFICATE") && isASN1(b.Bytes) {
			return ""
		}
	}
	return "invalid certificate: want PEM"
}

func privateKey(s string) string {
	for _, b := range blocks(s) {
		if strings.HasSuffix(b.Type, "PRIVATE KEY") && isASN1(b.Bytes) || b.Type == "EC PARAMETERS" {
			return ""
		}
	}
	return "invalid key: want PEM of a private key"
}

func anyKey(s string) string {
	for _, b := range blocks(s) {
		if strings.HasSuffix(b.Type, "KEY") || b.Type == "EC PARAMETERS" {
			return ""
		}
	}
	if isASN1([]byte(s)) {
		return ""
	}
	return "invalid key: want PEM"
}

// publicKey parses the key of a JWT credential for the algorithms for which Kong does. Those of elliptic curves are not among them.
func publicKey(c *checker, r *record, values object) {
	algorithm, _ := c.get(r, values, []string{"algorithm"}).(string)
	text, ok := values["rsa_public_key"].(string)
	if ok && !c.invalid([]string{"rsa_public_key"}) && (strings.HasPrefix(algorithm, "RS") || strings.HasPrefix(algorithm, "PS") ||
		algorithm == "EdDSA") && c.spend(1+perByte*len(text)) {
		if why := anyKey(text); why != "" && !isReference(text) {
			c.at("rsa_public_key", BadValue, why)
			c.entity(BadValue, "failed conditional validation given value of field 'algorithm'")
			c.errs[len(c.errs)-1].Follows = true
		}
	}
}

// pairs checks that a certificate and a key belong together.
func pairs(certField, keyField string) entityCheck {
	return func(c *checker, _ *record, values object) {
		cert, okCert := values[certField].(string)
		key, okKey := values[keyField].(string)
		if !okCert || !okKey || isReference(cert) || isReference(key) {
			return
		}
		if !c.spend(perKey + perByte*(len(cert)+len(key))) {
			return
		}
		public, private := publicOf(cert), privateOf(key)
		if public == nil || private == nil {
			return
		}
		if same, ok := public.(interface{ Equal(crypto.PublicKey) bool }); ok && !same.Equal(private.Public()) {
			c.entity(BadValue, "certificate does not match key")
		}
	}
}

func publicOf(s string) crypto.PublicKey {
	for _, b := range blocks(s) {
		if cert, err := x509.ParseCertificate(b.Bytes); err == nil {
			return cert.PublicKey
		}
	}
	return nil
}

func privateOf(s string) crypto.Signer {
	for _, b := range blocks(s) {
		if key, err := x509.ParsePKCS8PrivateKey(b.Bytes); err == nil {
			signer, _ := key.(crypto.Signer)
			return signer
		}
		if key, err := x509.ParsePKCS1PrivateKey(b.Bytes); err == nil {
			return key
		}
		if key, err := x509.ParseECPrivateKey(b.Bytes); err == nil {
			return key
		}
	}
	return nil
}

// authority checks that a text is exactly one CA certificate that has not expired. Gateways use their own clocks; this uses the clock of
// the process.
func authority(c *checker, _ *record, values object) {
	text, ok := values["cert"].(string)
	if !ok || isReference(text) {
		return
	}
	if !c.spend(perCertificate + perByte*len(text)) {
		return
	}
	list := blocks(text)
	if len(list) > 1 {
		c.entity(BadValue, "please submit only one certificate at a time")
		return
	}
	for _, b := range list {
		cert, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return
		}
		if now := time.Now(); cert.NotAfter.Before(now.Truncate(time.Second)) {
			c.entity(BadValue, "the certificate expired at "+cert.NotAfter.UTC().Format(time.RFC3339)+", and by the clock here it is "+
				now.UTC().Format(time.RFC3339))
			return
		}
		if !cert.IsCA {
			c.entity(BadValue, `certificate does not appear to be a CA because it is missing the "CA" basic constraint`)
		}
	}
}

// keyPair checks the PEM texts of a key.
func keyPair(c *checker, _ *record, values object) {
	for _, f := range []struct{ name, label string }{{"public_key", "public key"}, {"private_key", "private key"}} {
		text, ok := values[f.name].(string)
		if !ok || text == "" || isReference(text) {
			continue
		}
		if !c.spend(perByte * len(text)) {
			return
		}
		if anyKey(text) != "" {
			c.add(BadValue, "could not load "+f.label)
			return
		}
	}
}

// jsonWebKey checks the form of a JWK. It refuses symmetric keys (F22).
func jsonWebKey(c *checker, _ *record, values object) {
	text, ok := values["jwk"].(string)
	if !ok || isReference(text) {
		return
	}
	if !c.spend(perByte * len(text)) {
		return
	}
	var key map[string]any
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	if err := dec.Decode(&key); err != nil {
		c.entity(BadValue, "could not json decode jwk string")
		return
	}
	if kid, has := key["kid"]; !has || kid != values["kid"] {
		c.entity(BadValue, "kid in jwk.kid must be equal to keys.kid")
		return
	}
	members := map[string][]string{"RSA": {"n", "e"}, "EC": {"crv", "x", "y"}, "OKP": {"crv", "x"}}
	kty, _ := key["kty"].(string)
	names, known := members[kty]
	for _, name := range names {
		value, ok := key[name].(string)
		if !ok || value == "" {
			known = false
		}
		if _, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(value, "=")); err != nil && name != "crv" {
			known = false
		}
	}
	if !known {
		c.entity(BadValue, "could not load JWK, likely not a valid key")
	}
}
